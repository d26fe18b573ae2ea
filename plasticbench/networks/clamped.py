"""Clamped networks: one synapse whose two neurons spike when the experimenter says so. No neuron, no time steps.

A network has several protocols, and each is lived by a synapse of its own, from the same initial weight; so a pathway
has as many synapses as there are protocols. Step k of a life is the k-th moment at which anything happens in a
protocol; between moments traces and states decay exactly. At a moment, as in spiking networks: `on_pre` if the
presynaptic neuron spikes, then `on_post`, the weight clipped to [0, w_max] after each; both read traces as they were
before; then traces count the spikes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.spiking import TRACES

PRE_SPIKE, POST_SPIKE = 1, 2  # bits of a moment's kind; 0 where a protocol is over
_NS = 1e9  # times are whole nanoseconds, so that equal times are equal
_UNBOUNDED = 1e9  # a weight that no rule near the data reaches


@dataclass(frozen=True)
class ClampedProtocol:
    """A group of spikes, repeated in trains: spike times of both neurons in seconds, from any origin."""

    name: str
    pre_s: tuple[float, ...]
    post_s: tuple[float, ...]
    n_groups: int = 1  # in a train
    group_period_s: float = 1.0
    n_trains: int = 1
    train_period_s: float = 1.0

    def __post_init__(self) -> None:
        where = f"protocol {self.name}"
        for name in ("pre_s", "post_s"):
            if not all(math.isfinite(time_s) for time_s in getattr(self, name)):
                raise PlasticbenchError(f"{where}: {name}: {getattr(self, name)} are not numbers of seconds")
        for name in ("n_groups", "n_trains"):
            if getattr(self, name) < 1:
                raise PlasticbenchError(f"{where}: {name}: {getattr(self, name)!r} is not at least 1")
        for name in ("group_period_s", "train_period_s"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise PlasticbenchError(f"{where}: {name}: {getattr(self, name)!r} is not a positive number of seconds")
        if not self.pre_s and not self.post_s:
            raise PlasticbenchError(f"{where}: pre_s, post_s: no spike; give one at least")
        self.moments  # noqa: B018  (two spikes of one neuron at one time are found now)

    def spike_times_ns(self, times_s: tuple[float, ...]) -> np.ndarray:
        """(n_spikes,) int64, increasing: every spike of a neuron whose spikes in a group are at `times_s`."""
        trains = np.arange(self.n_trains)[:, None, None] * self.train_period_s
        groups = np.arange(self.n_groups)[:, None] * self.group_period_s
        found = np.sort(np.rint(_NS * (trains + groups + np.array(times_s))).astype(np.int64).ravel())
        if (np.diff(found) == 0).any():
            raise PlasticbenchError(f"protocol {self.name}: a neuron spikes twice at the same time; set them apart")
        return found

    @cached_property
    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """When anything spikes (n_moments,) int64 ns, and what: bits PRE_SPIKE, POST_SPIKE (n_moments,) int64."""
        pre, post = self.spike_times_ns(self.pre_s), self.spike_times_ns(self.post_s)
        times = np.union1d(pre, post)
        return times, PRE_SPIKE * np.isin(times, pre) + POST_SPIKE * np.isin(times, post)

    @property
    def duration_s(self) -> float:
        """From the first spike to the last."""
        times, _ = self.moments
        return float(times[-1] - times[0]) / _NS


@dataclass(frozen=True)
class Start:
    """Where a synapse starts, and the bound of its weight; the lower one is 0."""

    weight: float
    w_max: float


@dataclass(frozen=True)
class ClampedPathway:
    """The plastic pathway.

    A synapse starts at weight 1, in effect without an upper bound, so that amplitudes published for relative weights
    apply as they are. A rule that reads `w` or `w_max` was made for weights of a certain size and starts as in
    functional networks.
    """

    name: str
    start: Start = Start(1.0, _UNBOUNDED)
    start_of_readers: Start = Start(0.03, 0.3)

    @property
    def starts(self) -> tuple[Start, Start]:
        return self.start, self.start_of_readers

    def start_for(self, read: frozenset[str]) -> Start:
        """For a rule that reads these variables."""
        return self.start_of_readers if read & {"w", "w_max"} else self.start


@dataclass(frozen=True)
class ClampedNetwork:
    """One pathway and its protocols, each lived by a synapse of its own."""

    pathway: ClampedPathway
    protocols: tuple[ClampedProtocol, ...]

    def __post_init__(self) -> None:
        names = [protocol.name for protocol in self.protocols]
        if not names or len(set(names)) < len(names):
            raise PlasticbenchError(f"protocols: names {names}; give one or more, each another")

    @property
    def plastic_pathways(self) -> tuple[ClampedPathway, ...]:
        """In the order in which rules come."""
        return (self.pathway,)

    @property
    def n_protocols(self) -> int:
        """As many as synapses."""
        return len(self.protocols)

    @cached_property
    def n_steps(self) -> int:
        """Moments of the longest protocol."""
        return max(len(protocol.moments[0]) for protocol in self.protocols)

    @cached_property
    def dt_s(self) -> float:
        """Seconds that a step stands for on average, those of all protocols together."""
        return max(sum(protocol.duration_s for protocol in self.protocols), 1.0 / _NS) / self.n_steps

    @cached_property
    def kinds(self) -> np.ndarray:
        """(n_protocols, n_steps) int64: what spikes at each moment, 0 where a protocol is over."""
        found = np.zeros((self.n_protocols, self.n_steps), np.int64)
        for row, protocol in zip(found, self.protocols, strict=True):
            kinds = protocol.moments[1]
            row[: len(kinds)] = kinds
        return found

    @cached_property
    def elapsed_ns(self) -> np.ndarray:
        """(n_protocols, n_steps) int64: since the moment before; 0 at the first and where a protocol is over."""
        found = np.zeros((self.n_protocols, self.n_steps), np.int64)
        for row, protocol in zip(found, self.protocols, strict=True):
            times = protocol.moments[0]
            row[1 : len(times)] = np.diff(times)
        return found

    def variables(self, pathway: ClampedPathway) -> frozenset[str]:
        """What a rule may read: nothing that needs a neuron."""
        return frozenset({"w", "w_max", *TRACES})
