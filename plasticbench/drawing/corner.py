"""The corner plot of a weighted sample of rules: every coordinate of θ by itself, and against every other."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from plasticbench.drawing.figures import new_figure

_MOST = 8  # coordinates: more cannot be read
_N_BINS = 24
_INK, _PRIOR = "#1f6feb", "#999999"


def corner_picture(
    thetas: np.ndarray, weights: np.ndarray, ranges: np.ndarray, names: Sequence[str], title: str
) -> bytes:
    """PNG of θ (n, d) with weights (n,) over a uniform prior within ranges (d, 2).

    Of more than 8 coordinates, those that differ most from the prior.
    """
    weights = np.asarray(weights, float) / np.sum(weights)
    mean = weights @ thetas
    spread = np.sqrt(weights @ (thetas - mean) ** 2)
    of_prior = (ranges[:, 1] - ranges[:, 0]) / np.sqrt(12.0)
    shown = np.sort(np.argsort(spread / of_prior, kind="stable")[:_MOST])
    n = len(shown)
    figure = new_figure(1.5 * n + 1.0, 1.5 * n + 1.0, dpi=110)
    panels = figure.subplots(n, n, squeeze=False)
    size = 40.0 * np.sqrt(weights / weights.max())
    for i, row in enumerate(shown):
        for j, column in enumerate(shown):
            axes = panels[i][j]
            if j > i:
                axes.set_axis_off()
                continue
            if i == j:
                _draw_marginal(axes, thetas[:, row], weights, ranges[row])
            else:
                axes.scatter(thetas[:, column], thetas[:, row], s=size / n, color=_INK, alpha=0.4, lw=0)
                axes.set_ylim(*ranges[row])
                axes.set_title(f"r = {_correlation(thetas[:, [column, row]], weights):.2f}", fontsize=7, pad=2)
            axes.set_xlim(*ranges[column])
            axes.tick_params(labelsize=6)
            axes.set_xlabel(names[column] if i == n - 1 else "", fontsize=7)
            axes.set_ylabel(names[row] if j == 0 and i else "", fontsize=7)
    figure.suptitle(title, fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _draw_marginal(axes: Any, values: np.ndarray, weights: np.ndarray, ends: np.ndarray) -> None:
    axes.hist(values, bins=_N_BINS, range=tuple(ends), weights=weights, color=_INK, alpha=0.7)
    axes.axhline(1.0 / _N_BINS, color=_PRIOR, lw=1.0, ls="--")  # of the prior
    axes.set_yticks([])


def _correlation(pairs: np.ndarray, weights: np.ndarray) -> float:
    """Weighted Pearson correlation of (n, 2); 0 where one does not vary."""
    centred = pairs - weights @ pairs
    covariance = (weights[:, None] * centred).T @ centred
    scale = np.sqrt(covariance[0, 0] * covariance[1, 1])
    return float(covariance[0, 1] / scale) if scale > 0 else 0.0
