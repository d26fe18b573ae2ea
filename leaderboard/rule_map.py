"""A task's rules on the map of its theory, for the tasks that offer one (`Task.rule_map`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from markupsafe import Markup

from plasticbench.tasks.rule_map import RuleMap, RuleMapPoint

from .charts.scatter import Axis, Spot, decades_axis, linear_axis, scatter_plot
from .rule_card import drawn
from .standings import Standing
from .templates import render, rule_link, two_digits

_MOST_SHOWN = 60  # the best ones; more would be a cloud


@dataclass(frozen=True)
class _Mapped:
    """A ranked rule that the theory covers."""

    standing: Standing
    point: RuleMapPoint
    metrics: Mapping[str, float]  # means over lifetimes

    def numbers(self, metrics: Iterable[str]) -> list[float | None]:
        """What theory and simulation say: predicted value, share, and the measured metrics."""
        return [self.point.predicted, self.point.share, *(self.metrics.get(metric) for metric in metrics)]

    @property
    def learned(self) -> bool:
        return "learner" in self.standing.entry.provenance


def rule_map_section(rule_map: RuleMap, ranked: Sequence[Standing], rules: Mapping[str, Any], stem: str) -> Markup:
    """The HTML of the map on a task's page `stem`; `rules` by hash, of all the ranked ones."""
    mapped, others = [], []
    for standing in ranked:
        rule = rules[standing.entry.data["rule_hash"]]
        point = drawn(partial(rule_map.place, rule), None)
        if point is None:
            others.append(standing)
        else:
            mapped.append(_Mapped(standing, point, _means(standing)))
    shown = mapped[:_MOST_SHOWN]
    figures = [_sides(rule_map, shown), *_shares(rule_map, shown)] if shown else []
    return Markup(render("rule_map.html", stem=stem, map=rule_map, shown=shown, figures=figures, others=others))


def _means(standing: Standing) -> dict[str, float]:
    """The means over lifetimes of the metrics that came with an entry."""
    found = {}
    for name, column in standing.entry.data.get("metrics", {}).items():
        values = [value for value in column if value is not None]
        if values:
            found[name] = float(np.mean(values))
    return found


@dataclass(frozen=True)
class _Figure:
    y_name: str
    x_name: str
    drawing: Markup


def _sides(rule_map: RuleMap, shown: Sequence[_Mapped]) -> _Figure:
    """The two sides of the theory's equation on equal axes; its solutions are the diagonal."""
    axis = decades_axis([value for one in shown for value in (one.point.x, one.point.y)])
    spots = [_spot(rule_map, one, one.point.x, one.point.y) for one in shown]
    label = f"{rule_map.y_name} against {rule_map.x_name}"
    drawing = scatter_plot(spots, axis, axis, label, _diagonal(axis), (rule_map.above_name, rule_map.below_name))
    return _Figure(rule_map.y_name, rule_map.x_name, drawing)


def _diagonal(axis: Axis) -> str:
    """Its positive part: where both sides are negative they cancel, but nothing rests there."""
    low = max(axis.low, 0.0)
    return (
        f'<line class="solutions" x1="{axis.left(low):.2f}%" y1="{axis.down(low):.1f}" '
        f'x2="{axis.left(axis.high):.2f}%" y2="{axis.down(axis.high):.1f}"/>'
    )


def _shares(rule_map: RuleMap, shown: Sequence[_Mapped]) -> list[_Figure]:
    """The share that the theory singles out against what was measured; none where nothing has a share."""
    metric, name = list(rule_map.metrics.items())[-1]
    pairs = [(one, one.point.share, one.metrics[metric]) for one in shown if metric in one.metrics]
    spots = [_spot(rule_map, one, share, value) for one, share, value in pairs if share is not None]
    if not spots:
        return []
    x = linear_axis(max(-1.0, min([0.0, *(s.x for s in spots)])), min(2.0, max([1.0, *(s.x for s in spots)])))
    y = linear_axis(min([0.0, *(s.y for s in spots)]), max([1.0, *(s.y for s in spots)]))
    return [_Figure(name, rule_map.share_name, scatter_plot(spots, x, y, f"{name} against {rule_map.share_name}"))]


def _spot(rule_map: RuleMap, one: _Mapped, x: float, y: float) -> Spot:
    told = [f"{rule_map.share_name} {two_digits(one.point.share)}"]
    measured = {name: one.metrics[metric] for metric, name in rule_map.metrics.items() if metric in one.metrics}
    told += [f"{name} {two_digits(value)}" for name, value in measured.items()]
    title = f"{one.standing.name}: {', '.join(told)}"
    return Spot(one.standing.name, rule_link(one.standing), title, x, y, one.point.share, one.learned)
