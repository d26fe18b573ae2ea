"""A rule at a pathway of a rate network as words that the interpreter reads (see `interpreter`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from plasticbench.rules.batch import PathwayStructure
from plasticbench.rules.event import Event
from plasticbench.simulation.bytecode import WIDTH, Assembler, Code
from plasticbench.simulation.rate.event_source import FUNCTIONS, OF_ITEMS, sides_of, slots

# Kinds of jobs, and at whose neurons those of one side are done.
SYNAPSES, NEURONS, TRACE, DECAY = range(4)
SIDES = ("pre", "post", "synapse")
# How a register is filled, at an outer neuron, inner ones and the items of a step.
ITEMS_INNER, ITEMS_OUTER, INNER, OUTER, SYNAPSE, RECONSTRUCTION = range(6)
N_HEAD, N_LOAD = 7, 3  # words of a job and of a load


@dataclass(frozen=True, eq=False)
class RateProgram:
    """`words` as `rate.interpreter` reads them, and what the registers need."""

    assembler: Assembler
    words: np.ndarray  # (n,) int64
    functions: tuple[str, ...]  # that do anything

    @property
    def n_registers(self) -> int:
        return self.assembler.n_registers


@lru_cache(maxsize=256)
def rate_program(structure: PathwayStructure, n_items: int) -> RateProgram:
    """Raises NotInterpretedError for what the interpreter does not do."""
    writer = _Writer(structure, max(WIDTH, n_items))
    sections = [writer.changes(name) for name in FUNCTIONS[:2]]
    sections.append(writer.settling())
    return writer.program(sections)


class _Writer:
    """Assembles everything first, since the constants' number decides where the other registers stand."""

    def __init__(self, structure: PathwayStructure, width: int):
        self.structure, self.width = structure, width
        self.sides, self.slots = sides_of(structure), slots(structure)
        self.assembler = Assembler(self.sides)

    def changes(self, event: str) -> list[tuple]:
        jobs = []
        for name, change in self.structure.targets(event).items():
            side = self.sides[name]
            target = "dw" if name == "w" else f"new {name}"
            kind = SYNAPSES if side == "synapse" else NEURONS
            jobs.append((kind, side, target, change, self.assembler.code([change])))
        return jobs

    def settling(self) -> list[tuple]:
        jobs: list[tuple] = [
            (TRACE, trace.side, f"value {trace.name}", trace.of, self.assembler.code([trace.of]))
            for trace in self.structure.traces
            if trace.of is not None
        ]
        jobs += [(DECAY, state.scope, f"value {state.name}", None, None) for state in self.structure.states]
        return jobs

    def program(self, sections: list[list[tuple]]) -> RateProgram:
        words, starts = [0] * len(sections), []
        for jobs in sections:
            starts.append(len(words))
            words.append(len(jobs))
            for job in jobs:
                words += self._job(*job)
        words[: len(sections)] = starts
        done = tuple(name for name, jobs in zip(FUNCTIONS, sections, strict=True) if jobs)
        return RateProgram(self.assembler, np.array(words, np.int64), done)

    def _job(self, kind: int, side: str, target: str, change: Event | None, code: Code | None) -> list[int]:
        head = [kind, SIDES.index(side), self.slots.index(target)]
        if change is None or code is None:
            return [*head, 0, 0, 0, 0]
        averaged = bool(change.variables & OF_ITEMS)
        loads: list[int] = []
        for name, register in code.loads:
            loads += [*self._load(name, kind, side), self.assembler.offset(register, self.width)]
        result = self.assembler.offset(code.results[0], self.width)
        return [
            *head, int(averaged), len(code.loads), len(code.instructions), result, *loads,
            *self.assembler.words(code, self.width),
        ]  # fmt: skip

    def _load(self, name: str, kind: int, side: str) -> tuple[int, int]:
        """How, and the slot that it comes from. At synapses the presynaptic neuron is the outer one."""
        outer = kind == SYNAPSES and self.sides[name] == "pre"
        if name == "reconstruction":
            return RECONSTRUCTION, 0
        if name in OF_ITEMS:
            return (ITEMS_OUTER if outer else ITEMS_INNER), self.slots.index(name)
        slot = self.slots.index(name if name in ("w", "m") else f"value {name}")
        if self.sides[name] == "synapse":
            return SYNAPSE, slot
        return (OUTER if outer else INNER), slot
