"""What a rule does at a synapse, as numbers to draw and as a picture.

Rate rules: Δw over presynaptic and postsynaptic rate. Spiking rules: Δw against the delay between a presynaptic
and a postsynaptic spike, for pairs repeated once a second (Bi & Poo 1998, J. Neurosci. 18:10464) and twenty times
a second, where spikes of neighbouring pairs meet as triplets (Sjöström et al. 2001, Neuron 32:1149).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from plasticbench.drawing.figures import new_figure
from plasticbench.drawing.synapse import Shown, changes_of, others, shown_at
from plasticbench.drawing.timing import rate_dependence, timing_window
from plasticbench.rules import PathwayRule, Rule

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RATE_LIMIT = 2.0  # of pre and post, both signs
SLOW_HZ, FAST_HZ = 1.0, 20.0


@dataclass(frozen=True)
class RateMap:
    """Δw of one presentation."""

    pre: np.ndarray  # (n,)
    post: np.ndarray  # (n,)
    change: np.ndarray  # (n_post, n_pre)


def rate_map(rule: Rule, pathway: str, n: int = 65, shown: Shown | None = None) -> RateMap:
    """Δw of a rate rule over a grid of rates that have lasted. RuleError if it sees what no grid can show."""
    shown = shown or shown_at(rule)
    axis = np.linspace(-RATE_LIMIT, RATE_LIMIT, n)
    pre, post = axis[None, :], axis[:, None]
    weight = np.full((n, n), shown.w)
    seen = {**others(rule, pathway, (n, n), shown), "pre": pre, "post": post, "reconstruction": post * weight}
    own = rule.for_pathway(pathway) or PathwayRule.make()
    for name, trace in own.traces.items():
        if trace.of is not None:
            filtered = PathwayRule.make({"on_step": trace.of.text}, own.parameters)
            seen[name] = Rule("trace", {pathway: filtered})({pathway: {"pre": pre, "post": post, "w": weight}})[pathway]
    return RateMap(axis, axis, changes_of(rule, pathway, seen)["w"])


def shown_pathways(rule: Rule) -> tuple[str, ...]:
    """The pathways that change anything, `*` included."""
    return tuple(name for name, pathway in rule.pathways.items() if pathway.events)


def rule_picture(rule: Rule, w: float | None = None) -> bytes:
    """A PNG: per pathway the rate map, or the spike-timing window beside how pairs depend on their rate.

    `w` is the weight at which the rule is shown (default `shown_at`).
    """
    names = shown_pathways(rule)
    shown = shown_at(rule, w)
    n_columns = 2 if rule.kind == "spiking" else 1
    figure = new_figure(3.6 * n_columns * max(1, len(names)), 3.4, dpi=150)
    for index, name in enumerate(names):
        columns = [
            figure.add_subplot(1, n_columns * len(names), n_columns * index + column + 1) for column in range(n_columns)
        ]
        columns[0].set_title(rule.name if name == "*" else f"{rule.name}, {name}", fontsize=9)
        if rule.kind == "spiking":
            _draw_windows(columns[0], rule, name, shown)
            _draw_rates(columns[1], rule, name, shown)
        else:
            _draw_map(figure, columns[0], rule, name, shown)
    if not names:
        figure.text(0.5, 0.5, f"{rule.name}: nothing changes", ha="center")
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _draw_windows(axes, rule: Rule, name: str, shown: Shown) -> None:
    for rate_hz, colour in ((SLOW_HZ, "#0f6f70"), (FAST_HZ, "#c8553d")):
        window = timing_window(rule, name, rate_hz, shown=shown)
        for side in (window.delay_s < 0, window.delay_s > 0):
            label = f"pairs at {rate_hz:g} Hz" if window.delay_s[side][0] > 0 else None
            axes.plot(1e3 * window.delay_s[side], window.change[side], color=colour, label=label)
    axes.axvline(0, color="0.6", linewidth=0.6)
    _finish(axes, "post after pre (ms)", f"Δw at {shown.words}")


def _draw_rates(axes, rule: Rule, name: str, shown: Shown) -> None:
    found = rate_dependence(rule, name, shown)
    delay_ms = 1e3 * found.delay_s
    axes.plot(found.rate_hz, found.post_late, color="#0f6f70", label=f"post {delay_ms:g} ms after pre")
    axes.plot(found.rate_hz, found.post_early, color="#c8553d", label=f"post {delay_ms:g} ms before pre")
    _finish(axes, "pairs a second (Hz)", "Δw a pair")


def _finish(axes, x_name: str, y_name: str) -> None:
    axes.axhline(0, color="0.6", linewidth=0.6)
    axes.set_xlabel(x_name)
    axes.set_ylabel(y_name)
    axes.legend(fontsize=7, frameon=False)


def _draw_map(figure: Figure, axes, rule: Rule, name: str, shown: Shown) -> None:
    found = rate_map(rule, name, shown=shown)
    limit = float(np.nanmax(np.abs(found.change))) or 1.0
    extent = (-RATE_LIMIT, RATE_LIMIT, -RATE_LIMIT, RATE_LIMIT)
    image = axes.imshow(found.change, origin="lower", extent=extent, cmap="RdBu_r", vmin=-limit, vmax=limit)
    own = rule.for_pathway(name)
    axes.set_xlabel("pre, for long (traces have settled)" if own is not None and own.traces else "pre")
    axes.set_ylabel("post")
    figure.colorbar(image, ax=axes, shrink=0.85, label=f"Δw at {shown.words}")
