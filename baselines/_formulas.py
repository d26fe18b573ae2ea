"""Formulas as trees of DEAP: what they are made of on a task, and the rules that they are."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deap import gp

from plasticbench.errors import PlasticbenchError
from plasticbench.language.program import Expression
from plasticbench.rules import Rule
from plasticbench.rules.equivalence import normal_form
from plasticbench.rules.pathway import PathwayRule

if TYPE_CHECKING:
    from plasticbench.tasks.task import Task

    from .symbolic import Symbolic

Formula = list[str | float]  # in prefix order: operations, variables and numbers

_SYMBOLS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
_PRODUCTS = frozenset({"mul", "add", "sub"})
_TWO = frozenset({*_SYMBOLS, "min", "max"})  # operations of two operands
_SLOW = ("x_pre2", "x_post2")
CONSTANT = "constant"


def draw_constant() -> float:
    """A number of one decimal, and not 0: finer ones hardly change a loss, and are as many rules more."""
    return round(random.gauss(0.0, 1.0), 1) or 1.0


@dataclass(frozen=True)
class Slot:
    """An event of a pathway, and what its formula may be made of."""

    pathway: str
    event: str
    variables: tuple[str, ...]
    primitives: Any  # of DEAP

    def tree(self, formula: Formula) -> gp.PrimitiveTree:
        """The tree of a formula; draws nothing."""
        nodes = []
        for word in formula:
            if isinstance(word, str):
                nodes.append(self.primitives.mapping[word])
            else:
                kind = self.primitives.mapping[CONSTANT]
                node = kind.__new__(kind)
                node.value = word
                nodes.append(node)
        return gp.PrimitiveTree(nodes)


def formula_of(tree: gp.PrimitiveTree) -> Formula:
    """A tree as words."""
    return [node.value if node.name == CONSTANT else node.name for node in tree]


def slots_of(task: Task, options: Symbolic, functions: Sequence[str]) -> list[Slot]:
    """What is searched. Raises PlasticbenchError where the options name what the task does not have."""
    chosen_events = _chosen(options.events, "events", task, lambda pathway: task.events)
    variables = _chosen(options.variables, "variables", task, lambda pathway: sorted(task.variables(pathway)))
    slots = []
    for pathway, events in chosen_events.items():
        names = tuple(variables.get(pathway) or sorted(task.variables(pathway)))
        slots += [Slot(pathway, event, names, _primitives(names, functions)) for event in events]
    return slots


def _chosen(
    given: dict[str, str] | None, option: str, task: Task, offered: Callable[[str], Sequence[str]]
) -> dict[str, list[str]]:
    """Names by pathway; all that are offered unless some are given."""
    if not given:
        return {pathway: list(offered(pathway)) for pathway in task.pathways}
    for pathway, names in given.items():
        if pathway not in task.pathways:
            raise PlasticbenchError(f"option.{option}: no plastic pathway {pathway!r}; {', '.join(task.pathways)}")
        if not isinstance(names, str) or not set(names.split(",")) <= set(offered(pathway)):
            raise PlasticbenchError(
                f"option.{option}.{pathway}: {names!r:.60} is no text of some of {','.join(offered(pathway))}"
            )
    return {pathway: names.split(",") for pathway, names in given.items()}


def _primitives(variables: Sequence[str], functions: Sequence[str]) -> Any:
    made = gp.PrimitiveSet("formula", 0)
    for name in ("add", "sub", "mul", *functions):
        made.addPrimitive(_never_called, 2 if name in _TWO else 1, name=name)
    for name in variables:
        made.addTerminal(name, name=name)
    made.terminals[made.ret] *= 2  # numbers are drawn half as often as a variable
    made.addEphemeralConstant(CONSTANT, draw_constant)
    return made


def _never_called(*operands: float) -> float:
    """DEAP asks for a function of every operation, which only rules carry out."""
    raise AssertionError(operands)


def with_round_number(formula: Formula) -> Formula:
    """One of its numbers, if it has any, becomes 0 or 1: what stands beside it, or all that it multiplies, falls."""
    places = [k for k, word in enumerate(formula) if not isinstance(word, str)]
    if not places:
        return formula
    changed = list(formula)
    changed[random.choice(places)] = float(random.randrange(2))
    return changed


def simplified(formula: Formula) -> Formula:
    """As a sum of products, where it is a polynomial and that is shorter; the same function to rounding."""
    if not set(formula) & _PRODUCTS or any(word in _OF_ONE or word in ("div", "min", "max") for word in formula):
        return formula
    names = {word for word in formula if isinstance(word, str) and word not in _SYMBOLS}
    terms = normal_form(Expression.parse(text_of(formula), names).program, {}, {})
    if any(name not in names or power != int(power) for monomial in terms for name, power in monomial):
        return formula
    short = _written(terms)
    return short if len(short) < len(formula) else formula


def _written(terms: Mapping[tuple[tuple[str, float], ...], float]) -> Formula:
    """A sum of products in prefix order, a positive term first if there is one."""
    total: Formula = []
    for monomial, factor in sorted(terms.items(), key=lambda term: (term[1] < 0, term[0])):
        size = float(f"{abs(factor):.12g}")
        words: Formula = [name for name, power in monomial for _ in range(int(power))]
        if not words or size != 1.0 or (not total and factor < 0):
            words.append(size if total or factor > 0 else -size)
        product = ["mul"] * (len(words) - 1) + words
        total = ["sub" if factor < 0 else "add", *total, *product] if total else product
    return total or [0.0]


def text_of(formula: Formula) -> str:
    """In the rule language; brackets where its order of operations needs them."""
    done: list[tuple[str, int]] = []  # text, and how tightly it binds: a sum 1, a product 2, anything else 3
    for word in reversed(formula):
        if not isinstance(word, str):
            done.append((repr(word), 3) if word >= 0 else (f"({word!r})", 3))
        elif word in _SYMBOLS:
            (left, binds), (right, right_binds) = done.pop(), done.pop()
            own = 1 if word in ("add", "sub") else 2
            left = f"({left})" if binds < own else left
            right = f"({right})" if right_binds < own + (word in ("sub", "div")) else right
            done.append((f"{left} {_SYMBOLS[word]} {right}" if own == 1 else f"{left}{_SYMBOLS[word]}{right}", own))
        elif word in _TWO:
            done.append((f"{word}({done.pop()[0]}, {done.pop()[0]})", 3))
        elif word[:1].isalpha() and word in _OF_ONE:
            done.append((f"{word}({done.pop()[0]})", 3))
        else:
            done.append((word, 3))
    return done[0][0]


_OF_ONE = frozenset({"tanh", "sigmoid", "relu", "step", "exp", "sqrt", "abs"})


def rule_of(slots: Sequence[Slot], formulas: Sequence[Formula], eta: float, options: Symbolic) -> Rule:
    """The rule of one formula for each slot. Raises RuleError for a formula that has no finite value."""
    events: dict[str, dict[str, str]] = {}
    read: dict[str, set[str]] = {}
    for slot, formula in zip(slots, formulas, strict=True):
        text = text_of(formula)
        sums = any(word in ("add", "sub") for word in formula[:1])
        events.setdefault(slot.pathway, {})[slot.event] = f"eta * {f'({text})' if sums else text}"
        read.setdefault(slot.pathway, set()).update(word for word in formula if isinstance(word, str))
    pathways = {
        pathway: PathwayRule.make(
            texts, {"eta": eta}, {name: _tau_s(name, options) for name in sorted(read[pathway]) if name[:2] == "x_"}
        )
        for pathway, texts in events.items()
    }
    return Rule("learned", pathways)


def _tau_s(trace: str, options: Symbolic) -> float:
    return options.tau_slow_s if trace in _SLOW else options.tau_s
