"""The manifold of rules that hold a neuron at its target rate by plastic inhibition, in mean field.

Vogels, Sprekeler, Zenke, Clopath & Gerstner, Science 334:1569 (2011), doi:10.1126/science.1211095, for one rule;
Confavreux, Zenke, Agnes, Lillicrap & Vogels, NeurIPS 33 (2020), last section, for all that search finds.
"""

from __future__ import annotations

import math

from plasticbench.errors import RuleError
from plasticbench.rules import Family, Rule
from plasticbench.tasks.rule_map import RuleMap, RuleMapPoint

AFFERENT_HZ = 37.3  # mean rate of an afferent at an input gain of 1, its refractoriness included

_TEXT = """
Spikes averaged out, a rule of the form Δw = η (α + κ x_post) at a presynaptic and η (β + γ x_pre) at a postsynaptic
spike comes to rest at the rate r where

−α r_pre = r [β + (κ τ_post + γ τ_pre) r_pre].

The rules that rest at the target r* = {target:g} Hz, with afferents at r_pre = {afferent:g} Hz, form the diagonal. A
common factor on α, β, γ and κ moves a rule along it and leaves its rate as it is.

The rate does not tell how a rule reaches it. Where β does the work, inhibition grows in proportion to the whole
input; only the Hebbian share of the bracket, from κ and γ, makes it follow the tuning of excitation.
"""


def balance_map(target_hz: float, doublet: Family) -> RuleMap:
    """The map of the rules in `doublet`, the doublet family of the inhibitory pathway alone."""
    return RuleMap(
        title="Rules against the manifold of solutions",
        text=_TEXT.format(target=target_hz, afferent=AFFERENT_HZ),
        x_name="r* [β + (κ τ_post + γ τ_pre) r_pre] (Hz)",
        y_name="−α r_pre (Hz)",
        line_name=f"the manifold: the neuron rests at {target_hz:g} Hz",
        above_name=f"rests above {target_hz:g} Hz",
        below_name=f"rests below {target_hz:g} Hz",
        share_name="Hebbian share",
        share_ends=("proportion alone", "Hebbian alone"),
        predicted_name="rate, mean field (Hz)",
        metrics={"rate_hz": "rate, simulated (Hz)", "ei_correlation": "E/I correlation over groups"},
        place=lambda rule: _place(rule, target_hz, doublet),
    )


def _place(rule: Rule, target_hz: float, doublet: Family) -> RuleMapPoint | None:
    try:
        (part,) = doublet.rule(doublet.theta(rule)).pathways.values()
    except RuleError:
        return None  # of another form
    number = part.parameters
    hebbian = (number["kappa"] * number["tau_post"] + number["gamma"] * number["tau_pre"]) * AFFERENT_HZ
    bracket, drive = number["beta"] + hebbian, 0.0 - number["alpha"] * AFFERENT_HZ
    if bracket == 0.0 and drive == 0.0:
        return None  # the null rule rests at any rate
    rests = bracket > 0.0 and drive >= 0.0  # else inhibition runs away, to silence or to none
    point = RuleMapPoint(
        x=target_hz * bracket,
        y=drive,
        share=hebbian / bracket if bracket != 0.0 else None,
        predicted=drive / bracket if rests else None,
    )
    numbers = (point.x, point.y, point.share, point.predicted)
    return point if all(value is None or math.isfinite(value) for value in numbers) else None
