"""What spiking rules do in experimenters' protocols: pairs by their delay and by their rate, and lone triplets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plasticbench.drawing.synapse import Shown, changes_of, others, shown_at
from plasticbench.rules import PathwayRule, Rule

_SETTLING_S = 2.0  # of repeated pairs before the change is read off
_DELAY_S = 0.01  # of pairs that are repeated, and between the spikes of a triplet
_HIGHEST_HZ = 45.0  # beyond 50 Hz pairs so long would overlap


@dataclass(frozen=True)
class TimingWindow:
    """Δw of one pair within a train of pairs."""

    rate_hz: float
    delay_s: np.ndarray  # (n,) of the postsynaptic spike after the presynaptic one; never 0
    change: np.ndarray  # (n,)


@dataclass(frozen=True)
class RateDependence:
    """Δw of one pair within a train, against how many there are a second."""

    delay_s: float
    rate_hz: np.ndarray  # (n,)
    post_late: np.ndarray  # (n,) the postsynaptic spike comes second
    post_early: np.ndarray  # (n,)


def timing_window(
    rule: Rule, pathway: str, rate_hz: float = 1.0, n: int = 200, shown: Shown | None = None
) -> TimingWindow:
    """Δw of a spiking rule against the delay between the two spikes of a pair, up to half a period or 0.1 s.

    A rule that acts on a modulator gets one of 1 after each pair.
    """
    furthest = min(0.1, 0.5 / rate_hz)
    delay = np.linspace(-furthest, furthest, n - n % 2)  # an even number leaves 0 out
    period_s = np.full_like(delay, 1.0 / rate_hz)
    return TimingWindow(rate_hz, delay, _last_pair(rule, pathway, delay, period_s, shown or shown_at(rule)))


def rate_dependence(rule: Rule, pathway: str, shown: Shown | None = None, n: int = 45) -> RateDependence:
    """Δw of pairs 10 ms apart, either way round, at 1 to 45 a second (Sjöström et al. 2001, Neuron 32:1149)."""
    rate_hz = np.linspace(1.0, _HIGHEST_HZ, n)
    late, early = (
        _last_pair(rule, pathway, np.full(n, delay), 1.0 / rate_hz, shown or shown_at(rule))
        for delay in (_DELAY_S, -_DELAY_S)
    )
    return RateDependence(_DELAY_S, rate_hz, late, early)


def lone_groups(rule: Rule, pathway: str, shown: Shown | None = None) -> dict[str, float]:
    """Δw of lone pairs and triplets of spikes 10 ms apart, by their order."""
    found = {}
    for order in ("pre post", "post pre", "pre post pre", "post pre post"):
        synapse = _Synapse(rule, pathway, 1, shown or shown_at(rule))
        spikes = order.split()
        total = 0.0
        for place, kind in enumerate(spikes):
            is_last = place == len(spikes) - 1
            total += float(synapse.spike(np.array([kind == "pre"]), is_last, np.array([_DELAY_S]))[0])
        found[order] = total
    return found


def _last_pair(rule: Rule, pathway: str, delay_s: np.ndarray, period_s: np.ndarray, shown: Shown) -> np.ndarray:
    """(n,) Δw of the last pair of a train that has settled; both arguments are (n,)."""
    synapse = _Synapse(rule, pathway, len(delay_s), shown)
    gap = np.abs(delay_s)
    change = np.full_like(delay_s, np.nan)
    for _ in range(max(2, round(_SETTLING_S / period_s.min()))):
        before = change
        change = synapse.spike(delay_s > 0, False, gap) + synapse.spike(delay_s < 0, True, period_s - gap)
        if np.allclose(change, before, rtol=1e-12, atol=0.0):
            break
    return change


class _Synapse:
    """n synapses of one weight that is held; their traces and states go on."""

    def __init__(self, rule: Rule, pathway: str, n: int, shown: Shown):
        self._rule, self._pathway, self._n, self._shown = rule, pathway, n, shown
        self._own = rule.for_pathway(pathway) or PathwayRule.make()
        self._values = {name: np.zeros(n) for name in (*self._own.traces, *self._own.states)}

    def spike(self, is_pre: np.ndarray, is_second: bool, wait_s: np.ndarray) -> np.ndarray:
        """(n,) Δw at a spike, presynaptic where `is_pre` (n,), else postsynaptic; then `wait_s` (n,) goes by."""
        seen = {
            **others(self._rule, self._pathway, (self._n,), self._shown),
            "pre_spike": is_pre.astype(float),
            "post_spike": (~is_pre).astype(float),
            "modulator": np.full(self._n, float(is_second)),
            **self._values,
        }
        found = changes_of(self._rule, self._pathway, seen)
        change = found.pop("w")
        for name, trace in self._own.traces.items():
            spikes = is_pre if trace.side == "pre" else ~is_pre
            found[name] = np.where(spikes, 1.0 - self._values[name] if trace.nearest else 1.0, 0.0)
        for name, jump in found.items():
            item = self._own.traces.get(name) or self._own.states[name]
            decay = 1.0 if item.tau_s is None else np.exp(-wait_s / self._own.time_constant_s(name))
            self._values[name] = (self._values[name] + jump) * decay
        return change
