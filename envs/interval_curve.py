"""How far back does a rule remember? Accuracy of familiarity detection against the repetition interval, as a picture.

The curve of Tyulmankov, Yang & Abbott, Neuron 110:544 (2022), figure 2.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import plasticbench
from plasticbench.drawing.figures import new_figure
from plasticbench.rules import Rule

from .continual_familiarity import BASE_RATE, CURVE_INTERVALS

if TYPE_CHECKING:
    import torch

MEASURES = ("accuracy", "true_positive_rate", "false_positive_rate")
_COLOURS = ("#1f6feb", "#d4463b", "#2f9e44", "#8a5cd1", "#e08a00")


def interval_curve(
    rules: Sequence[Rule | str],
    task_id: str = "plasticbench/ContinualFamiliarity-v0",
    intervals: Sequence[int] = CURVE_INTERVALS,
    n_lifetimes: int = 10,
) -> dict[str, torch.Tensor]:
    """Each of `MEASURES` as (n_rules, n_intervals), means over the first official lifetimes."""
    import torch

    task = plasticbench.task(task_id)
    rows: dict[str, list[torch.Tensor]] = {name: [] for name in MEASURES}
    for interval in intervals:
        outcome = task.run(list(rules), task.official_seeds[:n_lifetimes], conditions={"interval": interval})
        for name in MEASURES:
            rows[name].append(outcome.metrics[name].mean(1))
    return {name: torch.stack(values, 1) for name, values in rows.items()}


def analytic_detector(n_inputs: int, n_hash_bits: int, intervals: Sequence[int]) -> dict[str, torch.Tensor]:
    """The paper's hand-built anti-Hebbian detector in closed form, an upper mark: each of `MEASURES`, (n_intervals,).

    2**n_hash_bits hidden units, each chosen by that many input bits; decay γ and read-out are set for a false
    positive rate of 0.005 and a true positive rate of 0.995 at the interval where the trace has decayed to e^(-1/2).
    """
    import torch

    p_false, p_true, share_novel = 0.005, 0.995, 1.0 - BASE_RATE
    inverse = torch.special.erfinv(torch.tensor([1.0 - 2.0 * p_false, 1.0 - 2.0 * p_true], dtype=torch.float64))
    strength = float(inverse[0] - inverse[1]) * math.sqrt(2.0 * math.e)
    gamma = 1.0 - strength**2 * share_novel / (2.0 * n_inputs * 2**n_hash_bits)
    trace = gamma ** torch.tensor(list(intervals), dtype=torch.float64)
    found = 0.5 * torch.special.erfc(inverse[0] - strength * trace / math.sqrt(2.0))
    false = torch.full_like(found, p_false)
    return {
        "accuracy": BASE_RATE * found + share_novel * (1.0 - false),
        "true_positive_rate": found,
        "false_positive_rate": false,
    }


def curve_picture(
    rules: Sequence[Rule | str],
    curves: dict[str, torch.Tensor],
    intervals: Sequence[int],
    title: str,
    mark: dict[str, torch.Tensor] | None = None,
) -> bytes:
    """PNG: accuracy, and true and false positive rates, against the interval; `mark`, the detector's, in grey."""
    figure = new_figure(9, 3.8, dpi=130)
    accuracy, rates = figure.subplots(1, 2)
    for i, rule in enumerate(rules):
        colour = _COLOURS[i % len(_COLOURS)]
        name = rule if isinstance(rule, str) else rule.name
        accuracy.plot(intervals, curves["accuracy"][i], "o-", color=colour, ms=4, label=name)
        rates.plot(intervals, curves["true_positive_rate"][i], "o-", color=colour, ms=4)
        rates.plot(intervals, curves["false_positive_rate"][i], "o:", color=colour, ms=3)
    if mark is not None:
        accuracy.plot(intervals, mark["accuracy"], "-", color="#8a8f98", lw=1.2, label="analytic detector")
        rates.plot(intervals, mark["true_positive_rate"], "-", color="#8a8f98", lw=1.2)
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
