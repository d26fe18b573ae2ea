"""Rules compared by what they do: a normal form that no choice of names, order or spelling changes.

An expression becomes a sum of products of powers with the parameters' numbers put in, over atoms: variables, and
functions of other such sums. So commuted and distributed terms, renamed or unused parameters and numbers in their
place are all the same. Numbers are compared to `DIGITS` digits, since the order of operations moves the last ones.

Traces and states are known by what they are, not by their names: a trace by its definition, a state by its decay and
by how each event changes it, refined until nothing more can be told apart (states that even then look the same start
at 0 and change alike, so they are the same number). What nothing reads plays no part.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from plasticbench.language.program import Program
from plasticbench.rules.batch import PathwayStructure, structure_of
from plasticbench.rules.rule import EVERY_PATHWAY, Rule

DIGITS = 10

_MAX_TERMS = 400  # of a product or power that is multiplied out
_MAX_EXPONENT = 16

Monomial = tuple[tuple[str, float], ...]  # sorted (atom, exponent); () is the constant
Sum = dict[Monomial, float]


def same_rule(first: Rule, second: Rule, pathways: Sequence[str] | None = None) -> bool:
    """Whether two rules do the same on these plastic pathways (None: on all that either of them names)."""
    if pathways is None:
        named = {key for rule in (first, second) for key in rule.pathways} - {EVERY_PATHWAY}
        pathways = sorted(named) or [EVERY_PATHWAY]
    return canonical_form(first, pathways) == canonical_form(second, pathways)


def canonical_form(rule: Rule, pathways: Sequence[str] | None = None) -> str:
    """A digest that is equal for rules that do the same on these plastic pathways (None: on those it names)."""
    shown = sorted(rule.pathways) if pathways is None else sorted(pathways)
    content: list[Any] = [[pathway, _pathway(rule, pathway)] for pathway in shown]
    for name in sorted(rule.arrays):
        array = rule.arrays[name].astype("<f4")
        content.append([name, array.shape, hashlib.sha256(array.tobytes()).hexdigest()])
    return _digest(content)


def _pathway(rule: Rule, pathway: str) -> dict[str, Any]:
    """Event -> target -> normal form, of all that matters to the weight."""
    structure, numbers = structure_of(pathway, rule.for_pathway(pathway))
    parameters = dict(zip(structure.parameters, numbers, strict=True))
    programs = {
        event: {target: _program(change, structure) for target, change in changes.items()}
        for event, changes in structure.events.items()
    }
    known = {trace.name: _trace(trace, structure, numbers) for trace in structure.traces}
    basis = {s.name: [s.scope, None if s.tau is None else _rounded(numbers[s.tau])] for s in structure.states}
    names = {**known, **{name: _digest(entry) for name, entry in basis.items()}}
    for _ in structure.states:
        refined = {
            name: _digest([entry, _changes_of(name, programs, parameters, names)]) for name, entry in basis.items()
        }
        names = {**known, **refined}
    mine = _needed(programs, set(basis))
    return {names.get(name, name): _changes_of(name, programs, parameters, names) for name in mine}


def _needed(programs: Mapping[str, Mapping[str, Program]], states: set[str]) -> list[str]:
    """The weight, and every state that its changes read, directly or through other states."""
    needed, pending = {"w"}, ["w"]
    while pending:
        target = pending.pop()
        for changes in programs.values():
            found = (changes[target].names & states) - needed if target in changes else set()
            pending += found
            needed |= found
    return sorted(needed)


def _changes_of(
    target: str,
    programs: Mapping[str, Mapping[str, Program]],
    parameters: Mapping[str, float],
    names: Mapping[str, str],
) -> dict[str, Any]:
    found = {
        event: _written(normal_form(changes[target], parameters, names))
        for event, changes in programs.items()
        if target in changes
    }
    return {event: written for event, written in found.items() if written}


def _program(change: Any, structure: PathwayStructure) -> Program:
    """The change as a program over variables and the structure's parameter names."""
    program, columns = change.straight_line()
    return program.renamed({name: structure.parameters[column] for name, column in columns.items()})


def _trace(trace: Any, structure: PathwayStructure, numbers: Sequence[float]) -> str:
    of = None
    if trace.of is not None:
        parameters = dict(zip(structure.parameters, numbers, strict=True))
        of = _written(normal_form(_program(trace.of, structure), parameters, {}))
    return _digest([trace.side, _rounded(numbers[trace.tau]), trace.nearest, of])


def normal_form(program: Program, parameters: Mapping[str, float], names: Mapping[str, str]) -> Sum:
    """A program as a sum of products, with `parameters` put in and variables renamed by `names`."""
    done: list[Sum] = []
    for operation, *operands in program.instructions:
        if operation == "number":
            done.append(_constant(operands[0]))
        elif operation == "name" and operands[0] in parameters:
            done.append(_constant(parameters[operands[0]]))
        elif operation == "name":
            done.append({((names.get(operands[0], operands[0]), 1.0),): 1.0})
        else:
            done.append(_operation(operation, [done[i] for i in operands]))
    return done[-1]


def _operation(operation: str, operands: list[Sum]) -> Sum:
    first = operands[0]
    if operation == "neg":
        return _scaled(first, -1.0)
    if operation in ("add", "sub"):
        return _added(first, _scaled(operands[1], 1.0 if operation == "add" else -1.0))
    if operation == "mul":
        return _product(first, operands[1])
    if operation == "div":
        return _product(first, _power(operands[1], -1.0))
    if operation == "sqrt":
        return _power(first, 0.5)
    if operation == "pow" and set(operands[1]) <= {()}:
        return _power(first, operands[1].get((), 0.0))
    if operation == "relu":
        operation, operands = "max", [first, {}]
    if operation == "max" and len(operands) == 2 and {} in operands:
        size, argument = _unit(next((operand for operand in operands if operand), {}))
        return _scaled(_atom("relu", [argument]), size) if argument else {}
    return _SPECIAL[operation](first) if operation in _SPECIAL else _atom(operation, operands)


