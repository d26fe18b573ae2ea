"""Ranking with its uncertainty: pure functions of the losses that rules had in draws of lifetimes.

A draw is a set of lifetimes whose seeds were drawn together. Two rules that lived the same draws are compared on these
alone, by a *paired* bootstrap: the same 10,000 resamples of the lifetimes for both (see `plasticbench.statistics`).
Where they share none, their means over their own draws are compared, resampled independently.

What is said about two rules depends on these two alone, so an unrelated entry changes no pairwise order:

- j is *better* than i where the 95 % interval of the difference of their means lies on j's side of zero; for a rule
  that is one of k attempts, the interval at 0.95^(1/k) (Sidak, J. Am. Stat. Assoc. 62:626, 1967);
- the rank of i lies between 1 + (number of rules better than i) and n - (number of rules worse than i);
- two rules share a letter exactly where neither is better (compact letter display: Piepho 2004,
  J. Comput. Graph. Stat. 13:456).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from plasticbench.evaluation.statistics import LEVEL, interval, resampled_means, tail_probability

Draws = Mapping[str, np.ndarray]  # a draw's name -> losses of its lifetimes, (n_lifetimes,)


@dataclass(frozen=True)
class Ranking:
    """n compared rules, in the order in which they were given; lower losses are better."""

    values: np.ndarray  # (n,) mean loss over all that a rule lived
    intervals: np.ndarray  # (n, 2) at LEVEL
    highest: np.ndarray  # (n,) upper ends of the intervals, corrected for attempts
    better: np.ndarray  # (n, n) bool: better[i, j] says that i is better than j
    paired: np.ndarray  # (n, n) bool: whether i and j were compared on common lifetimes
    order: np.ndarray  # (n,) indices, best first; equal values keep the given order
    rank_low: np.ndarray  # (n,) best rank that the data allow, from 1
    rank_high: np.ndarray  # (n,) worst rank that the data allow
    groups: tuple[tuple[str, ...], ...]  # letters of each rule; sharing one = indistinguishable


def rank(losses: np.ndarray) -> Ranking:
    """Rank rules on one task by mean loss; losses is (n_rules, n_lifetimes) on common seeds, finite."""
    losses = np.asarray(losses, dtype=float)
    if losses.ndim != 2:
        raise ValueError(f"losses: finite numbers of shape (n_rules, n_lifetimes) wanted, not {losses.shape}")
    return rank_draws([{"bootstrap": row} for row in losses])


def rank_draws(lived: Sequence[Draws], attempts: Sequence[int] | None = None) -> Ranking:
    """Rank rules on one task by mean loss over the draws that each lived.

    attempts: (n_rules,), how many rules of its kind its authors have tried; None: one each. ValueError for losses that
    are not finite.
    """
    n = len(lived)
    tried = [1] * n if attempts is None else list(attempts)
    tables = [_Lived(draws) for draws in lived]
    resampled = _Resampled(lived)
    better = np.zeros((n, n), dtype=bool)
    paired = np.eye(n, dtype=bool)
    for i in range(n):
        for j in range(i):
            common = tuple(name for name in lived[i] if name in lived[j])
            paired[i, j] = paired[j, i] = bool(common)
            for a, b in ((i, j), (j, i)):
                n_lives = min(tables[a].count(common), tables[b].count(common))
                first, second = resampled.mean(a, common), resampled.mean(b, common)
                negligible = 1e-12 * np.maximum(np.abs(first), np.abs(second))
                tail = tail_probability(n_lives, level_of(tried[a]))
                leads = tables[a].mean(common) < tables[b].mean(common)
                better[a, b] = leads and (second - first <= negligible).mean() <= tail
    values = np.array([table.mean() for table in tables])
    order = np.argsort(values, kind="stable")
    intervals, highest = np.empty((n, 2)), np.empty(n)
    for i, table in enumerate(tables):
        own = resampled.mean(i, ())[None]
        intervals[i] = interval(own, tail_probability(table.count()))[0]
        highest[i] = interval(own, tail_probability(table.count(), level_of(tried[i])))[0, 1]
    return Ranking(
        values=values,
        intervals=intervals,
        highest=highest,
        better=better,
        paired=paired,
        order=order,
        rank_low=1 + better.sum(axis=0),
        rank_high=n - better.sum(axis=1),
        groups=letters(better, order),
    )


def difference_intervals(lived: Sequence[Draws]) -> tuple[np.ndarray, np.ndarray]:
    """Mean loss of i less that of j, (n, n), and its interval at LEVEL, (n, n, 2), from the resamples of `rank_draws`.

    Over the draws that both lived or, where they share none, over all of each.
    """
    n = len(lived)
    tables = [_Lived(draws) for draws in lived]
    resampled = _Resampled(lived)
    values, intervals = np.zeros((n, n)), np.zeros((n, n, 2))
    for i in range(n):
        for j in range(i):
            common = tuple(name for name in lived[i] if name in lived[j])
            n_lives = min(tables[i].count(common), tables[j].count(common))
            values[i, j] = tables[i].mean(common) - tables[j].mean(common)
            drawn = resampled.mean(i, common) - resampled.mean(j, common)
            intervals[i, j] = interval(drawn[None], tail_probability(n_lives))[0]
            values[j, i], intervals[j, i] = -values[i, j], -intervals[i, j, ::-1]
    return values, intervals


def level_of(attempts: int) -> float:
    """The level at which the best of so many attempts is judged, so that all of them together keep to LEVEL."""
    return LEVEL ** (1.0 / attempts)


class _Lived:
    """One rule's losses, and their means over all or some of its draws (none named: all)."""

    def __init__(self, draws: Draws):
        self._draws = {name: np.asarray(losses, dtype=float) for name, losses in draws.items()}
        for losses in self._draws.values():
            if losses.ndim != 1 or not np.isfinite(losses).all():
                raise ValueError(f"losses: finite numbers of shape (n_lifetimes,) wanted, not {losses.shape}")

    def chosen(self, names: Sequence[str] = ()) -> list[np.ndarray]:
        return [self._draws[name] for name in names or self._draws]

    def count(self, names: Sequence[str] = ()) -> int:
        return sum(len(losses) for losses in self.chosen(names))

    def mean(self, names: Sequence[str] = ()) -> float:
        return float(np.concatenate(self.chosen(names)).mean())


