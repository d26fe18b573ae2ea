"""A task's rules on the map of its theory, for the tasks that offer one (`Task.rule_map`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from plasticbench.tasks.rule_map import RuleMap, RuleMapPoint

from .entry import entry_slug
from .page import indexed, number, prose, score_cell, table
from .scatter import Axis, Spot, decades_axis, linear_axis, scatter_plot
from .standings import Standing

_MOST_SHOWN = 60  # the best ones; more would be a cloud


@dataclass(frozen=True)
class _Mapped:
    """A ranked rule that the theory covers."""

    standing: Standing
    point: RuleMapPoint
    metrics: Mapping[str, float]  # means over lifetimes

    @property
    def link(self) -> str:
        return f"../rules/{entry_slug(self.standing.name, self.standing.entry.data['rule_hash'])}.html"

    @property
    def learned(self) -> bool:
        return "learner" in self.standing.entry.provenance


def rule_map_section(rule_map: RuleMap, ranked: Sequence[Standing], rules: Mapping[str, Any]) -> str:
    """The HTML of the map; `rules` by hash, of all the ranked ones. A page one folder below the root shows it."""
    mapped, others = [], []
    for standing in ranked:
        point = rule_map.place(rules[standing.entry.data["rule_hash"]])
        if point is None:
            others.append(standing)
        else:
            mapped.append(_Mapped(standing, point, _means(standing)))
    shown = mapped[:_MOST_SHOWN]
    figures = [_sides(rule_map, shown), _shares(rule_map, shown)]
    return "\n".join(
        [
            f"<h2>{escape(rule_map.title)}</h2>",
            prose(rule_map.text),
            f'<div class="two">{"".join(figures)}</div>{_key(rule_map)}'
            if shown
            else "<p>No ranked rule is on it.</p>",
            _numbers(rule_map, shown),
            _not_on_it(others),
        ]
    )


def _means(standing: Standing) -> dict[str, float]:
    """The means over lifetimes of the metrics that came with an entry."""
    found = {}
    for name, column in standing.entry.data.get("metrics", {}).items():
        values = [value for value in column if value is not None]
        if values:
            found[name] = float(np.mean(values))
    return found


def _sides(rule_map: RuleMap, shown: Sequence[_Mapped]) -> str:
    """The two sides of the theory's equation on equal axes; its solutions are the diagonal."""
    axis = decades_axis([value for one in shown for value in (one.point.x, one.point.y)])
    spots = [_spot(rule_map, one, one.point.x, one.point.y) for one in shown]
    label = f"{rule_map.y_name} against {rule_map.x_name}"
    drawing = scatter_plot(spots, axis, axis, label, _diagonal(axis), (rule_map.above_name, rule_map.below_name))
    return _figure(rule_map.y_name, drawing, rule_map.x_name)


def _diagonal(axis: Axis) -> str:
    """Its positive part: where both sides are negative they cancel, but nothing rests there."""
    low = max(axis.low, 0.0)
    return (
        f'<line class="solutions" x1="{axis.left(low):.2f}%" y1="{axis.down(low):.1f}" '
        f'x2="{axis.left(axis.high):.2f}%" y2="{axis.down(axis.high):.1f}"/>'
    )


def _shares(rule_map: RuleMap, shown: Sequence[_Mapped]) -> str:
    """The share that the theory singles out against what was measured."""
    metric, name = list(rule_map.metrics.items())[-1]
    pairs = [(one, one.point.share, one.metrics[metric]) for one in shown if metric in one.metrics]
    spots = [_spot(rule_map, one, share, value) for one, share, value in pairs if share is not None]
    if not spots:
        return ""
    x = linear_axis(max(-1.0, min([0.0, *(s.x for s in spots)])), min(2.0, max([1.0, *(s.x for s in spots)])))
    y = linear_axis(min([0.0, *(s.y for s in spots)]), max([1.0, *(s.y for s in spots)]))
    return _figure(name, scatter_plot(spots, x, y, f"{name} against {rule_map.share_name}"), rule_map.share_name)


def _spot(rule_map: RuleMap, one: _Mapped, x: float, y: float) -> Spot:
    told = [f"{rule_map.share_name} {_value(one.point.share)}"]
    told += [
        f"{name} {_value(one.metrics[metric])}" for metric, name in rule_map.metrics.items() if metric in one.metrics
    ]
    title = f"{one.standing.name}: {', '.join(told)}"
    return Spot(one.standing.name, one.link, title, x, y, one.point.share, one.learned)


def _figure(y_name: str, drawing: str, x_name: str) -> str:
    return (
        f'<figure class="panel"><p class="axis-title">{indexed(y_name)}</p>{drawing}'
        f'<p class="axis-title x">{indexed(x_name)}</p></figure>'
    )


def _key(rule_map: RuleMap) -> str:
    none, whole = rule_map.share_ends
    return (
        '<p class="key"><i>● learned</i><i>○ as published or written, not trained here</i>'
        f'<i class="ramp">{escape(none)} <b></b> {escape(whole)}</i>'
        f'<i><span class="solutions-key">╱</span> {escape(rule_map.line_name)}</i></p>'
    )


def _numbers(rule_map: RuleMap, shown: Sequence[_Mapped]) -> str:
    if not shown:
        return ""
    header = [("rule", "text"), ("origin", "text"), (rule_map.predicted_name, "num"), (rule_map.share_name, "num")]
    header += [(name, "num") for name in rule_map.metrics.values()] + [("score", "num")]
    rows = []
    for one in shown:
        numbers = [one.point.predicted, one.point.share, *(one.metrics.get(metric) for metric in rule_map.metrics)]
        cells = [(f'<a href="{one.link}">{escape(one.standing.name)}</a>', one.standing.name)]
        cells.append(("learned" if one.learned else '<span class="muted">known</span>', ""))
        cells += [(_value(value), "" if value is None else number(value)) for value in numbers]
        rows.append([*cells, (score_cell(one.standing.score), number(one.standing.score))])
    return table(header, rows, "wraps") + (
        '<p class="small muted">Simulated values are means over the official lifetimes as the entry reports them; '
        "verification simulates the losses again, not these.</p>"
    )


def _value(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}".replace("-", "−")


def _not_on_it(others: Sequence[Standing]) -> str:
    if not others:
        return ""
    names = ", ".join(
        f'<a href="../rules/{entry_slug(s.name, s.entry.data["rule_hash"])}.html">{escape(s.name)}</a>' for s in others
    )
    return f"<p>Not on the map, being of another form or changing nothing: {names}.</p>"
