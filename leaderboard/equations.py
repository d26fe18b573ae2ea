"""Equations of rules as MathML, which browsers set without fonts, scripts or requests from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from latex2mathml.converter import convert
from markupsafe import Markup

from plasticbench.language.printing import LatexStyle
from plasticbench.rules.equations import equation, symbol
from plasticbench.rules.pathway import WEIGHT, PathwayRule

_DIGITS = 3
_WORD = re.compile(r"\\mathrm\{([A-Za-z0-9]+)\}")
_SYMBOL = r"(?:\\bar\{x\}|\\?[A-Za-z]+)_\{(?:[^{}]|\{[^{}]*\})*\}"
_RAISED = re.compile(rf"\{{({_SYMBOL})\}}\^")  # a symbol with an index, in braces below a power
_NUMBERED = re.compile(r"([A-Za-z]+?)(\d+)(?:_(\w+))?")
_OPEN, _CLOSE = ("{", r"\left"), ("}", r"\right")
_TOKEN = re.compile(r"\\left|\\right|[{}]|(?<= )[+-](?= )")
# A prime is lost in the fallback fonts of some browsers.
_SECOND_TRACES = {f"x_{side}2": rf"\bar{{x}}_{{\mathrm{{{side}}}, 2}}" for side in ("pre", "post")}


@dataclass(frozen=True)
class WrittenChange:
    """What changes at an event, and how."""

    event: str
    html: Markup  # Δ… = …, one <math> a term, so that long sums break between lines


def changes(rule: PathwayRule, substitute: bool = False, drop: float = 0.0) -> Iterator[WrittenChange]:
    """Every change of a pathway, the weight's before the states'.

    `substitute` puts the parameters' numbers in; terms whose number is below `drop` times the largest are left out.
    """
    style = _style(rule)
    for event, targets in rule.events.items():
        for target in sorted(targets, key=lambda name: name != WEIGHT):
            left = rf"\Delta {symbol(rule, target, style)} ="
            right = equation(rule, event, substitute, style, drop, target)
            first, *others = outer_terms(right)
            yield WrittenChange(event, Markup(" ").join([math(f"{left} {first}"), *map(math, others)]))


def math(latex: str) -> Markup:
    """LaTeX mathematics (made by this package, never a stranger's) as one <math> element."""
    told = _RAISED.sub(r"\1^", latex)  # the power stands above the index, not behind it
    told = _WORD.sub(r"\\text{\1}", told)  # a word is one text, not a row of variables
    written = convert(told).replace(' xmlns="http://www.w3.org/1998/Math/MathML"', "")
    written = written.replace("<mover>", '<mover accent="true">')
    return Markup(re.sub(r"^(<math[^>]*><mrow>)<mo>", r'\1<mo form="infix">', written))


def symbol_html(rule: PathwayRule, name: str) -> Markup:
    """One parameter or variable, as it stands in the equations."""
    return math(symbol(rule, name, _style(rule)))


def _style(rule: PathwayRule) -> LatexStyle:
    own = {name: _numbered(*found.groups()) for name in rule.parameters if (found := _NUMBERED.fullmatch(name))}
    traces = {name: latex for name, latex in _SECOND_TRACES.items() if name in rule.traces}
    return LatexStyle(_DIGITS, {**traces, **own})


def _numbered(head: str, digits: str, index: str | None) -> str:
    """A parameter with a number at the end of its first word: A2_minus is A with the index 2, minus."""
    words = rf", \mathrm{{{index.replace('_', ' ')}}}" if index else ""
    return rf"{LatexStyle().name(head)}_{{{digits}{words}}}"


def outer_terms(latex: str) -> list[str]:
    """The terms of the outermost sum, each with its sign."""
    depth, starts = 0, [0]
    for token in _TOKEN.finditer(latex):
        if token[0] in _OPEN:
            depth += 1
        elif token[0] in _CLOSE:
            depth -= 1
        elif depth == 0:
            starts.append(token.start())
    return [latex[a:b].strip() for a, b in zip(starts, [*starts[1:], len(latex)], strict=True)]
