"""How a network, a rule's structure and recordings are laid out on the device: what is compiled into a kernel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from plasticbench.networks.life import Life
from plasticbench.networks.neurons import NeuronModel
from plasticbench.networks.recordings import PopulationRate, PopulationSpikes, SpikeCounts, SpikeTrains
from plasticbench.networks.sources import ModulatedSource, SpikeTrainSource
from plasticbench.networks.spiking import SpikingNetwork
from plasticbench.rules.batch import Structure
from plasticbench.simulation.spiking.event_source import EVENTS, filters_of, synaptic_states
from plasticbench.simulation.spiking.inputs import input_processes
from plasticbench.simulation.spiking.state import CHANGED, COUNTS, NEAREST, most_spikes

INPUTS_AHEAD = 64  # steps whose inputs are drawn at once
WARP = 32
_THREADS_AT_ONCE = 768
_MOST_UNROLLED = 72  # states in registers; with more, the loop over a thread's neurons stays one


@dataclass(frozen=True)
class Bank:
    """Consecutive populations of equal neurons, which threads share evenly: neuron n is thread n % threads'."""

    neuron: NeuronModel
    populations: tuple[int, ...]
    first: int  # of its neurons, among all
    size: int
    n_each: int  # neurons a thread
    bit: int  # of its first neuron in a thread's word of refractory neurons
    refractory_steps: int
    first_state: int  # in the state of all neurons
    first_sum: int  # in the sums of arrivals; a receptor's neurons lie one after the other
    first_receptor: int
    first_constant: int

    @property
    def receptors(self) -> tuple[str, ...]:
        """The states that arrivals add to."""
        return tuple(dict.fromkeys(self.neuron.receptors.values()))

    @property
    def unrolled(self) -> bool:
        """Whether its states fit in registers."""
        return self.n_each * len(self.neuron.state) <= _MOST_UNROLLED


@dataclass(frozen=True)
class Filter:
    """A trace, or a state of one number for each neuron, of a plastic pathway."""

    pathway: int  # among the plastic ones
    name: str
    side: str
    kind: int
    first: int  # of its numbers among all filters'
    size: int


