"""Input spikes, a pure function of seed, source, process and step: any step can be drawn on its own.

A process draws geometric skips over its afferents, about one number per spike and one per step; draw k of step t
has the counter t * 2**20 + k.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from plasticbench.networks.sources import FOREVER, ModulatedSource, PoissonSource, SpikeTrainSource
from plasticbench.networks.spiking import SpikingNetwork
from plasticbench.simulation.compile import compiled
from plasticbench.simulation.draws import uniform_at, uniform_pair_at
from plasticbench.simulation.random import stream_id

_DRAWS_PER_STEP = 20  # bits of the counter
_SIGNALS_PER_STREAM = 1024
POISSON, MODULATED, GIVEN = range(3)  # kinds of processes


class InputProcesses(NamedTuple):
    """Every process of every source, in the order of sources; one of a ModulatedSource is one of its groups."""

    kind: np.ndarray  # (n,) int64
    source: np.ndarray  # (n,) int64: index of the group that spikes
    first: np.ndarray  # (n,) int64: first afferent
    n_afferents: np.ndarray  # (n,) int64: number of afferents
    start: np.ndarray  # (n,) int64: first step
    stop: np.ndarray  # (n,) int64: step after the last
    stream: np.ndarray  # (n,) int64
    base: np.ndarray  # (n,) float64: of MODULATED, the probability per step without a signal
    modulation: np.ndarray  # (n,) float64: probability per unit of positive signal
    signal_stream: np.ndarray  # (n,) int64
    signal_index: np.ndarray  # (n,) int64: which signal of that stream
    signal_decay: np.ndarray  # (n,) float64: per step
    refractory: np.ndarray  # (n,) int64: steps without a spike after one
    row: np.ndarray  # (n + 1,) int64: a process's first row in what follows
    row_step: np.ndarray  # int64: POISSON: where a stretch of constant rate begins; GIVEN: a spike's step
    row_skip: np.ndarray  # float64: afferents skipped per logarithm of a draw; 0 = none spikes
    row_none_below: np.ndarray  # float64: a draw below it skips every afferent, no logarithm needed
    row_afferent: np.ndarray  # int64: of GIVEN, the afferent that spikes


class InputState(NamedTuple):
    """What sources remember."""

    signal: np.ndarray  # (n_processes,) float64
    ready: np.ndarray  # (n_groups, largest source) int64: step from which an afferent may spike
    now: np.ndarray  # (n_processes,) int64: the row that holds now


class _Process(NamedTuple):
    """A process before it becomes a row of arrays."""

    kind: int
    source: int
    first: int
    n_afferents: int
    start: int = 0
    stop: int = FOREVER
    stream: int = 0
    base: float = 0.0
    modulation: float = 0.0
    signal_stream: int = 0
    signal_index: int = 0
    signal_decay: float = 0.0
    refractory: int = 0


_FLOATS = ("base", "modulation", "signal_decay")


def input_processes(network: SpikingNetwork) -> InputProcesses:
    """The network's sources as arrays."""
    found = [process for source in network.sources for process in _processes_of(source, network)]
    columns = {
        name: np.array([getattr(process, name) for process, _ in found], np.float64 if name in _FLOATS else np.int64)
        for name in _Process._fields
    }
    rows = np.cumsum([0, *(len(row[0]) for _, row in found)], dtype=np.int64)
    kinds = (np.int64, np.float64, np.float64, np.int64)
    joined = [
        np.concatenate([np.asarray(row[k], kind) for _, row in found] or [np.zeros(0, kind)])
        for k, kind in enumerate(kinds)
    ]
    return InputProcesses(*columns.values(), rows, *joined)  # type: ignore[call-arg]


def _processes_of(source, network: SpikingNetwork) -> Iterator[tuple[_Process, tuple]]:
    """Each process of a source, with its rows: steps, skips, least draws, afferents."""
    group = network.index(source.name)
    if isinstance(source, PoissonSource):
        for k, process in enumerate(source.processes):
            schedule = process.schedule
            row = [_skips(rate_hz * network.dt_s, process.count) for rate_hz in schedule.rates_hz.tolist()]
            start, stop = max(0, process.start_step), min(FOREVER, process.stop_step)
            stream = stream_id(f"input/{source.name}/{k}")
            yield (
                _Process(POISSON, group, process.first, process.count, start, stop, stream),
                (schedule.steps, [skip for skip, _ in row], [least for _, least in row], np.zeros(len(row))),
            )
    elif isinstance(source, ModulatedSource):
        for k in range(source.n_groups):
            yield _modulated(source, group, k, network.dt_s), ([], [], [], [])
    elif isinstance(source, SpikeTrainSource):
        zeros = np.zeros(len(source.steps))
        yield _Process(GIVEN, group, 0, source.size), (source.steps, zeros, zeros, source.afferents)


def _modulated(source: ModulatedSource, group: int, k: int, dt_s: float) -> _Process:
    count = source.size // source.n_groups
    block = k // _SIGNALS_PER_STREAM
    return _Process(
        MODULATED, group, k * count, count, 0, FOREVER, stream_id(f"input/{source.name}/{k}"),
        source.gain * source.base_rate_hz * dt_s, source.gain * source.signal_rate_hz * dt_s,
        stream_id(f"signal/{source.signal}{f'/{block}' if block else ''}"), k % _SIGNALS_PER_STREAM,
        math.exp(-dt_s / source.tau_signal_s), round(source.refractory_s / dt_s),
    )  # fmt: skip


