"""Results as a notebook shows them."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

import numpy as np

from plasticbench.evaluation.comparison import FEWEST
from plasticbench.tasks.shown import html_table

if TYPE_CHECKING:
    from plasticbench.evaluation.result import Result


def result_html(result: Result) -> str:
    """Score with its interval, loss beside the task's marks, metrics, and what it took."""
    task, n = result.specification, len(result.seeds)
    low, high = result.score_interval
    rows = {
        "score": f"{result.score:z.4f}" + (f" (95 % {low:z.4f} to {high:z.4f})" if n >= FEWEST else ""),
        "loss": f"{result.loss:.5g}",
        "null loss": f"{task.null_loss:.5g}",
        f"{task.reference_rule} loss": f"{task.reference_loss:.5g}",
        "lifetimes": f"{n} of {task.n_official}" if set(result.seeds) < set(task.official_seeds) else str(n),
        "blew up": str(sum(status == "blow-up" for status in result.statuses)),
        **{name: f"{_mean(values):.5g}" for name, values in result.metrics.items() if math.isfinite(_mean(values))},
        "engine": result.where,
        "simulated": f"{result.simulated_s:.4g} s in {result.wall_s:.3g} s, and {result.compile_s:.3g} s compiling",
    }
    return f"<p><b>{html.escape(result.name)}</b> on {html.escape(result.task)}</p>{html_table(rows)}"


def _mean(values: tuple[float, ...]) -> float:
    """Over the lifetimes in which a metric is defined; NaN where there are none."""
    defined = [value for value in values if math.isfinite(value)]
    return float(np.mean(defined)) if defined else math.nan
