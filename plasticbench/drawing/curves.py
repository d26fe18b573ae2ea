"""Pictures of a search: the loss that it reached for what it spent."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from plasticbench.drawing.figures import new_figure

_INK = "#1f6feb"


def learning_curve(history: Sequence[Mapping[str, float]], known_losses: Mapping[str, float]) -> bytes:
    """PNG of the logged loss against lifetimes and against seconds, with a line for each of the known losses.

    `history`: rows with `lifetimes`, `seconds` and, where something was judged, `loss`.
    """
    figure = new_figure(8, 3.6, dpi=120)
    rows = [row for row in history if "loss" in row]
    losses = [row["loss"] for row in rows]
    for axes, x, label in zip(
        figure.subplots(1, 2, sharey=True),
        ("lifetimes", "seconds"),
        ("lifetimes spent", "seconds"),
        strict=True,
    ):
        axes.plot([row[x] for row in rows], losses, color=_INK, lw=1.2)
        for name, loss in known_losses.items():
            axes.axhline(loss, color="#666666", lw=1.0, ls="--")
            background = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
            where = (1, loss), (-2, 4), ("axes fraction", "data"), "offset points"
            axes.annotate(name, *where, ha="right", bbox=background)
        axes.set(xlabel=label, ylabel="training loss (mean of a fresh batch)" if x == "lifetimes" else "")
        if losses and min(losses) > 0:
            axes.set_yscale("log")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
