"""Families of rules with a third factor: an eligibility that a modulator turns into learning, and products with it.

`modulated-eligibility`: Urbanczik & Senn, Nat. Neurosci. 12:250 (2009), doi:10.1038/nn.2264, gives the eligibility;
what the modulator makes of it is searched for. `modulated-volterra`: Mehta et al., NeurIPS 37 (2024), whose expansion
in presynaptic activity, reward and weight this is, without powers that binary stimuli and rewards do not have.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from plasticbench.rules.families.base import Coordinate, TemplateFamily
from plasticbench.rules.pathway import PathwayRule

_EXPONENTS = (0, 1)
# Of a neuron whose synaptic potentials rise with 2 ms and fall with 10 ms, 10 mV high for a weight of 1; the escape
# rate is the one that the published numbers come from (see the rule urbanczik-senn-2009).
_ELIGIBILITY = {
    "psp": 2.0, "tau_m": 0.01, "tau_syn": 0.002, "tau_e": 0.5, "rho_hz": 10.0, "theta": -0.055, "delta": 0.005,
    "dt_s": 1e-4,
}  # fmt: skip


class ModulatedEligibility(TemplateFamily):
    """θ = (a, b, c): at each delivery Δw = η (e (a m + b) + c), e spikes minus escape rate times the potentials."""

    name = "modulated-eligibility"

    def __init__(self, pathways: Sequence[str], eta: float = 0.2, std: float = 0.5) -> None:
        super().__init__(pathways)
        self.eta, self.std = eta, std

    def template(self, pathway: str) -> PathwayRule:
        potential = "psp * (x_pre - x_pre2)"
        return PathwayRule.make(
            {
                "on_post": {"e": potential},
                "on_step": {"e": f"-{potential} * rho_hz * dt_s * exp((u - theta) / delta)"},
                "on_modulator": {"w": "eta * (e * (a * m + b) + c)"},
            },
            {**_ELIGIBILITY, "eta": self.eta, "a": 0.0, "b": 0.0, "c": 0.0},
            {"x_pre": "tau_m", "x_pre2": "tau_syn"},
            states={"e": {"tau_s": "tau_e"}},
        )

    def coordinates(self, pathway: str) -> list[Coordinate]:
        return [Coordinate(name, -5.0, 5.0, jitter=0.1, std=self.std) for name in ("a", "b", "c")]


class ModulatedVolterra(TemplateFamily):
    """θ_xmw, exponents 0 or 1: at each delivery Δw = η Σ θ_xmw pre^x m^m w^w, eight coefficients a pathway."""

    name = "modulated-volterra"

    def __init__(self, pathways: Sequence[str], eta: float = 0.1, std: float = 0.3) -> None:
        super().__init__(pathways)
        self.eta, self.std = eta, std

    def template(self, pathway: str) -> PathwayRule:
        terms = {_coefficient(exponents): _product(exponents) for exponents in _exponents()}
        text = " + ".join(f"{name}{product}" for name, product in terms.items())
        return PathwayRule.make({"on_modulator": f"eta * ({text})"}, {"eta": self.eta, **dict.fromkeys(terms, 0.0)})

    def coordinates(self, pathway: str) -> list[Coordinate]:
        return [Coordinate(_coefficient(e), -10.0, 10.0, jitter=0.1, std=self.std) for e in _exponents()]


def _exponents() -> list[tuple[int, ...]]:
    return list(itertools.product(_EXPONENTS, repeat=3))


def _coefficient(exponents: Sequence[int]) -> str:
    return "t_" + "".join(map(str, exponents))


def _product(exponents: Sequence[int]) -> str:
    """Of a term, with a leading sign of multiplication; nothing for the constant one."""
    return "".join(f" * {name}" for name, power in zip(("pre", "m", "w"), exponents, strict=True) if power)
