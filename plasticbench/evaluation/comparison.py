"""Two rules over the same lifetimes: the difference of their losses, and how sure it is.

Common seeds make the comparison paired: what two rules share (network, inputs, conditions) cancels. The interval is the
paired bootstrap of `statistics`; p is that of a sign-flip test (Fisher's randomisation test for pairs): had the two
names no meaning, every difference could as well have the other sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.evaluation.statistics import RESAMPLES, SEED, interval, resampled_means, tail_probability
from plasticbench.simulation.random import Stream

if TYPE_CHECKING:
    from plasticbench.evaluation.result import Result

FEWEST = 5  # lifetimes below which no interval and no p mean anything


@dataclass(frozen=True)
class Comparison:
    """`first` against `second` on one task; a difference below 0 says that `first` loses less."""

    first: str
    second: str
    task: str
    n_lifetimes: int  # that both lived
    losses: tuple[float, float]  # means over these
    difference: float
    interval: tuple[float, float] | None  # 95 %; None below five lifetimes
    p_value: float | None  # two-sided
    win_rate: float  # share of the lifetimes in which `first` loses less; a tie counts half

    @property
    def verdict(self) -> str:
        """Which is better, in one sentence."""
        if self.interval is None:
            return f"{self.n_lifetimes} common lifetimes are too few to tell them apart; at least {FEWEST} are needed."
        low, high = self.interval
        if high < 0:
            return f"{self.first} is better: the whole 95 % interval of the difference is below 0."
        if low > 0:
            return f"{self.second} is better: the whole 95 % interval of the difference is above 0."
        return f"{self.n_lifetimes} lifetimes do not tell them apart: the 95 % interval of the difference contains 0."

    def to_json(self) -> dict[str, object]:
        """What `compare --json` prints."""
        return {
            "first": self.first, "second": self.second, "task": self.task, "n_lifetimes": self.n_lifetimes,
            "losses": list(self.losses), "difference": self.difference,
            "interval": None if self.interval is None else list(self.interval),
            "p_value": self.p_value, "win_rate": self.win_rate, "verdict": self.verdict,
        }  # fmt: skip


def compare_results(first: Result, second: Result) -> Comparison:
    """Over the lifetimes that both lived: equal seeds, under equal conditions.

    Raises PlasticbenchError for results of two tasks or versions, and where no lifetime is common.
    """
    if first.task_hash != second.task_hash:
        what = f"versions of {first.task}" if first.task == second.task else f"tasks, {first.task} and {second.task}"
        raise PlasticbenchError(f"compare: results of two {what}; evaluate both on one")
    lives = [_by_lifetime(result) for result in (first, second)]
    common = [key for key in lives[0] if key in lives[1]]
    if not common:
        raise PlasticbenchError(
            "compare: no lifetime is common to both results (seed and conditions must agree); evaluate both on one list"
        )
    losses = np.array([[of[key] for key in common] for of in lives])
    return compare_losses((first.name, second.name), first.task, losses)


def compare_losses(names: tuple[str, str], task: str, losses: np.ndarray) -> Comparison:
    """Of `losses` (2, n_lifetimes) on common lifetimes."""
    differences = losses[0] - losses[1]
    n = len(differences)
    enough = n >= FEWEST
    between = None
    if enough:
        low, high = interval(resampled_means(differences[None]), tail_probability(n))[0].tolist()
        between = (low, high)
    return Comparison(
        *names, task, n, (float(losses[0].mean()), float(losses[1].mean())), float(differences.mean()), between,
        sign_flip_p(differences) if enough else None,
        float(((differences < 0) + 0.5 * (differences == 0)).mean()),
    )  # fmt: skip


def sign_flip_p(differences: np.ndarray) -> float:
    """How often a mean at least as far from 0 comes about when every difference has a random sign.

    All 2**n choices of signs where they are no more than RESAMPLES, else that many drawn from a fixed stream, the
    observed one among them.
    """
    means = np.abs(_signs(len(differences)) @ differences)
    observed = abs(differences.sum())
    return float((means >= observed * (1.0 - 1e-12)).mean())


@cache
def _signs(n: int) -> np.ndarray:
    """(n_choices, n) of 1 and -1."""
    if 2**n <= RESAMPLES:
        return 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    signs = 1.0 - 2.0 * Stream(SEED, "signs").integers(2, (RESAMPLES, n))
    signs[0] = 1.0
    return signs


def _by_lifetime(result: Result) -> dict[tuple[int, str], float]:
    """Loss by seed and fixed conditions."""
    fixed = [repr(sorted(row.items())) for row in result.conditions] if result.conditions else [""] * len(result.seeds)
    return dict(zip(zip(result.seeds, fixed, strict=True), result.losses, strict=True))
