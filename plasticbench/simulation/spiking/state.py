"""A spiking network and the state of one lifetime, as flat arrays for the compiled kernel."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from plasticbench.networks.sources import PoissonSource
from plasticbench.networks.spiking import TRACES, SpikingNetwork
from plasticbench.simulation.spiking.lives import SpikingLife
from plasticbench.simulation.spiking.neurons import neuron_constants
from plasticbench.simulation.spiking.wiring import Wiring


class Layout(NamedTuple):
    """What does not change during a life. Groups are populations, then sources."""

    first: np.ndarray  # (n_groups + 1,) int64: a group's first neuron or afferent among all
    model: np.ndarray  # (n_populations,) int64
    constants: np.ndarray  # (n_populations, n_constants)
    pathway: np.ndarray  # (n_pathways, 8) int64: pre, post, inhibitory, delay, plastic (or -1), weight, n_pre, n_post
    weight: np.ndarray  # static pathways: gain x weight of each presynaptic neuron


class PlasticState(NamedTuple):
    """Weights and traces of plastic pathways."""

    w: np.ndarray  # (n_plastic_synapses,) float64, in the order of rows: rules add small changes
    w_max: np.ndarray  # (n_plastic,)
    gain: np.ndarray  # (n_plastic,)
    trace: np.ndarray  # the four traces of each pathway, in units of `unit`
    first: np.ndarray  # (n_plastic, 5) int64: where x_pre, x_post, x_pre2, x_post2 begin in `trace`, and end
    unit: np.ndarray  # (n_plastic, 4) float64
    decay: np.ndarray  # (n_plastic, 4) float64: factor per step; -1 = no rule reads this trace


class Ring(NamedTuple):
    """The spikes of the last steps."""

    n_spikes: np.ndarray  # (n_slots, n_groups) int64; the number of slots is a power of two
    spikes: np.ndarray  # (n_slots, capacity), neuron within its group
    first: np.ndarray  # (n_groups + 1,) int64: a group's place in a slot


class Log(NamedTuple):
    """What a life leaves."""

    rates: np.ndarray  # (n_steps,) float32, Hz
    spikes: np.ndarray  # (n_steps,) uint16, of the watched population
    rate_hz: np.ndarray  # (1,) float64: now
    decay: float
    hz_per_spike: float
    low: float
    high: float
    watched: int
    spike_count: np.ndarray  # (all neurons and afferents,) int64
    logged: np.ndarray  # (all neurons and afferents,) bool
    start: int
    stop: int
    n_logged: np.ndarray  # (1,) int64
    spike_step: np.ndarray  # int32
    spike_neuron: np.ndarray  # int32, among all


def make_layout(network: SpikingNetwork, dtype: type) -> Layout:
    """Of a network."""
    models, constants = neuron_constants(network, dtype)
    table, weights, first, n_plastic = [], [np.zeros(1)], 1, 0
    for pathway in network.pathways:
        n_pre = network.size(pathway.pre)
        place = -1
        if not pathway.plastic:
            weights.append(np.broadcast_to(pathway.gain * np.asarray(pathway.weight), (n_pre,)))
            place, first = first, first + n_pre
        table.append(
            (
                network.index(pathway.pre),
                network.index(pathway.post),
                pathway.receptor == "inh",
                pathway.delay_steps,
                n_plastic if pathway.plastic else -1,
                place,
                n_pre,
                network.size(pathway.post),
            )
        )
        n_plastic += pathway.plastic
    return Layout(
        _starts([group.size for group in network.groups]),
        models,
        constants,
        np.array(table, dtype=np.int64).reshape(-1, 8),
        np.concatenate(weights).astype(dtype),
    )


def make_plastic(network: SpikingNetwork, wiring: Wiring, taus_s: list[dict[str, float]], dtype: type) -> PlasticState:
    """At the start of life; taus_s: of each plastic pathway, the time constants of the traces its rule reads."""
    pathways = network.plastic_pathways
    w = np.empty(wiring.plastic_first[-1], np.float64)
    sizes, decay = [], np.full((len(pathways), 4), -1.0)
    for k, pathway in enumerate(pathways):
        n_pre, n_post = network.size(pathway.pre), network.size(pathway.post)
        sizes.append((n_pre, n_post, n_pre, n_post))
        initial = np.minimum(np.asarray(pathway.weight, dtype=float), pathway.w_max)
        if initial.ndim:
            initial = initial[wiring.synapses(network.pathways.index(pathway), n_pre)[0]]
        w[wiring.plastic_first[k] : wiring.plastic_first[k + 1]] = initial
        for name, tau_s in taus_s[k].items():
            decay[k, TRACES.index(name)] = math.exp(-network.dt_s / tau_s)
    ends = _starts([size for four in sizes for size in four])
    first = np.array([ends[4 * k : 4 * k + 5] for k in range(len(pathways))]).reshape(-1, 5)
    return PlasticState(
        w,
        np.array([pathway.w_max for pathway in pathways], dtype),
        np.array([pathway.gain for pathway in pathways], dtype),
        np.zeros(ends[-1], dtype),
        first,
        np.ones((len(pathways), 4)),
        decay,
    )


def make_ring(network: SpikingNetwork) -> Ring:
    """Empty."""
    n_slots = 1 << max((pathway.delay_steps for pathway in network.pathways), default=0).bit_length()
    capacity = [
        max(group.size, sum(process.count for process in group.processes))
        if isinstance(group, PoissonSource)
        else group.size
        for group in network.groups
    ]
    index = np.uint16 if max(group.size for group in network.groups) <= 2**16 else np.uint32
    first = _starts(capacity)
    return Ring(np.zeros((n_slots, len(capacity)), np.int64), np.zeros((n_slots, first[-1]), index), first)


def make_log(life: SpikingLife) -> Log:
    """Empty; the rate starts in the middle of the allowed band."""
    network, tau = life.network, life.tau_rate_s
    first = _starts([group.size for group in network.groups])
    logged = np.zeros(first[-1], np.bool_)
    for name, count in life.logged:
        start = first[network.index(name)]
        logged[start : start + count] = True
    low, high = life.allowed_rate_hz or (-math.inf, math.inf)
    capacity = int(100.0 * network.dt_s * (life.log_stop - life.log_start) * logged.sum())
    return Log(
        np.zeros(life.n_steps, np.float32),
        np.zeros(life.n_steps, np.uint16),
        np.array([life.initial_rate_hz]),
        math.exp(-network.dt_s / tau),
        1.0 / (tau * network.size(life.watched)),
        low,
        high,
        network.index(life.watched),
        np.zeros(first[-1], np.int64),
        logged,
        life.log_start,
        life.log_stop,
        np.zeros(1, np.int64),
        np.zeros(capacity, np.int32),
        np.zeros(capacity, np.int32),
    )


def _starts(sizes: list[int]) -> np.ndarray:
    return np.cumsum([0, *sizes], dtype=np.int64)
