"""Programs with their derivatives as numba source, by reverse accumulation over the straight-line code.

Where a function has no derivative (|x| at 0, a tie of min or max, x**y at 0), the value is the one that torch's
autograd gives, so that a compiled gradient is the torch engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from plasticbench.language.emission import Dialect, dialect, emit_values
from plasticbench.language.program import Program


def emit_derivative(
    program: Program, columns: Mapping[str, int], function_name: str, arguments: Sequence[str], n_parameters: int
) -> str:
    """Source of `function_name(<arguments>, partials, p) -> value`, all in float64.

    It writes the derivatives by the `arguments`, then those by the `n_parameters` entries of `p`, into `partials`
    (n_arguments + n_parameters,). `columns` says where in `p` each parameter stands. Raises RuleError if the
    program uses any other name.
    """
    target = dialect("numba", "float64")
    body, value, adjoints = emit_partials(program, columns, arguments, target)
    places = {name: k for k, name in enumerate(arguments)}
    places.update({name: len(arguments) + column for name, column in columns.items()})
    written = {places[name]: adjoint for name, adjoint in adjoints.items()}
    for place in range(len(arguments) + n_parameters):
        body.append(f"partials[{place}] = {written.get(place, target.literal(0.0))}")
    return target.function(function_name, [*arguments, "partials"], body, value)


def emit_partials(
    program: Program, columns: Mapping[str, int], arguments: Sequence[str], target: Dialect
) -> tuple[list[str], str, dict[str, str]]:
    """Lines that compute a program and its derivatives; the source of its value, and of each name's derivative."""
    pairwise = program.pairwise
    body, values = emit_values(pairwise, columns, arguments, target)
    adjoints = _reverse(pairwise, values, body, target)
    return body, values[-1], adjoints


def _reverse(program: Program, values: Sequence[str], body: list[str], target: Dialect) -> dict[str, str]:
    """Append lines that compute the adjoints; the source of the result's derivative by each name."""
    incoming: list[list[str]] = [[] for _ in values]
    incoming[-1] = [target.literal(1.0)]
    found: dict[str, str] = {}
    for index in range(len(values) - 1, -1, -1):
        operation, *operands = program.instructions[index]
        if operation == "number" or not incoming[index]:
            continue
        adjoint = f"_d{index}"
        body.append(target.assign(adjoint, " + ".join(incoming[index])))
        if operation == "name":
            found[operands[0]] = adjoint
            continue
        parts = _PARTIALS[operation](adjoint, values[index], *(values[i] for i in operands))
        for operand, part in zip(operands, parts, strict=False):
            incoming[operand].append(f"({part})")
    return found


def _extreme(loses: str) -> Callable[..., tuple[str, str]]:
    """min or max: the operand that loses the comparison gets nothing, at a tie each gets half."""

    def write(g: str, r: str, a: str, b: str) -> tuple[str, str]:
        return tuple(  # type: ignore[return-value]
            f"0.0 if {x} {loses} {y} else (0.5 * {g} if {x} == {y} else {g})" for x, y in ((a, b), (b, a))
        )

    return write


# Of each operation: from the adjoint g, the result r and the operands, what goes to each operand.
_PARTIALS: dict[str, Callable[..., tuple[str, ...]]] = {
    "neg": lambda g, r, a: (f"-{g}",),
    "add": lambda g, r, a, b: (g, g),
    "sub": lambda g, r, a, b: (g, f"-{g}"),
    "mul": lambda g, r, a, b: (f"{g} * {b}", f"{g} * {a}"),
    "div": lambda g, r, a, b: (f"{g} / {b}", f"-{g} * ({r} / {b})"),
    "pow": lambda g, r, a, b: (
        f"0.0 if {b} == 0.0 else {g} * ({b} * {a} ** ({b} - 1.0))",
        f"0.0 if {a} == 0.0 and {b} >= 0.0 else {g} * ({r} * math.log({a}))",
    ),
    "exp": lambda g, r, a: (f"{g} * {r}",),
    "log": lambda g, r, a: (f"{g} / {a}",),
    "sqrt": lambda g, r, a: (f"{g} / (2.0 * {r})",),
    "abs": lambda g, r, a: (f"{g} if {a} > 0.0 else (-{g} if {a} < 0.0 else 0.0)",),
    "tanh": lambda g, r, a: (f"{g} * (1.0 - {r} * {r})",),
    "sigmoid": lambda g, r, a: (f"{g} * (1.0 - {r}) * {r}",),
    "relu": lambda g, r, a: (f"0.0 if {a} <= 0.0 else {g}",),
    "step": lambda g, r, a: (),
    "min": _extreme(">"),
    "max": _extreme("<"),
}
