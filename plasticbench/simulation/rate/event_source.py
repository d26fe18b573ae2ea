"""A rule's `on_step` and `on_modulator` at a pathway of a rate network as compiled code, from the rule's structure.

Each is a function with a C interface, `change(t, n_items, is_lateral, frame)`: it adds the mean Δw over the items to
`dw`, and changes of states to `new`. `settle` then moves the rule's traces and states on. `frame` is a table of
addresses, in the order of `slots`. Everything is computed in the rule's own order, in float64; only the sum over items
has four interleaved partial sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import ModuleType

from plasticbench.rules.batch import PathwayStructure
from plasticbench.rules.event import Event
from plasticbench.rules.variables import VARIABLES
from plasticbench.simulation.change_source import MOST_SCALARS, Registers, change_lines
from plasticbench.simulation.compile import compile_module

FUNCTIONS = ("on_step", "on_modulator", "settle")
_INTERPRETED = ("program", "registers")  # what the interpreter alone reads
_FIXED = (
    "sizes", "pre", "post", "w", "dw", "parameters", "m", "scratch", "partial", "err", "err_pre", *_INTERPRETED
)  # fmt: skip
OF_ITEMS = frozenset({"pre", "post", "reconstruction", "err", "err_pre"})  # what differs between the items of a step
_INDENT = "    "


def slots(structure: PathwayStructure) -> tuple[str, ...]:
    """What the entries of a frame point to."""
    states = [state.name for state in structure.states]
    traces = [trace.name for trace in structure.traces]
    return (
        *_FIXED,
        *(f"{part} {name}" for name in (*states, *traces) for part in ("value", "new", "rate")),
    )


def sides_of(structure: PathwayStructure) -> dict[str, str]:
    """Whose number each variable is: "pre", "post" or "synapse"."""
    states = {state.name: state.scope for state in structure.states}
    traces = {trace.name: trace.side for trace in structure.traces}
    own = {name: VARIABLES[name].scope for name in ("pre", "post", "w", "reconstruction", "err", "err_pre")}
    own["m"] = "post"  # as it is delivered here
    return {**own, **states, **traces}


def compiled_changes(structure: PathwayStructure) -> dict[str, int]:
    """The address of each event's compiled function; events that change nothing have none."""
    found = _functions(structure)
    if not found:
        return {}
    module = _module(structure)
    return {name: getattr(module, name).address for name in found}


def _functions(structure: PathwayStructure) -> list[str]:
    remembers = ["settle"] if structure.traces or structure.states else []
    return [*(event for event in FUNCTIONS[:2] if structure.targets(event)), *remembers]


@lru_cache(maxsize=1024)
def _module(structure: PathwayStructure) -> ModuleType:
    return compile_module(changes_source(structure))


def changes_source(structure: PathwayStructure) -> str:
    """The source of a module with the compiled changes of a pathway."""
    head = (
        "import math\n\nimport numpy as np\n\nfrom plasticbench.simulation.compile import c_callable\n"
        "from plasticbench.simulation.pointers import f8, i8\n"
    )
    writer = _Writer(structure)
    return head + "".join(
        writer.settle() if name == "settle" else writer.function(name) for name in _functions(structure)
    )


def _indent(lines: Sequence[str], depth: int = 1) -> list[str]:
    return [_INDENT * depth + line for line in lines]


