"""The transfer matrix as a heat map: rules down, tasks across, the score in every cell that was measured."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from plasticbench.drawing.figures import new_figure

_CELL_IN = (0.62, 0.26)  # width, height of a cell (inches)
_LABELS_IN = (2.6, 1.9)  # room for the rules' names on the left and the tasks' above
_DPI = 120


def heat_map(rules: Sequence[str], tasks: Sequence[str], scores: Mapping[tuple[str, str], float]) -> bytes:
    """PNG of `scores[rule, task]`; pairs that are absent stay empty.

    Colours run from -1 to 1 and stop there; the numbers do not.
    """
    import numpy as np

    width = max(len(tasks), 1) * _CELL_IN[0] + _LABELS_IN[0]
    height = max(len(rules), 1) * _CELL_IN[1] + _LABELS_IN[1]
    figure = new_figure(width, height, _DPI)
    axes = figure.subplots()
    values = np.array([[scores.get((rule, task), np.nan) for task in tasks] for rule in rules], dtype=float)
    values = values.reshape(len(rules), len(tasks))
    image = axes.imshow(np.clip(values, -1.0, 1.0), cmap="BrBG", vmin=-1.0, vmax=1.0, aspect="auto")
    for row, column in zip(*np.nonzero(np.isfinite(values)), strict=True):
        value = values[row, column]
        colour = "white" if abs(value) > 0.75 else "black"
        axes.text(column, row, _short(value), ha="center", va="center", fontsize=6.5, color=colour)
    axes.set_xticks(range(len(tasks)), tasks, rotation=60, ha="left", fontsize=8)
    axes.set_yticks(range(len(rules)), rules, fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_facecolor("#f1efe9")
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, fraction=0.02, pad=0.01, extend="both")
    bar.set_label("score (0 frozen weights, 1 reference)", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _short(score: float) -> str:
    """Two digits, or the order of magnitude."""
    return f"{score:z.2f}" if abs(score) < 100 else f"{score:.0e}".replace("e+0", "e")
