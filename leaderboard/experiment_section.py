"""What was measured in tissue and what the best rules do instead, protocol by protocol, from entries' own metrics."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from plasticbench.tasks.experiment import Experiment

from .charts.protocols import ProtocolRow, RuleCurve, protocol_plot
from .standings import Standing
from .templates import render, rule_link

_MOST_CURVES = 3


def experiment_section(experiment: Experiment, ranked: Sequence[Standing]) -> Markup:
    """The HTML of the picture. A page one folder below the root shows it."""
    rows = [ProtocolRow(row.name, row.mean, row.sem, row.scored, row.n, row.source) for row in experiment.rows]
    curves = [curve for standing in ranked for curve in [_curve(experiment, standing)] if curve is not None]
    shown = curves[:_MOST_CURVES]
    drawing = protocol_plot(rows, shown, list(experiment.joined()))
    sources = list(dict.fromkeys(row.source for row in experiment.rows))
    return Markup(render("experiment.html", drawing=drawing, curves=shown, sources=sources))


def _curve(experiment: Experiment, standing: Standing) -> RuleCurve | None:
    """A rule's changes in its best scale; None where the entry does not tell them, or they are none."""
    metrics = standing.entry.data.get("metrics", {})
    columns = [metrics.get(f"dw_{name}", [None])[0] for name in experiment.names]
    scale = metrics.get("scale", [None])[0]
    if scale is None or not scale > 0.0 or None in columns:
        return None
    changes = tuple(scale * change for change in columns if change is not None)
    return RuleCurve(standing.name, rule_link(standing), standing.loss, scale, changes)
