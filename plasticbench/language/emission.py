"""Programs as source code: one function per event, for numba and for CUDA, in a given precision.

The generated text contains only instruction numbers, argument names and literals that come from the parsed,
whitelisted tree. A numba module that holds it must import `math` and `numpy as np`, and compile with
`error_model="numpy"` (so that 1/0 is inf, as in torch) and without fast-math flags that assume away NaN or
infinity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from plasticbench.errors import RuleError
from plasticbench.language.program import Program

_INDENT = "    "


@dataclass(frozen=True)
class Dialect:
    """How one target language writes a function of scalars of one precision."""

    name: str
    scalar: str

    @property
    def c_type(self) -> str:
        return "float" if self.scalar == "float32" else "double"

    def literal(self, value: float) -> str:
        if self.name == "numba":
            return f"np.{self.scalar}({value!r})"
        return f"{value!r}f" if self.scalar == "float32" else repr(value)

    def parameter(self, index: int) -> str:
        return f"np.{self.scalar}(p[{index}])" if self.name == "numba" else f"p[{index}]"

    def call(self, function: str, *arguments: str) -> str:
        if self.name == "numba":
            return f"math.{function}({', '.join(arguments)})"
        return f"{function}{'f' if self.scalar == 'float32' else ''}({', '.join(arguments)})"

    def power(self, base: str, exponent: str) -> str:
        return f"({base} ** {exponent})" if self.name == "numba" else self.call("pow", base, exponent)

    def assign(self, name: str, value: str) -> str:
        return f"{name} = {value}" if self.name == "numba" else f"const {self.c_type} {name} = {value};"

    def function(self, name: str, arguments: Sequence[str], body: Sequence[str], result: str) -> str:
        """A complete function of scalars `arguments` and the parameter array `p`."""
        if self.name == "numba":
            head = f"def {name}({', '.join([*arguments, 'p'])}):\n"
            lines = [*body, f"return {result}"]
            return head + "".join(f"{_INDENT}{line}\n" for line in lines)
        typed = [f"{self.c_type} {argument}" for argument in arguments]
        typed.append(f"const {self.c_type}* __restrict__ p")
        head = f"__device__ __forceinline__ {self.c_type} {name}({', '.join(typed)}) {{\n"
        lines = [*body, f"return {result};"]
        return head + "".join(f"{_INDENT}{line}\n" for line in lines) + "}\n"

    def apply(self, operation: str, operands: Sequence[str]) -> str:
        """One operation on scalars, as an expression of the language."""
        a = operands[0]
        if operation in _SYMBOLS:
            return f"{a} {_SYMBOLS[operation]} {operands[1]}"
        if operation in _SPECIAL:
            return _SPECIAL[operation](self, operands)
        return self.call("fabs" if operation == "abs" else operation, a)


def dialect(name: str, scalar: str) -> Dialect:
    """The dialect "numba" or "cuda" in "float32" or "float64"."""
    if name not in ("numba", "cuda") or scalar not in ("float32", "float64"):
        raise ValueError(f"no dialect {name!r} in {scalar!r}; numba or cuda, float32 or float64")
    return Dialect(name, scalar)


# numba takes the square of the number of branches and more to compile them, so nothing here may be one.


def _step(target: Dialect, operands: Sequence[str]) -> str:
    holds = f"{operands[0]} > {target.literal(0.0)}"
    if target.name == "numba":
        return f"np.{target.scalar}({holds})"
    return f"({holds} ? {target.literal(1.0)} : {target.literal(0.0)})"


def _relu(target: Dialect, operands: Sequence[str]) -> str:
    zero = target.literal(0.0)
    if target.name == "numba":
        return f"np.maximum({zero}, {operands[0]})"
    return f"({operands[0]} <= {zero} ? {zero} : {operands[0]})"  # NaN passes through


def _extreme(function: str, comparison: str) -> Callable[[Dialect, Sequence[str]], str]:
    """The later of two equal values, which may be zeros of different signs; NaN if one of them is."""

    def write(target: Dialect, operands: Sequence[str]) -> str:
        result, other = operands
        if target.name == "numba":
            return f"np.{function}({other}, {result})"
        return f"({result} {comparison} {other} || {result} != {result} ? {result} : {other})"

    return write


_SYMBOLS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
_SPECIAL: dict[str, Callable[[Dialect, Sequence[str]], str]] = {
    "neg": lambda target, operands: f"-{operands[0]}",
    "pow": lambda target, operands: target.power(operands[0], operands[1]),
    "sigmoid": lambda target, operands: (
        f"{target.literal(1.0)} / ({target.literal(1.0)} + {target.call('exp', '-' + operands[0])})"
    ),
    "relu": _relu,
    "step": _step,
    "min": _extreme("minimum", "<"),
    "max": _extreme("maximum", ">"),
}


def emit_program(
    program: Program,
    columns: Mapping[str, int],
    function_name: str,
    arguments: Sequence[str],
    target: Dialect,
) -> str:
    """`program` as a function of the scalars `arguments` and the parameter array `p`.

    `columns` says where in `p` each parameter stands. Raises RuleError if the program uses any other name.
    """
    body, names = emit_values(program.lowered, columns, arguments, target)
    return target.function(function_name, arguments, body, names[-1])


def emit_values(
    program: Program, columns: Mapping[str, int], arguments: Sequence[str], target: Dialect
) -> tuple[list[str], list[str]]:
    """Lines that compute every instruction of a lowered program, and the source of each one's value."""
    body: list[str] = []
    names: list[str] = []  # leading underscores never collide with arguments
    for operation, *operands in program.instructions:
        if operation == "number":
            names.append(f"({target.literal(operands[0])})")
            continue
        # A rule's own parameter hides an argument of its name, as in `Event.evaluate`.
        if operation == "name" and operands[0] in arguments and operands[0] not in columns:
            names.append(operands[0])
            continue
        value = (
            target.parameter(_column(operands[0], columns, arguments))
            if operation == "name"
            else _operation(target, operation, [names[i] for i in operands], body, len(names))
        )
        name = f"_{len(names)}"
        body.append(target.assign(name, value))
        names.append(name)
    return body, names


def _operation(target: Dialect, operation: str, operands: list[str], body: list[str], index: int) -> str:
    """One operation; minimum and maximum of many are taken pair by pair through named values."""
    for position in range(2, len(operands)):
        partial = f"_{index}_{position}"
        body.append(target.assign(partial, target.apply(operation, operands[:2])))
        operands = [partial, *operands[2:]]
    return target.apply(operation, operands)


def _column(name: str, columns: Mapping[str, int], arguments: Sequence[str]) -> int:
    if name not in columns:
        raise RuleError(f"the rule uses {name!r}, which is not passed to it; passed: {', '.join(arguments)}")
    return columns[name]
