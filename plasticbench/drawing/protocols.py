"""What a spiking rule does to a synapse in repeated protocols of a few spikes, as experimenters impose them.

Pairs against their delay (Bi & Poo 1998, J. Neurosci. 18:10464), pairs against how often they are repeated (Sjöström
et al. 2001, Neuron 32:1149), triplets (Wang et al. 2005, Nat. Neurosci. 8:187). The synapse is held at one weight, so a
picture is of a rule at that weight; a modulator of 1 is delivered after each group of spikes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from plasticbench.rules import PathwayRule, Rule
from plasticbench.rules.policy import changes
from plasticbench.rules.variables import MODULATOR, VARIABLES

SLOW_HZ, FAST_HZ = 1.0, 20.0
PAIR_DELAY_S = 0.01  # of pairs against their rate, and between the spikes of a triplet
RATES_HZ = (0.1, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0, 45.0)
TRIPLETS: Mapping[str, tuple[bool, ...]] = {  # whether each of its spikes is presynaptic
    "pre–post": (True, False),
    "post–pre": (False, True),
    "pre–post–pre": (True, False, True),
    "post–pre–post": (False, True, False),
}
_SETTLING_S = 2.0  # of repeated groups before the change is read off


@dataclass(frozen=True)
class Assumed:
    """What a picture takes for granted, since it has no axis for it."""

    w: float = 0.5
    w_max: float = 1e9
    voltage: float = -0.06  # V; near a neuron's threshold in these networks
    words: str = "a weight of 0.5, in effect unbounded"

    @property
    def values(self) -> dict[str, float]:
        """Every variable; those of the rule's own follow."""
        still = dict.fromkeys(VARIABLES, 0.0)
        return {**still, "w_max": self.w_max, MODULATOR: 1.0, "modulator": 1.0, "v": self.voltage, "u": self.voltage}


@dataclass(frozen=True)
class TimingWindow:
    """Δw of one pair within a train of pairs, at one weight."""

    rate_hz: float
    delay_s: np.ndarray  # (n,) of the postsynaptic spike after the presynaptic one; never 0
    change: np.ndarray  # (n,)


def timing_window(
    rule: Rule, pathway: str, rate_hz: float = SLOW_HZ, n: int = 200, assumed: Assumed | None = None
) -> TimingWindow:
    """Δw of a spiking rule against the delay between the two spikes of a pair, up to half a period or 0.1 s."""
    furthest = min(0.1, 0.5 / rate_hz)
    delay = np.linspace(-furthest, furthest, n - n % 2)  # an even number leaves 0 out
    gaps = np.abs(delay)[None]
    is_pre = np.stack([delay > 0, delay < 0])
    return TimingWindow(rate_hz, delay, change_of_group(rule, pathway, is_pre, gaps, rate_hz, assumed))


def change_by_rate(rule: Rule, pathway: str, pre_first: bool, assumed: Assumed | None = None) -> np.ndarray:
    """(n_rates,) Δw of a pair PAIR_DELAY_S apart within trains at RATES_HZ."""
    n = len(RATES_HZ)
    is_pre, gaps = np.array([[pre_first] * n, [not pre_first] * n]), np.full((1, n), PAIR_DELAY_S)
    return change_of_group(rule, pathway, is_pre, gaps, np.array(RATES_HZ), assumed)


def change_of_triplets(rule: Rule, pathway: str, assumed: Assumed | None = None) -> dict[str, float]:
    """Δw of a pair or triplet of spikes PAIR_DELAY_S apart, once a second."""
    found = {}
    for name, spikes in TRIPLETS.items():
        is_pre, gaps = np.array(spikes)[:, None], np.full((len(spikes) - 1, 1), PAIR_DELAY_S)
        found[name] = float(change_of_group(rule, pathway, is_pre, gaps, SLOW_HZ, assumed)[0])
    return found


def change_of_group(
    rule: Rule,
    pathway: str,
    is_pre: np.ndarray,
    gaps_s: np.ndarray,
    rate_hz: float | np.ndarray,
    assumed: Assumed | None = None,
) -> np.ndarray:
    """(n,) Δw of a group of spikes that is repeated at `rate_hz` (one, or (n,)), once traces and states have settled.

    is_pre (n_spikes, n): whether each spike is presynaptic, else postsynaptic; gaps_s (n_spikes - 1, n) between them.
    What `on_step` does between spikes is left out: it depends on more than their times.
    """
    rule = _at_spikes_only(rule)
    waits = np.concatenate([gaps_s, 1.0 / rate_hz - gaps_s.sum(0, keepdims=True)])
    own = rule.for_pathway(pathway) or PathwayRule.make()
    n = is_pre.shape[1]
    values = {name: np.zeros(n) for name in (*own.traces, *own.states)}
    change = np.zeros(n)
    for _ in range(max(2, round(_SETTLING_S * float(np.max(rate_hz))))):
        change = np.zeros(n)
        for k, (pre_spikes, wait) in enumerate(zip(is_pre, waits, strict=True)):
            found = changes_at(
                rule, pathway, {**_at_spikes(own, pre_spikes, k == len(is_pre) - 1, assumed or Assumed()), **values}
            )
            change += found.pop("w")
            for name, trace in own.traces.items():
                spikes = pre_spikes if trace.side == "pre" else ~pre_spikes
                found[name] = np.where(spikes, 1.0 - values[name] if trace.nearest else 1.0, 0.0)
            for name, jump in found.items():
                item = own.traces.get(name) or own.states[name]
                decay = 1.0 if item.tau_s is None else np.exp(-wait / own.time_constant_s(name))
                values[name] = (values[name] + jump) * decay
    return change


def _at_spikes_only(rule: Rule) -> Rule:
    kept = {
        name: replace(own, events={event: changes for event, changes in own.events.items() if event != "on_step"})
        for name, own in rule.pathways.items()
    }
    return Rule(rule.name, kept)


def changes_at(rule: Rule, pathway: str, seen: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a rule changes where it sees this: `w`, and states."""
    own = rule.for_pathway(pathway)
    if own is None:
        return {"w": np.zeros(np.broadcast_shapes(*(np.shape(value) for value in seen.values())))}
    return changes(Rule(rule.name, {pathway: own}), {pathway: seen})[pathway]


def others(own: PathwayRule, shape: tuple[int, ...], assumed: Assumed) -> dict[str, np.ndarray]:
    """Everything that is held still, the rule's own traces and states at 0."""
    still = {**assumed.values, **dict.fromkeys((*own.traces, *own.states), 0.0)}
    return {name: np.full(shape, value) for name, value in still.items()}


def _at_spikes(own: PathwayRule, pre_spikes: np.ndarray, is_last: bool, assumed: Assumed) -> dict[str, np.ndarray]:
    """What is seen where each element has either a presynaptic or a postsynaptic spike."""
    n = len(pre_spikes)
    return {
        **others(own, (n,), assumed),
        "w": np.full(n, assumed.w),
        "pre_spike": pre_spikes.astype(float),
        "post_spike": (~pre_spikes).astype(float),
        "modulator": np.full(n, float(is_last)),
    }
