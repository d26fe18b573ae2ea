"""Inputs of spiking networks: afferents that fire at random, whatever the network does. Data, no draws."""

from __future__ import annotations

from dataclasses import dataclass

from plasticbench.errors import PlasticbenchError

FOREVER = 2**31 - 1  # a step that no lifetime reaches


@dataclass(frozen=True)
class PoissonProcess:
    """Independent spikes at `rate_hz` for the afferents `first` .. `first + count - 1`, during some steps.

    Processes of one source add up: a pattern is a second process over some of the afferents.
    """

    first: int
    count: int
    rate_hz: float
    start_step: int = 0
    stop_step: int = FOREVER


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
            if not 0 <= process.rate_hz <= 1000:
                raise PlasticbenchError(
                    f"source {self.name}: rate_hz: {process.rate_hz!r} is not between 0 and 1000 Hz"
                )


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


Source = PoissonSource | ModulatedSource
