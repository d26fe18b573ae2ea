"""What a rule does at a synapse, as numbers to draw and as a picture.

Rate rules: Δw over presynaptic and postsynaptic rate. Spiking rules: Δw against the delay between a presynaptic
and a postsynaptic spike, for pairs repeated once a second (Bi & Poo 1998, J. Neurosci. 18:10464) and twenty times
a second, where spikes of neighbouring pairs meet as triplets (Sjöström et al. 2001, Neuron 32:1149).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from plasticbench.drawing.figures import new_figure
from plasticbench.rules import PathwayRule, Rule
from plasticbench.rules.policy import changes
from plasticbench.rules.variables import MODULATOR, VARIABLES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

W_SHOWN = 0.5  # the weight at which a rule is shown
RATE_LIMIT = 2.0  # of pre and post, both signs
SLOW_HZ, FAST_HZ = 1.0, 20.0
_SETTLING_S = 2.0  # of repeated pairs before the change is read off
# What a picture has no axis for; a modulator is delivered after every presentation and every pair of spikes.
_UNUSED = {**dict.fromkeys(VARIABLES, 0.0), "w_max": 1e9, MODULATOR: 1.0}


@dataclass(frozen=True)
class RateMap:
    """Δw of one presentation, at weight W_SHOWN."""

    pre: np.ndarray  # (n,)
    post: np.ndarray  # (n,)
    change: np.ndarray  # (n_post, n_pre)


@dataclass(frozen=True)
class TimingWindow:
    """Δw of one pair within a train of pairs, at weight W_SHOWN."""

    rate_hz: float
    delay_s: np.ndarray  # (n,) of the postsynaptic spike after the presynaptic one; never 0
    change: np.ndarray  # (n,)


def rate_map(rule: Rule, pathway: str, n: int = 65) -> RateMap:
    """Δw of a rate rule over a grid of rates that have lasted. RuleError if it sees what no grid can show."""
    axis = np.linspace(-RATE_LIMIT, RATE_LIMIT, n)
    pre, post = axis[None, :], axis[:, None]
    weight = np.full((n, n), W_SHOWN)
    seen = {**_others(rule, pathway, (n, n)), "pre": pre, "post": post, "w": weight, "reconstruction": post * weight}
    own = rule.for_pathway(pathway) or PathwayRule.make()
    for name, trace in own.traces.items():
        if trace.of is not None:
            filtered = PathwayRule.make({"on_step": trace.of.text}, own.parameters)
            seen[name] = Rule("trace", {pathway: filtered})({pathway: {"pre": pre, "post": post, "w": weight}})[pathway]
    return RateMap(axis, axis, _changes(rule, pathway, seen)["w"])


def timing_window(rule: Rule, pathway: str, rate_hz: float = SLOW_HZ, n: int = 200) -> TimingWindow:
    """Δw of a spiking rule against the delay between the two spikes of a pair, up to half a period or 0.1 s.

    A rule that acts on a modulator gets one of 1 after each pair. What `on_step` does between spikes is left out: it
    depends on more than their times.
    """
    rule = _at_spikes_only(rule)
    period_s = 1.0 / rate_hz
    furthest = min(0.1, 0.5 * period_s)
    delay = np.linspace(-furthest, furthest, n - n % 2)  # an even number leaves 0 out
    own = rule.for_pathway(pathway) or PathwayRule.make()
    values = {name: np.zeros_like(delay) for name in (*own.traces, *own.states)}
    gap = np.abs(delay)
    change = np.zeros_like(delay)
    for _ in range(max(2, round(_SETTLING_S * rate_hz))):
        change = np.zeros_like(delay)
        for pre_spikes, wait, is_second in ((delay > 0, gap, False), (delay < 0, period_s - gap, True)):
            found = _changes(rule, pathway, {**_at_spikes(rule, pathway, pre_spikes, is_second), **values})
            change += found.pop("w")
            for name, trace in own.traces.items():
                spikes = pre_spikes if trace.side == "pre" else ~pre_spikes
                found[name] = np.where(spikes, 1.0 - values[name] if trace.nearest else 1.0, 0.0)
            for name, jump in found.items():
                item = own.traces.get(name) or own.states[name]
                decay = 1.0 if item.tau_s is None else np.exp(-wait / own.time_constant_s(name))
                values[name] = (values[name] + jump) * decay
    return TimingWindow(rate_hz, delay, change)


def _at_spikes_only(rule: Rule) -> Rule:
    kept = {
        name: replace(own, events={event: changes for event, changes in own.events.items() if event != "on_step"})
        for name, own in rule.pathways.items()
    }
    return Rule(rule.name, kept)


def _at_spikes(rule: Rule, pathway: str, pre_spikes: np.ndarray, is_second: bool) -> dict[str, np.ndarray]:
    """What is seen where each element has either a presynaptic or a postsynaptic spike."""
    n = len(pre_spikes)
    return {
        **_others(rule, pathway, (n,)),
        "w": np.full(n, W_SHOWN),
        "pre_spike": pre_spikes.astype(float),
        "post_spike": (~pre_spikes).astype(float),
        "modulator": np.full(n, float(is_second)),
    }


def _changes(rule: Rule, pathway: str, seen: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    own = rule.for_pathway(pathway)
    if own is None:
        return {"w": np.zeros(np.broadcast_shapes(*(np.shape(value) for value in seen.values())))}
    return changes(Rule(rule.name, {pathway: own}), {pathway: seen})[pathway]


def _others(rule: Rule, pathway: str, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    own = rule.for_pathway(pathway)
    zero = dict.fromkeys({} if own is None else (*own.traces, *own.states), 0.0)
    return {name: np.full(shape, value) for name, value in {**_UNUSED, **zero, "modulator": 1.0}.items()}


def shown_pathways(rule: Rule) -> tuple[str, ...]:
    """The pathways that change anything, `*` included."""
    return tuple(name for name, pathway in rule.pathways.items() if pathway.events)


def rule_picture(rule: Rule) -> bytes:
    """A PNG: per pathway the rate map or the spike-timing window."""
    names = shown_pathways(rule)
    figure = new_figure(3.6 * max(1, len(names)), 3.2, dpi=150)
    for index, name in enumerate(names):
        axes = figure.add_subplot(1, len(names), index + 1)
        axes.set_title(rule.name if name == "*" else f"{rule.name}, {name}", fontsize=9)
        if rule.kind == "spiking":
            _draw_windows(axes, rule, name)
        else:
            _draw_map(figure, axes, rule, name)
    if not names:
        figure.text(0.5, 0.5, f"{rule.name}: nothing changes", ha="center")
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _draw_windows(axes, rule: Rule, name: str) -> None:
    for rate_hz, colour in ((SLOW_HZ, "#0f6f70"), (FAST_HZ, "#c8553d")):
        window = timing_window(rule, name, rate_hz)
        for side in (window.delay_s < 0, window.delay_s > 0):
            label = f"pairs at {rate_hz:g} Hz" if window.delay_s[side][0] > 0 else None
            axes.plot(1e3 * window.delay_s[side], window.change[side], color=colour, label=label)
    axes.axhline(0, color="0.6", linewidth=0.6)
    axes.axvline(0, color="0.6", linewidth=0.6)
    axes.set_xlabel("post after pre (ms)")
    axes.set_ylabel("Δw")
    axes.legend(fontsize=7, frameon=False)


def _draw_map(figure: Figure, axes, rule: Rule, name: str) -> None:
    found = rate_map(rule, name)
    limit = float(np.nanmax(np.abs(found.change))) or 1.0
    extent = (-RATE_LIMIT, RATE_LIMIT, -RATE_LIMIT, RATE_LIMIT)
    image = axes.imshow(found.change, origin="lower", extent=extent, cmap="RdBu_r", vmin=-limit, vmax=limit)
    own = rule.for_pathway(name)
    axes.set_xlabel("pre, for long (traces have settled)" if own is not None and own.traces else "pre")
    axes.set_ylabel("post")
    figure.colorbar(image, ax=axes, shrink=0.85, label=f"Δw at w = {W_SHOWN:g}")
