"""What a rate network lives through, and what is recorded of it: the same for every engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

RATE_VARIABLES = (
    "pre",
    "post",
    "w",
    "m",
    "reconstruction",
)  # the arguments of a compiled rate rule, in order


@dataclass(frozen=True)
class RateLives:
    """Lifetimes of one task, one a seed: drawn once, lived under every rule.

    With an `order`, step t presents item `order[s, t]`; without, every step presents all items as a batch and
    averages Δw over them.
    """

    seeds: tuple[int, ...]
    conditions: tuple[dict[str, Any], ...]
    n_steps: int
    inputs: np.ndarray  # (n_seeds, n_items, n_inputs)
    w_init: dict[str, np.ndarray]  # pathway -> (n_seeds, n_post, n_pre)
    order: np.ndarray | None = None  # (n_seeds, n_steps), of items; None for batches
    targets: dict[str, np.ndarray] = field(default_factory=dict)  # name -> (n_seeds, ...), read by the loss

    @property
    def n_seeds(self) -> int:
        return len(self.seeds)

    @property
    def n_presented(self) -> int:
        """Presentations in one step."""
        return self.inputs.shape[1] if self.order is None else 1


@dataclass(frozen=True)
class RateRecording:
    """What is left of a population of lifetimes. A blown-up lifetime keeps its last valid weights."""

    weights: dict[str, Tensor]  # pathway -> (n_rules, n_seeds, n_post, n_pre), at the end of life
    readout: Tensor | None  # (n_rules, n_seeds, n_steps), the logit before each step's update; 0 after a blow-up
    n_steps_lived: Tensor  # (n_rules, n_seeds) int64; n_steps unless the lifetime blew up
    blown_up: Tensor  # (n_rules, n_seeds) bool
