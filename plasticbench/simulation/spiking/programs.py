"""A rule at a spiking pathway as words that the interpreter reads (see `interpreter`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from plasticbench.rules.batch import PathwayStructure
from plasticbench.rules.event import Event
from plasticbench.simulation.bytecode import WIDTH, Assembler, Code, NotInterpretedError
from plasticbench.simulation.spiking.event_source import EVENTS, filters_of, places_of, slots, synaptic_states

# What a register is loaded from: at the synapse, or at a neuron, whose filters are numbers times a unit.
WEIGHT, W_MAX, STATE, FILTER, MODULATOR, NEURON = range(6)
OWN, OTHER = range(2)  # of the neuron that spiked, or of each synapse's other neuron
# What takes a change; OVERWRITE: a neuron's state at once, PENDING: at the step's end.
TO_WEIGHT, TO_STATE, PENDING, OVERWRITE = range(4)
PARTS = (
    "on_pre own", "on_pre synapses", "on_post own", "on_post synapses", "on_modulator synapses", "on_modulator pre",
    "on_modulator post",
)  # fmt: skip
INDICES = len(PARTS)  # the word that says where the registers end and indices of neurons and synapses begin
N_HEAD, N_LOAD, N_RESULT = 3, 4, 4  # words of a part, of a load and of a result


@dataclass(frozen=True, eq=False)
class SpikingProgram:
    """`words` as `spiking.interpreter` reads them, and the registers."""

    assembler: Assembler
    words: np.ndarray  # (n,) int64

    @property
    def n_numbers(self) -> int:
        """Of all registers, and of the indices after them."""
        return (self.assembler.n_registers + 2) * WIDTH

    def registers(self, parameters: np.ndarray) -> np.ndarray:
        """(n_numbers,) float64, with the constants of a rule of these parameters (n_parameters,)."""
        made = np.zeros(self.n_numbers)
        constants = self.assembler.constant_numbers(parameters[None])[0]
        made[: len(constants) * WIDTH] = np.repeat(constants, WIDTH)
        return made


@lru_cache(maxsize=256)
def spiking_program(structure: PathwayStructure, readable: tuple[str, ...]) -> SpikingProgram:
    """`readable`: what the postsynaptic neurons offer. Raises NotInterpretedError for what is left to the compiler."""
    if structure.targets("on_step"):
        raise NotInterpretedError("on_step, which happens so often that compiling it pays")
    return _Writer(structure, readable).program()


class _Writer:
    """Assembles everything first, since the constants' number decides where the other registers stand."""

    def __init__(self, structure: PathwayStructure, readable: Sequence[str]):
        self.structure = structure
        self.sides = places_of(structure, readable)
        self.slots = slots(structure, readable)
        self.filters = {item.name for item in filters_of(structure)}
        self.states = set(synaptic_states(structure))
        self.assembler = Assembler(self.sides)

    def program(self) -> SpikingProgram:
        parts = [self._part(*name.split()) for name in PARTS]
        words = [0] * (len(PARTS) + 1)
        for k, part in enumerate(parts):
            if part is not None:
                words[k] = len(words)
                words += self._words(*part)
        words[INDICES] = 8 * WIDTH * self.assembler.n_registers
        return SpikingProgram(self.assembler, np.array(words, np.int64))

    def _part(self, event: str, where: str) -> tuple[str, str, dict[str, Event], Code] | None:
        """The changes of an event at synapses or at neurons; None where nothing happens."""
        own = {"on_pre": "pre", "on_post": "post", "on_modulator": "pre"}[event]
        changes = self.structure.targets(event)
        of_neurons = {name: c for name, c in changes.items() if self.sides[name] in ("pre", "post")}
        if where == "synapses":
            found = {name: c for name, c in changes.items() if name not in of_neurons}
        else:
            side = own if where == "own" else where
            found = {name: c for name, c in of_neurons.items() if self.sides[name] == side}
        if not found and not (changes and event == "on_pre" and where == "synapses"):  # which passes spikes on
            return None
        before = set(found) if where != "own" else set()
        return event, (own if where == "synapses" else ""), found, self.assembler.code(list(found.values()), before)

    def _words(self, event: str, own: str, changes: dict[str, Event], code: Code) -> list[int]:
        loads: list[int] = []
        for name, register in code.loads:
            loads += [*self._load(name, own), self.assembler.offset(register, WIDTH)]
        results: list[int] = []
        for name, register in zip(changes, code.results, strict=True):
            kind, slot = self._target(name, event)
            before = self.assembler.offset(code.register(name), WIDTH) if kind != PENDING else 0
            results += [kind, slot, self.assembler.offset(register, WIDTH), before]
        head = [len(code.loads), len(code.instructions), len(changes)]
        return [*head, *loads, *self.assembler.words(code, WIDTH), *results]

    def _load(self, name: str, own: str) -> tuple[int, int, int]:
        """Kind, side and slot."""
        if name == "w":
            return WEIGHT, OTHER, self.slots.index("w")
        if name == "w_max":
            return W_MAX, OWN if own else OTHER, self.slots.index("w_max")
        if name in self.states:
            return STATE, OTHER, self.slots.index(f"state {name}")
        side = OWN if self.sides[name] == own else OTHER
        if name in self.filters:
            return FILTER, side, self.slots.index(f"value {name}")
        return (MODULATOR, side, self.slots.index("m")) if name == "m" else (
            NEURON, side, self.slots.index(f"neuron {name}")
        )  # fmt: skip

    def _target(self, name: str, event: str) -> tuple[int, int]:
        if name == "w":
            return TO_WEIGHT, self.slots.index("w")
        if name in self.states:
            return TO_STATE, self.slots.index(f"state {name}")
        if event in EVENTS[:2]:
            return PENDING, self.slots.index(f"pending {name}")
        return OVERWRITE, self.slots.index(f"value {name}")
