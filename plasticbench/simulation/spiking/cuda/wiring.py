"""The wiring of a seed on the device: where it lies, and how it is drawn there."""

from __future__ import annotations

import ctypes
import math
from functools import lru_cache

import numpy as np

from plasticbench.networks.connections import RandomConnections
from plasticbench.networks.spiking import SpikingNetwork
from plasticbench.simulation.cuda.structs import declaration, fields, structure
from plasticbench.simulation.random import stream_id
from plasticbench.simulation.spiking.cuda.arena import Arena, space
from plasticbench.simulation.spiking.cuda.source import fixed_source
from plasticbench.simulation.spiking.wiring import draw_pathway, wiring_stream

THREADS = 256
SHARED_BYTES = 8 * THREADS

_DRAWN = [
    *fields("unsigned long long", "seed"),
    *fields("long long", "row_start target column_start column_source column_synapse scratch"),
    *fields("double", "scale"),
    *fields("unsigned", "stream"),
    *fields("int", "n_pre n_post recurrent all random plastic capacity first first_column padding"),
]
_WEIGHED = [*fields("long long", "row_start initial w"), *fields("int", "n_pre padding")]


@lru_cache(maxsize=2)
def wiring_source(wide: bool) -> str:
    """Of the kernels `wire` and `weigh`; wide: whether indices of neurons need four bytes."""
    return "".join(
        [
            f"#define THREADS {THREADS}\n",
            f"typedef unsigned {'int' if wide else 'short'} INDEX;\n",
            declaration("Drawn", _DRAWN),
            declaration("Weighed", _WEIGHED),
            fixed_source("random"),
            fixed_source("wiring"),
        ]
    )


class DeviceWiring:
    """Of one seed. Pathways have room for as many synapses as a draw can have, so that places are known before."""

    def __init__(self, network: SpikingNetwork, seed: int, wide: bool):
        self._network, self._seed, self._index = network, seed, np.dtype(np.uint32 if wide else np.uint16)
        self.capacity = [p.connections.capacity(network.size(p.pre), network.size(p.post)) for p in network.pathways]
        plastic = [n for p, n in zip(network.pathways, self.capacity, strict=True) if p.plastic]
        self.plastic_first = np.cumsum([0, *plastic], dtype=np.int64)
        n_rows = sum(network.size(p.pre) + 1 for p in network.pathways)
        n_columns = sum(network.size(p.post) + 1 for p in network.plastic_pathways)
        self.sizes = {
            "row_start": 4 * n_rows, "target": self._index.itemsize * sum(self.capacity),
            "column_start": 4 * n_columns, "column_source": self._index.itemsize * sum(plastic),
            "column_synapse": 4 * sum(plastic), "scratch": 4 * n_columns,
        }  # fmt: skip

    @property
    def n_bytes(self) -> int:
        """What it takes of an arena."""
        return sum(map(space, self.sizes.values()))

    def place(self, arena: Arena) -> None:
        """Find places for its arrays."""
        self.offsets = {name: arena.place(n_bytes) for name, n_bytes in self.sizes.items()}

    def drawn(self) -> list[ctypes.Structure]:
        """What the kernel `wire` is told of each pathway."""
        found, row, first, column, k = [], 0, 0, 0, 0
        for pathway, capacity in zip(self._network.pathways, self.capacity, strict=True):
            n_pre, n_post = self._network.size(pathway.pre), self._network.size(pathway.post)
            one = structure("Drawn", _DRAWN)(seed=self._seed, n_pre=n_pre, n_post=n_post)
            one.row_start, one.target = self.offsets["row_start"] + 4 * row, self.offsets["target"]
            one.first, one.capacity, one.plastic = first, capacity, pathway.plastic
            one.recurrent = pathway.pre == pathway.post
            one.stream = stream_id(wiring_stream(pathway))
            if isinstance(pathway.connections, RandomConnections):
                p = pathway.connections.probability
                one.random, one.all = 1, p >= 1.0
                one.scale = 0.0 if p >= 1.0 else 1.0 / math.log1p(-p)
            if pathway.plastic:
                one.column_start = self.offsets["column_start"] + 4 * column
                one.scratch = self.offsets["scratch"] + 4 * column
                one.column_source, one.column_synapse = self.offsets["column_source"], self.offsets["column_synapse"]
                one.first_column = int(self.plastic_first[k])
                column, k = column + n_post + 1, k + 1
            row, first = row + n_pre + 1, first + capacity
            found.append(one)
        return found

    def weighed(self, life: ctypes.Structure) -> list[ctypes.Structure]:
        """What the kernel `weigh` is told of each plastic pathway; life: with the places of its arrays."""
        found, row, k, initial = [], 0, 0, 0
        for pathway in self._network.pathways:
            n_pre = self._network.size(pathway.pre)
            if pathway.plastic:
                one = structure("Weighed", _WEIGHED)(n_pre=n_pre, row_start=self.offsets["row_start"] + 4 * row)
                one.initial = life.initial + 8 * initial  # type: ignore[attr-defined]
                one.w = life.w + 8 * int(self.plastic_first[k])  # type: ignore[attr-defined]
                found.append(one)
                initial, k = initial + n_pre, k + 1
            row += n_pre + 1
        return found

    def from_host(self) -> list[tuple[int, np.ndarray]]:
        """(offset, array) of the pathways that are not drawn at random, and so come from the host."""
        found, row, first = [], 0, 0
        for pathway, capacity in zip(self._network.pathways, self.capacity, strict=True):
            if not isinstance(pathway.connections, RandomConnections):
                row_start, target = draw_pathway(self._network, pathway, self._seed, self._index.type)
                found.append((self.offsets["row_start"] + 4 * row, (row_start + first).astype(np.int32)))
                found.append((self.offsets["target"] + self._index.itemsize * first, target))
            row, first = row + self._network.size(pathway.pre) + 1, first + capacity
        return found

    def n_synapses(self, row_start: np.ndarray) -> list[int]:
        """Of each plastic pathway, from all rows' beginnings."""
        found, row = [], 0
        for pathway in self._network.pathways:
            n_pre = self._network.size(pathway.pre)
            if pathway.plastic:
                found.append(int(row_start[row + n_pre] - row_start[row]))
            row += n_pre + 1
        return found
