"""What a spiking network lives through, and what is recorded of it: the same for every engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from plasticbench.networks.sources import FOREVER
from plasticbench.networks.spiking import TRACES, SpikingNetwork

SPIKING_VARIABLES = ("w", *TRACES, "v", "c_exc", "c_inh", "m")  # the arguments of a compiled rule, in order
Status = Literal["ok", "blow-up"]


@dataclass(frozen=True)
class SpikingLife:
    """One lifetime, before any rule: a network, a seed, a length, and what to record.

    The watched population's rate is filtered with `tau_rate_s` and starts in the middle of `allowed_rate_hz`;
    leaving that band is a blow-up and ends the life. Without a band it starts at 0 and only numbers that are
    not finite end a life. Plasticity is on before step `plastic_until_step`.
    """

    network: SpikingNetwork
    seed: int
    n_steps: int
    watched: str
    allowed_rate_hz: tuple[float, float] | None = (0.1, 100.0)
    tau_rate_s: float = 1.0
    plastic_until_step: int = FOREVER
    logged: tuple[tuple[str, int], ...] = ()  # (group, n): log the spikes of its first n neurons
    log_start: int = 0
    log_stop: int = 0
    probe_steps: tuple[int, ...] = ()  # increasing, where an engine calls its probe

    @property
    def initial_rate_hz(self) -> float:
        return sum(self.allowed_rate_hz) / 2 if self.allowed_rate_hz else 0.0


@dataclass(frozen=True)
class Snapshot:
    """The state that a probe sees at the start of a step. Arrays are views: copy what is to be kept."""

    step: int
    weights: dict[str, np.ndarray]  # plastic pathway -> (n_synapses,)
    spike_counts: dict[str, np.ndarray]  # group -> (size,) int64, since the start


Probe = Callable[[Snapshot], Any]


@dataclass(frozen=True)
class SpikingRecord:
    """What one lifetime leaves."""

    rates_hz: np.ndarray  # (n_steps_lived,) float32: the watched population's filtered rate after each step
    spikes: np.ndarray  # (n_steps_lived,) uint16: the watched population's spikes at each step
    n_steps_lived: int
    status: Status
    weights: dict[str, np.ndarray]  # plastic pathway -> (n_synapses,), at the end
    spike_counts: dict[str, np.ndarray]  # group -> (size,) int64
    spike_steps: np.ndarray  # (n_logged,) int32
    spike_neurons: np.ndarray  # (n_logged,) int32: neuron among all groups
    probes: tuple[Any, ...] = field(default=())  # what the probe returned, one a probe step that was reached