@dataclass(frozen=True)
class Plan:
    """Of one network under rules of one structure, with blocks of `threads` threads."""

    network: SpikingNetwork
    structure: Structure
    rates: tuple[int, ...]  # the recordings of each kind: whose
    series: tuple[int, ...]
    counts: tuple[int, ...]
    trains: tuple[int, ...]
    counted_group: int  # whose spikes the modulator counts, or -1
    threads: int

    @classmethod
    def of(cls, life: Life, structure: Structure, threads: int | None = None) -> Plan:
        """For lives like this one; `threads`: a multiple of 32, or by the network's size."""
        network = life.spiking_network
        index = network.index
        counted = life.modulator.population if life.modulator else None
        return cls(
            network,
            structure,
            tuple(index(r.population) for r in life.recordings_of(PopulationRate)),
            tuple(index(r.population) for r in life.recordings_of(PopulationSpikes)),
            tuple(index(r.group) for r in life.recordings_of(SpikeCounts)),
            tuple(index(r.group) for r in life.recordings_of(SpikeTrains)),
            index(counted) if counted else -1,
            threads or default_threads(network),
        )

    inputs_ahead = INPUTS_AHEAD

    @property
    def min_blocks(self) -> int:
        """Blocks that a multiprocessor has registers for: several of small networks, whose warps hide each other."""
        return max(1, _THREADS_AT_ONCE // self.threads)

    # ------------------------------------------------------------ neurons

    @cached_property
    def population_first(self) -> tuple[int, ...]:
        """Each population's first neuron among all, and their number."""
        return _starts([p.size for p in self.network.populations])

    @property
    def n_neurons(self) -> int:
        return self.population_first[-1]

    @cached_property
    def banks(self) -> tuple[Bank, ...]:
        runs: list[list[int]] = []
        for q, population in enumerate(self.network.populations):
            same = q and population.neuron == self.network.populations[q - 1].neuron
            if same and population.neuron.hazard_hz is None:
                runs[-1].append(q)
            else:
                runs.append([q])
        banks: list[Bank] = []
        bit = state = receptor = sums = constant = 0
        for run in runs:
            neuron = self.network.populations[run[0]].neuron
            size = sum(self.network.populations[q].size for q in run)
            n_each = -(-size // self.threads)
            held = round(neuron.step_constants(self.network.dt_s)["refractory_steps"])
            banks.append(
                Bank(neuron, tuple(run), self.population_first[run[0]], size, n_each, bit, held, state, sums, receptor,
                     constant)
            )  # fmt: skip
            bit, state, receptor = bit + n_each, state + size * len(neuron.state), receptor + len(banks[-1].receptors)
            sums += size * len(banks[-1].receptors)
            constant += len(neuron.equations.used_constants(neuron)) + 1
        return tuple(banks)

    def bank_of(self, population: int) -> Bank:
        return next(bank for bank in self.banks if population in bank.populations)

    def sums_of(self, population: int, receptor: str) -> int:
        """Where a receptor of a population's neurons begins in the sums of arrivals."""
        bank = self.bank_of(population)
        row = bank.receptors.index(bank.neuron.receptors[receptor])
        return bank.first_sum + row * bank.size + self.population_first[population] - bank.first

    @property
    def n_sums(self) -> int:
        return sum(bank.size * len(bank.receptors) for bank in self.banks)

    @property
    def n_states(self) -> int:
        return sum(bank.size * len(bank.neuron.state) for bank in self.banks)

    @property
    def n_receptors(self) -> int:
        return sum(len(bank.receptors) for bank in self.banks)

    @property
    def n_constants(self) -> int:
        return sum(len(bank.neuron.equations.used_constants(bank.neuron)) + 1 for bank in self.banks)

    @cached_property
    def seen(self) -> dict[tuple[int, str], int]:
        """(population, state) that some rule reads, and where its neurons begin among all that is seen."""
        found: dict[tuple[int, str], int] = {}
        n = 0
        for pathway, structure in zip(self.network.plastic_pathways, self.structure.pathways, strict=True):
            q = self.network.index(pathway.post)
            population = self.network.populations[q]
            read = frozenset().union(*(structure.variables_of(event) for event in EVENTS))
            for name in sorted(read & set(population.neuron.reads)):
                key = (q, population.neuron.reads[name])
                if key not in found:
                    found[key], n = n, n + population.size
        return found

    @property
    def n_seen(self) -> int:
        return sum(self.network.populations[q].size for q, _ in self.seen)

    # ------------------------------------------------------------ spikes

    @cached_property
    def slots(self) -> int:
        """Steps whose spikes of neurons are kept: a power of two."""
        delays = [p.delay_steps + 3 for p in self.network.pathways if self.network.index(p.pre) < self.n_populations]
        return _power_of_two(max([2, *delays, *(bank.refractory_steps + 2 for bank in self.banks)]))

    @cached_property
    def input_slots(self) -> int:
        """Steps whose inputs are kept: a power of two."""
        delays = [p.delay_steps for p in self.network.pathways if self.network.index(p.pre) >= self.n_populations]
        return _power_of_two(INPUTS_AHEAD + max(delays, default=0) + 2)

    @property
    def n_populations(self) -> int:
        return len(self.network.populations)

    @cached_property
    def input_first(self) -> tuple[int, ...]:
        """Each source's place among one step's inputs, and how many they are at most."""
        return _starts([most_spikes(source) for source in self.network.sources])

    @cached_property
    def n_processes(self) -> int:
        return len(input_processes(self.network).first)

    @property
    def modulated_room(self) -> int:
        """The largest group of a modulated source."""
        sizes = [s.size // s.n_groups for s in self.network.sources if isinstance(s, ModulatedSource)]
        return max(sizes, default=1)

    def may_repeat(self, group: int) -> bool:
        """Whether an afferent may be twice among a group's spikes of one step."""
        source = self.network.groups[group]
        if group < self.n_populations or isinstance(source, ModulatedSource | SpikeTrainSource):
            return False
        spans = sorted((p.first, p.first + p.count) for p in source.processes if p.count)  # type: ignore[union-attr]
        return any(b[0] < a[1] for a, b in pairwise(spans))

    @property
    def may_follow(self) -> bool:
        """Whether a neuron before a plastic synapse may spike in two steps on end."""
        groups = [self.network.index(p.pre) for p in self.network.plastic_pathways]
        return any(q >= self.n_populations or self.bank_of(q).refractory_steps < 1 for q in groups)

    @property
    def wide(self) -> bool:
        """Whether indices of neurons need four bytes."""
        return max(group.size for group in self.network.groups) > 2**16

    # ------------------------------------------------------------ rules

    @cached_property
    def filters(self) -> tuple[Filter, ...]:
        found, first = [], 0
        for k, (pathway, structure) in enumerate(
            zip(self.network.plastic_pathways, self.structure.pathways, strict=True)
        ):
            sizes = {"pre": self.network.size(pathway.pre), "post": self.network.size(pathway.post)}
            traces = {trace.name: (trace.side, NEAREST if trace.nearest else COUNTS) for trace in structure.traces}
            for item in filters_of(structure):
                side, kind = traces.get(item.name) or (item.scope, CHANGED)
                found.append(Filter(k, item.name, side, kind, first, sizes[side]))
                first += sizes[side]
        return tuple(found)

    @property
    def n_values(self) -> int:
        """Numbers of all filters."""
        return sum(each.size for each in self.filters)

    @cached_property
    def synaptic(self) -> tuple[tuple[int, str], ...]:
        """(plastic pathway, name) of each state that every synapse has."""
        return tuple((k, name) for k, p in enumerate(self.structure.pathways) for name in synaptic_states(p))

    @cached_property
    def parameters_first(self) -> tuple[int, ...]:
        """Where each plastic pathway's parameters begin."""
        return _starts([len(p.parameters) for p in self.structure.pathways])


def default_threads(network: SpikingNetwork) -> int:
    """Of a block: few for small networks, of which several fit on a multiprocessor."""
    n = sum(p.size for p in network.populations)
    if n <= 2048:
        return min(256, max(64, WARP * math.ceil(n / WARP / 4)))
    return 512 if n <= 512 * 24 else 1024


def _starts(sizes: list[int]) -> tuple[int, ...]:
    found = [0]
    for size in sizes:
        found.append(found[-1] + size)
    return tuple(found)


def _power_of_two(n: int) -> int:
    return 1 << (n - 1).bit_length()
