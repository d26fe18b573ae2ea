"""The condition of tasks whose lifetimes replay recorded experiments: which one.

Official lifetimes, and those that boards draw to verify and rank, replay none.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.language.vocabulary import shorten
from plasticbench.simulation.random import Stream
from plasticbench.tasks.conditions import Distribution
from plasticbench.tasks.task import EVALUATION_SEED_BASE, OFFICIAL_SEED_BASE

FRESH = 0  # of a lifetime that replays none


def is_evaluation(seed: int, n_official: int) -> bool:
    """Whether a seed is official, or one that boards draw: such that no learner is given."""
    return seed >= EVALUATION_SEED_BASE or 0 <= seed - OFFICIAL_SEED_BASE < n_official


@dataclass(frozen=True)
class Replayed(Distribution):
    """Which recorded experiment a lifetime replays, 1 to n, each as likely; 0 where rules are evaluated."""

    n_experiments: int
    n_official: int

    def draw(self, seed: int, name: str) -> int:
        if is_evaluation(seed, self.n_official):
            return FRESH
        return 1 + int(Stream(seed, f"condition/{name}").integers(self.n_experiments))

    def check(self, name: str, value: Any) -> int:
        whole = isinstance(value, Integral) and not isinstance(value, bool | np.bool_)
        if not whole or not 0 <= value <= self.n_experiments:
            raise PlasticbenchError(
                f"conditions.{name}: {shorten(value)} is not a whole number from 0 to {self.n_experiments}"
            )
        return int(value)
