"""Equations of rules as MathML, which browsers set without fonts, scripts or requests from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from plasticbench.language.printing import Style
from plasticbench.rules.equations import equation
from plasticbench.rules.pathway import PathwayRule

_GREEK = dict(
    zip(
        [
            "alpha",
            "beta",
            "gamma",
            "delta",
            "epsilon",
            "zeta",
            "eta",
            "theta",
            "iota",
            "kappa",
            "lambda",
            "lam",
            "mu",
            "nu",
            "xi",
            "pi",
            "rho",
            "sigma",
            "tau",
            "upsilon",
            "phi",
            "chi",
            "psi",
            "omega",
        ],
        "αβγδεζηθικλλμνξπρστυφχψω",
        strict=True,
    )
)
_BAR = '<mover accent="true"><mi>x</mi><mo>¯</mo></mover>'
_NAMES = {
    "pre": ("<mi>x</mi>", "pre"),
    "post": ("<mi>x</mi>", "post"),
    "x_pre": (_BAR, "pre"),
    "x_post": (_BAR, "post"),
    "x_pre2": (_BAR, "pre,2"),
    "x_post2": (_BAR, "post,2"),
    "reconstruction": ('<mover accent="true"><mi>x</mi><mo>^</mo></mover>', "pre"),
    "v": ('<mover accent="true"><mi>V</mi><mo>¯</mo></mover>', ""),
    "c_exc": ("<mi>c</mi>", "exc"),
    "c_inh": ("<mi>c</mi>", "inh"),
}
_THIN = '<mspace width="0.17em"/>'
_SIGN = re.compile(r"(?<=>)\s*([+-])\s*(?=<)|^\s*(-)\s*(?=<)")
_TAG = re.compile(r"<(/?)\w+[^>]*?(/?)>")


@dataclass(frozen=True)
class MathmlStyle(Style):
    """Presentation MathML. Signs between terms come as bare characters; `_operators` turns them into operators."""

    digits: int = 3

    def number(self, value: float) -> str:
        mantissa, _, exponent = super().number(value).partition("e")
        if not exponent:
            return f"<mn>{mantissa}</mn>"
        ten = f"<msup><mn>10</mn><mn>{str(int(exponent)).replace('-', '−')}</mn></msup>"
        return ten if mantissa == "1" else f"<mn>{mantissa}</mn><mo>·</mo>{ten}"

    def name(self, name: str) -> str:
        if name in _NAMES:
            return _indexed(*_NAMES[name])
        head, _, index = name.partition("_")
        digits = re.fullmatch(r"([A-Za-z]+?)(\d+)", head)
        if digits:
            head, index = digits[1], f"{digits[2]}{',' if index else ''}{index}"
        symbol = _GREEK.get(head, head)
        return _indexed(f"<mi>{escape(symbol)}</mi>", index.replace("_", ","))

    def group(self, text: str) -> str:
        return f"<mrow><mo>(</mo>{text}<mo>)</mo></mrow>"

    def power(self, base: str, exponent: str, exponent_is_atom: bool) -> str:
        indexed = re.fullmatch(r"<msub>((?:(?!<msub>).)*)</msub>", base)
        if indexed:  # the power stands above the index, not behind it
            return f"<msubsup>{indexed[1]}<mrow>{exponent}</mrow></msubsup>"
        return f"<msup><mrow>{base}</mrow><mrow>{exponent}</mrow></msup>"

    def call(self, function: str, arguments: Sequence[str]) -> str:
        inside = "<mo>,</mo>".join(f"<mrow>{argument}</mrow>" for argument in arguments)
        if function == "abs":
            return f"<mrow><mo>|</mo>{inside}<mo>|</mo></mrow>"
        if function == "sqrt":
            return f"<msqrt>{inside}</msqrt>"
        if function == "exp":
            return f"<msup><mi>e</mi>{inside}</msup>"
        symbol = {"sigmoid": "σ", "step": "Θ"}.get(function, function)
        return f"<mrow><mi>{symbol}</mi><mo>&#x2061;</mo>{self.group(inside)}</mrow>"

    def product(self, coefficient: str, above: Sequence[str], below: Sequence[str]) -> str:
        over = _THIN.join([*([coefficient] if coefficient else []), *above]) or "<mn>1</mn>"
        if not below:
            return f"<mrow>{over}</mrow>"
        return f"<mfrac><mrow>{over}</mrow><mrow>{_THIN.join(below)}</mrow></mfrac>"


def _indexed(symbol: str, index: str) -> str:
    return f"<msub>{symbol}<mtext>{escape(index)}</mtext></msub>" if index else symbol


def equation_html(rule: PathwayRule, event: str, substitute: bool = False, drop: float = 0.0) -> str:
    """Δw = … of one event: one <math> element per term of the outermost sum, so that long sums break between lines."""
    written = equation(rule, event, substitute, MathmlStyle(), drop) if "w" in rule.events[event] else "0"
    if "[" in written:  # a network: its layers are told in words behind the formula
        written, _, layers = written.partition("[")
        return f'{_math(_operators(written.strip()), lead=True)} <span class="layers">[{escape(layers)}</span>'
    chunks = _outer_terms(_operators(written))
    return " ".join(_math(chunk, lead=position == 0) for position, chunk in enumerate(chunks))


def _math(inside: str, lead: bool) -> str:
    left = "<mi>Δ</mi><mi>w</mi><mo>=</mo>" if lead else ""
    return f"<math><mrow>{left}{inside}</mrow></math>"


def _operators(text: str) -> str:
    if text == "0":
        return "<mn>0</mn>"
    return _SIGN.sub(lambda found: f"<mo>{'+' if found[0].strip() == '+' else '−'}</mo>", text)


def _outer_terms(text: str) -> list[str]:
    """Split before every operator + or − that is in no element of its own depth."""
    depth, starts = 0, [0]
    for tag in _TAG.finditer(text):
        closing, empty = tag[1], tag[2]
        if closing:
            depth -= 1
        elif not empty:
            is_sign = depth == 0 and tag[0] == "<mo>" and text[tag.end() : tag.end() + 1] in "+−"
            if is_sign and tag.start() > 0:
                starts.append(tag.start())
            depth += 1
    return [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]


def symbol_html(name: str) -> str:
    """One parameter or variable, as it stands in the equations."""
    return f"<math>{MathmlStyle().name(name)}</math>"
