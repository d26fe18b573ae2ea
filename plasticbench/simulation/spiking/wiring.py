"""Which neuron connects to which: drawn from the seed by counter, the same for every engine.

The wiring of a seed depends on sizes and connection rules only, never on weights or input rates, so that all
rules and conditions of a seed share it.
"""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from plasticbench.networks.connections import Block, RandomConnections, ReceptiveFields
from plasticbench.networks.spiking import SpikingNetwork, SpikingPathway
from plasticbench.simulation.compile import compiled_plainly
from plasticbench.simulation.draws import uniform_pair_at
from plasticbench.simulation.random import Stream, stream_id


class Wiring(NamedTuple):
    """All pathways' synapses, one after the other, each sorted by presynaptic, then by postsynaptic neuron."""

    row_first: np.ndarray  # (n_pathways,) int64: a pathway's first entry in row_start
    row_start: np.ndarray  # (sum of n_pre + 1) int64: where a presynaptic neuron's synapses begin, into target
    target: np.ndarray  # (n_synapses,) uint16 or uint32: postsynaptic neuron within its population
    # The transpose, of plastic pathways:
    column_first: np.ndarray  # (n_plastic,) int64: a pathway's first entry in column_start
    column_start: np.ndarray  # (sum of n_post + 1) int64: where a postsynaptic neuron's begin, into the next two
    column_synapse: np.ndarray  # (n_plastic_synapses,) uint32: synapse, counted from the pathway's first
    column_source: np.ndarray  # (n_plastic_synapses,) as target: presynaptic neuron of that synapse
    plastic_first: np.ndarray  # (n_plastic + 1,) int64: a pathway's first synapse among all plastic synapses

    def synapses(self, pathway: int, n_pre: int) -> tuple[np.ndarray, np.ndarray]:
        """(presynaptic, postsynaptic) neuron of each synapse of a pathway, in order."""
        rows = self.row_start[self.row_first[pathway] : self.row_first[pathway] + n_pre + 1]
        return np.repeat(np.arange(n_pre), np.diff(rows)), self.target[rows[0] : rows[-1]].astype(np.int64)

    @property
    def n_bytes(self) -> int:
        return sum(array.nbytes for array in self)


def wiring_key(network: SpikingNetwork) -> tuple:
    """What the wiring depends on beside the seed: networks of equal keys share it."""
    sizes = tuple((group.name, group.size) for group in network.groups)
    return sizes, tuple((p.name, p.pre, p.post, p.connections, p.plastic) for p in network.pathways)


def draw_wiring(network: SpikingNetwork, seed: int) -> Wiring:
    """The wiring of a seed."""
    index = np.uint16 if max(group.size for group in network.groups) <= 2**16 else np.uint32
    starts, targets, first = [], [], 0
    for pathway in network.pathways:
        row_start, target = draw_pathway(network, pathway, seed, index)
        starts.append(row_start + first)
        targets.append(target)
        first += len(target)
    column_starts, synapses, sources, plastic_first = [], [], [], [0]
    for pathway, row_start, target in zip(network.pathways, starts, targets, strict=True):
        if pathway.plastic:
            column_start, synapse, source = _transpose(
                row_start - row_start[0], target, network.size(pathway.post), index(0)
            )
            column_starts.append(column_start + plastic_first[-1])
            synapses.append(synapse)
            sources.append(source)
            plastic_first.append(plastic_first[-1] + len(target))
    return Wiring(
        _first(starts),
        np.concatenate(starts),
        np.concatenate(targets),
        _first(column_starts),
        np.concatenate(column_starts or [np.zeros(1, np.int64)]),
        np.concatenate(synapses or [np.zeros(0, np.uint32)]),
        np.concatenate(sources or [np.zeros(0, index)]),
        np.array(plastic_first, dtype=np.int64),
    )


