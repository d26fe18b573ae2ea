"""What a rule's event changes, as source: shared by the compiled engines of both tracks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from plasticbench.language.emission import Dialect, emit_values
from plasticbench.language.program import Program
from plasticbench.rules.event import Event

MOST_SCALARS = 32  # parameters that the compiler keeps in registers


@dataclass(frozen=True)
class Registers(Dialect):
    """Parameters were loaded before the loop, unless there are many."""

    in_registers: bool = True

    def parameter(self, index: int) -> str:
        return f"p{index}" if self.in_registers else f"parameters[{index}]"


def change_lines(change: Event, name: str, variables: Iterable[str], target: Dialect) -> list[str]:
    """Lines that set `name` to the change; a variable x is read as the local v_x, apart from a parameter's name."""
    known = list(variables)
    program, columns = change.straight_line()
    renamed = Program(
        tuple(
            (kind, f"v_{rest[0]}") if kind == "name" and rest[0] in known else (kind, *rest)
            for kind, *rest in program.lowered.instructions
        )
    )
    body, values = emit_values(renamed, columns, [f"v_{variable}" for variable in known], target)
    return [*body, target.assign(name, values[-1])]
