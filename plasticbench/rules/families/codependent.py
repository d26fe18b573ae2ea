"""Codependent rules of spiking networks: products of polynomials in weight, voltage, both drives and traces.

The form "T4wvceciPol" of Confavreux et al., PLOS Comput. Biol. 21:e1012910 (2025), doi:10.1371/journal.pcbi.1012910,
for codependent plasticity (Agnes & Vogels, Nat. Neurosci. 27:964, 2024), whose searches start at zeros. θ = (c0 .. c20)
per pathway, without a learning rate beside them. With V' = 15 v, E = 15 c_exc, I = 15 c_inh, and traces of 20 ms
(x_pre, x_post) and 100 ms (x_pre2, x_post2), each times 2:

on_pre: Δw = c0 (1 + c1 + c2 w + c3 w²)(1 + c4 V')(1 + c5 E + c6 E²)(1 + c7 I)(1 + c8 2 x_pre2)(1 + c9 2 x_post)
on_post: Δw = c10 (1 + c11 + c12 c13 w²)(1 + c14 V')(1 + c15 E + c16 E²)(1 + c17 I)(1 + c18 2 x_pre)
(1 + c19 2 x_post2 + c20 (2 x_post2)³)

c12 c13 w² is what the published code computes and every published result rests on; c12 w + c13 w² was meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from plasticbench.errors import RuleError
from plasticbench.rules.families.base import Coordinate, TemplateFamily
from plasticbench.rules.pathway import PathwayRule

N_COEFFICIENTS = 21
_POST_WEIGHT = {"as-coded": "c12*c13*w**2", "intended": "c12*w + c13*w**2"}
_TRACES = {"x_pre": "tau_fast", "x_post": "tau_fast", "x_pre2": "tau_slow", "x_post2": "tau_slow"}
_CONSTANTS = {"tau_fast": 0.02, "tau_slow": 0.1, "drive_scale": 15.0, "trace_scale": 2.0}


class Codependent(TemplateFamily):
    """`form`: the weight's factor after a postsynaptic spike "as-coded" by the authors, or as "intended"."""

    name = "codependent"

    def __init__(
        self, pathways: Sequence[str], form: Literal["as-coded", "intended"] = "as-coded", std: float = 0.1
    ) -> None:
        super().__init__(pathways)
        if form not in _POST_WEIGHT:
            raise RuleError(f"family {self.name}: form {form!r}; choose from {', '.join(_POST_WEIGHT)}")
        self.form, self.std = form, std

    def template(self, pathway: str) -> PathwayRule:
        numbers = {f"c{k}": 0.0 for k in range(N_COEFFICIENTS)}
        return PathwayRule.make(
            {
                "on_pre": f"c0 * (1 + c1 + c2*w + c3*w**2) * {_drives(4)} * (1 + c8*trace_scale*x_pre2)"
                " * (1 + c9*trace_scale*x_post)",
                "on_post": f"c10 * (1 + c11 + {_POST_WEIGHT[self.form]}) * {_drives(14)} * (1 + c18*trace_scale*x_pre)"
                " * (1 + c19*trace_scale*x_post2 + c20*(trace_scale*x_post2)**3)",
            },
            {**_CONSTANTS, **numbers},
            _TRACES,
        )

    def coordinates(self, pathway: str) -> list[Coordinate]:
        return [Coordinate(f"c{k}", -100.0, 100.0, std=self.std) for k in range(N_COEFFICIENTS)]

    def _recognize(self, pathway: str, part: PathwayRule) -> dict[str, float]:
        if not part.events:  # nothing changes: all coefficients are 0
            return {f"c{k}": 0.0 for k in range(N_COEFFICIENTS)}
        values = super()._recognize(pathway, part)
        for name, value in _CONSTANTS.items():
            if values[name] != value:
                raise RuleError(
                    f"family {self.name}: {name} of pathway {pathway} is {values[name]:g}; here it is {value:g}"
                )
        return values


def _drives(k: int) -> str:
    """Factors of the voltage and of both drives, with the coefficients from number k on."""
    return (
        f"(1 + c{k}*drive_scale*v) * (1 + c{k + 1}*drive_scale*c_exc + c{k + 2}*(drive_scale*c_exc)**2)"
        f" * (1 + c{k + 3}*drive_scale*c_inh)"
    )
