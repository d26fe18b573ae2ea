"""The polynomial family of rate rules.

Δw = η Σ A_abc preᵃ postᵇ wᶜ, exponents 0..degree, 27 coefficients per pathway for the default degree 2.

With `relu`, a list of thresholds θ_k, it also has the terms R{k}_abc preᵃ postᵇ wᶜ relu(post − θ_k), exponents 0 and 1:
what a neuron does that counts only what exceeds a threshold (8 more coefficients each).

Confavreux et al., NeurIPS 2020. Oja's rule is A_110 = 1, A_021 = -1; Hebb's is A_110 = 1.

Evaluation uses the factors' shapes: powers of w live on (outputs, inputs), and the mean over presentations
needs only the moments mean(preᵃ postᵇ), one matrix product, however many presentations there are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from numbers import Real
from typing import TYPE_CHECKING

from plasticbench.errors import RuleError
from plasticbench.language.algebra import polynomial_of
from plasticbench.language.program import Expression, Program
from plasticbench.rules.batch import PathwayStructure
from plasticbench.rules.event import Event, ExpressionEvent, parameter_columns
from plasticbench.rules.families.base import Coordinate, TemplateFamily
from plasticbench.rules.pathway import PathwayRule

if TYPE_CHECKING:
    from torch import Tensor

_FACTORS = ("pre", "post", "w")
MAX_DEGREE = 4  # an equation of more terms is longer than an expression may be
MAX_THRESHOLDS = 3  # for the same reason


def coefficients(degree: int) -> tuple[str, ...]:
    """Names of the coefficients A_abc, with (a, b, c) the exponents of pre, post and w, in order."""
    return tuple(f"A_{a}{b}{c}" for a, b, c in product(range(degree + 1), repeat=3))


def rectified_coefficients(n: int) -> tuple[str, ...]:
    """Names of the coefficients Rk_abc of n thresholds, in order."""
    return tuple(f"R{k}_{a}{b}{c}" for k in range(1, n + 1) for a, b, c in product(range(2), repeat=3))


@dataclass(frozen=True)
class PolynomialEvent(Event):
    """All terms, with the coefficients (times η) as parameters in their order."""

    degree: int = 2

    @property
    def variables(self) -> frozenset[str]:
        return frozenset(_FACTORS)

    def evaluate(self, variables: Mapping[str, Tensor], parameters: Tensor) -> Tensor:
        pre, post, w = (variables[name] for name in _FACTORS)
        column, n = parameter_columns(variables, parameters), self.degree + 1
        inner = [_horner(w, column[i : i + n]) for i in range(0, n**3, n)]  # [n a + b], on w's shape
        return _horner(pre, [_horner(post, inner[i : i + n]) for i in range(0, n**2, n)])

    def evaluate_mean(self, variables: Mapping[str, Tensor], parameters: Tensor, dim: int) -> Tensor:
        import torch

        pre, post, w = (variables[name] for name in _FACTORS)
        dense = pre.ndim == post.ndim == w.ndim >= 4 and dim == -3
        if not (dense and pre.shape[-2] == post.shape[-1] == w.shape[-3] == 1):
            return super().evaluate_mean(variables, parameters, dim)
        n = self.degree + 1
        moments = _moments(pre, post, n)  # (n_rules or 1, ..., n_outputs, b, a, n_inputs)
        numbers = parameters.to(dtype=w.dtype, device=w.device).reshape(-1, n, n, n)
        factors = torch.einsum("rabc,r...obai->r...coi", *_same_rules(numbers, moments))
        return _horner(w.squeeze(-3), factors.unbind(-3))

    def straight_line(self) -> tuple[Program, dict[str, int]]:
        def nested(variable: str, terms: Sequence[str]) -> str:
            text = terms[-1]
            for term in reversed(terms[:-1]):
                text = f"({term} + {variable}*{text})"
            return text

        names, n = coefficients(self.degree), self.degree + 1
        inner = [nested("w", names[i : i + n]) for i in range(0, n**3, n)]
        text = nested("pre", [nested("post", inner[i : i + n]) for i in range(0, n**2, n)])
        expression = Expression.parse(text, {*_FACTORS, *names})
        return ExpressionEvent(expression.program, names).straight_line()


def _horner(x: Tensor, numbers: Sequence[Tensor]) -> Tensor:
    import torch

    result = numbers[-1]
    for number in reversed(numbers[:-1]):
        result = torch.addcmul(number, x, result)
    return result


def _powers(x: Tensor, n: int) -> list[Tensor]:
    import torch

    found = [torch.ones_like(x)]
    for _ in range(n - 1):
        found.append(found[-1] * x if len(found) > 1 else x)
    return found


def _moments(pre: Tensor, post: Tensor, n: int) -> Tensor:
    """mean over presentations of postᵇ preᵃ, (n_rules or 1, ..., n_outputs, b, a, n_inputs); exponents below n."""
    import torch

    pre, post = (
        pre.squeeze(-2),
        post.squeeze(-1),
    )  # (..., presentations, n_inputs), (..., presentations, n_outputs)
    n_presentations = max(pre.shape[-2], post.shape[-2])
    pre_powers = torch.stack(_powers(pre, n), dim=-2).flatten(-2)
    post_powers = torch.stack(_powers(post, n), dim=-1).flatten(-2)
    if pre.shape[0] == 1 and post.shape[0] > 1:
        # Rules share the inputs: stack the rules' outputs, instead of copying the inputs for each rule.
        stacked = post_powers.movedim(0, -2).flatten(-2)  # (..., presentations, n_rules * n_outputs * n)
        summed = stacked.transpose(-1, -2) @ pre_powers.squeeze(0)
        summed = summed.unflatten(-2, (post.shape[0], -1)).movedim(-3, 0)
    else:
        summed = post_powers.transpose(-1, -2) @ pre_powers
    summed = summed.unflatten(-2, (post.shape[-1], n)).unflatten(-1, (n, pre.shape[-1]))
    return summed / n_presentations


def _same_rules(numbers: Tensor, moments: Tensor) -> tuple[Tensor, Tensor]:
    n_rules = max(len(numbers), len(moments))
    return numbers.expand(n_rules, -1, -1, -1), moments.expand(n_rules, *moments.shape[1:])


class Polynomial(TemplateFamily):
    """θ holds the coefficients A_abc of each pathway, exponents up to `degree`; `eta` is the factor of the sum.

    `relu`: thresholds, one or several, whose terms' coefficients R{k}_abc come after the others.
    """

    name = "polynomial"

    def __init__(
        self,
        pathways: Sequence[str],
        eta: float = 0.1,
        std: float = 0.1,
        degree: int = 2,
        relu: Sequence[float] | float = (),
    ) -> None:
        super().__init__(pathways)
        if type(degree) is not int or not 1 <= degree <= MAX_DEGREE:
            raise RuleError(f"family {self.name}: degree is {degree!r}; a whole number from 1 to {MAX_DEGREE}")
        self.degree, self.thresholds = degree, self._checked_thresholds(relu)
        self.eta, self.std = eta, std
        self._terms = coefficients(degree) + rectified_coefficients(len(self.thresholds))

    def _checked_thresholds(self, relu: Sequence[float] | float) -> tuple[float, ...]:
        found = (relu,) if isinstance(relu, Real) else relu
        if (
            isinstance(relu, bool)
            or not isinstance(found, list | tuple)
            or not all(isinstance(x, Real) and not isinstance(x, bool) and math.isfinite(x) for x in found)
        ):
            raise RuleError(f"family {self.name}: relu is {relu!r}; a threshold or a list of them, finite numbers")
        if len(set(found)) < len(found) or len(found) > MAX_THRESHOLDS:
            raise RuleError(f"family {self.name}: relu is {relu!r}; at most {MAX_THRESHOLDS} thresholds, each another")
        return tuple(float(x) for x in found)

    def template(self, pathway: str) -> PathwayRule:
        return self._readable(pathway, dict.fromkeys(self._terms, 1.0))

    def coordinates(self, pathway: str) -> list[Coordinate]:
        return [Coordinate(name, jitter=1e-3, std=self.std, scale=self.eta) for name in self._terms]

    def _structure(self, pathway: str) -> tuple[PathwayStructure, list[float]]:
        names = self._terms
        event: Event = PolynomialEvent(self.degree)
        if self.thresholds:
            text = " + ".join(self._term(name) for name in names)
            event = ExpressionEvent(Expression.parse(text, {*_FACTORS, *names}).program, names)
        events = (("on_step", (("w", event),)),)
        return PathwayStructure(pathway, names, event_items=events), [0.0] * len(names)

    def _readable(self, pathway: str, values: Mapping[str, float]) -> PathwayRule:
        """Only the terms with a coefficient, by degree, those with more of `pre` first.

        `values` include η.
        """
        kept = {name: value / self.eta for name, value in values.items() if value != 0.0}
        order = sorted(kept, key=_place)
        terms = [self._term(name) for name in order]
        text = f"eta*({' + '.join(terms)})" if terms else "0"
        return PathwayRule.make({"on_step": text}, {"eta": self.eta, **{name: kept[name] for name in order}})

    def _term(self, name: str) -> str:
        kind, _, exponents = name.partition("_")
        parts = [name]
        if kind != "A":
            threshold = self.thresholds[int(kind[1:]) - 1]
            sign = "-" if threshold >= 0.0 else "+"
            parts.append(f"relu(post {sign} {abs(threshold)!r})")
        for factor, exponent in zip(_FACTORS, exponents, strict=True):
            if exponent != "0":
                parts.append(factor if exponent == "1" else f"{factor}**{exponent}")
        return "*".join(parts)

    def _recognize(self, pathway: str, part: PathwayRule) -> dict[str, float]:
        values = dict.fromkeys(self._terms, 0.0)
        if not part.events:
            return values
        changes = {event: set(targets) for event, targets in part.events.items()}
        event = part.events["on_step"].get("w") if changes == {"on_step": {"w"}} else None
        if not isinstance(event, Expression):
            raise RuleError(f"family {self.name}: the rule of pathway {pathway} is not an on_step expression")
        rectified = {f"R{k}": threshold for k, threshold in enumerate(self.thresholds, start=1)}
        for monomial, coefficient in polynomial_of(event.program, part.parameters, rectified).items():
            exponents = dict(monomial)
            prefix = next((name for name in rectified if exponents.get(name) == 1), "A")
            exponents.pop(prefix, None)
            name = f"{prefix}_" + "".join(str(exponents.pop(factor, 0)) for factor in _FACTORS)
            if exponents or name not in values:
                shown = "*".join(f"{variable}**{exponent}" for variable, exponent in monomial)
                raise RuleError(f"family {self.name}: the rule of pathway {pathway} has the term {shown}, it has not")
            values[name] = coefficient
        return values


def _place(name: str) -> tuple[bool, str, int, list[int]]:
    """Where a term stands in an equation: by degree, those with more of `pre` first; rectified ones last."""
    kind, _, exponents = name.partition("_")
    return kind != "A", kind, sum(map(int, exponents)), [-int(digit) for digit in exponents]
