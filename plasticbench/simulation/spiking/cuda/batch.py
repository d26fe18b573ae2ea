"""Lives under rules on the device together: memory planned beforehand, launches of chunks, what is left."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from plasticbench.networks.life import Life
from plasticbench.rules import RuleBatch
from plasticbench.simulation.cuda.driver import Device, Function
from plasticbench.simulation.cuda.structs import structure
from plasticbench.simulation.spiking.cuda.arena import Arena, space
from plasticbench.simulation.spiking.cuda.arrays import LifeArrays
from plasticbench.simulation.spiking.cuda.device_life import DeviceLife
from plasticbench.simulation.spiking.cuda.plan import Plan
from plasticbench.simulation.spiking.cuda.source import launch_fields, life_fields
from plasticbench.simulation.spiking.cuda.wiring import DeviceWiring
from plasticbench.simulation.spiking.lifetime import numbers_of, taus_s
from plasticbench.simulation.spiking.wiring import wiring_key

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
        arrays, wiring = self.arrays[job.life], self.wirings[self.wiring_key(job.life)]
        total = sum(map(space, arrays.sizes(wiring.plastic_first).values())) + ctypes.sizeof(self.struct) + 4
        if job.life not in shared:
            shared.add(job.life)
            total += sum(space(array.nbytes) for array in arrays.inputs.values())
        if wiring not in shared:
            shared.add(wiring)
            total += wiring.n_bytes
        return total

    def wiring_key(self, life: int) -> tuple:
        """Lives of equal keys share their wiring."""
        return self.lives[life].seed, wiring_key(self.lives[life].spiking_network)

    @cached_property
    def wirings(self) -> dict[tuple, DeviceWiring]:
        """Of each key."""
        return {
            self.wiring_key(s): DeviceWiring(life.spiking_network, life.seed, self.plan.wide)
            for s, life in enumerate(self.lives)
        }

    @property
    def struct(self) -> type[ctypes.Structure]:
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


@dataclass(frozen=True)
class Functions:
    """The kernels."""

    live: Function
    wire: Function
    weigh: Function


class Batch:
    """Jobs that are on the device together; a context that gives its memory back."""

    def __init__(self, population: Population, jobs: Sequence[Job], device: Device, functions: Functions):
        self.population, self.jobs, self.device, self.functions = population, jobs, device, functions
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
        population, arena = self.population, Arena()
        self._structs = (population.struct * len(self.jobs))()
        wirings: dict[DeviceWiring, list[int]] = {}  # the synapses of their plastic pathways, once they are drawn
        inputs: dict[int, dict[str, int]] = {}
        places = []
        for struct, job in zip(self._structs, self.jobs, strict=True):
            arrays = population.arrays[job.life]
            wiring = population.wirings[population.wiring_key(job.life)]
            if wiring not in wirings:
                wiring.place(arena)
                wirings[wiring] = []
            if job.life not in inputs:
                inputs[job.life] = {name: arena.place(array.nbytes) for name, array in arrays.inputs.items()}
            places.append({name: (arena.place(n), n) for name, n in arrays.sizes(wiring.plastic_first).items()})
            own = {name: offset for name, (offset, _) in places[-1].items()}
            for name, offset in (wiring.offsets | inputs[job.life] | own).items():
                if name != "scratch":
                    setattr(struct, name, offset)
        self.arena, self._arena_address = arena, self._allocate(arena.size)
        self._table = self._allocate(ctypes.sizeof(self._structs))
        self._queue = self._allocate(4 * (1 + len(self.jobs)))
        for life, offsets in inputs.items():
            for name, array in population.arrays[life].inputs.items():
                self.device.upload(self._arena_address + offsets[name], array)
        self._wire(wirings)
        self.lives = [self._begun(*one, wirings) for one in zip(self._structs, self.jobs, places, strict=True)]
        self._weigh()

    def _wire(self, wirings: dict[DeviceWiring, list[int]]) -> None:
        """Draw all wirings on the device."""
        for wiring in wirings:
            for offset, array in wiring.from_host():
                self.device.upload(self._arena_address + offset, array)
        self._run_once(self.functions.wire, [one for wiring in wirings for one in wiring.drawn()])
        for wiring in wirings:
            row_start = np.empty(wiring.sizes["row_start"] // 4, np.int32)
            self.device.download(self._arena_address + wiring.offsets["row_start"], row_start)
            wirings[wiring] = wiring.n_synapses(row_start)

    def _weigh(self) -> None:
        """Weights as at the start of life."""
        population = self.population
        wirings = [population.wirings[population.wiring_key(job.life)] for job in self.jobs]
        table = [
            one for wiring, struct in zip(wirings, self._structs, strict=True) for one in wiring.weighed(struct)
        ]  # fmt: skip
        self._run_once(self.functions.weigh, table)

    def _run_once(self, function: Function, rows: list[ctypes.Structure]) -> None:
        """One block for each row of a table."""
        if not rows:
            return
        table = (type(rows[0]) * len(rows))(*rows)
        address = self.device.allocate(ctypes.sizeof(table))
        try:
            self.device.upload(address, table)
            arguments = (ctypes.c_uint64(address), ctypes.c_uint64(self._arena_address))
            self.device.launch(function, len(rows), *arguments)
        finally:
            self.device.free(address)

    def _begun(self, struct, job: Job, places: dict, wirings: dict[DeviceWiring, list[int]]) -> DeviceLife:
        population = self.population
        parameters = numbers_of(population.rules, job.rule)
        structures = population.rules.structure.pathways
        taus = [taus_s(p, row) for p, row in zip(structures, parameters, strict=True)]
        wiring = population.wirings[population.wiring_key(job.life)]
        population.arrays[job.life].fill(struct, taus, wiring.plastic_first)
        life = DeviceLife(population.arrays[job.life], struct, places, self._arena_address, wirings[wiring])
        life.begin(self.device, parameters)
        return life

    # ------------------------------------------------------------ living

    def run(self, chunk: int = CHUNK_STEPS) -> int:
        """All lives to their end; the number of launches."""
        n_launches, rounds, at_once = 0, 1, self.device.blocks_at_once(self.functions.live)
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
        self.device.upload(self._table, rows)
        self.device.clear(self._queue, 4 * (1 + len(alive)))
        launch = structure("Launch", launch_fields(self.population.plan))(len(alive), rounds, chunk)
        for k, value in enumerate(alive[0].arrays.constants.tolist()):
            launch.constant[k] = value
        addresses = [ctypes.c_uint64(address) for address in (self._table, self._arena_address, self._queue)]
        self.device.launch(self.functions.live, min(len(alive), at_once), *addresses, launch)
        self.device.download(self._table, rows)
        for life, row in zip(alive, rows, strict=True):
            life.struct.status, life.struct.step, life.struct.n_logged = row.status, row.step, row.n_logged
            for r in range(len(self.population.plan.rates)):
                life.struct.rate_hz[r] = row.rate_hz[r]
