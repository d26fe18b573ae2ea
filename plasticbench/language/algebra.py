"""What a program is as a polynomial of the synapse's variables, with the parameters' numbers put in.

This is how a family recognizes that a rule written in any other form lies in it: Oja's rule written as
`eta * post * (pre - post*w)` has the coefficients of `eta * (pre*post - post**2*w)`.
"""

from __future__ import annotations

from collections.abc import Mapping

from plasticbench.errors import RuleError
from plasticbench.language.program import Program

Monomial = tuple[tuple[str, int], ...]  # sorted (variable, exponent); () is the constant
Polynomial = dict[Monomial, float]

_MAX_TERMS = 1_000
_POST: Monomial = (("post", 1),)


def polynomial_of(
    program: Program, parameters: Mapping[str, float], rectified: Mapping[str, float] | None = None
) -> Polynomial:
    """Nonzero coefficients of each monomial.

    `rectified`: name -> threshold; relu(post − threshold) is taken for a variable of that name.

    Raises RuleError if the program is no polynomial of few terms.
    """
    done: list[Polynomial] = []
    for operation, *operands in program.instructions:
        if operation == "number":
            done.append(_clean({(): operands[0]}))
        elif operation == "name":
            name = operands[0]
            done.append(_clean({(): parameters[name]}) if name in parameters else {((name, 1),): 1.0})
        elif operation == "relu" and (atom := _rectified(done[operands[0]], rectified or {})):
            done.append(atom)
        else:
            done.append(_operation(operation, [done[i] for i in operands]))
        if len(done[-1]) > _MAX_TERMS:
            raise RuleError(f"the rule has more than {_MAX_TERMS} terms; no family holds it")
    return done[-1]


def _rectified(inside: Polynomial, rectified: Mapping[str, float]) -> Polynomial | None:
    """relu of post − threshold as a variable of its own, times what can be taken out of it; None if it is another."""
    size = inside.get(_POST, 0.0)
    if size <= 0.0 or set(inside) - {_POST, ()}:
        return None
    threshold = -inside.get((), 0.0) / size
    for name, known in rectified.items():
        if abs(threshold - known) <= 1e-12 * max(1.0, abs(known)):
            return {((name, 1),): size}
    return None


def _operation(operation: str, operands: list[Polynomial]) -> Polynomial:
    if operation == "neg":
        return _scaled(operands[0], -1.0)
    if operation in ("add", "sub"):
        return _sum(operands[0], _scaled(operands[1], 1.0 if operation == "add" else -1.0))
    if operation == "mul":
        return _product(*operands)
    if operation in ("div", "pow") and set(operands[1]) <= {()}:
        number = operands[1].get((), 0.0)
        if operation == "div" and number != 0.0:
            return _scaled(operands[0], 1.0 / number)
        if operation == "pow" and number == int(number) and 0 <= number <= 8:
            result: Polynomial = {(): 1.0}
            for _ in range(int(number)):
                result = _product(result, operands[0])
            return result
    raise RuleError(f"the rule is not a polynomial: it uses {operation} in a way that none has")


def _clean(polynomial: Polynomial) -> Polynomial:
    return {monomial: value for monomial, value in polynomial.items() if value != 0.0}


def _scaled(polynomial: Polynomial, factor: float) -> Polynomial:
    return _clean({monomial: factor * value for monomial, value in polynomial.items()})


def _sum(left: Polynomial, right: Polynomial) -> Polynomial:
    total = dict(left)
    for monomial, value in right.items():
        total[monomial] = total.get(monomial, 0.0) + value
    return _clean(total)


def _product(left: Polynomial, right: Polynomial) -> Polynomial:
    if len(left) * len(right) > _MAX_TERMS:
        raise RuleError(f"the rule has more than {_MAX_TERMS} terms; no family holds it")
    total: Polynomial = {}
    for first, a in left.items():
        for second, b in right.items():
            exponents = dict(first)
            for name, exponent in second:
                exponents[name] = exponents.get(name, 0) + exponent
            monomial = tuple(sorted(exponents.items()))
            total[monomial] = total.get(monomial, 0.0) + a * b
    return _clean(total)
