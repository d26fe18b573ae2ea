"""A rule's events at a spiking pathway as compiled code, from the rule's structure.

Each event is a function with a C interface, `event(t, n, spikes, frame)`: `on_pre` walks the rows of synapses of n
presynaptic neurons whose spikes arrive, `on_post` the columns of n neurons that spiked, `on_step` all columns and
`on_modulator` all rows, with the numbers of pre- and of postsynaptic neurons in the place of n and of spikes.
`frame` is a table of addresses, in the order of `slots`. All changes of one event at a synapse read the values from
before it; changes of states that a neuron has are kept in `pending` until the step's end, when its traces count too.

Rules and plastic weights are float64, whatever the type of the neurons' state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import ModuleType

import numpy as np

from plasticbench.rules.batch import PathwayStructure
from plasticbench.rules.event import Event
from plasticbench.simulation.change_source import MOST_SCALARS, Registers, change_lines
from plasticbench.simulation.compile import compile_module
from plasticbench.simulation.pointers import BY_KIND

EVENTS = ("on_pre", "on_post", "on_step", "on_modulator")
INTERPRETED = ("program", "registers")  # what the interpreter alone reads
FIXED = (
    "row_start", "target", "w", "g", "gain", "w_max", "parameters", "column_start", "synapse", "source", "m",
    "not_finite", "w_min", *INTERPRETED,
)  # fmt: skip
_INDENT = "    "
NUMBERS, INTEGERS, NOTHING = "numbers", "integers", "nothing"  # what `on_pre` passes on to postsynaptic neurons


def slots(structure: PathwayStructure, readable: Sequence[str]) -> tuple[str, ...]:
    """What the entries of a frame point to; `readable`: what the postsynaptic neurons offer."""
    filters = [item.name for item in filters_of(structure)]
    return (
        *FIXED,
        *(f"{part} {name}" for name in filters for part in ("value", "unit", "pending")),
        *(f"{part} {name}" for name in synaptic_states(structure) for part in ("state", "since", "rate")),
        *(f"neuron {name}" for name in readable),
    )


def filters_of(structure: PathwayStructure) -> tuple:
    """The traces and the states of one number for each neuron, as they are stored."""
    return (*structure.traces, *(state for state in structure.states if state.scope != "synapse"))


def synaptic_states(structure: PathwayStructure) -> list[str]:
    """The states that every synapse has."""
    return [state.name for state in structure.states if state.scope == "synapse"]


def places_of(structure: PathwayStructure, readable: Sequence[str]) -> dict[str, str]:
    """Where each thing that a rule may read stands: at the pre- or postsynaptic neuron, or at the synapse."""
    traces = {trace.name: trace.side for trace in structure.traces}
    states = {state.name: state.scope for state in structure.states}
    return {**dict.fromkeys(readable, "post"), **traces, **states, "w": "synapse", "w_max": "all", "m": "post"}


def compiled_events(
    structure: PathwayStructure, readable: Sequence[str], dtype: type, index: type, arrivals: str = NUMBERS
) -> dict[str, int]:
    """The address of each event's compiled function; events that change nothing have none.

    `arrivals`: what `on_pre` adds to the postsynaptic neurons: NUMBERS, INTEGERS (see `integer_arrivals`) or NOTHING.
    """
    found = [event for event in EVENTS if structure.targets(event)]
    if not found:
        return {}
    module = _module(structure, tuple(readable), np.dtype(dtype).name, np.dtype(index).name, arrivals)
    return {event: getattr(module, event).address for event in found}


@lru_cache(maxsize=1024)
def _module(
    structure: PathwayStructure, readable: tuple[str, ...], scalar: str, index: str, arrivals: str
) -> ModuleType:
    return compile_module(events_source(structure, readable, scalar, index, arrivals))


def events_source(
    structure: PathwayStructure, readable: Sequence[str], scalar: str, index: str, arrivals: str = NUMBERS
) -> str:
    """The source of a module with the compiled events of a pathway."""
    writer = _Writer(structure, tuple(readable), scalar, index, arrivals)
    kinds = sorted({"f8", "i4", "i8", "u4", BY_KIND[scalar], BY_KIND[index]})
    head = (
        "import math\n\nimport numpy as np\n\nfrom plasticbench.simulation.compile import c_callable\n"
        f"from plasticbench.simulation.pointers import {', '.join(kinds)}\n"
    )
    return head + "".join(writer.function(event) for event in EVENTS if structure.targets(event))


ARRIVAL = {
    NUMBERS: ("g[_i] += gain * v_w",),
    INTEGERS: (
        "if v_w != v_w:", f"{_INDENT}not_finite[0] = 1", "else:",
        f"{_INDENT}g[_i] += np.int32(np.rint(gain * v_w))",
    ),
    NOTHING: (),
}  # fmt: skip


@dataclass(frozen=True)
class _Writer:
    structure: PathwayStructure
    readable: tuple[str, ...]
    scalar: str
    index: str
    arrivals: str

    @cached_property
    def sides(self) -> dict[str, str]:
        return places_of(self.structure, self.readable)

    @cached_property
    def target(self) -> Registers:
        return Registers("numba", "float64", len(self.structure.parameters) <= MOST_SCALARS)

    def function(self, event: str) -> str:
        changes = self.structure.targets(event)
        own = {"on_pre": "pre", "on_post": "post"}.get(event, "")
        of_neurons = {n: c for n, c in changes.items() if self.sides[n] in ("pre", "post")}
        at_synapses = {n: c for n, c in changes.items() if n not in of_neurons}
        read = self._read(at_synapses)
        body = self._head(self._read(changes), changes)
        if not own:
            every = self._every_row if event == "on_modulator" else self._every_column
            loop = every(at_synapses, read) if at_synapses else []
            body += [*loop, *self._all_neurons(of_neurons, "pre"), *self._all_neurons(of_neurons, "post")]
        else:
            inner = [f"{'_j' if own == 'pre' else '_i'} = _spikes[_q]"]
            inner += self._pending(of_neurons, own)
            inner += self._rows(at_synapses, read) if own == "pre" else self._columns(at_synapses, read)
            body += [
                f"_spikes = {BY_KIND[self.index]}(_at)",
                "for _q in range(_n):",
                *(f"{_INDENT}{line}" for line in inner),
            ]
        lines = "".join(f"{_INDENT}{line}\n" for line in body)
        return f'\n\n@c_callable("void(int64, int64, int64, int64)")\ndef {event}(_t, _n, _at, _frame):\n{lines}'

    # ------------------------------------------------------------ before the loop

    def _read(self, changes: dict[str, Event]) -> frozenset[str]:
        return frozenset().union(*(change.variables for change in changes.values()))

    def _head(self, read: frozenset[str], changes: dict[str, Event]) -> list[str]:
        state, index = BY_KIND[self.scalar], BY_KIND[self.index]
        receptor, gain = ("i4", "f8") if self.arrivals == INTEGERS else (state, state)
        kinds = {
            "row_start": "i8", "target": index, "w": "f8", "g": receptor, "gain": gain, "not_finite": "i8",
            "w_max": "f8", "parameters": "f8", "column_start": "i8", "synapse": "u4", "source": index, "m": "f8",
            "w_min": "f8", "value": state, "unit": "f8", "pending": "f8", "state": "f8", "since": "i8", "rate": "f8",
            "neuron": state,
        }  # fmt: skip
        lines = ["frame = i8(_frame)"]
        for k, slot in enumerate(slots(self.structure, self.readable)):
            part, _, name = slot.partition(" ")
            if slot in INTERPRETED:
                continue
            if not name:
                single = "[0]" if part in ("gain", "w_max", "w_min") else ""
                lines.append(f"{part} = {kinds[part]}(frame[{k}]){single}")
            elif name in read or name in changes:
                single = "[0]" if part in ("unit", "rate") else ""
                lines.append(f"{part}_{name} = {kinds[part]}(frame[{k}]){single}")
        if self.target.in_registers:
            columns = {column for change in changes.values() for column in change.straight_line()[1].values()}
            lines += [f"p{column} = parameters[{column}]" for column in sorted(columns)]
        return lines

    # ------------------------------------------------------------ loops

    def _rows(self, changes: dict[str, Event], read: frozenset[str]) -> list[str]:
        """The synapses of presynaptic neuron `_j`, each of which first passes its spike on."""
        inner = ["_i = target[_s]", "_k = _s - row_start[0]", *self._synapse(changes, read, "post", self.arrivals)]
        return [
            *self._loads(read, "pre"),
            "for _s in range(row_start[_j], row_start[_j + 1]):",
            *(f"{_INDENT}{line}" for line in inner),
        ]

    def _columns(self, changes: dict[str, Event], read: frozenset[str], at_every_step: bool = False) -> list[str]:
        """The synapses of postsynaptic neuron `_i`."""
        if not changes:
            return []
        inner = ["_j = source[_s]", "_k = synapse[_s]", *self._synapse(changes, read, "pre", NOTHING, at_every_step)]
        return [
            *self._loads(read, "post"),
            "for _s in range(column_start[_i], column_start[_i + 1]):",
            *(f"{_INDENT}{line}" for line in inner),
        ]

    def _every_row(self, changes: dict[str, Event], read: frozenset[str]) -> list[str]:
        """All synapses of the pathway; `_n` is the number of presynaptic neurons."""
        inner = ["_i = target[_s]", "_k = _s - row_start[0]", *self._synapse(changes, read, "post", NOTHING)]
        return [
            "for _j in range(_n):",
            *(f"{_INDENT}{line}" for line in self._loads(read, "pre")),
            f"{_INDENT}for _s in range(row_start[_j], row_start[_j + 1]):",
            *(f"{_INDENT * 2}{line}" for line in inner),
        ]

    def _every_column(self, changes: dict[str, Event], read: frozenset[str]) -> list[str]:
        """All synapses of the pathway, those of a postsynaptic neuron together; `_at` is the number of those neurons.

        Between two steps a synaptic state decays by one factor, which is the same at all synapses.
        """
        states = [name for name in synaptic_states(self.structure) if name in read or name in changes]
        return [
            *(f"_once_{name} = math.exp(rate_{name} * 1.0)" for name in states),
            "for _i in range(_at):",
            *(f"{_INDENT}{line}" for line in self._columns(changes, read, at_every_step=True)),
        ]

    # ------------------------------------------------------------ inside the loops

    def _loads(self, read: frozenset[str], side: str) -> list[str]:
        """What is read at the neuron of one side, `_j` or `_i`."""
        neuron, lines = "_j" if side == "pre" else "_i", []
        filters = {item.name for item in filters_of(self.structure)}
        for name in sorted(read):
            if self.sides.get(name) != side:
                continue
            if name in filters:
                lines.append(f"v_{name} = value_{name}[{neuron}] * unit_{name}")
            elif name == "m":
                lines.append(f"v_m = m[{neuron}]")
            else:
                lines.append(f"v_{name} = np.float64(neuron_{name}[{neuron}])")
        return lines

    def _synapse(
        self, changes: dict[str, Event], read: frozenset[str], other: str, arrivals: str, at_every_step: bool = False
    ) -> list[str]:
        """All changes at synapse `_k`, from the values before."""
        lines = ["v_w = w[_k]", *ARRIVAL[arrivals], "v_w_max = w_max"]
        lines += self._loads(read, other)
        for name in synaptic_states(self.structure):
            if name in read or name in changes:
                elapsed = f"_t - since_{name}[_k]"
                decay = f"math.exp(rate_{name} * np.float64({elapsed}))"
                decay = f"(_once_{name} if {elapsed} == 1 else {decay})" if at_every_step else decay
                lines.append(f"v_{name} = state_{name}[_k] * {decay}")
        for name, change in changes.items():
            lines += change_lines(change, f"d_{name}", self.sides, self.target)
        for name in changes:
            if name == "w":
                lines += ["_new = v_w + d_w", "_new = _new if not _new < w_min else w_min"]
                lines.append("w[_k] = _new if not _new > w_max else w_max")
            else:
                lines += [f"state_{name}[_k] = v_{name} + d_{name}", f"since_{name}[_k] = _t"]
        return lines

    def _pending(self, changes: dict[str, Event], side: str) -> list[str]:
        """Changes of the states of a neuron at its own spike."""
        neuron, lines = "_j" if side == "pre" else "_i", self._loads(self._read(changes), side)
        for name, change in changes.items():
            lines += [
                *change_lines(change, f"d_{name}", self.sides, self.target),
                f"pending_{name}[{neuron}] += d_{name}",
            ]
        return lines

    def _all_neurons(self, changes: dict[str, Event], side: str) -> list[str]:
        """The changes of the states of every neuron of one side; `_at` is the number of postsynaptic neurons."""
        own = {name: change for name, change in changes.items() if self.sides[name] == side}
        if not own:
            return []
        neuron, n_neurons = ("_j", "_n") if side == "pre" else ("_i", "_at")
        inner = self._loads(self._read(own) | set(own), side)
        for name, change in own.items():
            inner += change_lines(change, f"d_{name}", self.sides, self.target)
        inner += [f"value_{name}[{neuron}] = (v_{name} + d_{name}) / unit_{name}" for name in own]
        return [f"for {neuron} in range({n_neurons}):", *(f"{_INDENT}{line}" for line in inner)]
