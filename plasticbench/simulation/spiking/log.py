"""What is recorded of a spiking life as it is lived, in flat arrays, and how it becomes recordings."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from plasticbench.networks.life import Life
from plasticbench.networks.recorded_spikes import RecordedSpikes
from plasticbench.networks.recordings import PopulationRate, PopulationSpikes, SpikeCounts, SpikeTrains
from plasticbench.simulation.spiking.state import starts

_FIRST_ROOM = 4096  # spikes


class Log(NamedTuple):
    """Windows are steps `start` .. `stop` - 1; what is recorded lies one after the other, from `first` on."""

    rate_hz: np.ndarray  # (n_rates,) float64: now
    rate_group: np.ndarray  # (n_rates,) int64
    rate_decay: np.ndarray  # (n_rates,) float64
    hz_per_spike: np.ndarray  # (n_rates,) float64
    low: np.ndarray  # (n_rates,) float64: leaving (low, high) ends the life
    high: np.ndarray  # (n_rates,) float64
    rate_window: np.ndarray  # (n_rates, 2) int64
    rate_first: np.ndarray  # (n_rates + 1,) int64
    rates: np.ndarray  # float32 or float64, Hz
    spikes_group: np.ndarray  # (n_series,) int64
    spikes_window: np.ndarray  # (n_series, 2) int64
    spikes_first: np.ndarray  # (n_series + 1,) int64
    spikes: np.ndarray  # int32: spikes of a population in each step
    count_group: np.ndarray  # (n_counts,) int64
    count_window: np.ndarray  # (n_counts, 2) int64
    count_first: np.ndarray  # (n_counts + 1,) int64
    counts: np.ndarray  # int64: spikes of each neuron
    train_group: np.ndarray  # (n_trains,) int64
    train_window: np.ndarray  # (n_trains, 2) int64
    train_n: np.ndarray  # (n_trains,) int64: neurons recorded
    n_logged: np.ndarray  # (1,) int64
    logged: np.ndarray  # (room, 3) int32: which train, step, neuron
    since_group: np.ndarray  # (0 or 1,) int64: whose spikes the modulator counts
    since: np.ndarray  # int64: spikes of each of its neurons since the last delivery


def make_log(life: Life, rate_type: type = np.float32) -> Log:
    """Empty; a rate with a band starts in its middle."""
    network = life.spiking_network
    rates, spikes = life.recordings_of(PopulationRate), life.recordings_of(PopulationSpikes)
    counts, trains = life.recordings_of(SpikeCounts), life.recordings_of(SpikeTrains)

    def windows(found: list) -> np.ndarray:
        phases = [life.phase(r.phase) for r in found]
        return np.array([(phase.start, phase.stop) for phase in phases], np.int64).reshape(-1, 2)

    def lengths(found: list) -> np.ndarray:
        return starts([stop - start for start, stop in windows(found).tolist()])

    def groups(names: list[str]) -> np.ndarray:
        return np.array([network.index(name) for name in names], np.int64)

    count_first = starts([network.size(r.group) for r in counts])
    counted = life.modulator.population if life.modulator else None
    bands = [r.band or (-math.inf, math.inf) for r in rates]
    return Log(
        np.array([sum(r.band) / 2 if r.band else 0.0 for r in rates]),
        groups([r.population for r in rates]),
        np.array([math.exp(-network.dt_s / r.tau_s) for r in rates]),
        np.array([1.0 / (r.tau_s * network.size(r.population)) for r in rates]),
        np.array([low for low, _ in bands]),
        np.array([high for _, high in bands]),
        windows(rates),
        lengths(rates),
        np.zeros(lengths(rates)[-1], rate_type),
        groups([r.population for r in spikes]),
        windows(spikes),
        lengths(spikes),
        np.zeros(lengths(spikes)[-1], np.int32),
        groups([r.group for r in counts]),
        windows(counts),
        count_first,
        np.zeros(count_first[-1], np.int64),
        groups([r.group for r in trains]),
        windows(trains),
        np.array([r.n or network.size(r.group) for r in trains], np.int64),
        np.zeros(1, np.int64),
        np.zeros((_room(trains, network), 3), np.int32),
        groups([counted] if counted else []),
        np.zeros(network.size(counted) if counted else 0, np.int64),
    )


def _room(trains: list[SpikeTrains], network) -> int:
    """Of the spike log at first: more than one step can need."""
    return max(_FIRST_ROOM, 2 * sum(network.size(r.group) for r in trains)) if trains else 0


def with_more_room(log: Log) -> Log:
    """The same log with twice the room for spikes."""
    return log._replace(logged=np.concatenate([log.logged, np.zeros_like(log.logged)]))


def recorded(life: Life, log: Log) -> dict:
    """Every recording that the log holds, of one life: arrays, and RecordedSpikes objects."""
    found: dict = {}
    for kind, values, first in (
        (PopulationRate, log.rates, log.rate_first),
        (PopulationSpikes, log.spikes, log.spikes_first),
        (SpikeCounts, log.counts, log.count_first),
    ):
        for k, recording in enumerate(life.recordings_of(kind)):
            found[recording] = values[first[k] : first[k + 1]]
    rows = log.logged[: log.n_logged[0]]
    for k, train in enumerate(life.recordings_of(SpikeTrains)):
        own = rows[rows[:, 0] == k]
        start, stop = log.train_window[k].tolist()
        found[train] = RecordedSpikes(own[:, 1], own[:, 2], int(log.train_n[k]), start, stop, life.dt_s)
    return found
