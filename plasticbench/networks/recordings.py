"""What a task wants to be recorded of a life, as data; and what an engine gives back for it.

A task declares recordings with its lives and reads them back by the same objects: `recordings[RATE]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class PopulationRate:
    """A population's rate, filtered with `tau_s`, after each step of a phase (None: of the whole life). Tensor, Hz.

    r <- r exp(-dt/tau_s) + spikes / (size tau_s). With a `band` (Hz) it starts in the middle of it, and leaving it,
    at any time of the life, is a blow-up; without one it starts at 0.
    """

    population: str
    tau_s: float = 1.0
    band: tuple[float, float] | None = None
    phase: str | None = None


@dataclass(frozen=True)
class PopulationSpikes:
    """The number of spikes of a population in each step of a phase. Tensor (n_steps,)."""

    population: str
    phase: str | None = None


@dataclass(frozen=True)
class SpikeCounts:
    """How often each neuron or afferent of a group spiked in a phase. Tensor (size,)."""

    group: str
    phase: str | None = None


@dataclass(frozen=True)
class SpikeTrains:
    """Every spike of a group's first `n` neurons (None: of all) in a phase; RecordedSpikes for each rule and life."""

    group: str
    n: int | None = None
    phase: str | None = None


@dataclass(frozen=True)
class Weights:
    """A plastic pathway's weights every `every_s` from a phase's start, its end included. Tensor (n_times, n_synapses).

    `n` evenly spaced synapses (None: all), in the order of the pathway's synapses: by presynaptic, then by
    postsynaptic neuron; of rate networks (n_times, n_post, n_pre), always all.
    """

    pathway: str
    every_s: float
    n: int | None = None
    phase: str | None = None

    def picked(self, n_synapses: int) -> np.ndarray:
        """Which of a pathway's synapses are recorded: places in their order."""
        if self.n is None or self.n >= n_synapses:
            return np.arange(n_synapses)
        return np.linspace(0, n_synapses - 1, self.n).astype(np.int64)


@dataclass(frozen=True)
class FinalWeights:
    """A pathway's weights when life ends. Tensor (n_synapses,), of rate networks (n_post, n_pre)."""

    pathway: str


@dataclass(frozen=True)
class InitialWeights:
    """Of clamped networks: a pathway's weights when life begins, which depend on the rule. Tensor (n_synapses,)."""

    pathway: str


@dataclass(frozen=True)
class Readout:
    """Of rate networks that have one: the logit at each presentation, before the rule acts. Tensor (n_steps,).

    Of layered networks (n_steps, n_outputs), the logits of a softmax.
    """


@dataclass(frozen=True)
class Modulation:
    """The modulator's values. Tensor (n_deliveries,) or, where each neuron has its own, (n_deliveries, n_post)."""


Recording = (
    PopulationRate
    | PopulationSpikes
    | SpikeCounts
    | SpikeTrains
    | Weights
    | FinalWeights
    | InitialWeights
    | Readout
    | Modulation
)


@dataclass(frozen=True, eq=False)
class Recordings:
    """Of a population of lives whose recordings have equal shapes.

    A Tensor is (n_rules, n_lives, ...) as its recording says; of a life that blew up it is 0 where nothing was lived.
    Spike trains are nested lists, [n_rules][n_lives].
    """

    values: Mapping[Recording, Any]
    n_steps_lived: Tensor  # (n_rules, n_lives) int64
    blown_up: Tensor  # (n_rules, n_lives) bool

    def __getitem__(self, recording: Recording) -> Any:
        return self.values[recording]
