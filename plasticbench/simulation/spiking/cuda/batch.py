"""Lives under rules on the device together: memory planned beforehand, launches of chunks, what is left."""

from __future__ import annotations

import ctypes as C
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from plasticbench.networks.life import Life
from plasticbench.networks.spiking import SpikingNetwork, SpikingPathway
from plasticbench.rules import RuleBatch
from plasticbench.simulation.spiking.cuda.arena import Arena, space
from plasticbench.simulation.spiking.cuda.arrays import LifeArrays, wiring_arrays
from plasticbench.simulation.spiking.cuda.device_life import DeviceLife
from plasticbench.simulation.spiking.cuda.driver import Device, Function
from plasticbench.simulation.spiking.cuda.plan import Plan
from plasticbench.simulation.spiking.cuda.source import launch_fields, life_fields
from plasticbench.simulation.spiking.cuda.structs import structure
from plasticbench.simulation.spiking.lifetime import numbers_of, taus_s
from plasticbench.simulation.spiking.wiring import Wiring, draw_wiring, wiring_key

CHUNK_STEPS = 10_000
_LAUNCH_S = 1.0  # about how long a launch should take: a card with a display stops kernels after some seconds
_MOST_ROUNDS = 64
_MEMORY_SHARE = 0.9  # of the free memory


@dataclass(frozen=True)
class Job:
    """One life under one rule of a batch, as positions."""

    life: int
    rule: int


@dataclass(frozen=True, eq=False)
class Population:
    """Lives of one plan and equal constants, under rules of one structure."""

    plan: Plan
    lives: Sequence[Life]
    rules: RuleBatch

    @cached_property
    def arrays(self) -> list[LifeArrays]:
        """Of each life."""
        return [LifeArrays(life, self.plan) for life in self.lives]

    def bytes_of(self, job: Job, shared: set) -> int:
        """What a job takes on the device beyond what is `shared` already; an upper bound, before wiring is drawn."""
        life, arrays = self.lives[job.life], self.arrays[job.life]
        network = life.spiking_network
        most = [p.connections.capacity(network.size(p.pre), network.size(p.post)) for p in network.pathways]
        plastic = {p.name: n for p, n in zip(network.pathways, most, strict=True) if p.plastic}
        total = sum(map(space, arrays.sizes(plastic).values())) + C.sizeof(self.struct) + 4
        if job.life not in shared:
            shared.add(job.life)
            total += sum(space(array.nbytes) for array in arrays.inputs.values())
        key = (life.seed, wiring_key(network))
        if key not in shared:
            shared.add(key)
            index, n_ends = 4 if self.plan.wide else 2, sum(2 + n for p in network.pathways for n in _ends(network, p))
            total += space(index * sum(most)) + 2 * space(4 * n_ends) + 2 * space(4 * sum(plastic.values()))
        return total

    @property
    def struct(self) -> type[C.Structure]:
        return structure("Life", life_fields(self.plan))

    def parts(self, free_bytes: int) -> Iterator[list[Job]]:
        """All jobs, lives of one seed together, in parts that fit; a part of one job is tried in any case."""
        part: list[Job] = []
        shared: set = set()
        total = 0
        for job in (Job(s, r) for s in range(len(self.lives)) for r in range(self.rules.n_rules)):
            more = self.bytes_of(job, shared)
            if part and total + more > _MEMORY_SHARE * free_bytes:
                yield part
                part, shared = [], set()
                total, more = 0, self.bytes_of(job, shared)
            part.append(job)
            total += more
        yield part


def _ends(network: SpikingNetwork, pathway: SpikingPathway) -> tuple[int, int]:
    return network.size(pathway.pre), network.size(pathway.post)


