"""Rules of layered networks with an error signal: the terms that Shervani-Tabar & Rosenbaum's search kept.

Δw = −η₀ err pre + η₁ err err_pre + η₂ (post pre − post² w): the gradient step of backpropagation or feedback alignment,
a Hebbian product of both sides' errors, and Oja's rule. Nat. Commun. 14:1805 (2023), doi:10.1038/s41467-023-37562-1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from plasticbench.errors import RuleError
from plasticbench.language.algebra import Monomial, polynomial_of
from plasticbench.language.program import Expression
from plasticbench.rules.families.base import Coordinate, TemplateFamily
from plasticbench.rules.pathway import PathwayRule

_TERMS: tuple[Monomial, ...] = (
    (("err", 1), ("pre", 1)),
    (("err", 1), ("err_pre", 1)),
    (("post", 1), ("pre", 1)),
    (("post", 2), ("w", 1)),
)


class ErrorHebbian(TemplateFamily):
    """θ = (η₀, η₁, 100 η₂) / `eta` per pathway, of either sign; a search starts at a weak gradient step.

    Oja's term feeds on activity, which is larger than errors are, so it counts in hundredths.
    """

    name = "error-hebbian"

    def __init__(self, pathways: Sequence[str], eta: float = 0.1, std: float = 0.5) -> None:
        super().__init__(pathways)
        self.eta, self.std = eta, std

    def template(self, pathway: str) -> PathwayRule:
        return PathwayRule.make(
            {"on_step": "-eta_0*err*pre + eta_1*err*err_pre + eta_2*(post*pre - post**2*w)"},
            {"eta_0": 0.0, "eta_1": 0.0, "eta_2": 0.0},
        )

    def coordinates(self, pathway: str) -> list[Coordinate]:
        return [
            Coordinate(name, start=start, jitter=0.01, std=self.std, scale=share * self.eta)
            for name, start, share in (("eta_0", 0.3, 1.0), ("eta_1", 0.0, 1.0), ("eta_2", 0.0, 0.01))
        ]

    def _recognize(self, pathway: str, part: PathwayRule) -> dict[str, float]:
        if not part.events:
            return {"eta_0": 0.0, "eta_1": 0.0, "eta_2": 0.0}
        changes = {event: set(targets) for event, targets in part.events.items()}
        event = part.events["on_step"].get("w") if changes == {"on_step": {"w"}} else None
        if not isinstance(event, Expression):
            raise RuleError(f"family {self.name}: the rule of pathway {pathway} is not an on_step expression")
        terms = polynomial_of(event.program, part.parameters)
        gradient, errors, hebb, decay = (terms.pop(monomial, 0.0) for monomial in _TERMS)
        if terms or not math.isclose(hebb, -decay, rel_tol=1e-12):
            raise RuleError(f"family {self.name}: the rule of pathway {pathway} has terms that it has not")
        return {"eta_0": -gradient, "eta_1": errors, "eta_2": hebb}
