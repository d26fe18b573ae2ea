"""Ranking with its uncertainty: pure functions of arrays of losses.

Every rule of a task lives the same lifetimes (common seeds), so rules are compared by a *paired* bootstrap: the
same 10,000 resamples of the lifetimes for all of them (Efron & Tibshirani 1993, chapter 16). The percentiles
are widened for small samples as in Hesterberg (2015, The American Statistician 69:371, "expanded percentile").

What is said about two rules depends on these two alone, so an unrelated entry changes no pairwise order:

- j is *better* than i where the 95 % interval of the difference of their means lies on j's side of zero;
- the rank of i lies between 1 + (number of rules better than i) and n - (number of rules worse than i);
- two rules share a letter exactly where neither is better (compact letter display: Piepho 2004,
  J. Comput. Graph. Stat. 13:456).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from plasticbench.simulation.random import Stream

RESAMPLES = 10_000
LEVEL = 0.95
SEED = 1982  # of the resamples; fixed, so that a table can be rebuilt


@dataclass(frozen=True)
class Ranking:
    """n compared rules, in the order in which they were given; lower values are better."""

    values: np.ndarray  # (n,) what is ranked: the mean loss, or minus the overall score
    intervals: np.ndarray  # (n, 2) at LEVEL
    better: np.ndarray  # (n, n) bool: better[i, j] says that i is better than j
    order: np.ndarray  # (n,) indices, best first; equal values keep the given order
    rank_low: np.ndarray  # (n,) best rank that the data allow, from 1
    rank_high: np.ndarray  # (n,) worst rank that the data allow
    groups: tuple[tuple[str, ...], ...]  # letters of each rule; sharing one = indistinguishable


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


def rank(losses: np.ndarray) -> Ranking:
    """Rank rules on one task by mean loss; losses is (n_rules, n_lifetimes) on common seeds, finite."""
    losses = np.asarray(losses, dtype=float)
    if losses.ndim != 2 or not np.isfinite(losses).all():
        raise ValueError(f"losses: finite numbers of shape (n_rules, n_lifetimes) wanted, not {losses.shape}")
    return compare(losses.mean(axis=1), resampled_means(losses), tail_probability(losses.shape[1]))


def compare(values: np.ndarray, resampled: np.ndarray, tail: float) -> Ranking:
    """Rank by `values` (n,), lower is better, with paired bootstrap draws `resampled` (n, resamples) of them."""
    n = len(values)
    better = np.zeros((n, n), dtype=bool)
    for i in range(n):  # a row at a time: n x n x resamples would not fit for many entries
        difference = resampled - resampled[i]
        negligible = 1e-12 * np.maximum(np.abs(resampled), np.abs(resampled[i]))
        not_above = (difference <= negligible).mean(axis=1)  # how often j does no worse than i
        better[i] = not_above <= tail
    better &= ~better.T & (values[:, None] < values[None, :])
    rank_low = 1 + better.sum(axis=0)
    rank_high = n - better.sum(axis=1)
    order = np.argsort(values, kind="stable")
    return Ranking(
        values=np.asarray(values, dtype=float),
        intervals=interval(resampled, tail) if n else np.empty((0, 2)),
        better=better,
        order=order,
        rank_low=rank_low,
        rank_high=rank_high,
        groups=letters(better, order),
    )


def letters(better: np.ndarray, order: np.ndarray) -> tuple[tuple[str, ...], ...]:
    """Compact letter display by insertion and absorption: share a letter exactly where neither is better."""
    n = len(better)
    columns: list[frozenset[int]] = [frozenset(range(n))] if n else []
    for i, j in zip(*np.nonzero(better), strict=True):
        split = [part for c in columns if i in c and j in c for part in (c - {i}, c - {j})]
        kept = [c for c in columns if not (i in c and j in c)]
        fresh = [s for s in dict.fromkeys(split) if not any(s <= c for c in kept)]
        columns = kept + [s for s in fresh if not any(s < other for other in fresh)]
    place = {int(index): position for position, index in enumerate(order)}
    columns.sort(key=lambda column: sorted(place[member] for member in column))
    names = [_letter(k) for k in range(len(columns))]
    return tuple(tuple(name for name, c in zip(names, columns, strict=True) if i in c) for i in range(n))


def _letter(k: int) -> str:
    """a, b, ..., z, aa, ab, ..."""
    text = ""
    k += 1
    while k:
        k, digit = divmod(k - 1, 26)
        text = chr(ord("a") + digit) + text
    return text
