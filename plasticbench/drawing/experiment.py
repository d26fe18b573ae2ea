"""Pictures of what protocols did to synapses in tissue and what they do under a rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from plasticbench.drawing.lives import MUTED, PLASTIC, TARGET

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_experiment(
    axes: Axes,
    names: Sequence[str],
    mean: Sequence[float],
    sem: Sequence[float],
    scored: Sequence[bool],
    change: np.ndarray,
    joined: Iterable[Sequence[int]],
    label: str,
) -> None:
    """One protocol a line: the mean with its standard error, and a rule's change (n,); runs of lines are `joined`."""
    places, counts = np.arange(len(names)), np.asarray(scored)
    for kept, colour, what in ((counts, TARGET, "measured, mean ± SEM"), (~counts, MUTED, "measured, not scored")):
        if kept.any():
            axes.errorbar(
                np.asarray(mean)[kept], places[kept], xerr=np.asarray(sem)[kept], fmt="o", ms=4, color=colour,
                elinewidth=1.2, label=what,
            )  # fmt: skip
    for k, run in enumerate(joined):
        axes.plot(
            change[list(run)],
            list(run),
            "-s",
            ms=3.5,
            lw=1.2,
            color=PLASTIC,
            alpha=0.9,
            label=label if k == 0 else None,
        )
    axes.axvline(0.0, color=MUTED, lw=0.8)
    axes.set_yticks(places, names, fontsize=6 if len(names) > 16 else 7.5)
    axes.set(ylim=(len(names) - 0.5, -0.5), xlabel="Δw / w")
    axes.legend(fontsize=7, loc="best", framealpha=0.85, edgecolor="none")
    axes.spines[["top", "right"]].set_visible(False)
