"""The doublet family of spiking rules: pairs of spikes through exponential traces, six numbers per pathway.

on_pre: Δw = η (α + κ x_post); on_post: Δw = η (β + γ x_pre). θ = (ln τ_pre, ln τ_post, α, β, γ, κ), τ in
seconds. Confavreux et al., PLOS Comput Biol 21:e1012910 (2025), whose searches start at (ln 0.01, ln 0.01,
0, 0, 0, 0). Its prior is that of Confavreux et al., NeurIPS 36 (2023).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from plasticbench.errors import RuleError
from plasticbench.language.algebra import polynomial_of
from plasticbench.language.program import Expression
from plasticbench.rules.families.base import Coordinate, TemplateFamily
from plasticbench.rules.pathway import PathwayRule

_START_S = 0.01
_PRIOR_S = (0.01, 0.1)
_PRIOR = (-2.0, 2.0)
_FORM = {"on_pre": ("x_post", "alpha", "kappa"), "on_post": ("x_pre", "beta", "gamma")}


class Doublet(TemplateFamily):
    """`eta` is the learning rate that stands inside the rule.

    Prior: τ log-uniform from 10 to 100 ms, α, β, γ, κ uniform from -2 to 2.
    """

    name = "doublet"

    def __init__(self, pathways: Sequence[str], eta: float = 0.01, std: float = 0.1) -> None:
        super().__init__(pathways)
        self.eta, self.std = eta, std

    def template(self, pathway: str) -> PathwayRule:
        numbers = dict.fromkeys(("alpha", "beta", "gamma", "kappa"), 0.0)
        return PathwayRule.make(
            {"on_pre": "eta * (alpha + kappa*x_post)", "on_post": "eta * (beta + gamma*x_pre)"},
            {"eta": self.eta, "tau_pre": _START_S, "tau_post": _START_S, **numbers},
            {"x_pre": "tau_pre", "x_post": "tau_post"},
        )

    def coordinates(self, pathway: str) -> list[Coordinate]:
        prior_s = (math.log(_PRIOR_S[0]), math.log(_PRIOR_S[1]))
        taus = [
            Coordinate(
                name, math.log(1e-3), 0.0, math.log(_START_S),
                std=self.std, logarithmic=True, penalised=False, prior=prior_s,
            )
            for name in ("tau_pre", "tau_post")
        ]  # fmt: skip
        return taus + [Coordinate(name, std=self.std, prior=_PRIOR) for name in ("alpha", "beta", "gamma", "kappa")]

    def _recognize(self, pathway: str, part: PathwayRule) -> dict[str, float]:
        values = dict.fromkeys(("alpha", "beta", "gamma", "kappa"), 0.0)
        for trace, name in (("x_pre", "tau_pre"), ("x_post", "tau_post")):
            # A trace that the rule does not have plays no part, so its time constant is free.
            values[name] = part.time_constant_s(trace) if trace in part.traces else _START_S
        if part.states or not all(trace.is_bare(name) for name, trace in part.traces.items()):
            raise RuleError(f"family {self.name}: the rule of pathway {pathway} has states or traces of another kind")
        for event, changes in part.events.items():
            expression = changes["w"]
            if event not in _FORM or not isinstance(expression, Expression):
                raise RuleError(f"family {self.name}: the rule of pathway {pathway} has {event} of another form")
            trace, constant, slope = _FORM[event]
            terms = polynomial_of(expression.program, part.parameters)
            values[constant] = terms.pop((), 0.0) / self.eta
            values[slope] = terms.pop(((trace, 1),), 0.0) / self.eta
            if terms:
                raise RuleError(f"family {self.name}: {event} of pathway {pathway} is not constant + slope*{trace}")
        return values
