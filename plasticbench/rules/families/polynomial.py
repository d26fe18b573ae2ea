"""The polynomial family of rate rules.

Δw = η Σ A_abc preᵃ postᵇ wᶜ, exponents 0..degree, 27 coefficients per pathway for the default degree 2.

Confavreux et al., NeurIPS 2020. Oja's rule is A_110 = 1, A_021 = -1; Hebb's is A_110 = 1.

Evaluation uses the factors' shapes: powers of w live on (outputs, inputs), and the mean over presentations
needs only the moments mean(preᵃ postᵇ), one matrix product, however many presentations there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
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


def coefficients(degree: int) -> tuple[str, ...]:
    """Names of the coefficients A_abc, with (a, b, c) the exponents of pre, post and w, in order."""
    return tuple(f"A_{a}{b}{c}" for a, b, c in product(range(degree + 1), repeat=3))


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
    """θ holds the coefficients A_abc of each pathway, exponents up to `degree`; `eta` is the factor of the sum."""

    name = "polynomial"

    def __init__(self, pathways: Sequence[str], eta: float = 0.1, std: float = 0.1, degree: int = 2) -> None:
        super().__init__(pathways)
        if type(degree) is not int or not 1 <= degree <= MAX_DEGREE:
            raise RuleError(f"family {self.name}: degree is {degree!r}; a whole number from 1 to {MAX_DEGREE}")
        self.degree = degree
        self.eta, self.std = eta, std

    def template(self, pathway: str) -> PathwayRule:
        return self._readable(pathway, dict.fromkeys(coefficients(self.degree), 1.0))

    def coordinates(self, pathway: str) -> list[Coordinate]:
        return [Coordinate(name, jitter=1e-3, std=self.std, scale=self.eta) for name in coefficients(self.degree)]

    def _structure(self, pathway: str) -> tuple[PathwayStructure, list[float]]:
        names = coefficients(self.degree)
        events = (("on_step", (("w", PolynomialEvent(self.degree)),)),)
        return PathwayStructure(pathway, names, event_items=events), [0.0] * len(names)

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
        values = dict.fromkeys(coefficients(self.degree), 0.0)
        if not part.events:
            return values
        changes = {event: set(targets) for event, targets in part.events.items()}
        event = part.events["on_step"].get("w") if changes == {"on_step": {"w"}} else None
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
