"""Device source of a network's pathways: spikes arrive, rules change synapses, traces count.

One warp walks the row (or column) of one spike; pathways are handed out one after the other, round and round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from plasticbench.simulation.spiking.cuda.plan import Plan
from plasticbench.simulation.spiking.cuda.synapse_source import Synapses, inside

_INDENT = "    "
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


def _pathways(plan: Plan) -> list[_Pathway]:
    found, k, row, weight = [], 0, 0, 1
    for pathway in plan.network.pathways:
        found.append(_Pathway(plan, pathway, k if pathway.plastic else -1, row, weight))
        row += plan.network.size(pathway.pre) + 1
        k += pathway.plastic
        weight += 0 if pathway.plastic else plan.network.size(pathway.pre)
    return found


def _each(plan: Plan, write: Callable[[_Pathway], list[str]]) -> list[str]:
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


class _Pathway(Synapses):
    """The loops over a pathway's spikes."""

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
            return ["{", *inside([*head, *self._items(row)]), "}"]
        changes = self.changes("on_pre")
        at_synapses, of_neurons = self.split(changes)
        own = [*self.loads(self.read(of_neurons), "pre"), *self.pending(of_neurons)]
        if own:
            row += [f"if (learns && b.lane == 0) {{  // {self.pathway.pre}'s own states", *inside(own), "}"]
        row += self.loads(self.read(at_synapses), "pre")
        synapse = [
            "const int _i = __ldg(target + _s), _k = _s - base;", "const double v_w = w[_k];",
            "if (v_w != v_w) atomicOr(&b.s.ended, NOT_FINITE);",
            "atomicAdd(&sums[_i], __double2int_rn(gain * v_w));",
        ]  # fmt: skip
        if at_synapses:
            synapse += ["if (learns) {", *inside(self.synapse(at_synapses, "post")), "}"]
        row += ["for (int _s = first + b.lane; _s < last; _s += 32) {", *inside(synapse), "}"]
        head += [
            "const int base = __ldg(row_start);",
            f"const double gain = b.s.life.gain[{self.k}];",
            *self.head(changes),
        ]
        return ["{", *inside([*head, *self._items(row)]), "}"]

    def _items(self, row: list[str]) -> list[str]:
        """Every spike's row by one warp; rows of an afferent that may be there twice all by the same."""
        if self.plastic and self.plan.may_repeat(self.pre):
            return [
                "for (int n = 0; n < spikes.n; ++n) {",
                f"{_INDENT}const int _j = spikes.at[n];",
                f"{_INDENT}if (_j % WARPS != b.warp) continue;",
                *inside(row),
                "}",
            ]
        return [
            "for (; item < spikes.n; item += WARPS) {",
            f"{_INDENT}const int _j = spikes.at[item];",
            *inside(row),
            "}",
            "item -= spikes.n;",
        ]

    # ------------------------------------------------------------ second half: on_post, postsynaptic traces

    def followers(self) -> list[str]:
        """Columns of the neurons that spiked, whose traces then count."""
        changes = self.changes("on_post")
        at_synapses, of_neurons = self.split(changes)
        post = [(x, f) for x, f in self.filters.values() if f.side == "post"]
        if not changes and not post:
            return []
        row: list[str] = []
        if changes:
            inner = self.loads(self.read(changes), "post")
            own = self.pending(of_neurons)
            if own:
                inner += ["if (b.lane == 0) {", *inside(own), "}"]
            if at_synapses:
                inner += [
                    f"const int* const column = b.at<int>(b.s.life.column_start) + {self._first_column} + _i;",
                    "const int first = __ldg(column), last = __ldg(column + 1);",
                    "for (int _s = first + b.lane; _s < last; _s += 32) {",
                    f"{_INDENT}const int _j = __ldg(source + _s), _k = __ldg(synapse + _s);",
                    f"{_INDENT}const double v_w = w[_k];",
                    *inside(self.synapse(at_synapses, "pre")),
                    "}",
                ]
            row += ["if (learns) {", *inside(inner), "}", "__syncwarp();"]
        if post:
            row += ["if (counts && b.lane == 0) {", *inside(self.take(post, "_i")), "}"]
        lines = [
            f"// {self.pathway.name}",
            f"const List spikes = {self._list(self.post, 't')};",
            "const INDEX* const source = b.at<INDEX>(b.s.life.column_source);",
            "const unsigned* const synapse = b.at<unsigned>(b.s.life.column_synapse);",
            *self.head(changes),
            *(f"{self.pointers(f)}" for _, f in post if f.name not in self.named(changes)),
            "for (; item < spikes.n; item += WARPS) {",
            f"{_INDENT}const int _i = spikes.at[item];",
            *inside(row),
            "}",
            "item -= spikes.n;",
        ]
        return ["{", *inside(lines), "}"]

    @property
    def _first_column(self) -> int:
        before = self.plan.network.plastic_pathways[: self.k]
        return sum(self.plan.network.size(p.post) + 1 for p in before)

    # ------------------------------------------------------------ on_modulator

    def every_row(self) -> list[str]:
        """`on_modulator` at all synapses."""
        at_synapses, _ = self.split(self.changes("on_modulator"))
        if not at_synapses:
            return []
        lines = [
            f"const int* const row_start = b.at<int>(b.s.life.row_start) + {self.first_row};",
            "const INDEX* const target = b.at<INDEX>(b.s.life.target);",
            "const int base = __ldg(row_start);",
            *self.head(at_synapses),
            f"for (int _j = b.warp; _j < {self.plan.network.size(self.pathway.pre)}; _j += WARPS) {{",
            *inside(
                [
                    *self.loads(self.read(at_synapses), "pre"),
                    "const int last = __ldg(row_start + _j + 1);",
                    "for (int _s = __ldg(row_start + _j) + b.lane; _s < last; _s += 32) {",
                    f"{_INDENT}const int _i = __ldg(target + _s), _k = _s - base;",
                    f"{_INDENT}const double v_w = w[_k];",
                    *inside(self.synapse(at_synapses, "post")),
                    "}",
                ]
            ),
            "}",
        ]
        return [f"if (b.s.life.learning[{self.k}]) {{", *inside(lines), "}"]

    def every_neuron(self) -> list[str]:
        """`on_modulator`'s changes of the states of all neurons."""
        _, of_neurons = self.split(self.changes("on_modulator"))
        lines: list[str] = []
        for side, neuron, name in (("pre", "_j", self.pathway.pre), ("post", "_i", self.pathway.post)):
            own = {n: c for n, c in of_neurons.items() if self.sides[n] == side}
            if not own:
                continue
            inner = self.loads(self.read(own) | set(own), side)
            for n, change in own.items():
                inner += self.change(n, change)
            inner += [f"value_{n}[{neuron}] = (float)((v_{n} + d_{n}) / unit_{n});" for n in own]
            size = self.plan.network.size(name)
            loop = [f"for (int {neuron} = b.tid; {neuron} < {size}; {neuron} += THREADS) {{", *inside(inner), "}"]
            lines += ["{", *inside([*self.head(own), *loop]), "}"]
        return [f"if (b.s.life.learning[{self.k}]) {{", *inside(lines), "}"] if lines else []

    # ------------------------------------------------------------ traces

    def counting(self, side: str) -> list[str]:
        """The traces of one side count the spikes of step t."""
        own = [(x, f) for x, f in self.filters.values() if f.side == side]
        if not own:
            return []
        take = self.take(own, "_n")
        if side == "pre" and self.plan.may_repeat(self.pre):
            loop = ["for (int s = 0; s < spikes.n; ++s) {", "    const int _n = spikes.at[s];"]
            loop += ["    if (_n % THREADS != b.tid) continue;"]
        else:
            loop = ["for (int s = b.tid; s < spikes.n; s += THREADS) {", "    const int _n = spikes.at[s];"]
        spikes = self._arrivals() if side == "pre" else self._list(self.post, "t")
        pointers = [self.pointers(f) for _, f in own]
        lines = [f"const List spikes = {spikes};", *pointers, "#pragma unroll 1", *loop, *inside(take), "}"]
        return ["{", *inside(lines), "}"]