def synapses_of(network: SpikingNetwork, name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(presynaptic, postsynaptic) neuron of each synapse of one pathway, in order, without drawing the others."""
    pathway = next(p for p in network.pathways if p.name == name)
    row_start, target = draw_pathway(network, pathway, seed, np.uint32)
    return np.repeat(np.arange(len(row_start) - 1), np.diff(row_start)), target.astype(np.int64)


def _first(parts: list[np.ndarray]) -> np.ndarray:
    return np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64)[:-1]


def wiring_stream(pathway: SpikingPathway) -> str:
    """The name of the stream that a pathway is drawn from."""
    of = pathway.connections.of if isinstance(pathway.connections, Block) else None
    return f"wiring/{of or pathway.name}"


def draw_pathway(
    network: SpikingNetwork, pathway: SpikingPathway, seed: int, index: type
) -> tuple[np.ndarray, np.ndarray]:
    """(n_pre + 1,) where each row begins, and (n_synapses,) the targets, of one pathway of a seed."""
    n_pre, n_post = network.size(pathway.pre), network.size(pathway.post)
    name, connections = wiring_stream(pathway), pathway.connections
    if isinstance(connections, Block):
        whole = dataclasses.replace(pathway, name=connections.of or pathway.name, connections=connections.connections)
        return _within(connections, *draw_pathway(network, whole, seed, index))
    if isinstance(connections, ReceptiveFields):
        centre = Stream(seed, name).integers(connections.side, (n_post, 2))
        return _receptive_fields(n_pre, connections.side, connections.radius, centre, index(0))
    assert isinstance(connections, RandomConnections)
    p, capacity = connections.probability, connections.capacity(n_pre, n_post)
    return _random_rows(seed, stream_id(name), n_pre, n_post, p, pathway.pre == pathway.post, capacity, index(0))


def _within(block: Block, row_start: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The synapses of a block among those of its whole draw."""
    n_pre = len(row_start) - 1
    source = np.repeat(np.arange(n_pre), np.diff(row_start))
    kept = np.ones(len(target), bool)
    for neurons, ends in ((source, block.pre), (target, block.post)):
        if ends is not None:
            kept &= (neurons >= ends[0]) & (neurons < ends[1])
    n_kept = np.bincount(source[kept], minlength=n_pre)
    return np.cumsum([0, *n_kept], dtype=np.int64), target[kept]


@compiled_plainly
def _random_rows(seed, stream, n_pre, n_post, p, is_recurrent, capacity, zero):
    """Row by row, geometric skips over the targets; draw k of row j has the counter j * 2**32 + k."""
    row_start = np.zeros(n_pre + 1, np.int64)
    target = np.empty(capacity, np.full(1, zero).dtype)
    n = 0
    if p >= 1.0:
        for j in range(n_pre):
            for i in range(n_post):
                if not (is_recurrent and i == j):
                    target[n] = i
                    n += 1
            row_start[j + 1] = n
        return row_start, target[:n].copy()
    scale = 1.0 / math.log1p(-p)
    for j in range(n_pre):
        i = -1
        for k in range(n_post):
            pair = uniform_pair_at(seed, stream, (j << 32) + k)
            for u in pair:
                i += 1 + int(min(math.log(u) * scale, 4e9))
                if i >= n_post:
                    break
                if not (is_recurrent and i == j) and n < len(target):
                    target[n] = i
                    n += 1
            if i >= n_post:
                break
        row_start[j + 1] = n
    return row_start, target[:n].copy()


@compiled_plainly
def _receptive_fields(n_pre, side, radius, centre, zero):
    """Neuron i hears the afferents at squared distance < radius**2 from its centre."""
    n_post = len(centre)
    reach = int(radius)
    row_start = np.zeros(n_pre + 1, np.int64)
    target = np.empty(0, np.full(1, zero).dtype)
    fill = np.zeros(n_pre, np.int64)
    for counting in (True, False):
        if not counting:
            row_start[1:] = np.cumsum(fill)
            target = np.empty(row_start[-1], target.dtype)
            fill[:] = row_start[:-1]
        for i in range(n_post):
            for x in range(max(0, centre[i, 0] - reach), centre[i, 0] + reach + 1):
                for y in range(max(0, centre[i, 1] - reach), min(side, centre[i, 1] + reach + 1)):
                    near = (x - centre[i, 0]) ** 2 + (y - centre[i, 1]) ** 2 < radius * radius
                    afferent = x * side + y
                    if near and afferent < n_pre:
                        if not counting:
                            target[fill[afferent]] = i
                        fill[afferent] += 1
    return row_start, target


@compiled_plainly
def _transpose(row_start, target, n_post, zero):
    column_start = np.zeros(n_post + 1, np.int64)
    for i in target:
        column_start[i + 1] += 1
    column_start = np.cumsum(column_start)
    fill = column_start.copy()
    synapse = np.empty(len(target), np.uint32)
    source = np.empty(len(target), np.full(1, zero).dtype)
    for j in range(len(row_start) - 1):
        for k in range(row_start[j], row_start[j + 1]):
            place = fill[target[k]]
            synapse[place] = k
            source[place] = j
            fill[target[k]] += 1
    return column_start, synapse, source
