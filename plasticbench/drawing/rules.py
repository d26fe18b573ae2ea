"""What a rule does at a synapse, as numbers to draw and as a picture.

Rate rules: Δw over presynaptic and postsynaptic rate. Spiking rules: Δw against the delay between a presynaptic
and a postsynaptic spike, for pairs repeated once a second (Bi & Poo 1998, J. Neurosci. 18:10464) and twenty times
a second, where spikes of neighbouring pairs meet as triplets (Sjöström et al. 2001, Neuron 32:1149).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from plasticbench.rules import Rule

W_SHOWN = 0.5  # the weight at which a rule is shown
RATE_LIMIT = 2.0  # of pre and post, both signs
SLOW_HZ, FAST_HZ = 1.0, 20.0
_SETTLING_S = 2.0  # of repeated pairs before the change is read off
_UNUSED = {"m": 0.0, "v": 0.0, "c_exc": 0.0, "c_inh": 0.0}


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
    """Δw of a rate rule over a grid of rates. RuleError if the pathway sees what no grid can show."""
    axis = np.linspace(-RATE_LIMIT, RATE_LIMIT, n)
    pre, post = axis[None, :], axis[:, None]
    weight = np.full((n, n), W_SHOWN)
    seen = {"pre": pre, "post": post, "w": weight, "reconstruction": post * weight, **_constants(n)}
    return RateMap(axis, axis, _change(rule, pathway, seen))


def timing_window(rule: Rule, pathway: str, rate_hz: float = SLOW_HZ, n: int = 200) -> TimingWindow:
    """Δw of a spiking rule against the delay between the two spikes of a pair, up to half a period or 0.1 s."""
    period_s = 1.0 / rate_hz
    furthest = min(0.1, 0.5 * period_s)
    delay = np.linspace(-furthest, furthest, n - n % 2)  # an even number leaves 0 out
    own = rule.for_pathway(pathway)
    constants = {} if own is None else {trace: own.time_constant_s(trace) for trace in own.traces}
    traces = {trace: np.zeros_like(delay) for trace in constants}
    gap = np.abs(delay)
    n_pairs = max(2, round(_SETTLING_S * rate_hz))
    change = np.zeros_like(delay)
    for _ in range(n_pairs):
        change = np.zeros_like(delay)
        for pre_spikes, wait in ((delay > 0, gap), (delay < 0, period_s - gap)):
            change += _at_a_spike(rule, pathway, pre_spikes, traces)
            for trace, tau in constants.items():
                spikes = pre_spikes if trace.startswith("x_pre") else ~pre_spikes
                traces[trace] = (traces[trace] + spikes) * np.exp(-wait / tau)
    return TimingWindow(rate_hz, delay, change)


def _at_a_spike(rule: Rule, pathway: str, pre_spikes: np.ndarray, traces: Mapping[str, np.ndarray]) -> np.ndarray:
    """Δw where each element has either a presynaptic or a postsynaptic spike."""
    n = len(pre_spikes)
    seen = {
        "w": np.full(n, W_SHOWN),
        "w_max": np.full(n, 1e9),
        "pre_spike": pre_spikes.astype(float),
        "post_spike": (~pre_spikes).astype(float),
        **{trace: np.zeros(n) for trace in ("x_pre", "x_post", "x_pre2", "x_post2")},
        **traces,
        **{name: np.full(n, value) for name, value in _UNUSED.items()},
    }
    return _change(rule, pathway, seen)


def _change(rule: Rule, pathway: str, seen: Mapping[str, np.ndarray]) -> np.ndarray:
    own = rule.for_pathway(pathway)
    if own is None:
        return np.zeros(np.broadcast_shapes(*(np.shape(value) for value in seen.values())))
    alone = Rule(rule.name, {pathway: own})
    return np.asarray(alone({pathway: seen})[pathway])


def _constants(n: int) -> dict[str, np.ndarray]:
    return {name: np.full((n, n), value) for name, value in _UNUSED.items()}


def shown_pathways(rule: Rule) -> tuple[str, ...]:
    """The pathways that change anything, `*` included."""
    return tuple(name for name, pathway in rule.pathways.items() if pathway.events)


def rule_picture(rule: Rule) -> bytes:
    """A PNG: per pathway the rate map or the spike-timing window."""
    names = shown_pathways(rule)
    figure = Figure(figsize=(3.6 * max(1, len(names)), 3.2), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
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
    axes.set_xlabel("pre")
    axes.set_ylabel("post")
    figure.colorbar(image, ax=axes, shrink=0.85, label=f"Δw at w = {W_SHOWN:g}")
