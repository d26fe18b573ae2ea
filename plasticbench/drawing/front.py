"""Picture of a Pareto front: the losses of rules against their complexity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from plasticbench.drawing.figures import new_figure
from plasticbench.drawing.lives import MUTED, PLASTIC, TARGET

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LONGEST = 44  # characters of an equation


def draw_front(
    complexity: Sequence[float] | np.ndarray,
    losses: Sequence[float] | np.ndarray,
    equations: Sequence[str],
    standard_errors: Sequence[float] | np.ndarray | None = None,
    marks: Mapping[str, float] | None = None,
) -> Figure:
    """A point for each rule, (n_rules,) each; the first, the best, is marked. `marks`: other losses, by name."""
    complexity, losses = np.asarray(complexity, float), np.asarray(losses, float)
    order = np.argsort(complexity)
    figure = new_figure(6.4, 4.2, 110)
    axes = figure.subplots()
    axes.plot(complexity[order], losses[order], color=MUTED, lw=1.0, zorder=1)
    axes.errorbar(complexity, losses, yerr=standard_errors, fmt="o", ms=4, color=PLASTIC, elinewidth=1.0)
    axes.plot(complexity[:1], losses[:1], "o", ms=9, mfc="none", mec=TARGET, label="the best")
    for x, y, equation in zip(complexity, losses, equations, strict=True):
        short = equation if len(equation) <= _LONGEST else equation[: _LONGEST - 1] + "…"
        axes.annotate(short, (x, y), (5, 4), textcoords="offset points", fontsize=7)
    for name, loss in (marks or {}).items():
        axes.axhline(loss, color=MUTED, lw=0.8, ls=":")
        axes.text(1.0, loss, f" {name}", transform=axes.get_yaxis_transform(), fontsize=7, va="center", color=MUTED)
    axes.set(xlabel="complexity (operations, variables and numbers)", ylabel="loss")
    if (losses > 0).all():
        axes.set_yscale("log")
    axes.legend(fontsize=7, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
