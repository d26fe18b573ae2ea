"""Rules as bytecode: the changes of a rule as instructions on registers, which an already compiled kernel carries out.

A register holds a row of numbers, one for each synapse (or presentation) that is worked on at a time, so that reading
an instruction costs little beside carrying it out. The operations are those of the compiled code, in the same order on
the same types, so the bits are the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numba
import numpy as np

from plasticbench.language.emission import dialect
from plasticbench.rules.event import Event
from plasticbench.simulation.compile import compile_module

WIDTH = 128  # numbers in a register: a dozen registers stay in the first-level cache
MOST_REGISTERS = 256
OPERATIONS = (
    "add", "sub", "mul", "div", "neg", "pow", "exp", "log", "sqrt", "abs", "tanh", "sigmoid", "relu", "step", "min",
    "max",
)  # fmt: skip
_OF_LIBRARY = frozenset({"pow", "exp", "log", "tanh", "sigmoid"})
_INDENT = "    "


class NotInterpretedError(Exception):
    """The rule is left to the compiler; says why."""


@dataclass(frozen=True)
class Code:
    """Some changes at one place. A register below 0 is the constant -1 - register."""

    loads: tuple[tuple[str, int], ...]  # variable, register: filled before, kept
    instructions: tuple[tuple[int, int, int, int], ...]  # operation, result, operand, operand (again, where it has one)
    results: tuple[int, ...]  # the register of each change

    def register(self, variable: str) -> int:
        """Where a loaded variable stands."""
        return dict(self.loads)[variable]


class Assembler:
    """Assembles the changes of one pathway, whose constants share registers that are filled once a life."""

    def __init__(self, variables: Collection[str]):
        self._variables = frozenset(variables)
        self.constants: dict[tuple[str, Any], int] = {}  # ("number", its repr) or ("parameter", column) -> which
        self.n_others = 0  # registers besides

    @property
    def n_registers(self) -> int:
        return len(self.constants) + self.n_others

    def code(self, changes: Sequence[Event], loaded: Iterable[str] = ()) -> Code:
        """Instructions that compute every change from the same values; `loaded` are wanted besides.

        Raises NotInterpretedError for what only the compiler does with the same bits, and for too many registers.
        """
        steps: list[tuple] = []
        places: dict[tuple, int] = {}

        def add(*step: Any) -> int:
            if step not in places:
                places[step] = len(steps)
                steps.append(step)
            return places[step]

        outputs = [self._appended(change, steps, add) for change in changes]
        wanted = {step[1] for step in steps if step[0] == "load"} | set(loaded)
        loads = {name: k for k, name in enumerate(sorted(wanted))}
        made = _allocated(steps, outputs, loads, self.constants)
        self.n_others = max(self.n_others, made.n_registers)
        if self.n_registers > MOST_REGISTERS:
            raise NotInterpretedError(f"more than {MOST_REGISTERS} numbers at a time")
        return Code(tuple(loads.items()), tuple(made.instructions), tuple(made.register[k] for k in outputs))

    def _appended(self, change: Event, steps: list[tuple], add: Any) -> int:
        program, columns = change.straight_line()
        mapped: list[int] = []
        for operation, *operands in program.lowered.instructions:
            if operation == "number":
                mapped.append(add("constant", self._constant("number", repr(operands[0]))))
            elif operation == "name" and operands[0] in self._variables:
                mapped.append(add("load", operands[0]))
            elif operation == "name":
                mapped.append(add("constant", self._constant("parameter", columns[operands[0]])))
            else:
                inputs = [mapped[k] for k in operands]
                if operation == "pow" and steps[inputs[0]][0] == "constant" and self._is_number(steps[inputs[0]][1]):
                    raise NotInterpretedError("a power of a number, which the compiler makes another function of")
                if operation in _OF_LIBRARY and numba.config.USING_SVML:  # type: ignore[attr-defined]
                    raise NotInterpretedError(f"{operation} by a vector library, which rounds loops in its own way")
                first, *others = inputs
                for second in others or [first]:
                    first = add(operation, first, second)
                mapped.append(first)
        return mapped[-1]

    def _constant(self, kind: str, value: Any) -> int:
        return self.constants.setdefault((kind, value), len(self.constants))

    def _is_number(self, which: int) -> bool:
        return list(self.constants)[which][0] == "number"

    def constant_numbers(self, parameters: np.ndarray) -> np.ndarray:
        """(n_rules, n_constants), from (n_rules, n_parameters)."""
        columns = [
            parameters[:, value] if kind == "parameter" else np.full(len(parameters), float(value))
            for kind, value in self.constants
        ]
        return np.ascontiguousarray(np.stack(columns, 1) if columns else np.zeros((len(parameters), 0)), np.float64)

    def offset(self, register: int, width: int) -> int:
        """Bytes from the first register to this one; known once all is assembled."""
        place = -1 - register if register < 0 else len(self.constants) + register
        return 8 * width * place

    def words(self, code: Code, width: int) -> list[int]:
        """The instructions as the kernel reads them: four words each."""
        words: list[int] = []
        for operation, *registers in code.instructions:
            words += [operation, *(self.offset(register, width) for register in registers)]
        return words


@dataclass
class _Allocation:
    instructions: list[tuple[int, int, int, int]]
    register: dict[int, int]  # of each step
    n_registers: int


def _allocated(steps: Sequence[tuple], outputs: Sequence[int], loads: dict[str, int], constants: dict) -> _Allocation:
    """Registers for every step; one is free again after the last use of what it holds, unless that is an output."""
    last_use = {operand: k for k, step in enumerate(steps) if step[0] in OPERATIONS for operand in step[1:]}
    made = _Allocation([], {}, len(loads))
    free: list[int] = []
    for k, (kind, *operands) in enumerate(steps):
        if kind == "load":
            made.register[k] = loads[operands[0]]
        elif kind == "constant":
            made.register[k] = -1 - operands[0]
        else:
            if not free:  # never an operand's own, so that the kernel may take several numbers at a time
                free.append(made.n_registers)
                made.n_registers += 1
            made.register[k] = free.pop(0)
            registers = [made.register[operand] for operand in operands]
            made.instructions.append((OPERATIONS.index(kind), made.register[k], *registers))  # type: ignore[arg-type]
            ending = {o for o in operands if last_use[o] == k and o not in outputs and steps[o][0] in OPERATIONS}
            free += sorted(made.register[operand] for operand in ending)
    return made


@lru_cache(maxsize=1)
def executor() -> Any:
    """The compiled `execute(code, n_instructions, registers, n)`: the first n numbers of the registers."""
    return compile_module(_executor_source()).execute


def _executor_source() -> str:
    target = dialect("numba", "float64")
    lines = ["code = i8(_code)", "for _q in range(_count):"]
    inner = [
        "_operation = code[4 * _q]",
        *(f"{name} = f8(_registers + code[4 * _q + {k}])" for k, name in enumerate("rab", 1)),
    ]
    for k, operation in enumerate(OPERATIONS):
        inner += [
            f"{'elif' if k else 'if'} _operation == {k}:",
            f"{_INDENT}for _s in range(_n):",
            f"{_INDENT * 2}r[_s] = {target.apply(operation, ['a[_s]', 'b[_s]'])}",
        ]
    lines += [_INDENT + line for line in inner]
    return (
        "import math\n\nimport numpy as np\n\nfrom plasticbench.simulation.compile import compiled\n"
        "from plasticbench.simulation.pointers import f8, i8\n\n\n"
        "@compiled\ndef execute(_code, _count, _registers, _n):\n" + "".join(f"{_INDENT}{line}\n" for line in lines)
    )
