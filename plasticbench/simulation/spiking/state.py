"""A spiking network and the state of one lifetime, as flat arrays for the compiled loop."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from plasticbench.networks.life import Life
from plasticbench.networks.sources import PoissonSource, SpikeTrainSource
from plasticbench.networks.spiking import SpikingNetwork
from plasticbench.rules.batch import PathwayStructure
from plasticbench.simulation.spiking.wiring import Wiring

PRE_SIDE, POST_SIDE = 0, 1
COUNTS, NEAREST, CHANGED = 0, 1, 2  # how a filter takes its neuron's spikes: adds 1, becomes 1, adds `pending`


class Layout(NamedTuple):
    """What does not change during a life. Groups are populations, then sources."""

    first: np.ndarray  # (n_groups + 1,) int64: a group's first neuron or afferent among all
    model: np.ndarray  # (n_populations,) int64: address of the population's compiled step
    frame: np.ndarray  # (n_populations,) int64: address of its table of addresses
    pathway: np.ndarray  # (n_pathways, 8) int64: pre, post, receptor, delay, plastic (or -1), weight, n_pre, n_post
    weight: np.ndarray  # static pathways: gain x weight of each presynaptic neuron


class PlasticState(NamedTuple):
    """Weights of plastic pathways, and their filters: traces, and states of one number for each neuron."""

    w: np.ndarray  # (n_plastic_synapses,) float64, in the order of rows: rules add small changes
    w_min: np.ndarray  # (n_plastic,) float64
    w_max: np.ndarray  # (n_plastic,) float64
    gain: np.ndarray  # (n_plastic,)
    value: np.ndarray  # every filter's numbers, in units of `unit`
    pending: np.ndarray  # float64, as `value`: what events of this step add to states; empty where there are none
    first: np.ndarray  # (n_filters + 1,) int64: where a filter begins in `value`
    own: np.ndarray  # (n_plastic + 1,) int64: a pathway's first filter
    side: np.ndarray  # (n_filters,) int64
    kind: np.ndarray  # (n_filters,) int64
    unit: np.ndarray  # (n_filters,) float64
    decay: np.ndarray  # (n_filters,) float64: factor per step
    synaptic: np.ndarray  # (n_synaptic_states, n_plastic_synapses of its pathway) float64, one after the other
    since: np.ndarray  # int64, as `synaptic`: the step at which a state had this value
    synaptic_first: np.ndarray  # (n_synaptic_states + 1,) int64


class Ring(NamedTuple):
    """The spikes of the last steps."""

    n_spikes: np.ndarray  # (n_slots, n_groups) int64; the number of slots is a power of two
    spikes: np.ndarray  # (n_slots, capacity), neuron within its group
    first: np.ndarray  # (n_groups + 1,) int64: a group's place in a slot
    out: np.ndarray  # (capacity,): where neurons' steps write the indices of this step's spikes


def make_layout(
    network: SpikingNetwork, receptors: dict[str, dict[str, int]], steps: list[int], frames: list[int], dtype: type
) -> Layout:
    """Of a network; receptors: population -> receptor -> its row in the state of neurons."""
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
                receptors[pathway.post][pathway.receptor],
                pathway.delay_steps,
                n_plastic if pathway.plastic else -1,
                place,
                n_pre,
                network.size(pathway.post),
            )
        )
        n_plastic += pathway.plastic
    return Layout(
        starts([group.size for group in network.groups]),
        np.array(steps, np.int64),
        np.array(frames, np.int64),
        np.array(table, dtype=np.int64).reshape(-1, 8),
        np.concatenate(weights).astype(dtype),
    )


def change_static_weights(life: Life, layout: Layout, first: int, last: int) -> None:
    """Into `layout`: what the life changes from step `first` to `last`, both included."""
    network = life.spiking_network
    for change in life.weight_changes:
        if first <= change.step <= last:
            k = next(k for k, pathway in enumerate(network.pathways) if pathway.name == change.pathway)
            place, n_pre = layout.pathway[k, 5:7]
            layout.weight[place : place + n_pre] = network.pathways[k].gain * change.weight


def make_plastic(
    network: SpikingNetwork,
    wiring: Wiring,
    structures: tuple[PathwayStructure, ...],
    taus_s: list[dict[str, float]],
    dtype: type,
) -> PlasticState:
    """At the start of life; taus_s: of each plastic pathway, the time constants of its traces and decaying states."""
    pathways = network.plastic_pathways
    filters, own, synaptic = [], [0], []
    for k, (pathway, structure) in enumerate(zip(pathways, structures, strict=True)):
        sizes = {"pre": network.size(pathway.pre), "post": network.size(pathway.post)}
        for trace in structure.traces:
            filters.append((sizes[trace.side], trace.side, NEAREST if trace.nearest else COUNTS, taus_s[k][trace.name]))
        for state in structure.states:
            tau_s = taus_s[k].get(state.name, math.inf)
            if state.scope == "synapse":
                synaptic.append(wiring.plastic_first[k + 1] - wiring.plastic_first[k])
            else:
                filters.append((sizes[state.scope], state.scope, CHANGED, tau_s))
        own.append(len(filters))
    first, synaptic_first = starts([size for size, *_ in filters]), starts(synaptic)
    has_states = any(kind == CHANGED for _, _, kind, _ in filters)
    return PlasticState(
        initial_weights(network, wiring),
        np.array([pathway.w_min for pathway in pathways], np.float64),
        np.array([pathway.w_max for pathway in pathways], np.float64),
        np.array([pathway.gain for pathway in pathways], dtype),
        np.zeros(first[-1], dtype),
        np.zeros(first[-1] if has_states else 0),
        first,
        np.array(own, np.int64),
        np.array([side == "post" for _, side, _, _ in filters], np.int64),
        np.array([kind for _, _, kind, _ in filters], np.int64),
        np.ones(len(filters)),
        np.array([math.exp(-network.dt_s / tau_s) for *_, tau_s in filters], np.float64),
        np.zeros(synaptic_first[-1]),
        np.zeros(synaptic_first[-1], np.int64),
        synaptic_first,
    )


def living_state(neurons, ring: Ring, plastic: PlasticState, inputs, log) -> list[np.ndarray]:
    """All that the rest of a life depends on: every array that living changes, but for what has been recorded."""
    return [
        neurons.value, neurons.ready, ring.n_spikes, ring.spikes, plastic.w, plastic.value, plastic.pending,
        plastic.unit, plastic.synaptic, plastic.since, *inputs, log.rate_hz, log.since,
    ]  # fmt: skip


def initial_weights(network: SpikingNetwork, wiring: Wiring) -> np.ndarray:
    """(n_plastic_synapses,) float64."""
    w = np.empty(wiring.plastic_first[-1], np.float64)
    for k, pathway in enumerate(network.plastic_pathways):
        initial = np.minimum(np.asarray(pathway.weight, dtype=float), pathway.w_max)
        if initial.ndim:
            n_pre = network.size(pathway.pre)
            initial = initial[wiring.synapses(network.pathways.index(pathway), n_pre)[0]]
        w[wiring.plastic_first[k] : wiring.plastic_first[k + 1]] = initial
    return w


def make_ring(network: SpikingNetwork) -> Ring:
    """Empty."""
    n_slots = 1 << max((pathway.delay_steps for pathway in network.pathways), default=0).bit_length()
    capacity = [most_spikes(group) for group in network.groups]
    first = starts(capacity)
    index = index_type(network)
    return Ring(
        np.zeros((n_slots, len(capacity)), np.int64), np.zeros((n_slots, first[-1]), index), first,
        np.zeros(first[-1], index),
    )  # fmt: skip


def most_spikes(group) -> int:
    """Of a group in one step, a draw past the last afferent included."""
    if isinstance(group, PoissonSource):
        return max(group.size, sum(process.count for process in group.processes))
    return max(group.size, group.most_in_a_step) if isinstance(group, SpikeTrainSource) else group.size


def index_type(network: SpikingNetwork) -> type:
    """Of neurons' indices: the smallest type that holds them."""
    return np.uint16 if max(group.size for group in network.groups) <= 2**16 else np.uint32


def starts(sizes: list[int]) -> np.ndarray:
    """(n + 1,) int64: where each of some consecutive parts begins, and the last ends."""
    return np.cumsum([0, *sizes], dtype=np.int64)
