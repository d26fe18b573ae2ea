"""A rule's expression as straight-line code: each instruction computes one value from earlier ones.

Common subexpressions are computed once. The same list is evaluated in torch, printed as an equation, and
emitted as numba and CUDA source, in the same order of operations, so that engines agree to rounding. Integer
powers are multiplications (and ±1/2 square roots) on every engine: no engine's own special cases of `pow`
enter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from plasticbench.errors import RuleError
from plasticbench.language.parse import Binary, Call, Name, Node, Number, Unary, fold, parse_expression

if TYPE_CHECKING:
    from torch import Tensor

# ("number", value) | ("name", identifier) | (operation, index, index, ...)
Instruction = tuple


class Builder:
    """Appends instructions, merging equal ones and folding constants."""

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        self._index: dict[Instruction, int] = {}

    def add(self, *instruction: Any) -> int:
        operation, operands = instruction[0], instruction[1:]
        if operation not in ("number", "name"):
            parts = [self.instructions[i] for i in operands]
            if all(part[0] == "number" for part in parts):
                value = fold(str(operation), tuple(part[1] for part in parts))
                if value is not None:
                    return self.add("number", value)
        # 0.0 == -0.0 as keys, yet 1/0.0 and 1/-0.0 differ.
        key = (operation, repr(operands[0])) if operation == "number" else instruction
        if key not in self._index:
            self._index[key] = len(self.instructions)
            self.instructions.append(tuple(instruction))
        return self._index[key]

    def integer_power(self, base: int, exponent: int) -> int:
        result, square, remaining = None, base, abs(exponent)
        while remaining:
            if remaining & 1:
                result = square if result is None else self.add("mul", result, square)
            remaining >>= 1
            if remaining:
                square = self.add("mul", square, square)
        assert result is not None
        return result if exponent > 0 else self.add("div", self.add("number", 1.0), result)

    def program(self, result: int) -> Program:
        """The instructions that `result` needs, in order, with `result` last."""
        needed, pending = set(), [result]
        while pending:
            index = pending.pop()
            if index not in needed:
                needed.add(index)
                operation, *operands = self.instructions[index]
                if operation not in ("number", "name"):
                    pending.extend(operands)
        order = [index for index in sorted(needed) if index != result] + [result]
        renumbered = {index: position for position, index in enumerate(order)}
        kept = []
        for index in order:
            operation, *operands = self.instructions[index]
            leaf = operation in ("number", "name")
            kept.append((operation, *(operands if leaf else (renumbered[i] for i in operands))))
        return Program(tuple(kept))


@dataclass(frozen=True)
class Program:
    """Instructions in order of computation; the last one is the result.

    Hashable: equal programs, equal kernels.
    """

    instructions: tuple[Instruction, ...]

    @classmethod
    def of(cls, root: Node) -> Program:
        """Linearize a tree. Iterative, since a long sum is a deep tree."""
        builder, done = Builder(), []
        pending: list[tuple[Node, bool]] = [(root, False)]
        while pending:
            node, children_done = pending.pop()
            if isinstance(node, Number):
                done.append(builder.add("number", node.value))
            elif isinstance(node, Name):
                done.append(builder.add("name", node.name))
            elif not children_done:
                pending.append((node, True))
                pending.extend((child, False) for child in reversed(_operands(node)))
            else:
                n_operands = len(_operands(node))
                operands = done[-n_operands:]
                del done[-n_operands:]
                done.append(builder.add(_operation(node), *operands))
        return builder.program(done[0])

    @property
    def names(self) -> frozenset[str]:
        return frozenset(operands[0] for operation, *operands in self.instructions if operation == "name")

    def number(self, values: Mapping[str, float]) -> float:
        """The program on plain numbers; RuleError where the result is no finite real number."""
        done: list[float] = []
        for operation, *operands in self.instructions:
            if operation == "number":
                done.append(operands[0])
            elif operation == "name":
                done.append(values[operands[0]])
            else:
                result = fold(operation, tuple(done[i] for i in operands))
                if result is None:
                    raise RuleError(f"{operation} of {[done[i] for i in operands]} is not a finite real number")
                done.append(result)
        return float(done[-1])

    def renamed(self, names: Mapping[str, str]) -> Program:
        """The same program with other names in the place of these."""
        changed = (("name", names.get(i[1], i[1])) if i[0] == "name" else i for i in self.instructions)
        return Program(tuple(changed))

    @cached_property
    def lowered(self) -> Program:
        """The same values without constant powers: what engines execute."""
        builder = Builder()
        mapped: list[int] = []
        for operation, *operands in self.instructions:
            if operation in ("number", "name"):
                mapped.append(builder.add(operation, *operands))
                continue
            inputs = [mapped[i] for i in operands]
            exponent = builder.instructions[inputs[1]] if operation == "pow" else None
            if exponent is not None and exponent[0] == "number" and exponent[1] == int(exponent[1]):
                mapped.append(builder.integer_power(inputs[0], int(exponent[1])))
            elif exponent is not None and exponent[0] == "number" and abs(exponent[1]) == 0.5:
                root = builder.add("sqrt", inputs[0])
                mapped.append(root if exponent[1] > 0 else builder.add("div", builder.add("number", 1.0), root))
            else:
                mapped.append(builder.add(operation, *inputs))
        return builder.program(mapped[-1])

    @cached_property
    def pairwise(self) -> Program:
        """`lowered`, with minimum and maximum of many taken pair by pair: what derivatives are taken of."""
        builder = Builder()
        mapped: list[int] = []
        for operation, *operands in self.lowered.instructions:
            if operation in ("number", "name"):
                mapped.append(builder.add(operation, *operands))
                continue
            first, *rest = (mapped[i] for i in operands)
            while len(rest) > 1:
                first = builder.add(operation, first, rest.pop(0))
            mapped.append(builder.add(operation, first, *rest))
        return builder.program(mapped[-1])

    def evaluate(self, values: Mapping[str, Tensor]) -> Tensor | float:
        """The program on torch tensors that broadcast; differentiable in all of them.

        Returns a plain float where the program is a constant.
        """
        from plasticbench.language.torch_operations import OPERATIONS

        done: list[Tensor | float] = []
        for operation, *operands in self.lowered.instructions:
            if operation == "number":
                done.append(operands[0])
            elif operation == "name":
                done.append(values[operands[0]])
            else:
                done.append(OPERATIONS[operation](*(done[i] for i in operands)))
        return done[-1]


@dataclass(frozen=True)
class Expression:
    """A weight change as its author wrote it, and as a program."""

    text: str
    program: Program

    @classmethod
    def parse(cls, text: str, names: Iterable[str], where: str = "expression") -> Expression:
        """Parse `text`, whose names must all be among `names`; raises RuleError that opens with `where`."""
        return cls(text, Program.of(parse_expression(text, set(names), where)))


def _operands(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Unary):
        return (node.operand,)
    if isinstance(node, Binary):
        return (node.left, node.right)
    return node.arguments if isinstance(node, Call) else ()


def _operation(node: Node) -> str:
    if isinstance(node, Binary):
        return node.operation
    return node.function if isinstance(node, Call) else "neg"
