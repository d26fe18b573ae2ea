"""One page per task: what the network lives through, what is scored, and who does how well at which cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .charts.forest import ForestRow, forest_plot
from .charts.pareto import ParetoPoint, pareto_plot
from .experiment_section import experiment_section
from .lives import picture_of
from .rule_map import rule_map_section
from .standings import TaskStandings
from .templates import render, rule_link


def task_page(table: TaskStandings, rules: Mapping[str, Any]) -> str:
    """The HTML of a task's page; `rules` by hash, of all that are ranked."""
    task, ranked = table.task, table.ranked
    rows = [
        ForestRow(row.name, rule_link(row), row.score, *row.score_interval, row.score_iqm)
        for row in ranked
        if row.has_score
    ]
    points = [ParetoPoint(row.name, rule_link(row), row.cost, row.loss) for row in ranked if row.cost is not None]
    learned = any(point.cost > 0 for point in points)
    return render(
        "task.html",
        root="../",
        current="Tasks",
        task=task,
        table=table,
        life=picture_of(task.id),
        forest=forest_plot(rows) if rows else "",
        pareto=pareto_plot(points, task.null_loss) if learned else "",
        experiment=experiment_section(task.experiment, ranked) if task.experiment and ranked else "",
        rule_map=rule_map_section(task.rule_map, ranked, rules) if task.rule_map and ranked else "",
    )
