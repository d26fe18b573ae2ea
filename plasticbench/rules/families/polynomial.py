"""The polynomial family of rate rules.

Δw = η Σ A_abc preᵃ postᵇ wᶜ, exponents 0..2, 27 coefficients per pathway.

Confavreux et al., NeurIPS 2020. Oja's rule is A_110 = 1, A_021 = -1; Hebb's is A_110 = 1.

Evaluation uses the factors' shapes: powers of w live on (outputs, inputs), and the mean over presentations
needs only the moments mean(preᵃ postᵇ), one matrix product, however many presentations there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from plasticbench.errors import RuleError
from plasticbench.language.algebra import polynomial_of
from plasticbench.language.program import Expression, Program
from plasticbench.rules.batch import PathwayStructure
from plasticbench.rules.event import Event, ExpressionEvent, parameter_columns
from plasticbench.rules.families.base import Coordinate, TemplateFamily
from plasticbench.rules.pathway import PathwayRule

EXPONENTS = tuple(product(range(3), repeat=3))  # (a, b, c) of pre, post, w
COEFFICIENTS = tuple(f"A_{a}{b}{c}" for a, b, c in EXPONENTS)
_FACTORS = ("pre", "post", "w")


@dataclass(frozen=True)
class PolynomialEvent(Event):
    """All 27 terms, with the coefficients (times η) as parameters in the order of EXPONENTS."""

    @property
    def variables(self) -> frozenset[str]:
        return frozenset(_FACTORS)

    def evaluate(self, variables: Mapping[str, Tensor], parameters: Tensor) -> Tensor:
        pre, post, w = (variables[name] for name in _FACTORS)
        column = parameter_columns(variables, parameters)
        inner = [_horner(w, column[i : i + 3]) for i in range(0, 27, 3)]  # [3 a + b], on w's shape
        return _horner(pre, [_horner(post, inner[i : i + 3]) for i in range(0, 9, 3)])

    def evaluate_mean(self, variables: Mapping[str, Tensor], parameters: Tensor, dim: int) -> Tensor:
        pre, post, w = (variables[name] for name in _FACTORS)
        dense = pre.ndim == post.ndim == w.ndim >= 4 and dim == -3
        if not (dense and pre.shape[-2] == post.shape[-1] == w.shape[-3] == 1):
            return super().evaluate_mean(variables, parameters, dim)
        moments = _moments(pre, post)  # (n_rules or 1, ..., n_outputs, b, a, n_inputs)
        coefficients = parameters.to(dtype=w.dtype, device=w.device).reshape(-1, 3, 3, 3)
        factors = torch.einsum("rabc,r...obai->r...coi", *_same_rules(coefficients, moments))
        return _horner(w.squeeze(-3), factors.unbind(-3))

    def straight_line(self) -> tuple[Program, dict[str, int]]:
        def nested(variable: str, terms: Sequence[str]) -> str:
            return f"({terms[0]} + {variable}*({terms[1]} + {variable}*{terms[2]}))"

        inner = [nested("w", COEFFICIENTS[i : i + 3]) for i in range(0, 27, 3)]
        text = nested("pre", [nested("post", inner[i : i + 3]) for i in range(0, 9, 3)])
        expression = Expression.parse(text, {*_FACTORS, *COEFFICIENTS})
        return ExpressionEvent(expression.program, COEFFICIENTS).straight_line()


def _horner(x: Tensor, coefficients: Sequence[Tensor]) -> Tensor:
    c0, c1, c2 = coefficients
    return torch.addcmul(c0, x, torch.addcmul(c1, x, c2))


def _moments(pre: Tensor, post: Tensor) -> Tensor:
    """mean over presentations of postᵇ preᵃ, (n_rules or 1, ..., n_outputs, b, a, n_inputs)."""
    pre, post = (
        pre.squeeze(-2),
        post.squeeze(-1),
    )  # (..., presentations, n_inputs), (..., presentations, n_outputs)
    n_presentations = max(pre.shape[-2], post.shape[-2])
    pre_powers = torch.stack([torch.ones_like(pre), pre, pre * pre], dim=-2).flatten(-2)
    post_powers = torch.stack([torch.ones_like(post), post, post * post], dim=-1).flatten(-2)
    if pre.shape[0] == 1 and post.shape[0] > 1:
        # Rules share the inputs: stack the rules' outputs, instead of copying the inputs for each rule.
        stacked = post_powers.movedim(0, -2).flatten(-2)  # (..., presentations, n_rules * n_outputs * 3)
        summed = stacked.transpose(-1, -2) @ pre_powers.squeeze(0)
        summed = summed.unflatten(-2, (post.shape[0], -1)).movedim(-3, 0)
    else:
        summed = post_powers.transpose(-1, -2) @ pre_powers
    summed = summed.unflatten(-2, (post.shape[-1], 3)).unflatten(-1, (3, pre.shape[-1]))
    return summed / n_presentations


def _same_rules(coefficients: Tensor, moments: Tensor) -> tuple[Tensor, Tensor]:
    n_rules = max(len(coefficients), len(moments))
    return coefficients.expand(n_rules, -1, -1, -1), moments.expand(n_rules, *moments.shape[1:])


class Polynomial(TemplateFamily):
    """θ holds the coefficients A_abc of each pathway; `eta` is the factor in front of the sum."""

    name = "polynomial"

    def __init__(self, pathways: Sequence[str], eta: float = 0.1, std: float = 0.1) -> None:
        super().__init__(pathways)
        self.eta, self.std = eta, std

    def template(self, pathway: str) -> PathwayRule:
        return self._readable(pathway, dict.fromkeys(COEFFICIENTS, 1.0))

    def coordinates(self, pathway: str) -> list[Coordinate]:
        return [Coordinate(name, jitter=1e-3, std=self.std, scale=self.eta) for name in COEFFICIENTS]

    def _structure(self, pathway: str) -> tuple[PathwayStructure, list[float]]:
        return PathwayStructure(pathway, COEFFICIENTS, event_items=(("on_step", (("w", PolynomialEvent()),)),)), [
            0.0
        ] * 27

    def _readable(self, pathway: str, values: Mapping[str, float]) -> PathwayRule:
        """Only the terms with a coefficient, by degree, those with more of `pre` first.

        `values` include η.
        """
        kept = {name: value / self.eta for name, value in values.items() if value != 0.0}
        order = sorted(kept, key=lambda name: (sum(map(int, name[2:])), [-int(digit) for digit in name[2:]]))
        terms = [_term(name) for name in order]
        text = f"eta*({' + '.join(terms)})" if terms else "0"
        return PathwayRule.make({"on_step": text}, {"eta": self.eta, **{name: kept[name] for name in order}})

    def _recognize(self, pathway: str, part: PathwayRule) -> dict[str, float]:
        values = dict.fromkeys(COEFFICIENTS, 0.0)
        event = part.events.get("on_step")
        if event is None and not part.events:
            return values
        if not isinstance(event, Expression):
            raise RuleError(f"family {self.name}: the rule of pathway {pathway} is not an on_step expression")
        for monomial, coefficient in polynomial_of(event.program, part.parameters).items():
            exponents = dict(monomial)
            name = "A_" + "".join(str(exponents.pop(factor, 0)) for factor in _FACTORS)
            if exponents or name not in values:
                shown = "*".join(f"{variable}**{exponent}" for variable, exponent in monomial)
                raise RuleError(f"family {self.name}: the rule of pathway {pathway} has the term {shown}, it has not")
            values[name] = coefficient
        return values


def _term(name: str) -> str:
    parts = [name]
    for factor, exponent in zip(_FACTORS, name[2:], strict=True):
        if exponent != "0":
            parts.append(factor if exponent == "1" else f"{factor}**{exponent}")
    return "*".join(parts)
