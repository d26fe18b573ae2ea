"""Uncertainty over lifetimes: bootstrap of means with fixed resamples, so that an interval is a function of its data.

Resamples are common to all rules of a task, so comparisons are *paired* (Efron & Tibshirani 1993, chapter 16). The
percentiles are widened for small samples as in Hesterberg (2015, The American Statistician 69:371, "expanded
percentile").
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from plasticbench.simulation.random import Stream

RESAMPLES = 10_000
LEVEL = 0.95
SEED = 1982  # of the resamples; fixed, so that a table can be rebuilt


def interquartile_mean(values: np.ndarray) -> np.ndarray:
    """The mean of the middle half along the last axis: (..., n) -> (...), a quarter cut off at each end."""
    ordered = np.sort(np.asarray(values, dtype=float), axis=-1)
    cut = ordered.shape[-1] // 4
    return ordered[..., cut : ordered.shape[-1] - cut].mean(axis=-1)


def tail_probability(n: int, level: float = LEVEL) -> float:
    """The percentile (as a fraction) at which to cut each end of a bootstrap distribution of n values' mean."""
    if n < 2:
        return 0.0
    normal = NormalDist()
    z, nu = normal.inv_cdf(0.5 + level / 2), n - 1
    t = (  # Student's t by Cornish & Fisher's expansion; exact to 1 % from nu = 4 on
        z
        + (z**3 + z) / (4 * nu)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * nu**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * nu**3)
    )
    return normal.cdf(-math.sqrt(n / nu) * t)


def resampled_means(losses: np.ndarray, stream: str = "bootstrap", resamples: int = RESAMPLES) -> np.ndarray:
    """Means of the same resampled lifetimes for every rule: (n_rules, n_lifetimes) -> (n_rules, resamples).

    The resamples depend on the number of lifetimes and the stream's name alone, not on which rules there are.
    """
    losses = np.asarray(losses, dtype=float)
    n = losses.shape[1]
    picked = Stream(SEED, stream).integers(n, (resamples, n))
    return np.stack([row[picked].mean(axis=1) for row in losses]) if len(losses) else np.empty((0, resamples))


def interval(resampled: np.ndarray, tail: float) -> np.ndarray:
    """Percentile intervals of resampled values: (n_rules, resamples) -> (n_rules, 2)."""
    return np.quantile(resampled, [tail, 1.0 - tail], axis=1).T


def mean_interval(losses: np.ndarray) -> tuple[float, float]:
    """The interval of one rule's mean loss at LEVEL; losses is (n_lifetimes,)."""
    losses = np.asarray(losses, dtype=float)
    low, high = interval(resampled_means(losses[None]), tail_probability(losses.size))[0]
    return float(low), float(high)
