"""Device source of a network's pathways: spikes arrive, rules change synapses, traces count.

One warp walks the row (or column) of one spike; pathways are handed out one after the other, round and round.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from plasticbench.language.emission import Dialect
from plasticbench.networks.spiking import SpikingPathway
from plasticbench.rules.batch import PathwayStructure
from plasticbench.rules.event import Event
from plasticbench.simulation.change_source import change_lines
from plasticbench.simulation.spiking.cuda.plan import Filter, Plan
from plasticbench.simulation.spiking.event_source import places_of
from plasticbench.simulation.spiking.state import CHANGED

_INDENT = "    "
_MOST_SCALARS = 16  # parameters that stay in registers
_DEVICE = "__device__ __forceinline__"


def pathways_source(plan: Plan) -> str:
    """arrive, follow, modulate, count_presynaptic, count_postsynaptic."""
    return "".join(
        [
            _function("void arrive(const Block& b, int t)", ["int item = b.warp;", *_each(plan, _Pathway.arrivals)]),
            _function("void follow(const Block& b, int t, bool counts)", _followers(plan)),
            _function("void modulate(const Block& b, int t)", _modulations(plan)),
            _function("void count_presynaptic(const Block& b, int t)", _counts(plan, "pre")),
            _function("void count_postsynaptic(const Block& b, int t)", _counts(plan, "post")),
        ]
    )


def _function(head: str, lines: Iterable[str]) -> str:
    return f"{_DEVICE} {head} {{\n" + "".join(f"{_INDENT}{line}\n" for line in lines) + "}\n"


def _inside(lines: Iterable[str]) -> list[str]:
    return [_INDENT + line for line in lines]


def _pathways(plan: Plan) -> list[_Pathway]:
    found, k, row, weight = [], 0, 0, 1
    for pathway in plan.network.pathways:
        found.append(_Pathway(plan, pathway, k if pathway.plastic else -1, row, weight))
        row += plan.network.size(pathway.pre) + 1
        k += pathway.plastic
        weight += 0 if pathway.plastic else plan.network.size(pathway.pre)
    return found


def _each(plan: Plan, write) -> list[str]:
    return [line for pathway in _pathways(plan) for line in write(pathway)]


def _followers(plan: Plan) -> list[str]:
    lines = [line for pathway in _pathways(plan) if pathway.plastic for line in pathway.followers()]
    return ["int item = b.warp;", *lines] if lines else []


def _modulations(plan: Plan) -> list[str]:
    found = [pathway for pathway in _pathways(plan) if pathway.plastic and pathway.changes("on_modulator")]
    if not found:
        return []
    at_synapses = [line for pathway in found for line in pathway.every_row()]
    return [*at_synapses, "__syncthreads();", *(line for pathway in found for line in pathway.every_neuron())]


def _counts(plan: Plan, side: str) -> list[str]:
    return [line for pathway in _pathways(plan) if pathway.plastic for line in pathway.counting(side)]


@dataclass(frozen=True)
class _Registers(Dialect):
    """Parameters were loaded before the loop, unless there are many."""

    in_registers: bool = True

    def parameter(self, index: int) -> str:
        return f"p{index}" if self.in_registers else f"parameters[{index}]"


@dataclass(frozen=True)
class _Pathway:
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
    def target(self) -> _Registers:
        return _Registers("cuda", "float64", len(self.structure.parameters) <= _MOST_SCALARS)

    def changes(self, event: str) -> dict[str, Event]:
        return self.structure.targets(event)

    # ------------------------------------------------------------ lists of spikes

    def _list(self, group: int, t: str) -> str:
        plan = self.plan
        if group < plan.n_populations:
            return f"neurons_at(b, {group}, {plan.population_first[group]}, {t})"
        source = group - plan.n_populations
        return f"inputs_at(b, {source}, {plan.input_first[source]}, {t})"

    def _arrivals(self, t: str = "t") -> str:
        return self._list(self.pre, f"{t} - {self.pathway.delay_steps}")

    # ------------------------------------------------------------ first half: arrivals, on_pre

    def arrivals(self) -> list[str]:
        """Rows of the spikes that arrive."""
        plan = self.plan
        sums = plan.sums_of(self.post, self.pathway.receptor)
        head = [
            f"// {self.pathway.name}: {self.pathway.pre} -> {self.pathway.post}, {self.pathway.receptor}",
            f"const List spikes = {self._arrivals()};",
            f"const int* const row_start = b.at<int>(b.s.life.row_start) + {self.first_row};",
            "const INDEX* const target = b.at<INDEX>(b.s.life.target);",
            f"int* const sums = b.sums + {sums};",
        ]
        row = ["const int first = __ldg(row_start + _j), last = __ldg(row_start + _j + 1);"]
        if not self.plastic:
            row += [
                f"const int weight = __ldg(b.at<int>(b.s.life.weight) + {self.first_weight} + _j);",
                "for (int _s = first + b.lane; _s < last; _s += 32) atomicAdd(&sums[__ldg(target + _s)], weight);",
            ]
            return ["{", *_inside([*head, *self._items(row)]), "}"]
        changes = self.changes("on_pre")
        at_synapses, of_neurons = self._split(changes)
        own = [*self._loads(self._read(of_neurons), "pre"), *self._pending(of_neurons)]
        if own:
            row += [f"if (learns && b.lane == 0) {{  // {self.pathway.pre}'s own states", *_inside(own), "}"]
        row += self._loads(self._read(at_synapses), "pre")
        synapse = [
            "const int _i = __ldg(target + _s), _k = _s - base;", "const double v_w = w[_k];",
            "if (v_w != v_w) atomicOr(&b.s.ended, NOT_FINITE);",
            "atomicAdd(&sums[_i], __double2int_rn(gain * v_w));",
        ]  # fmt: skip
        if at_synapses:
            synapse += ["if (learns) {", *_inside(self._synapse(at_synapses, "post")), "}"]
        row += ["for (int _s = first + b.lane; _s < last; _s += 32) {", *_inside(synapse), "}"]
        head += [
            "const int base = __ldg(row_start);",
            f"const double gain = b.s.life.gain[{self.k}];",
            *self._head(changes),
        ]
        return ["{", *_inside([*head, *self._items(row)]), "}"]

    def _items(self, row: list[str]) -> list[str]:
        """Every spike's row by one warp; rows of an afferent that may be there twice all by the same."""
        if self.plastic and self.plan.may_repeat(self.pre):
            return [
                "for (int n = 0; n < spikes.n; ++n) {",
                f"{_INDENT}const int _j = spikes.at[n];",
                f"{_INDENT}if (_j % WARPS != b.warp) continue;",
                *_inside(row),
                "}",
            ]
        return [
            "for (; item < spikes.n; item += WARPS) {",
            f"{_INDENT}const int _j = spikes.at[item];",
            *_inside(row),
            "}",
            "item -= spikes.n;",
        ]

    # ------------------------------------------------------------ second half: on_post, postsynaptic traces

    def followers(self) -> list[str]:
        """Columns of the neurons that spiked, whose traces then count."""
        changes = self.changes("on_post")
        at_synapses, of_neurons = self._split(changes)
        post = [(x, f) for x, f in self.filters.values() if f.side == "post"]
        if not changes and not post:
            return []
        row: list[str] = []
        if changes:
            inner = self._loads(self._read(changes), "post")
            own = self._pending(of_neurons)
            if own:
                inner += ["if (b.lane == 0) {", *_inside(own), "}"]
            if at_synapses:
                inner += [
                    f"const int* const column = b.at<int>(b.s.life.column_start) + {self._first_column} + _i;",
                    "const int first = __ldg(column), last = __ldg(column + 1);",
                    "for (int _s = first + b.lane; _s < last; _s += 32) {",
                    f"{_INDENT}const int _j = __ldg(source + _s), _k = __ldg(synapse + _s);",
                    f"{_INDENT}const double v_w = w[_k];",
                    *_inside(self._synapse(at_synapses, "pre")),
                    "}",
                ]
            row += ["if (learns) {", *_inside(inner), "}", "__syncwarp();"]
        if post:
            row += ["if (counts && b.lane == 0) {", *_inside(self._take(post, "_i")), "}"]
        lines = [
            f"// {self.pathway.name}",
            f"const List spikes = {self._list(self.post, 't')};",
            "const INDEX* const source = b.at<INDEX>(b.s.life.column_source);",
            "const unsigned* const synapse = b.at<unsigned>(b.s.life.column_synapse);",
            *self._head(changes),
            *(f"{self._pointers(f)}" for _, f in post if f.name not in self._named(changes)),
            "for (; item < spikes.n; item += WARPS) {",
            f"{_INDENT}const int _i = spikes.at[item];",
            *_inside(row),
            "}",
            "item -= spikes.n;",
        ]
        return ["{", *_inside(lines), "}"]

    @property
    def _first_column(self) -> int:
        before = self.plan.network.plastic_pathways[: self.k]
        return sum(self.plan.network.size(p.post) + 1 for p in before)

    # ------------------------------------------------------------ on_modulator

    def every_row(self) -> list[str]:
        """`on_modulator` at all synapses."""
        at_synapses, _ = self._split(self.changes("on_modulator"))
        if not at_synapses:
            return []
        lines = [
            f"const int* const row_start = b.at<int>(b.s.life.row_start) + {self.first_row};",
            "const INDEX* const target = b.at<INDEX>(b.s.life.target);",
            "const int base = __ldg(row_start);",
            *self._head(at_synapses),
            f"for (int _j = b.warp; _j < {self.plan.network.size(self.pathway.pre)}; _j += WARPS) {{",
            *_inside(
                [
                    *self._loads(self._read(at_synapses), "pre"),
                    "const int last = __ldg(row_start + _j + 1);",
                    "for (int _s = __ldg(row_start + _j) + b.lane; _s < last; _s += 32) {",
                    f"{_INDENT}const int _i = __ldg(target + _s), _k = _s - base;",
                    f"{_INDENT}const double v_w = w[_k];",
                    *_inside(self._synapse(at_synapses, "post")),
                    "}",
                ]
            ),
            "}",
        ]
        return [f"if (b.s.life.learning[{self.k}]) {{", *_inside(lines), "}"]

    def every_neuron(self) -> list[str]:
        """`on_modulator`'s changes of the states of all neurons."""
        _, of_neurons = self._split(self.changes("on_modulator"))
        lines: list[str] = []
        for side, neuron, name in (("pre", "_j", self.pathway.pre), ("post", "_i", self.pathway.post)):
            own = {n: c for n, c in of_neurons.items() if self.sides[n] == side}
            if not own:
                continue
            inner = self._loads(self._read(own) | set(own), side)
            for n, change in own.items():
                inner += self._change(n, change)
            inner += [f"value_{n}[{neuron}] = (float)((v_{n} + d_{n}) / unit_{n});" for n in own]
            size = self.plan.network.size(name)
            loop = [f"for (int {neuron} = b.tid; {neuron} < {size}; {neuron} += THREADS) {{", *_inside(inner), "}"]
            lines += ["{", *_inside([*self._head(own), *loop]), "}"]
        return [f"if (b.s.life.learning[{self.k}]) {{", *_inside(lines), "}"] if lines else []

    # ------------------------------------------------------------ traces

    def counting(self, side: str) -> list[str]:
        """The traces of one side count the spikes of step t."""
        own = [(x, f) for x, f in self.filters.values() if f.side == side]
        if not own:
            return []
        take = self._take(own, "_n")
        if side == "pre" and self.plan.may_repeat(self.pre):
            loop = ["for (int s = 0; s < spikes.n; ++s) {", "    const int _n = spikes.at[s];"]
            loop += ["    if (_n % THREADS != b.tid) continue;"]
        else:
            loop = ["for (int s = b.tid; s < spikes.n; s += THREADS) {", "    const int _n = spikes.at[s];"]
        spikes = self._arrivals() if side == "pre" else self._list(self.post, "t")
        pointers = [self._pointers(f) for _, f in own]
        lines = [f"const List spikes = {spikes};", *pointers, "#pragma unroll 1", *loop, *_inside(take), "}"]
        return ["{", *_inside(lines), "}"]

    def _take(self, filters: Iterable[tuple[int, Filter]], neuron: str) -> list[str]:
        return [
            f"take_spike(value_{f.name} + {neuron}, "
            f"{f'pending_{f.name} + {neuron}' if f.kind == CHANGED else 'nullptr'}, {f.kind}, "
            f"b.s.unit[t & 1][{x}], b.s.one[t & 1][{x}]);"
            for x, f in filters
        ]

    def _pointers(self, f: Filter) -> str:
        pending = f" double* const pending_{f.name} = b.at<double>(b.s.life.pending) + {f.first};"
        value = f"float* const value_{f.name} = b.at<float>(b.s.life.value) + {f.first};"
        return value + (pending if f.kind == CHANGED else "")

    # ------------------------------------------------------------ before a loop

    def _split(self, changes: Mapping[str, Event]) -> tuple[dict[str, Event], dict[str, Event]]:
        """Changes at synapses, and of neurons' states."""
        of_neurons = {n: c for n, c in changes.items() if self.sides[n] in ("pre", "post")}
        return {n: c for n, c in changes.items() if n not in of_neurons}, of_neurons

    def _read(self, changes: Mapping[str, Event]) -> frozenset[str]:
        return frozenset().union(*(change.variables for change in changes.values()))

    def _named(self, changes: Mapping[str, Event]) -> set[str]:
        return {*self._read(changes), *changes}

    def _head(self, changes: Mapping[str, Event]) -> list[str]:
        """Pointers and numbers that a loop over synapses or neurons needs."""
        named = self._named(changes)
        lines = [
            f"double* const w = b.at<double>(b.s.life.w) + b.s.life.plastic_first[{self.k}];",
            f"const double v_w_max = b.s.life.w_max[{self.k}];",
            f"const bool learns = b.s.life.learning[{self.k}];",
        ]
        if "m" in named:
            lines.append(f"const double* const m = b.at<double>(b.s.life.m) + {self._first_m};")
        for name, (x, f) in self.filters.items():
            if name in named:
                lines += [self._pointers(f), f"const double unit_{name} = b.s.unit[t & 1][{x}];"]
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

    def _loads(self, read: Iterable[str], side: str) -> list[str]:
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

    def _synapse(self, changes: Mapping[str, Event], other: str) -> list[str]:
        """All changes at synapse `_k`, from the values before."""
        read = self._read(changes)
        lines = self._loads(read, other)
        for name in self.synaptic:
            if name in read or name in changes:
                elapsed = f"(double)(t - since_{name}[_k])"
                lines.append(f"const double v_{name} = state_{name}[_k] * exp(rate_{name} * {elapsed});")
        for name, change in changes.items():
            lines += self._change(name, change)
        for name in changes:
            if name == "w":
                lines.append("w[_k] = clipped(v_w + d_w, v_w_max);")
            else:
                lines += [f"state_{name}[_k] = v_{name} + d_{name};", f"since_{name}[_k] = t;"]
        return lines

    def _pending(self, changes: Mapping[str, Event]) -> list[str]:
        """Changes of the states of a neuron at its own spike."""
        lines: list[str] = []
        for name, change in changes.items():
            neuron = "_j" if self.sides[name] == "pre" else "_i"
            lines += [*self._change(name, change), f"pending_{name}[{neuron}] += d_{name};"]
        return lines

    def _change(self, name: str, change: Event) -> Iterator[str]:
        """`d_name`; its intermediate values are in a block of their own."""
        *body, last = change_lines(change, f"d_{name}", self.sides, self.target)
        yield f"double d_{name};"
        yield "{"
        yield from _inside(body)
        yield _INDENT + last.removeprefix("const double ")
        yield "}"


