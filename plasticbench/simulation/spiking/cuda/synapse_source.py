"""Device source of what happens at one synapse or neuron of a pathway: what is read there, and what a rule changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from plasticbench.networks.spiking import SpikingPathway
from plasticbench.rules.batch import PathwayStructure
from plasticbench.rules.event import Event
from plasticbench.simulation.change_source import Registers, change_lines
from plasticbench.simulation.spiking.cuda.plan import Filter, Plan
from plasticbench.simulation.spiking.event_source import places_of
from plasticbench.simulation.spiking.state import CHANGED

_INDENT = "    "
_MOST_SCALARS = 16  # parameters that stay in registers


def inside(lines: Iterable[str]) -> list[str]:
    """The lines, one level deeper."""
    return [_INDENT + line for line in lines]


@dataclass(frozen=True)
class Synapses:
    """Of one pathway. In what is written `_j` is the presynaptic neuron, `_i` the postsynaptic, `_k` the synapse."""

    plan: Plan
    pathway: SpikingPathway
    k: int  # among the plastic pathways, or -1
    first_row: int
    first_weight: int

    @property
    def plastic(self) -> bool:
        return self.k >= 0

    @property
    def structure(self) -> PathwayStructure:
        return self.plan.structure.pathways[self.k]

    @cached_property
    def post(self) -> int:
        return self.plan.network.index(self.pathway.post)

    @cached_property
    def pre(self) -> int:
        return self.plan.network.index(self.pathway.pre)

    @cached_property
    def filters(self) -> dict[str, tuple[int, Filter]]:
        return {f.name: (x, f) for x, f in enumerate(self.plan.filters) if f.pathway == self.k}

    @cached_property
    def synaptic(self) -> dict[str, int]:
        return {name: y for y, (k, name) in enumerate(self.plan.synaptic) if k == self.k}

    @cached_property
    def sides(self) -> dict[str, str]:
        readable = self.plan.network.populations[self.post].neuron.reads
        return places_of(self.structure, tuple(readable))

    @cached_property
    def target(self) -> Registers:
        return Registers("cuda", "float64", len(self.structure.parameters) <= _MOST_SCALARS)

    def changes(self, event: str) -> dict[str, Event]:
        return self.structure.targets(event)

    # ------------------------------------------------------------ before a loop

    def split(self, changes: Mapping[str, Event]) -> tuple[dict[str, Event], dict[str, Event]]:
        """Changes at synapses, and of neurons' states."""
        of_neurons = {n: c for n, c in changes.items() if self.sides[n] in ("pre", "post")}
        return {n: c for n, c in changes.items() if n not in of_neurons}, of_neurons

    def read(self, changes: Mapping[str, Event]) -> frozenset[str]:
        return frozenset().union(*(change.variables for change in changes.values()))

    def named(self, changes: Mapping[str, Event]) -> set[str]:
        return {*self.read(changes), *changes}

    def head(self, changes: Mapping[str, Event]) -> list[str]:
        """Pointers and numbers that a loop over synapses or neurons needs."""
        named = self.named(changes)
        lines = [
            f"double* const w = b.at<double>(b.s.life.w) + b.s.life.plastic_first[{self.k}];",
            f"const double v_w_max = b.s.life.w_max[{self.k}];",
            f"const bool learns = b.s.life.learning[{self.k}];",
        ]
        if "m" in named:
            lines.append(f"const double* const m = b.at<double>(b.s.life.m) + {self._first_m};")
        for name, (x, f) in self.filters.items():
            if name in named:
                lines += [self.pointers(f), f"const double unit_{name} = b.s.unit[t & 1][{x}];"]
        for name, y in self.synaptic.items():
            if name in named:
                lines += [
                    f"double* const state_{name} = b.at<double>(b.s.life.synaptic) + b.s.life.synaptic_first[{y}];",
                    f"int* const since_{name} = b.at<int>(b.s.life.since_change) + b.s.life.synaptic_first[{y}];",
                    f"const double rate_{name} = b.s.life.synaptic_rate[{y}];",
                ]
        columns = {column for change in changes.values() for column in change.straight_line()[1].values()}
        if columns:
            first = self.plan.parameters_first[self.k]
            lines.append(f"const double* const parameters = b.at<double>(b.s.life.parameters) + {first};")
            if self.target.in_registers:
                lines += [f"const double p{column} = parameters[{column}];" for column in sorted(columns)]
        return lines

    @property
    def _first_m(self) -> int:
        return sum(self.plan.network.size(p.post) for p in self.plan.network.plastic_pathways[: self.k])

    # ------------------------------------------------------------ inside a loop

    def loads(self, read: Iterable[str], side: str) -> list[str]:
        """What is read at the neuron of one side, `_j` or `_i`."""
        neuron, lines = "_j" if side == "pre" else "_i", []
        for name in sorted(read):
            if self.sides.get(name) != side:
                continue
            if name in self.filters:
                value = f"(double)value_{name}[{neuron}] * unit_{name}"
            elif name == "m":
                value = f"m[{neuron}]"
            else:
                state = self.plan.network.populations[self.post].neuron.reads[name]
                first = self.plan.seen[self.post, state]
                value = f"(double)b.at<float>(b.s.life.seen)[(t & 1) * {self.plan.n_seen} + {first} + {neuron}]"
            lines.append(f"const double v_{name} = {value};")
        return lines

    def synapse(self, changes: Mapping[str, Event], other: str) -> list[str]:
        """All changes at synapse `_k`, from the values before."""
        read = self.read(changes)
        lines = self.loads(read, other)
        for name in self.synaptic:
            if name in read or name in changes:
                elapsed = f"(double)(t - since_{name}[_k])"
                lines.append(f"const double v_{name} = state_{name}[_k] * exp(rate_{name} * {elapsed});")
        for name, change in changes.items():
            lines += self.change(name, change)
        for name in changes:
            if name == "w":
                lines.append("w[_k] = clipped(v_w + d_w, v_w_max);")
            else:
                lines += [f"state_{name}[_k] = v_{name} + d_{name};", f"since_{name}[_k] = t;"]
        return lines

    def pending(self, changes: Mapping[str, Event]) -> list[str]:
        """Changes of the states of a neuron at its own spike."""
        lines: list[str] = []
        for name, change in changes.items():
            neuron = "_j" if self.sides[name] == "pre" else "_i"
            lines += [*self.change(name, change), f"pending_{name}[{neuron}] += d_{name};"]
        return lines

    def change(self, name: str, change: Event) -> Iterator[str]:
        """`d_name`; its intermediate values are in a block of their own."""
        *body, last = change_lines(change, f"d_{name}", self.sides, self.target)
        yield f"double d_{name};"
        yield "{"
        yield from inside(body)
        yield _INDENT + last.removeprefix("const double ")
        yield "}"

    # ------------------------------------------------------------ traces

    def take(self, filters: Iterable[tuple[int, Filter]], neuron: str) -> list[str]:
        return [
            f"take_spike(value_{f.name} + {neuron}, "
            f"{f'pending_{f.name} + {neuron}' if f.kind == CHANGED else 'nullptr'}, {f.kind}, "
            f"b.s.unit[t & 1][{x}], b.s.one[t & 1][{x}]);"
            for x, f in filters
        ]

    def pointers(self, f: Filter) -> str:
        pending = f" double* const pending_{f.name} = b.at<double>(b.s.life.pending) + {f.first};"
        value = f"float* const value_{f.name} = b.at<float>(b.s.life.value) + {f.first};"
        return value + (pending if f.kind == CHANGED else "")
