"""Uncertainty over lifetimes: bootstrap of means, with a fixed seed so that an interval is a function of its data.

Efron & Tibshirani, An Introduction to the Bootstrap (1993), percentile intervals.
"""

from __future__ import annotations

import numpy as np

N_RESAMPLES = 10_000
_SEED = 20_251_121


def resampled_means(values: np.ndarray, n_resamples: int = N_RESAMPLES) -> np.ndarray:
    """Means of resamples with replacement over the last axis: (..., n) -> (..., n_resamples).

    The same lifetimes are drawn for every leading index, so differences between rules are paired.
    """
    values = np.asarray(values, dtype=np.float64)
    n = values.shape[-1]
    picks = np.random.Generator(np.random.Philox(_SEED)).integers(0, n, (n_resamples, n))
    counts = np.zeros((n_resamples, n))
    np.add.at(counts, (np.arange(n_resamples)[:, None], picks), 1.0)
    return values @ (counts.T / n)


def interval_of_mean(values: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of a 1-D array."""
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(resampled_means(values), [tail, 100.0 - tail])
    return float(low), float(high)
