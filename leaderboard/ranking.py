"""Ranking with its uncertainty: pure functions of arrays of losses.

Every rule of a task lives the same lifetimes (common seeds), so rules are compared by a *paired* bootstrap: the
same 10,000 resamples of the lifetimes for all of them (see `plasticbench.statistics`).

What is said about two rules depends on these two alone, so an unrelated entry changes no pairwise order:

- j is *better* than i where the 95 % interval of the difference of their means lies on j's side of zero;
- the rank of i lies between 1 + (number of rules better than i) and n - (number of rules worse than i);
- two rules share a letter exactly where neither is better (compact letter display: Piepho 2004,
  J. Comput. Graph. Stat. 13:456).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plasticbench.evaluation.statistics import interval, resampled_means, tail_probability


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
