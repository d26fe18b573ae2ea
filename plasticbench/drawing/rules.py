"""What a rule does at a synapse, as numbers to draw and as a picture.

Rate rules: Δw over presynaptic and postsynaptic rate. Spiking rules: Δw in protocols of a few spikes (`protocols`).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from plasticbench.drawing.figures import new_figure
from plasticbench.drawing.protocols import (
    FAST_HZ,
    PAIR_DELAY_S,
    RATES_HZ,
    SLOW_HZ,
    Assumed,
    change_by_rate,
    change_of_triplets,
    changes_at,
    others,
    timing_window,
)
from plasticbench.rules import PathwayRule, Rule

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "FAST_HZ", "RATE_LIMIT", "SLOW_HZ", "W_SHOWN", "Assumed", "RateMap", "rate_map", "rule_picture", "shown_pathways",
    "timing_window",
]  # fmt: skip

W_SHOWN = Assumed().w  # the weight at which a rule is shown unless told
RATE_LIMIT = 2.0  # of pre and post, both signs
_SLOW_INK, _FAST_INK = "#0f6f70", "#c8553d"


@dataclass(frozen=True)
class RateMap:
    """Δw of one presentation, at one weight."""

    pre: np.ndarray  # (n,)
    post: np.ndarray  # (n,)
    change: np.ndarray  # (n_post, n_pre)


def rate_map(rule: Rule, pathway: str, n: int = 65, assumed: Assumed | None = None) -> RateMap:
    """Δw of a rate rule over a grid of rates that have lasted. RuleError if it sees what no grid can show."""
    axis = np.linspace(-RATE_LIMIT, RATE_LIMIT, n)
    pre, post = axis[None, :], axis[:, None]
    assumed = assumed or Assumed()
    weight = np.full((n, n), assumed.w)
    own = rule.for_pathway(pathway) or PathwayRule.make()
    seen = {**others(own, (n, n), assumed), "pre": pre, "post": post, "w": weight, "reconstruction": post * weight}
    for name, trace in own.traces.items():
        if trace.of is not None:
            filtered = PathwayRule.make({"on_step": trace.of.text}, own.parameters)
            seen[name] = Rule("trace", {pathway: filtered})({pathway: {"pre": pre, "post": post, "w": weight}})[pathway]
    return RateMap(axis, axis, changes_at(rule, pathway, seen)["w"])


def shown_pathways(rule: Rule) -> tuple[str, ...]:
    """The pathways that change anything, `*` included."""
    return tuple(name for name, pathway in rule.pathways.items() if pathway.events)


def rule_picture(rule: Rule, assumed: Mapping[str, Assumed] | None = None) -> bytes:
    """A PNG: per pathway the rate map, or the spike-timing window with triplets and pairs by their rate beside it.

    `assumed`: by pathway, what is held still.
    """
    names = shown_pathways(rule)
    columns = 3 if rule.kind == "spiking" else max(1, len(names))
    rows = max(1, len(names)) if rule.kind == "spiking" else 1
    figure = new_figure(3.6 * columns, 3.4 * rows, dpi=150)
    panels = figure.subplots(rows, columns, squeeze=False)
    for index, name in enumerate(names):
        own = (assumed or {}).get(name, Assumed())
        title = rule.name if name == "*" else f"{rule.name}, {name}"
        if rule.kind == "spiking":
            panels[index, 0].set_title(f"{title}: {own.words}", fontsize=8, loc="left")
            _draw_windows(panels[index, 0], rule, name, own)
            _draw_triplets(panels[index, 1], rule, name, own)
            _draw_rates(panels[index, 2], rule, name, own)
        else:
            panels[0, index].set_title(title, fontsize=9)
            _draw_map(figure, panels[0, index], rule, name, own)
    if not names:
        panels[0, 0].set_axis_off()
        figure.text(0.5, 0.5, f"{rule.name}: nothing changes", ha="center")
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _draw_windows(axes: Axes, rule: Rule, name: str, assumed: Assumed) -> None:
    for rate_hz, colour in ((SLOW_HZ, _SLOW_INK), (FAST_HZ, _FAST_INK)):
        window = timing_window(rule, name, rate_hz, assumed=assumed)
        for side in (window.delay_s < 0, window.delay_s > 0):
            label = f"pairs at {rate_hz:g} Hz" if window.delay_s[side][0] > 0 else None
            axes.plot(1e3 * window.delay_s[side], window.change[side], color=colour, label=label)
    axes.axvline(0, color="0.6", linewidth=0.6)
    _finish(axes, "post after pre (ms)")


def _draw_triplets(axes: Axes, rule: Rule, name: str, assumed: Assumed) -> None:
    found = change_of_triplets(rule, name, assumed)
    axes.bar(list(found), list(found.values()), color=_SLOW_INK, width=0.6)
    axes.tick_params(axis="x", labelsize=7)
    _finish(axes, f"spikes {1e3 * PAIR_DELAY_S:g} ms apart, once a second")


def _draw_rates(axes: Axes, rule: Rule, name: str, assumed: Assumed) -> None:
    for pre_first, colour, label in ((True, _SLOW_INK, "pre first"), (False, _FAST_INK, "post first")):
        axes.plot(RATES_HZ, change_by_rate(rule, name, pre_first, assumed), "o-", ms=3, color=colour, label=label)
    _finish(axes, f"pairs {1e3 * PAIR_DELAY_S:g} ms apart, repeated at (Hz)")


def _finish(axes: Axes, label: str) -> None:
    axes.axhline(0, color="0.6", linewidth=0.6)
    axes.set(xlabel=label, ylabel="Δw of one pair or triplet")
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=7, frameon=False)


def _draw_map(figure: Figure, axes: Axes, rule: Rule, name: str, assumed: Assumed) -> None:
    found = rate_map(rule, name, assumed=assumed)
    limit = float(np.nanmax(np.abs(found.change))) or 1.0
    extent = (-RATE_LIMIT, RATE_LIMIT, -RATE_LIMIT, RATE_LIMIT)
    image = axes.imshow(found.change, origin="lower", extent=extent, cmap="RdBu_r", vmin=-limit, vmax=limit)
    own = rule.for_pathway(name)
    axes.set_xlabel("pre, for long (traces have settled)" if own is not None and own.traces else "pre")
    axes.set_ylabel("post")
    figure.colorbar(image, ax=axes, shrink=0.85, label=f"Δw at w = {assumed.w:.3g}")
