"""Pictures of a search: the loss that it reached for what it spent."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np

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


def spread_curve(
    lifetimes: np.ndarray, losses: np.ndarray, band: np.ndarray, known_losses: Mapping[str, float], label: str
) -> bytes:
    """PNG of several runs' losses (n_runs, n) against `lifetimes` (n,): each run, their median, and a band (2, n)."""
    figure = new_figure(5.2, 3.6, dpi=120)
    axes = figure.subplots()
    axes.plot(lifetimes, losses.T, color=_INK, lw=0.7, alpha=0.35)
    axes.fill_between(lifetimes, *band, color=_INK, alpha=0.2, lw=0, label=label)
    axes.plot(lifetimes, np.median(losses, 0), color=_INK, lw=1.8, label=f"median of {len(losses)} runs")
    for name, loss in known_losses.items():
        axes.axhline(loss, color="#666666", lw=1.0, ls="--")
        where = (1, loss), (-2, 4), ("axes fraction", "data"), "offset points"
        axes.annotate(name, *where, ha="right", fontsize=8)
    if np.nanmin(losses) > 0:
        axes.set_yscale("log")
    axes.set(xlabel="lifetimes spent", ylabel="training loss (mean of a fresh batch)")
    axes.legend(fontsize=8, frameon=False)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
