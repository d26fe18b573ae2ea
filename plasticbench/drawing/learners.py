"""How good the rules are that learners find, by what they may spend: a panel for each task."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plasticbench.drawing.figures import new_figure

_COLOURS = ("#1f6feb", "#d1495b", "#2a9d8f", "#e09f3e", "#6a4c93", "#7f5539", "#111111", "#8d99ae")
_MARKS = "osD^vPX*"


@dataclass(frozen=True)
class Curve:
    """One learner on one task; the lists are over budgets."""

    learner: str
    budgets: Sequence[int]
    losses: Sequence[float]
    intervals: Sequence[tuple[float, float]]


def learner_curves(curves: Mapping[str, Sequence[Curve]], marks: Mapping[str, Mapping[str, float]]) -> bytes:
    """PNG: official loss against lifetimes, with intervals; a dashed line for each of a task's known losses."""
    names = sorted({curve.learner for of in curves.values() for curve in of})
    figure = new_figure(4.2 * len(curves) + 1.6, 3.8, dpi=120)
    panels = figure.subplots(1, len(curves), squeeze=False)[0]
    for axes, (task, of) in zip(panels, curves.items(), strict=True):
        for curve in of:
            k = names.index(curve.learner)
            # beside each other, so that intervals can be seen
            at = [budget * 1.04 ** (k - len(names) / 2) for budget in curve.budgets]
            low = [loss - ends[0] for loss, ends in zip(curve.losses, curve.intervals, strict=True)]
            high = [ends[1] - loss for loss, ends in zip(curve.losses, curve.intervals, strict=True)]
            axes.errorbar(
                at, curve.losses, [low, high], color=_COLOURS[k % len(_COLOURS)], marker=_MARKS[k % len(_MARKS)], ms=4,
                lw=1.2, elinewidth=0.8, capsize=2, label=curve.learner,
            )  # fmt: skip
        for name, loss in marks[task].items():
            axes.axhline(loss, color="#666666", lw=0.9, ls="--")
            where = (0.02, loss), (0, 2), ("axes fraction", "data"), "offset points"
            axes.annotate(name, *where, fontsize=7, color="#444444")
        axes.set(title=task.rpartition("/")[2].removesuffix("-v0"), xlabel="lifetimes", xscale="log", yscale="log")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("official loss of the rule found")
    handles = {label: h for axes in panels for h, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend([handles[name] for name in names], names, loc="outside right upper", fontsize=8, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