class _Resampled:
    """Bootstrap draws of every rule's mean; within a draw of lifetimes the same resamples for all rules.

    The resamples of draws of one size are drawn once. Each draw of lifetimes takes them in an order of its own, which
    makes those of different draws independent.
    """

    def __init__(self, lived: Sequence[Draws]):
        self._sizes = [{name: len(losses) for name, losses in draws.items()} for draws in lived]
        self._means: list[dict[str, np.ndarray]] = [{} for _ in lived]  # rule -> draw -> (resamples,)
        rows = [(i, name) for i, draws in enumerate(lived) for name in draws]
        for size in sorted({len(lived[i][name]) for i, name in rows}):
            chosen = [(i, name) for i, name in rows if len(lived[i][name]) == size]
            means = resampled_means(np.stack([lived[i][name] for i, name in chosen]))
            for (i, name), row in zip(chosen, means, strict=True):
                self._means[i][name] = row[_order_of(name, len(row))]

    def mean(self, i: int, names: Sequence[str]) -> np.ndarray:
        """Resampled means of rule i over these of its draws (none named: all), weighted by their sizes."""
        chosen = names or tuple(self._means[i])
        if len(chosen) == 1:
            return self._means[i][chosen[0]]
        sizes = np.array([self._sizes[i][name] for name in chosen], dtype=float)
        return np.tensordot(sizes / sizes.sum(), np.stack([self._means[i][name] for name in chosen]), axes=1)


def _order_of(draw: str, n: int) -> np.ndarray:
    key = int.from_bytes(hashlib.sha256(draw.encode()).digest()[:8], "big")
    return np.random.Generator(np.random.Philox(key)).permutation(n)


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
