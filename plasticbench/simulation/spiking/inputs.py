"""Input spikes, a pure function of seed, source, process and step: any step can be drawn on its own.

A process draws geometric skips over its afferents, about one number per spike and one per step; draw k of step t
has the counter t * 2**20 + k.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from plasticbench.networks.sources import FOREVER, ModulatedSource, PoissonSource
from plasticbench.networks.spiking import SpikingNetwork
from plasticbench.simulation.compiled import compiled
from plasticbench.simulation.random import stream_id, uniform_at, uniform_pair_at

_DRAWS_PER_STEP = 20  # bits of the counter


class InputProcesses(NamedTuple):
    """Every process of every source, in the order of sources; one of a ModulatedSource is one of its groups."""

    source: np.ndarray  # (n,) int64: index of the group that spikes
    first: np.ndarray  # (n,) int64: first afferent
    n_afferents: np.ndarray  # (n,) int64: number of afferents
    start: np.ndarray  # (n,) int64: first step
    stop: np.ndarray  # (n,) int64: step after the last
    stream: np.ndarray  # (n,) int64
    probability: np.ndarray  # (n,) float64: per step, the constant part
    modulation: np.ndarray  # (n,) float64: probability per unit of positive signal; 0 = a Poisson process
    signal_stream: np.ndarray  # (n,) int64
    signal_index: np.ndarray  # (n,) int64: which signal of that stream
    signal_decay: np.ndarray  # (n,) float64: per step
    refractory: np.ndarray  # (n,) int64: steps without a spike after one
    skip: np.ndarray  # (n,) float64: afferents skipped per logarithm of a draw; 0 where the probability changes
    none_below: np.ndarray  # (n,) float64: a draw below it skips every afferent, no logarithm needed


class InputState(NamedTuple):
    """What a modulated source remembers."""

    signal: np.ndarray  # (n_processes,) float64
    ready: np.ndarray  # (n_groups, largest source) int64: step from which an afferent may spike


def input_processes(network: SpikingNetwork) -> InputProcesses:
    """The network's sources as arrays."""
    rows: list[tuple] = []
    for source in network.sources:
        group = network.index(source.name)
        if isinstance(source, PoissonSource):
            for k, process in enumerate(source.processes):
                p = process.rate_hz * network.dt_s
                stream = stream_id(f"input/{source.name}/{k}")
                start, stop = max(0, process.start_step), min(FOREVER, process.stop_step)
                where = (group, process.first, process.count, start, stop, stream)
                rows.append((*where, p, 0.0, 0, 0, 0.0, 0, *_skips(p, process.count)))
        else:
            rows.extend(_modulated(source, group, network.dt_s))
    kinds = [np.int64] * 6 + [np.float64] * 2 + [np.int64] * 2 + [np.float64, np.int64] + [np.float64] * 2
    columns = zip(*rows, strict=True) if rows else [()] * len(kinds)
    return InputProcesses(*(np.array(c, dtype=kind) for c, kind in zip(columns, kinds, strict=True)))


def _modulated(source: ModulatedSource, group: int, dt_s: float):
    count = source.size // source.n_groups
    signal = stream_id(f"signal/{source.signal}")
    for k in range(source.n_groups):
        yield (
            group, k * count, count, 0, FOREVER, stream_id(f"input/{source.name}/{k}"),
            source.gain * source.base_rate_hz * dt_s, source.gain * source.signal_rate_hz * dt_s,
            signal, k, math.exp(-dt_s / source.tau_signal_s), round(source.refractory_s / dt_s), 0.0, 0.0,
        )  # fmt: skip


def _skips(probability: float, count: int) -> tuple[float, float]:
    """`skip` and `none_below` of a process of constant probability; the bound is low by far more than rounding."""
    if not 0.0 < probability < 1.0:
        return 0.0, 0.0
    log_silent = math.log1p(-probability)
    return 1.0 / log_silent, math.exp(count * log_silent) * (1 - 1e-9)


def input_state(network: SpikingNetwork) -> InputState:
    """At the start of life."""
    largest = max((source.size for source in network.sources if isinstance(source, ModulatedSource)), default=0)
    n_processes = len(input_processes(network).first)
    return InputState(np.zeros(n_processes), np.zeros((len(network.groups), largest), np.int64))


@compiled
def draw_process(seed, t, k, processes, state, spikes, n):
    """Append the afferents that process k makes spike at step t to `spikes` from place n; the new n."""
    if t < processes.start[k] or t >= processes.stop[k]:
        return n
    p, skip = processes.probability[k], processes.skip[k]
    modulated = processes.modulation[k] > 0.0
    if modulated:
        index = t * 1024 + processes.signal_index[k]
        noise = uniform_at(seed, processes.signal_stream[k], index) - 0.5
        signal = noise - (noise - state.signal[k]) * processes.signal_decay[k]
        state.signal[k] = signal
        p = min(p + max(0.0, processes.modulation[k] * signal), 0.999)
        skip = 1.0 / math.log1p(-p)
    if p <= 0.0:
        return n
    group, i = processes.source[k], -1
    counter = t << _DRAWS_PER_STEP
    while True:
        for u in uniform_pair_at(seed, processes.stream[k], counter):
            if u < processes.none_below[k]:
                return n
            i += 1 + int(min(math.log(u) * skip, 4e9))
            if i >= processes.n_afferents[k]:
                return n
            afferent = processes.first[k] + i
            if modulated:
                if t < state.ready[group, afferent]:
                    continue
                state.ready[group, afferent] = t + processes.refractory[k]
            spikes[n] = afferent
            n += 1
        counter += 1


def draw_steps(
    seed: int, first: int, last: int, processes: InputProcesses, state: InputState
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every input spike of steps first..last-1: (step, source's group, afferent), each (n_spikes,), by step.

    Modulated sources remember: call with consecutive ranges from 0.
    """
    capacity = 1024
    while True:
        kept = InputState(state.signal.copy(), state.ready.copy())
        found = np.empty((3, capacity), np.int64)
        n = _draw_steps(seed, first, last, processes, kept, found, np.empty(_largest_step(processes), np.int64))
        if n <= capacity:
            state.signal[:], state.ready[:] = kept.signal, kept.ready
            return found[0, :n], found[1, :n], found[2, :n]
        capacity = 2 * n


def _largest_step(processes: InputProcesses) -> int:
    return int(processes.n_afferents.max(initial=0)) + 1


@compiled
def _draw_steps(seed, first, last, processes, state, found, spikes):
    n = 0
    for t in range(first, last):
        for k in range(len(processes.first)):
            for afferent in spikes[: draw_process(seed, t, k, processes, state, spikes, 0)]:
                if n < found.shape[1]:
                    found[0, n], found[1, n], found[2, n] = t, processes.source[k], afferent
                n += 1
    return n
