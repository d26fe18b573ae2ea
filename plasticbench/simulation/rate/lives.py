"""Lives of rate networks side by side, as arrays: what both engines of rate networks take."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.layered import LayeredNetwork
from plasticbench.networks.life import LabelledPresentations, Life
from plasticbench.networks.rate import RateNetwork
from plasticbench.networks.recordings import FinalWeights, Modulation, Readout, Recordings, Weights
from plasticbench.rules import RuleBatch

MEMORY, MEMORY_AND_WEIGHTS = 1, 2  # what begins anew: traces and states alone, or the weights, too


@dataclass(frozen=True)
class RateLives:
    """Lifetimes of one network and length, one a seed."""

    lives: tuple[Life, ...]
    inputs: np.ndarray  # (n_seeds, n_items, n_inputs)
    w_init: dict[str, np.ndarray]  # pathway -> (n_seeds, n_post, n_pre)
    order: np.ndarray | None  # (n_seeds, n_steps), of items; None for batches
    labels: np.ndarray | None = None  # (n_seeds, n_items), of layered networks

    @classmethod
    def of(cls, lives: Sequence[Life]) -> RateLives:
        """PlasticbenchError unless the lives have one network and length, and items of one shape."""
        first = lives[0]
        lengths = sorted({life.n_steps for life in lives})
        if len(lengths) > 1:
            raise PlasticbenchError(f"conditions.n_steps: {lengths} in one call; give all lifetimes the same")
        shown = [life.presentations for life in lives]
        if any(life.network != first.network for life in lives) or len({s.items.shape for s in shown}) > 1:  # type: ignore[union-attr]
            raise PlasticbenchError("lives: rate networks of one call must be the same, with items of one shape")
        if len({_protocol(life) for life in lives}) > 1:
            raise PlasticbenchError(
                "lives: rate networks of one call must have the same phases, recordings and modulator; "
                "its signals and their resets may differ"
            )
        orders = [s.order for s in shown]  # type: ignore[union-attr]
        labels = [s.labels for s in shown if isinstance(s, LabelledPresentations)]
        return cls(
            tuple(lives),
            np.stack([s.items for s in shown]),  # type: ignore[union-attr]
            {name: np.stack([life.w_init[name] for life in lives]) for name in first.rate_network.given_pathways},
            None if orders[0] is None else np.stack(orders),  # type: ignore[arg-type]
            np.stack(labels) if labels else None,
        )

    @property
    def network(self) -> RateNetwork | LayeredNetwork:
        return self.lives[0].rate_network

    @property
    def rate_network(self) -> RateNetwork:
        """The network, where it has one layer."""
        assert isinstance(self.network, RateNetwork)
        return self.network

    @property
    def layered_network(self) -> LayeredNetwork:
        """The network, where it has several layers."""
        assert isinstance(self.network, LayeredNetwork)
        return self.network

    @property
    def n_steps(self) -> int:
        return self.lives[0].n_steps

    @property
    def n_seeds(self) -> int:
        return len(self.lives)

    @property
    def n_presented(self) -> int:
        """Presentations in one step."""
        return self.inputs.shape[1] if self.order is None else 1

    @cached_property
    def acting(self) -> np.ndarray:
        """Whether each pathway's rule acts at each step, (n_steps, n_pathways) bool."""
        first = self.lives[0]
        found = np.empty((self.n_steps, len(first.plastic_names)), np.bool_)
        for edge in first.plasticity_changes:
            found[edge:] = first.plastic_at(edge)
        return found

    @cached_property
    def anew(self) -> np.ndarray:
        """What begins anew before each step, (n_seeds, n_steps) int8: nothing, MEMORY, or MEMORY_AND_WEIGHTS."""
        found = np.zeros((self.n_seeds, self.n_steps), np.int8)
        for seed, life in enumerate(self.lives):
            found[seed, list(life.resets)] = MEMORY
            found[seed, list(life.renewals)] = MEMORY_AND_WEIGHTS
        return found


def _protocol(life: Life) -> tuple:
    """What the engines read of the first life alone."""
    modulator = life.modulator and (life.modulator.steps, life.modulator.value, life.modulator.population)
    return life.phases, life.recordings, modulator


def with_slow_arrays(network: RateNetwork | LayeredNetwork, rules: RuleBatch) -> RuleBatch:
    """Slow weights for rules that bring none along."""
    if not network.slow_arrays or rules.arrays:
        return rules
    arrays = {a.name: torch.full((1, *a.shape), a.default, dtype=torch.float64) for a in network.slow_arrays}
    return dataclasses.replace(rules, arrays=arrays)


def sample_steps(life: Life, recording: Weights) -> range:
    """The steps before which weights are recorded."""
    phase = life.phase(recording.phase)
    return range(phase.start, phase.stop + 1, max(1, round(recording.every_s / life.dt_s)))


def recordings_of(
    life: Life,
    weights: dict[str, Tensor],
    readout: Tensor | None,
    modulation: Tensor | None,
    sampled: dict[Weights, Tensor],
    n_steps_lived: Tensor,
    blown_up: Tensor,
) -> Recordings:
    """What lives of this kind declare, from what an engine kept; a blown-up life keeps its last valid weights."""
    values: dict = {}
    for recording in life.recordings:
        if isinstance(recording, FinalWeights):
            values[recording] = weights[recording.pathway]
        elif isinstance(recording, Readout):
            values[recording] = readout
        elif isinstance(recording, Modulation):
            values[recording] = modulation
        elif isinstance(recording, Weights):
            values[recording] = sampled[recording]
    return Recordings(values, n_steps_lived, blown_up)