def _unit(terms: Sum, signed: bool = False) -> tuple[float, Sum]:
    """(c, terms / c): c is the first term's factor, without its sign unless `signed`."""
    if not terms:
        return 1.0, terms
    factor = terms[min(terms)] if signed else abs(terms[min(terms)])
    return factor, _scaled(terms, 1.0 / factor)


def _sign(terms: Sum) -> float:
    return -1.0 if terms and terms[min(terms)] < 0.0 else 1.0


def _abs(terms: Sum) -> Sum:
    size, argument = _unit(terms, signed=True)
    return _scaled(_atom("abs", [argument]), abs(size))


def _tanh(terms: Sum) -> Sum:
    """2 sigmoid(2x) - 1, with the sign of x in front."""
    sign = _sign(terms)
    return _scaled(_added(_scaled(_sigmoid(_scaled(terms, 2.0 * sign)), 2.0), _constant(-1.0)), sign)


def _sigmoid(terms: Sum) -> Sum:
    return _power(_added(_constant(1.0), _exp(_scaled(terms, -1.0))), -1.0)


def _exp(terms: Sum) -> Sum:
    """The constant's part is a factor."""
    constant = terms.get((), 0.0)
    if abs(constant) > _MAX_EXPONENT:
        return _atom("exp", [terms])
    return _scaled(_atom("exp", [{key: value for key, value in terms.items() if key}]), math.exp(constant))


_SPECIAL: dict[str, Callable[[Sum], Sum]] = {
    "abs": _abs,
    "exp": _exp,
    "sigmoid": _sigmoid,
    "step": lambda terms: _atom("step", [_unit(terms)[1]]),
    "tanh": _tanh,
}


def _power(base: Sum, exponent: float) -> Sum:
    try:
        return _multiplied_out(base, exponent)
    except (OverflowError, ValueError):  # ValueError: an exponent that is no number
        return _atom(f"power {exponent!r}", [base])


def _multiplied_out(base: Sum, exponent: float) -> Sum:
    whole = exponent == int(exponent)
    if whole and 0 <= exponent <= _MAX_EXPONENT and len(base) ** exponent <= _MAX_TERMS:
        result = _constant(1.0)
        for _ in range(int(exponent)):
            result = _product(result, base)
        return result
    if not base or (len(base) > 1 and exponent == 0.0):
        return _atom(f"power {exponent!r}", [base])
    if len(base) == 1:
        ((monomial, factor),) = base.items()
        # (a x)^p = a^p x^p holds for whole p, and for any p where nothing is raised twice and a > 0.
        if whole or (factor > 0.0 and all(power == 1.0 for _, power in monomial) and len(monomial) <= 1):
            return _scaled({tuple((atom, power * exponent) for atom, power in monomial): 1.0}, factor**exponent)
        return _atom(f"power {exponent!r}", [base])
    # A sum below a fraction: its first term's factor is taken out, so that 1/(2a + 2b) is half of 1/(a + b).
    factor = base[min(base)] if whole else abs(base[min(base)])
    scaled = _scaled(base, 1.0 / factor)
    return {((_name("sum", [scaled]), exponent),): factor**exponent}


def _atom(function: str, operands: list[Sum]) -> Sum:
    return {((_name(function, operands), 1.0),): 1.0}


def _name(function: str, operands: list[Sum]) -> str:
    written = [_written(operand) for operand in operands]
    return _digest([function, sorted(written, key=repr) if function in ("min", "max") else written])


def _product(left: Sum, right: Sum) -> Sum:
    if len(left) * len(right) > _MAX_TERMS:
        parts = sorted(_name("sum", [part]) for part in (left, right))
        return _merged([((atom, 1.0),) for atom in parts], 1.0)
    total: Sum = {}
    for first, a in left.items():
        for second, b in right.items():
            for monomial, value in _merged([first, second], a * b).items():
                total[monomial] = total.get(monomial, 0.0) + value
    return _clean(total)


def _merged(monomials: Sequence[Monomial], factor: float) -> Sum:
    exponents: dict[str, float] = {}
    for monomial in monomials:
        for atom, exponent in monomial:
            exponents[atom] = exponents.get(atom, 0.0) + exponent
    return {tuple(sorted((atom, exponent) for atom, exponent in exponents.items() if exponent)): factor}


def _added(left: Sum, right: Sum) -> Sum:
    """Terms that cancel to rounding are gone."""
    total = dict(left)
    for monomial, value in right.items():
        before = total.get(monomial, 0.0)
        after = before + value
        total[monomial] = 0.0 if abs(after) < 10.0**-DIGITS * max(abs(before), abs(value)) else after
    return _clean(total)


def _scaled(terms: Sum, factor: float) -> Sum:
    return _clean({monomial: factor * value for monomial, value in terms.items()})


def _constant(value: float) -> Sum:
    return _clean({(): value})


def _clean(terms: Sum) -> Sum:
    return {monomial: value for monomial, value in terms.items() if value != 0.0}


def _written(terms: Sum) -> list[Any]:
    return [[monomial, _rounded(value)] for monomial, value in sorted(terms.items())]


def _rounded(value: float) -> str:
    return f"{value:.{DIGITS - 1}e}"


def _digest(content: Any) -> str:
    return hashlib.sha256(repr(content).encode()).hexdigest()
