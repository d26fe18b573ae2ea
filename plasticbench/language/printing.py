"""Rules as equations that a person reads, as text or LaTeX.

Parameters are put in or left as symbols, small terms left out.

Every value of the program is kept as a sum of terms, each a number times factors over factors, so that
signs, zeros and ones are written as by hand; factors in front of a sum stay in front, and the author's order
is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from plasticbench.language.program import Expression


@dataclass(frozen=True)
class Factor:
    """A written factor; a power needs brackets before it can be raised again."""

    text: str
    is_power: bool = False


@dataclass(frozen=True)
class Term:
    coefficient: float
    above: tuple[Factor, ...] = ()
    below: tuple[Factor, ...] = ()


Sum = tuple[Term, ...]


@dataclass(frozen=True)
class Style:
    """How numbers and operations are written: as text that the rule language parses again."""

    digits: int = 4

    def number(self, value: float) -> str:
        return f"{value:.{self.digits}g}"

    def name(self, name: str) -> str:
        return name

    def group(self, text: str) -> str:
        return f"({text})"

    def power(self, base: str, exponent: str, exponent_is_atom: bool) -> str:
        return f"{base}**{exponent if exponent_is_atom else self.group(exponent)}"

    def call(self, function: str, arguments: Sequence[str]) -> str:
        return f"{function}({', '.join(arguments)})"

    def product(self, coefficient: str, above: Sequence[str], below: Sequence[str]) -> str:
        """`coefficient` is empty where it is 1."""
        over = "*".join([*([coefficient] if coefficient else []), *above]) or "1"
        return "/".join([over, *below])


# fmt: off
_GREEK = frozenset((
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "mu", "nu", "xi",
    "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
))
# fmt: on
_LATEX_FUNCTIONS = {"exp": r"\exp", "log": r"\log", "tanh": r"\tanh", "min": r"\min", "max": r"\max"}


@dataclass(frozen=True)
class LatexStyle(Style):
    """LaTeX mathematics, without delimiters. `symbols` are the names that are not written as they are spelt."""

    symbols: Mapping[str, str] = field(default_factory=dict)

    def number(self, value: float) -> str:
        mantissa, _, exponent = super().number(value).partition("e")
        if not exponent:
            return mantissa
        factor = "" if mantissa == "1" else "-" if mantissa == "-1" else rf"{mantissa} \cdot "
        return f"{factor}10^{{{int(exponent)}}}"

    def name(self, name: str) -> str:
        if name in self.symbols:
            return self.symbols[name]
        head, _, index = name.partition("_")
        symbol = rf"\{head}" if head in _GREEK else head if len(head) == 1 else rf"\mathrm{{{head}}}"
        index = index.replace("_", r"\,")
        return rf"{symbol}_{{\mathrm{{{index}}}}}" if index else symbol

    def group(self, text: str) -> str:
        return rf"\left({text}\right)"

    def power(self, base: str, exponent: str, exponent_is_atom: bool) -> str:
        return f"{{{base}}}^{{{exponent}}}"

    def call(self, function: str, arguments: Sequence[str]) -> str:
        inside = ", ".join(arguments)
        if function == "abs":
            return rf"\left|{inside}\right|"
        if function == "sqrt":
            return rf"\sqrt{{{inside}}}"
        return _LATEX_FUNCTIONS.get(function, rf"\operatorname{{{function}}}") + self.group(inside)

    def product(self, coefficient: str, above: Sequence[str], below: Sequence[str]) -> str:
        over = r" \, ".join([*([coefficient] if coefficient else []), *above]) or "1"
        under = r" \, ".join(below)
        return rf"\frac{{{over}}}{{{under}}}" if below else over


def write_expression(
    expression: Expression, values: Mapping[str, float], style: Style | None = None, drop: float = 0.0
) -> str:
    """The expression as a person would write it, with `values` in the place of the names that they give.

    In every sum, terms whose number is below `drop` times the largest one are left out (0: none is).
    """
    return _Writer(style or Style(), values, drop).write(expression)


@dataclass(frozen=True)
class _Writer:
    style: Style
    values: Mapping[str, float]
    drop: float

    def write(self, expression: Expression) -> str:
        done: list[Sum] = []
        for operation, *operands in expression.program.instructions:
            if operation == "number":
                done.append(_number(operands[0]))
            elif operation == "name" and operands[0] in self.values:
                done.append(_number(self.values[operands[0]]))
            elif operation == "name":
                done.append((Term(1.0, (Factor(self.style.name(operands[0])),)),))
            else:
                done.append(self._operation(operation, [done[i] for i in operands]))
        return self._text(done[-1])

    def _operation(self, operation: str, operands: list[Sum]) -> Sum:
        if operation == "neg":
            return _scaled(operands[0], -1.0)
        if operation in ("add", "sub"):
            return _added(operands[0], _scaled(operands[1], 1.0 if operation == "add" else -1.0))
        if operation == "mul":
            return self._product(self._term(operands[0]), self._term(operands[1]))
        if operation == "div":
            over, under = self._term(operands[0]), self._term(operands[1])
            if under.coefficient == 0.0:
                return self._product(over, Term(1.0, (), (Factor("0"),)))
            return self._product(over, Term(1.0 / under.coefficient, under.below, under.above))
        if operation == "pow":
            return (Term(1.0, (self._power(*operands),)),)
        return (Term(1.0, (Factor(self.style.call(operation, [self._text(o) for o in operands])),)),)

    def _power(self, base: Sum, exponent: Sum) -> Factor:
        term = self._term(base)
        plain = term.coefficient == 1.0 and len(term.above) == 1 and not term.below
        if plain and not term.above[0].is_power:
            written = term.above[0].text
        else:
            written = self._text(base)
            if not (written.replace(".", "").isdigit()):
                written = self.style.group(written)
        above = self._kept(exponent)
        atom = len(above) <= 1 and all(
            not term.below
            and (not term.above or (term.coefficient == 1.0 and len(term.above) == 1 and not term.above[0].is_power))
            for term in above
        )
        return Factor(self.style.power(written, self._text(exponent), atom), is_power=True)

    @staticmethod
    def _product(left: Term, right: Term) -> Sum:
        coefficient = left.coefficient * right.coefficient
        if coefficient == 0.0:
            return ()
        return (Term(coefficient, left.above + right.above, left.below + right.below),)

    def _term(self, value: Sum) -> Term:
        """A sum as one factor."""
        kept = self._kept(value)
        if not kept:
            return Term(0.0)
        return kept[0] if len(kept) == 1 else Term(1.0, (Factor(self.style.group(self._text(kept))),))

    def _kept(self, value: Sum) -> Sum:
        largest = max((abs(term.coefficient) for term in value), default=0.0)
        return tuple(term for term in value if abs(term.coefficient) >= self.drop * largest)

    def _text(self, value: Sum) -> str:
        text = ""
        for term in self._kept(value):
            size = abs(term.coefficient)
            bare = not term.above and not term.below
            number = "" if size == 1.0 and not bare else self.style.number(size)
            if number == "1" and not bare:
                number = ""
            written = self.style.product(
                number, [factor.text for factor in term.above], [factor.text for factor in term.below]
            )
            sign = "-" if term.coefficient < 0 else "+"
            text += f" {sign} {written}" if text else f"-{written}" if sign == "-" else written
        return text or "0"


def _number(value: float) -> Sum:
    return (Term(value),) if value != 0.0 else ()


def _scaled(value: Sum, factor: float) -> Sum:
    return tuple(replace(term, coefficient=factor * term.coefficient) for term in value)


def _added(left: Sum, right: Sum) -> Sum:
    """Like terms are merged, and dropped where they cancel."""
    total: dict[tuple, float] = {(term.above, term.below): term.coefficient for term in left}
    for term in right:
        key = (term.above, term.below)
        total[key] = total.get(key, 0.0) + term.coefficient
    kept = {key: value for key, value in total.items() if value != 0.0}
    return tuple(Term(value, *key) for key, value in kept.items())