class Batch:
    """Jobs that are on the device together; a context that gives its memory back."""

    def __init__(self, population: Population, jobs: Sequence[Job], device: Device, function: Function):
        self.population, self.jobs, self.device, self.function = population, jobs, device, function
        self._owned: list[int] = []

    def __enter__(self) -> Batch:
        try:
            self._place()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for address in self._owned:
            self.device.free(address)
        self._owned.clear()

    def _allocate(self, n_bytes: int) -> int:
        self._owned.append(self.device.allocate(n_bytes))
        return self._owned[-1]

    def _place(self) -> None:
        """Find a place for every array, allocate, and begin every life."""
        arena = Arena()
        wirings: dict[tuple, Wiring] = {}
        shared: list[tuple[int, np.ndarray]] = []
        common: dict[object, dict[str, int]] = {}  # of a wiring, or of a life: array -> offset

        def share(key: object, arrays: dict[str, np.ndarray]) -> dict[str, int]:
            if key not in common:
                common[key] = {name: arena.place(array.nbytes) for name, array in arrays.items()}
                shared.extend((common[key][name], array) for name, array in arrays.items())
            return common[key]

        self._structs = (self.population.struct * len(self.jobs))()
        found = []
        for struct, job in zip(self._structs, self.jobs, strict=True):
            life = self.population.lives[job.life]
            network = life.spiking_network
            key = (life.seed, wiring_key(network))
            wiring = wirings.get(key) or wirings.setdefault(key, draw_wiring(network, life.seed))
            arrays = self.population.arrays[job.life]
            offsets = dict(share(key, wiring_arrays(wiring))) | share(job.life, arrays.inputs)
            n_synapses = np.diff(wiring.plastic_first).tolist()
            sizes = arrays.sizes({p.name: n for p, n in zip(network.plastic_pathways, n_synapses, strict=True)})
            places = {name: (arena.place(n_bytes), n_bytes) for name, n_bytes in sizes.items()}
            for name, offset in (offsets | {name: place[0] for name, place in places.items()}).items():
                setattr(struct, name, offset)
            parameters = numbers_of(self.population.rules, job.rule)
            structures = self.population.rules.structure.pathways
            taus = [taus_s(p, row) for p, row in zip(structures, parameters, strict=True)]
            arrays.fill(struct, taus, wiring.plastic_first)
            found.append((arrays, struct, places, wiring, parameters))
        self.arena, self.arena_address = arena, self._allocate(arena.size)
        self.table = self._allocate(C.sizeof(self._structs))
        self.queue = self._allocate(4 * (1 + len(self.jobs)))
        for offset, array in shared:
            self.device.upload(self.arena_address + offset, array)
        self.lives = []
        for arrays, struct, places, wiring, parameters in found:
            life = DeviceLife(arrays, struct, places, self.arena_address)
            life.begin(self.device, wiring, parameters)
            self.lives.append(life)

    # ------------------------------------------------------------ living

    def run(self, chunk: int = CHUNK_STEPS) -> int:
        """All lives to their end; the number of launches."""
        n_launches, rounds, at_once = 0, 1, self.device.blocks_at_once(self.function)
        while True:
            alive = [life for life in self.lives if not life.over]
            for life in alive:
                life.prepare(self.device)
            alive = [life for life in alive if not life.over]
            if not alive:
                return n_launches
            started = time.perf_counter()
            self._launch(alive, rounds, chunk, at_once)
            n_launches += 1
            if time.perf_counter() - started < _LAUNCH_S / 2:
                rounds = min(2 * rounds, _MOST_ROUNDS)
            elif time.perf_counter() - started > _LAUNCH_S:
                rounds = max(1, rounds // 2)
            for life in alive:
                life.drain(self.device)

    def _launch(self, alive: list[DeviceLife], rounds: int, chunk: int, at_once: int) -> None:
        rows = (self.population.struct * len(alive))(*(life.struct for life in alive))
        self.device.upload(self.table, rows)
        self.device.clear(self.queue, 4 * (1 + len(alive)))
        launch = structure("Launch", launch_fields(self.population.plan))(len(alive), rounds, chunk)
        for k, value in enumerate(alive[0].arrays.constants.tolist()):
            launch.constant[k] = value
        addresses = [C.c_uint64(address) for address in (self.table, self.arena_address, self.queue)]
        self.device.launch(self.function, min(len(alive), at_once), *addresses, launch)
        self.device.download(self.table, rows)
        for life, row in zip(alive, rows, strict=True):
            life.struct.status, life.struct.step, life.struct.n_logged = row.status, row.step, row.n_logged
            for r in range(len(self.population.plan.rates)):
                life.struct.rate_hz[r] = row.rate_hz[r]