@dataclass(frozen=True)
class _Writer:
    structure: PathwayStructure

    @cached_property
    def target(self) -> Registers:
        return Registers("numba", "float64", len(self.structure.parameters) <= MOST_SCALARS)

    @cached_property
    def sides(self) -> dict[str, str]:
        return sides_of(self.structure)

    def function(self, event: str) -> str:
        changes = self.structure.targets(event)
        of_neurons = {name: c for name, c in changes.items() if self.sides[name] in ("pre", "post")}
        at_synapses = {name: c for name, c in changes.items() if name not in of_neurons}
        body = self._head(changes)
        body += self._synapses(at_synapses)
        for side in ("pre", "post"):
            body += self._neurons({n: c for n, c in of_neurons.items() if self.sides[n] == side}, side)
        return self._written(event, body)

    def _head(self, changes: dict[str, Event]) -> list[str]:
        lines = ["frame = i8(_frame)"]
        for k, slot in enumerate(slots(self.structure)):
            part, _, name = slot.partition(" ")
            if slot in _INTERPRETED:
                continue
            local = f"{part}_{name}" if name else f"s_{part}"
            lines.append(f"{local} = {'i8' if part == 'sizes' else 'f8'}(frame[{k}]){'[0]' if part == 'rate' else ''}")
        lines += ["n_post = s_sizes[0]", "n_pre = s_sizes[1]", "parameters = s_parameters"]
        if self.target.in_registers:
            lines += [f"p{k} = parameters[{k}]" for k in range(len(self.structure.parameters))]
        return lines

    # ------------------------------------------------------------ synapses

    def _synapses(self, changes: dict[str, Event]) -> list[str]:
        """The mean change at every synapse, from the values before; below the diagonal only where lateral."""
        if not changes:
            return []
        read = frozenset().union(*(change.variables for change in changes.values()))
        inner: list[str] = ["v_w = s_w[_i * n_pre + _j]"]
        if "reconstruction" in read:
            inner += ["for _s in range(_n):", *_indent(["s_partial[_s] += v_w * s_post[_i * _n + _s]"])]
        inner += self._loads(read, "synapse") + self._loads(read, "post")
        for name, change in changes.items():
            inner += self._mean(change, f"_mean_{name}")
        for name in changes:
            place = "s_dw[_i * n_pre + _j]" if name == "w" else f"new_{name}[_i * n_pre + _j]"
            inner.append(f"{place} += _mean_{name}")
        clear = ["for _s in range(_n):", *_indent(["s_partial[_s] = 0.0"])] if "reconstruction" in read else []
        return [
            "for _j in range(n_pre):",
            *_indent([*clear, *self._loads(read, "pre"), "for _i in range(_j + 1 if _lateral else 0, n_post):"]),
            *_indent(inner, 2),
        ]

    def _mean(self, change: Event, name: str) -> list[str]:
        """The mean over the items of a step, where the change differs between them."""
        if not change.variables & OF_ITEMS:
            return change_lines(change, name, self.sides, self.target)
        loads = []
        if "pre" in change.variables:
            loads.append("v_pre = s_pre[_j * _n + _s]")
        if "post" in change.variables:
            loads.append("v_post = s_post[_i * _n + _s]")
        if "err" in change.variables:
            loads.append("v_err = s_err[_i * _n + _s]")
        if "err_pre" in change.variables:
            loads.append("v_err_pre = s_err_pre[_j * _n + _s]")
        if "reconstruction" in change.variables:
            loads.append("v_reconstruction = s_partial[_s]")
        return [
            "for _s in range(_n):",
            *_indent([*loads, *change_lines(change, "_d", self.sides, self.target), "s_scratch[_s] = _d"]),
            *self._sum(name),
        ]

    @staticmethod
    def _sum(name: str) -> list[str]:
        partial = [f"_t{k} += s_scratch[_s + {k}]" for k in range(4)]
        return [
            "_t0 = 0.0", "_t1 = 0.0", "_t2 = 0.0", "_t3 = 0.0", "_whole = _n // 4 * 4",
            "for _s in range(0, _whole, 4):", *_indent(partial),
            "for _s in range(_whole, _n):", *_indent(["_t0 += s_scratch[_s]"]),
            f"{name} = ((_t0 + _t1) + (_t2 + _t3)) / _n",
        ]  # fmt: skip

    def _loads(self, read: frozenset[str], side: str) -> list[str]:
        """States, traces and the modulator at one side's neuron, or at the synapse."""
        place = {"pre": "_j", "post": "_i", "synapse": "_i * n_pre + _j"}[side]
        named = {state.name for state in self.structure.states} | {trace.name for trace in self.structure.traces}
        lines = [f"v_{n} = value_{n}[{place}]" for n in sorted(read & named) if self.sides[n] == side]
        return [*lines, "v_m = s_m[_i]"] if side == "post" and "m" in read else lines

    # ------------------------------------------------------------ neurons

    def _neurons(self, changes: dict[str, Event], side: str) -> list[str]:
        """The changes of states that every neuron of one side has, into `new`."""
        if not changes:
            return []
        neuron, count = ("_j", "n_pre") if side == "pre" else ("_i", "n_post")
        inner = self._loads(frozenset().union(*(c.variables for c in changes.values())), side)
        for name, change in changes.items():
            inner += [*self._mean(change, f"_mean_{name}"), f"new_{name}[{neuron}] += _mean_{name}"]
        return [f"for {neuron} in range({count}):", *_indent(inner)]

    def _trace(self, trace) -> list[str]:
        """A low-pass filter moves towards the mean of what it filters."""
        neuron, count = ("_j", "n_pre") if trace.side == "pre" else ("_i", "n_post")
        inner = self._mean(trace.of, "_mean")
        moved = f"value_{trace.name}[{neuron}]"
        inner.append(f"{moved} += (_mean - {moved}) * rate_{trace.name}")
        return [f"for {neuron} in range({count}):", *_indent(inner)]

    def settle(self) -> str:
        """The function that ends a step: traces move, states take their changes, then decay by the factor in `rate`."""
        body = self._head({})
        for trace in self.structure.traces:
            body += self._trace(trace)
        for state in self.structure.states:
            count = {"pre": "n_pre", "post": "n_post", "synapse": "n_post * n_pre"}[state.scope]
            value, new = f"value_{state.name}[_k]", f"new_{state.name}[_k]"
            body += [f"for _k in range({count}):", *_indent([f"{value} = ({value} + {new}) * rate_{state.name}"])]
        return self._written("settle", body)

    @staticmethod
    def _written(name: str, body: list[str]) -> str:
        lines = "".join(f"{_INDENT}{line}\n" for line in body)
        return f'\n\n@c_callable("void(int64, int64, int64, int64)")\ndef {name}(_t, _n, _lateral, _frame):\n{lines}'
