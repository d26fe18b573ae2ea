"""The picture of an archive of rules: the loss of the best rule of every cell."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from plasticbench.drawing.figures import new_figure


@dataclass(frozen=True)
class Axis:
    """One of the one or two numbers that rules are told apart by, and how many cells it has."""

    name: str
    low: float
    high: float
    n_cells: int


def archive_picture(axes: Sequence[Axis], cells: np.ndarray, losses: np.ndarray, title: str) -> bytes:
    """PNG: cells (n, n_axes) that are filled, coloured by the losses (n,) of their rules; others stay white."""
    figure = new_figure(6.2, 5.0 if len(axes) > 1 else 2.2, dpi=120)
    panel = figure.subplots()
    second = axes[1] if len(axes) > 1 else Axis("", 0.0, 1.0, 1)
    grid = np.full((second.n_cells, axes[0].n_cells), np.nan)
    for cell, loss in zip(cells, losses, strict=True):
        grid[cell[1] if len(axes) > 1 else 0, cell[0]] = loss
    image = panel.imshow(
        grid, origin="lower", aspect="auto", cmap="viridis_r", norm=_norm(losses),
        extent=(axes[0].low, axes[0].high, second.low, second.high),
    )  # fmt: skip
    panel.set(xlabel=axes[0].name, ylabel=second.name)
    if len(axes) == 1:
        panel.set_yticks([])
    panel.set_title(f"{title}: {len(cells)} of {grid.size} cells filled", fontsize=9, loc="left")
    if len(losses):
        figure.colorbar(image, ax=panel, label="loss of the cell's rule")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _norm(losses: np.ndarray) -> Any:
    """Logarithmic over what losses there are above 0, over four decades at most; smaller ones get the last colour."""
    from matplotlib.colors import LogNorm, Normalize

    largest = losses.max(initial=0.0)
    smallest = max(losses.min(initial=largest), 1e-4 * largest)
    return LogNorm(smallest, largest, clip=True) if 0 < smallest < largest else Normalize()
