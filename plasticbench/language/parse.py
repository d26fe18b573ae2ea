"""Expressions of the rule language: text in, a small tree of five node types out.

Nothing is ever evaluated as code.

The text is bounded in length, alphabet and bracket depth before Python's own parser sees it (as `ast.parse`
with mode="eval", which only builds a syntax tree); the tree is then walked against a whitelist. Constants
are folded on the way, so that `9**9**9` and its nested relatives are refused by their value, not computed.

Source of the grammar: the rule language's contract (numbers, parameters, variables, + - * / **, unary minus,
ten functions, at most 2,000 nodes).
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass

from plasticbench.errors import RuleError
from plasticbench.language.vocabulary import FUNCTIONS, MAX_MAGNITUDE, on_offer, shorten

MAX_CHARACTERS = 20_000
MAX_NODES = 2_000
MAX_DEPTH = 100  # nesting; a long sum or product counts once
MAX_POWER = 64  # constant exponents, and products of directly nested ones

_FOREIGN = re.compile(r"[^A-Za-z0-9_ .+\-*/(),]")


@dataclass(frozen=True, eq=False)
class Number:
    value: float


@dataclass(frozen=True, eq=False)
class Name:
    name: str


@dataclass(frozen=True, eq=False)
class Unary:
    """Unary minus."""

    operand: Node


@dataclass(frozen=True, eq=False)
class Binary:
    """`operation` is one of add, sub, mul, div, pow."""

    operation: str
    left: Node
    right: Node


@dataclass(frozen=True, eq=False)
class Call:
    function: str
    arguments: tuple[Node, ...]


Node = Number | Name | Unary | Binary | Call

_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
    ast.Pow: "pow",
}
_LEFT_CHAINS = ({"add", "sub"}, {"mul", "div"})  # a + b + c nests to the left without being deep to a reader

FOLD: dict[str, Callable[..., float]] = {
    "neg": lambda a: -a,
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "abs": abs,
    "tanh": math.tanh,
    "sigmoid": lambda a: 0.5 * (1.0 + math.tanh(0.5 * a)),
    "relu": lambda a: a if a > 0.0 else 0.0,
    "step": lambda a: 1.0 if a > 0.0 else 0.0,
    "min": min,
    "max": max,
}


def fold(operation: str, values: tuple[float, ...]) -> float | None:
    """The operation on constants, or None where the result is no finite real number of allowed magnitude."""
    try:
        result = FOLD[operation](*values)
    except (ArithmeticError, ValueError):
        return None
    if isinstance(result, complex) or not math.isfinite(result) or abs(result) > MAX_MAGNITUDE:
        return None
    return float(result)


def parse_expression(text: str, names: Collection[str], where: str = "expression") -> Node:
    """Parse `text` into a tree whose names are all among `names`.

    `where` opens every error message (pathway and event). Raises RuleError for anything outside the language.
    """
    tree = _syntax_tree(text, where)
    results: list[Node] = []
    pending: list[tuple[ast.AST, int, bool]] = [(tree, 0, False)]
    n_nodes = 0
    while pending:
        node, depth, children_done = pending.pop()
        if children_done:
            results.append(_combine(node, results, where))
            continue
        n_nodes += 1
        if n_nodes > MAX_NODES:
            raise RuleError(f"{where}: more than {MAX_NODES} nodes; write a shorter expression")
        if depth > MAX_DEPTH:
            raise RuleError(f"{where}: nested deeper than {MAX_DEPTH} levels; write a flatter expression")
        children = _children(node, where)
        if not children:
            results.append(_leaf(node, names, where))
            continue
        pending.append((node, depth, True))
        pending.extend((child, depth + _deepens(node, child), False) for child in reversed(children))
    return results[0]


def _syntax_tree(text: str, where: str) -> ast.AST:
    if not isinstance(text, str):
        raise RuleError(f"{where}: found {shorten(text)}, expected an expression as text")
    if len(text) > MAX_CHARACTERS:
        raise RuleError(f"{where}: {len(text)} characters; an expression has at most {MAX_CHARACTERS}")
    if not text.strip(" "):
        raise RuleError(f"{where}: the expression is empty; remove the event if it changes nothing")
    foreign = _FOREIGN.search(text)
    if foreign:
        raise RuleError(
            f"{where}: character {foreign.group()!a} is not part of the rule language; "
            "use numbers, names, + - * / ** ( ) and the listed functions"
        )
    depth = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth > MAX_DEPTH:
            raise RuleError(f"{where}: more than {MAX_DEPTH} nested parentheses; write a flatter expression")
        if depth < 0:
            break
    if depth:
        raise RuleError(f"{where}: parentheses do not match in {shorten(text)}; close every one that opens")
    try:
        with warnings.catch_warnings():  # the tokenizer comments on literals such as `1or`; those are refused below
            warnings.simplefilter("ignore")
            return ast.parse(text.strip(" "), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError, OverflowError):
        raise RuleError(f"{where}: cannot read {shorten(text)}; write it as e.g. 'eta * (pre*post - w)'") from None


def _children(node: ast.AST, where: str) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        return [node.left, node.right]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        return [node.operand]
    if isinstance(node, ast.Call):
        return _call_arguments(node, where)
    if isinstance(node, ast.Name | ast.Constant):
        return []
    raise RuleError(
        f"{where}: {type(node).__name__} is not part of the rule language; "
        "use numbers, names, + - * / ** and the listed functions"
    )


def _call_arguments(node: ast.Call, where: str) -> list[ast.expr]:
    if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS:
        found = node.func.id if isinstance(node.func, ast.Name) else type(node.func).__name__
        raise RuleError(f"{where}: {shorten(found)} is not a function here; {on_offer(found, FUNCTIONS)}")
    name, n_expected = node.func.id, FUNCTIONS[node.func.id]
    n_found = len(node.args)
    if node.keywords or (n_found != n_expected if n_expected is not None else n_found < 2):
        wanted = "two or more arguments" if n_expected is None else "one argument"
        raise RuleError(f"{where}: {name} takes {wanted}, found {n_found} and {len(node.keywords)} keywords")
    return node.args


def _deepens(parent: ast.AST, child: ast.AST) -> int:
    if isinstance(parent, ast.BinOp) and isinstance(child, ast.BinOp) and parent.left is child:
        pair = {_BINARY[type(parent.op)], _BINARY.get(type(child.op), "")}
        return 0 if any(pair <= chain for chain in _LEFT_CHAINS) else 1
    return 1


def _leaf(node: ast.AST, names: Collection[str], where: str) -> Node:
    if isinstance(node, ast.Name):
        if node.id in names:
            return Name(node.id)
        if node.id in FUNCTIONS:
            raise RuleError(f"{where}: function {node.id} stands without arguments; call it, e.g. {node.id}(w)")
        raise RuleError(f"{where}: unknown name {shorten(node.id)}; {on_offer(node.id, names)}")
    value = node.value if isinstance(node, ast.Constant) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RuleError(f"{where}: {shorten(value)} is not a number; write decimal numbers")
    # An integer may be too large for a float; comparing is exact for both.
    if value != value or abs(value) > MAX_MAGNITUDE:
        raise RuleError(f"{where}: a number exceeds {MAX_MAGNITUDE:g}; rescale the expression")
    return Number(float(value))


def _combine(node: ast.AST, results: list[Node], where: str) -> Node:
    if isinstance(node, ast.UnaryOp):
        operand = results.pop()
        if isinstance(node.op, ast.UAdd):
            return operand
        return Number(-operand.value) if isinstance(operand, Number) else Unary(operand)
    if isinstance(node, ast.BinOp):
        operation = _BINARY[type(node.op)]
        right, left = results.pop(), results.pop()
        if operation == "pow":
            _check_power(left, right, where)
            if isinstance(right, Number) and right.value == 0.0:
                return Number(1.0)
        return _folded(operation, (left, right), where) or Binary(operation, left, right)
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    arguments = tuple(results[-len(node.args) :])
    del results[-len(node.args) :]
    return _folded(node.func.id, arguments, where) or Call(node.func.id, arguments)


def _folded(operation: str, operands: tuple[Node, ...], where: str) -> Number | None:
    values = tuple(node.value for node in operands if isinstance(node, Number))
    if len(values) < len(operands):
        return None
    result = fold(operation, values)
    if result is None:
        shown = ", ".join(f"{value:g}" for value in values)
        raise RuleError(
            f"{where}: {operation} of the constants {shown} is not a real number within {MAX_MAGNITUDE:g}; "
            "write the constant that you mean"
        )
    return Number(result)


def _check_power(base: Node, exponent: Node, where: str) -> None:
    """Bound constant exponents, and the product of those nested as in (x**8)**9."""
    if not isinstance(exponent, Number):
        return
    total = abs(exponent.value)
    while isinstance(base, Binary) and base.operation == "pow" and isinstance(base.right, Number):
        total *= max(1.0, abs(base.right.value))
        base = base.left
    if total > MAX_POWER:
        raise RuleError(f"{where}: a constant power of {total:g}; at most {MAX_POWER}, nested ones multiplied")