def _skips(probability: float, count: int) -> tuple[float, float]:
    """`row_skip` and `row_none_below` of a constant probability; the bound is low by far more than rounding."""
    if probability <= 0.0:
        return 0.0, 0.0
    if probability >= 1.0:
        return -1e-300, 0.0  # none is skipped
    log_silent = math.log1p(-probability)
    return 1.0 / log_silent, math.exp(count * log_silent) * (1 - 1e-9)


def input_state(network: SpikingNetwork) -> InputState:
    """At the start of life."""
    largest = max((source.size for source in network.sources if isinstance(source, ModulatedSource)), default=0)
    rows = input_processes(network).row
    return InputState(
        np.zeros(len(rows) - 1), np.zeros((len(network.groups), largest), np.int64), rows[:-1].copy()
    )  # fmt: skip


@compiled
def draw_process(seed, t, ahead, k, processes, state, spikes, n):
    """Append the afferents that process k makes spike at clock t to `spikes` from place n; the new n.

    Random numbers are those of t; schedules and given spikes are those of the life's step t + ahead.
    """
    now = t + ahead
    if now < processes.start[k] or now >= processes.stop[k]:
        return n
    kind, none_below = processes.kind[k], 0.0
    if kind == MODULATED:
        index = t * _SIGNALS_PER_STREAM + processes.signal_index[k]
        noise = uniform_at(seed, processes.signal_stream[k], index) - 0.5
        signal = noise - (noise - state.signal[k]) * processes.signal_decay[k]
        state.signal[k] = signal
        p = min(processes.base[k] + max(0.0, processes.modulation[k] * signal), 0.999)
        skip = 1.0 / math.log1p(-p) if p > 0.0 else 0.0
    else:
        if kind == GIVEN:
            state.now[k], n = _given(
                now, state.now[k], processes.row[k], processes.row[k + 1], processes.row_step, processes.row_afferent,
                spikes, n,
            )  # fmt: skip
            return n
        row = _row_now(now, state.now[k], processes.row[k], processes.row[k + 1], processes.row_step)
        if row < 0:
            return n
        state.now[k] = row
        skip, none_below = processes.row_skip[row], processes.row_none_below[row]
    if skip == 0.0:
        return n
    group, i, counter = processes.source[k], -1, t << _DRAWS_PER_STEP
    while True:
        for u in uniform_pair_at(seed, processes.stream[k], counter):
            if u < none_below:
                return n
            i += 1 + int(min(math.log(u) * skip, 4e9))
            if i >= processes.n_afferents[k]:
                return n
            afferent = processes.first[k] + i
            if kind == MODULATED:
                if t < state.ready[group, afferent]:
                    continue
                state.ready[group, afferent] = t + processes.refractory[k]
            spikes[n] = afferent
            n += 1
        counter += 1


@compiled
def _row_now(t, now, first, last, row_step):
    """The stretch of constant rate that holds at step t, looked for from `now` on; -1 before the first."""
    row = now if t >= row_step[now] else first  # time may have gone back
    if t < row_step[row]:
        return -1
    while row + 1 < last and row_step[row + 1] <= t:
        row += 1
    return row


@compiled
def _given(t, now, first, last, row_step, row_afferent, spikes, n):
    """Append the spikes given for step t; the place of the first later one, and the new n."""
    row = now
    while row > first and row_step[row - 1] >= t:
        row -= 1  # time has gone back
    while row < last and row_step[row] < t:
        row += 1
    while row < last and row_step[row] == t:
        spikes[n] = row_afferent[row]
        n += 1
        row += 1
    return row, n


def draw_steps(
    seed: int, first: int, last: int, processes: InputProcesses, state: InputState, ahead: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every input spike of clock first..last-1: (clock, source's group, afferent), each (n_spikes,), in order.

    The life's steps are `ahead` of the clock. Modulated sources remember: call with consecutive ranges from 0.
    """
    capacity = 1024
    while True:
        kept = InputState(*(array.copy() for array in state))
        found = np.empty((3, capacity), np.int64)
        spikes = np.empty(_largest_step(processes), np.int64)
        n = _draw_steps(seed, first, last, ahead, processes, kept, found, spikes)
        if n <= capacity:
            for array, new in zip(state, kept, strict=True):
                array[:] = new
            return found[0, :n], found[1, :n], found[2, :n]
        capacity = 2 * n


def _largest_step(processes: InputProcesses) -> int:
    return int(processes.n_afferents.max(initial=0)) + 1


@compiled
def _draw_steps(seed, first, last, ahead, processes, state, found, spikes):
    n = 0
    for t in range(first, last):
        for k in range(len(processes.first)):
            for afferent in spikes[: draw_process(seed, t, ahead, k, processes, state, spikes, 0)]:
                if n < found.shape[1]:
                    found[0, n], found[1, n], found[2, n] = t, processes.source[k], afferent
                n += 1
    return n
