"""Inputs of spiking networks: afferents that fire whatever the network does. Data, no draws."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from plasticbench.errors import PlasticbenchError

FOREVER = 2**31 - 1  # a step that no lifetime reaches
LARGEST_RATE_HZ = 1000.0


@dataclass(frozen=True, eq=False)
class Schedule:
    """A piecewise constant rate: `rates_hz[k]` from step `steps[k]` until the next; 0 before the first.

    Raises PlasticbenchError unless the steps increase and every rate is from 0 to 1000 Hz.
    """

    steps: np.ndarray  # (n,) int64
    rates_hz: np.ndarray  # (n,) float64

    def __post_init__(self) -> None:
        steps, rates_hz = np.asarray(self.steps, np.int64), np.asarray(self.rates_hz, np.float64)
        if steps.ndim != 1 or steps.shape != rates_hz.shape or not len(steps):
            raise PlasticbenchError(f"schedule: {steps.shape} steps for {rates_hz.shape} rates; one each, in one row")
        if steps[0] < 0 or (np.diff(steps) <= 0).any():
            raise PlasticbenchError("schedule.steps: they must increase, from 0 on")
        if not ((rates_hz >= 0) & (rates_hz <= LARGEST_RATE_HZ)).all():
            raise PlasticbenchError(f"schedule.rates_hz: every rate must be from 0 to {LARGEST_RATE_HZ:g} Hz")
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "rates_hz", rates_hz)


@dataclass(frozen=True)
class PoissonProcess:
    """Independent spikes at `rate_hz` for the afferents `first` .. `first + count - 1`, during some steps.

    Processes of one source add up: a pattern is a second process over some of the afferents.
    """

    first: int
    count: int
    rate_hz: float | Schedule
    start_step: int = 0
    stop_step: int = FOREVER

    @property
    def schedule(self) -> Schedule:
        """The rate over time."""
        constant = not isinstance(self.rate_hz, Schedule)
        return Schedule(np.zeros(1, np.int64), np.array([self.rate_hz])) if constant else self.rate_hz  # type: ignore[return-value]


@dataclass(frozen=True)
class PoissonSource:
    """`size` afferents whose spikes are those of all `processes` together."""

    name: str
    size: int
    processes: tuple[PoissonProcess, ...]

    def __post_init__(self) -> None:
        for process in self.processes:
            if process.first < 0 or process.count < 0 or process.first + process.count > self.size:
                raise PlasticbenchError(f"source {self.name}: {process} leaves its {self.size} afferents")
            rate = process.rate_hz
            if not isinstance(rate, Schedule) and not 0 <= rate <= LARGEST_RATE_HZ:
                raise PlasticbenchError(f"source {self.name}: rate_hz: {rate!r} is not between 0 and 1000 Hz")


@dataclass(frozen=True)
class ModulatedSource:
    """Afferents in groups; each group shares a slowly modulated rate (Vogels et al., Science 334:1569, 2011).

    Every step of length dt, each group's signal s <- xi - (xi - s) exp(-dt/tau_signal_s), xi ~ U(-1/2, 1/2);
    each of its afferents spikes with probability gain (base_rate_hz dt + max(0, signal_rate_hz dt s)), unless it
    did within `refractory_s`. Sources with the same `signal` name and number of groups share the signals.
    """

    name: str
    size: int
    n_groups: int
    signal: str = "signal"
    gain: float = 1.0
    base_rate_hz: float = 5.0
    signal_rate_hz: float = 500.0 / 0.03
    tau_signal_s: float = 0.05
    refractory_s: float = 0.005

    def __post_init__(self) -> None:
        if self.n_groups < 1 or self.size % self.n_groups:
            raise PlasticbenchError(f"source {self.name}: {self.size} afferents in {self.n_groups} equal groups")
        if not 0 <= self.gain < 100:
            raise PlasticbenchError(f"source {self.name}: gain: {self.gain!r} is not between 0 and 100")
        for field in ("base_rate_hz", "signal_rate_hz"):
            if not 0 <= getattr(self, field) < 1e6:
                raise PlasticbenchError(
                    f"source {self.name}: {field}: {getattr(self, field)!r} is not from 0 to 1e6 Hz"
                )


@dataclass(frozen=True, eq=False)
class SpikeTrainSource:
    """Afferents whose spikes are given: afferent `afferents[k]` at step `steps[k]`, at most once a step."""

    name: str
    size: int
    steps: np.ndarray  # (n_spikes,) int64, ascending
    afferents: np.ndarray  # (n_spikes,) int64

    def __post_init__(self) -> None:
        steps, afferents = np.asarray(self.steps, np.int64), np.asarray(self.afferents, np.int64)
        if steps.ndim != 1 or steps.shape != afferents.shape:
            raise PlasticbenchError(f"source {self.name}: {steps.shape} steps for {afferents.shape} afferents")
        if len(steps) and (steps[0] < 0 or (np.diff(steps) < 0).any()):
            raise PlasticbenchError(f"source {self.name}: steps: they must ascend, from 0 on")
        if len(steps) and not ((afferents >= 0) & (afferents < self.size)).all():
            raise PlasticbenchError(f"source {self.name}: afferents: every one must be from 0 to {self.size - 1}")
        if len(np.unique(steps * self.size + afferents)) < len(steps):
            raise PlasticbenchError(f"source {self.name}: an afferent spikes twice in one step; keep one spike")
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "afferents", afferents)

    @cached_property
    def most_in_a_step(self) -> int:
        """The largest number of spikes in one step."""
        return int(np.unique(self.steps, return_counts=True)[1].max(initial=0))


Source = PoissonSource | ModulatedSource | SpikeTrainSource
