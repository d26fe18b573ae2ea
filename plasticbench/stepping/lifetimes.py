"""Lifetimes stepped by hand: what the environments wrap, and what runs a Python policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from plasticbench.networks.life import Life
from plasticbench.networks.spiking import SpikingNetwork
from plasticbench.rules import Rule, RuleBatch, load_rule
from plasticbench.simulation.engine import Measured
from plasticbench.simulation.random import check_seed

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from plasticbench.networks.recordings import Recordings
    from plasticbench.tasks.task import Task


class Lifetimes(Protocol):
    """Lifetimes side by side; every tensor has a leading axis of lifetimes."""

    task: Task
    lives: tuple[Life, ...]

    @property
    def n_steps(self) -> int: ...

    @property
    def first(self) -> Life: ...

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Pathway -> shape of one lifetime's weights."""
        ...

    @property
    def weights(self) -> dict[str, Tensor]:
        """Pathway -> weights."""
        ...

    @property
    def over(self) -> Tensor:
        """Which lifetimes have ended, (n_lifetimes,) bool."""
        ...

    @property
    def finished(self) -> bool: ...

    def observe(self) -> dict[str, dict[str, Tensor]]:
        """Pathway -> variable -> tensor that broadcasts against the pathway's weights."""
        ...

    def advance(self, action: Mapping[str, Tensor]) -> Tensor:
        """Apply Δw and move on a step; this step's part of each lifetime's loss, (n_lifetimes,)."""
        ...

    def abandon(self, lifetime: int) -> None:
        """End one where it is; it is not advanced any more."""
        ...

    def recordings(self) -> list[tuple[Recordings, list[Life]]]:
        """Of the lives so far, in parts of equal shapes."""
        ...

    def outcome(self) -> Measured:
        """Of the lives so far, with n_rules = 1."""
        ...

    def snapshot(self) -> dict[str, np.ndarray]:
        """What a picture of the first lifetime needs of this moment."""
        ...


def rule_brought(task: Task, rule: Rule | str | None) -> RuleBatch:
    """What a stepped lifetime takes from a rule besides its equations for Δw: slow weights, traces, states.

    `rule` None: the reference rule's.
    """
    chosen = load_rule(task.reference_rule) if rule is None else rule
    ((_, batch),) = task.group(chosen)
    return batch


def lifetimes(
    task: Task,
    seeds: Sequence[int],
    conditions: Any = None,
    rule: Rule | str | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
) -> Lifetimes:
    """The lifetimes of these seeds, before their first step; numbers are float64 unless told."""
    import torch

    lives = task.draw([check_seed(seed) for seed in seeds], conditions)
    brought, dtype = rule_brought(task, rule), dtype or torch.float64
    if isinstance(task.example_network, SpikingNetwork):
        from plasticbench.stepping.spiking import SpikingLifetimes

        return SpikingLifetimes(task, lives, brought, device, dtype)
    from plasticbench.stepping.rate import RateLifetimes

    return RateLifetimes(task, lives, brought, device, dtype)
