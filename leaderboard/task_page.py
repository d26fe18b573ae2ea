"""One page per task: what the network lives through, what is scored, and who does how well at which cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .charts.forest import ForestRow, forest_plot
from .charts.pareto import ParetoPoint, pareto_plot
from .differences import differences
from .entry import task_slug
from .experiment_section import experiment_section
from .history import records_of_best
from .lives import picture_of
from .rule_map import rule_map_section
from .standings import TaskStandings
from .templates import render, rule_link
from .tracks import family_of


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
    names = [row.name for row in ranked]
    pairs = [] if table.not_ranked_because or len(ranked) < 2 else differences(table)
    return render(
        "task.html",
        root="../",
        current="Tasks",
        stem=task_slug(task.id),
        family=family_of(task),
        task=task,
        table=table,
        life=picture_of(task.id),
        forest=forest_plot(rows) if rows else "",
        pairs=pairs,
        labels=[row.name if names.count(row.name) == 1 else row.entry.slug for row in ranked],
        any_unpaired=any(cell is not None and not cell.is_paired for _, cells in pairs for cell in cells),
        history=records_of_best(table),
        has_bibtex=bool(task.reference),
        pareto=pareto_plot(points, task.null_loss) if learned else "",
        experiment=experiment_section(task.experiment, ranked) if task.experiment and ranked else "",
        rule_map=rule_map_section(task.rule_map, ranked, rules, task_slug(task.id)) if task.rule_map and ranked else "",
    )
