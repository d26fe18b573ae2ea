"""How far back does a rule remember? Accuracy of familiarity detection against the repetition interval, as a picture.

The curve of Tyulmankov, Yang & Abbott, Neuron 110:544 (2022), figure 2.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import plasticbench
from plasticbench.rules import Rule

from .continual_familiarity import BASE_RATE, CURVE_INTERVALS

MEASURES = ("accuracy", "true_positive_rate", "false_positive_rate")
_COLOURS = ("#1f6feb", "#d4463b", "#2f9e44", "#8a5cd1", "#e08a00")


def interval_curve(
    rules: Sequence[Rule | str],
    task_id: str = "plasticbench/ContinualFamiliarity-v0",
    intervals: Sequence[int] = CURVE_INTERVALS,
    n_lifetimes: int = 10,
) -> dict[str, torch.Tensor]:
    """Each of `MEASURES` as (n_rules, n_intervals), means over the first official lifetimes."""
    task = plasticbench.task(task_id)
    rows: dict[str, list[torch.Tensor]] = {name: [] for name in MEASURES}
    for interval in intervals:
        outcome = task.run(list(rules), task.official_seeds[:n_lifetimes], conditions={"interval": interval})
        for name in MEASURES:
            rows[name].append(outcome.metrics[name].mean(1))
    return {name: torch.stack(values, 1) for name, values in rows.items()}


def curve_picture(
    rules: Sequence[Rule | str], curves: dict[str, torch.Tensor], intervals: Sequence[int], title: str
) -> bytes:
    """PNG: accuracy, and true and false positive rates, against the interval."""
    figure = Figure(figsize=(9, 3.8), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    accuracy, rates = figure.subplots(1, 2)
    for i, rule in enumerate(rules):
        colour = _COLOURS[i % len(_COLOURS)]
        name = rule if isinstance(rule, str) else rule.name
        accuracy.plot(intervals, curves["accuracy"][i], "o-", color=colour, ms=4, label=name)
        rates.plot(intervals, curves["true_positive_rate"][i], "o-", color=colour, ms=4)
        rates.plot(intervals, curves["false_positive_rate"][i], "o:", color=colour, ms=3)
    accuracy.axhline(1.0 - BASE_RATE, color="#8a8f98", lw=1, ls="--", label="always “novel”")
    accuracy.set(ylabel="accuracy", ylim=(0.6, 1.01), title=title)
    rates.set(ylabel="rate", ylim=(-0.02, 1.02), title="true (solid) and false (dotted) positives")
    for axes in (accuracy, rates):
        axes.set(xscale="log", xlabel="repetition interval R (items)")
        axes.set_xticks(list(intervals), [str(i) for i in intervals])
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
    accuracy.legend(frameon=False, fontsize=8, loc="lower left")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
