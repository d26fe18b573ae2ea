"""One page per task: what the network lives through, what is scored, and who does how well at which cost."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from .charts import ForestRow, ParetoPoint, forest_plot, pareto_plot
from .entry import entry_slug, task_slug
from .page import (
    breakable,
    cost_text,
    interval_text,
    learner_text,
    linked,
    number,
    page,
    prose,
    rank_cell,
    score_cell,
    table,
)
from .rule_map import rule_map_section
from .standings import Standing, TaskStandings


def task_page(standings: TaskStandings, rules: Mapping[str, Any]) -> str:
    """The HTML of a task's page; `rules` by hash, of all that are ranked."""
    task = standings.task
    body = [
        f'<p class="eyebrow">{escape(task.track)} track</p><h1>{escape(task.title)}</h1>',
        f'<p class="lead">{linked(task.summary)}</p>',
        _facts(standings),
        "<h2>Ranking</h2>",
        _ranking(standings),
        _plots(standings),
        rule_map_section(task.rule_map, standings.ranked, rules) if task.rule_map and standings.ranked else "",
        _unranked(standings),
        "<h2>What the network lives through</h2>",
        prose(task.description),
        f'<p class="small muted">{linked(task.reference)}</p>',
        "<h2>Try it</h2>",
        _try_it(standings),
    ]
    return page(f"{task_slug(task.id)} · plasticbench", "\n".join(part for part in body if part), 1, "Tasks")


def rule_link(standing: Standing) -> str:
    """From a page one folder below the root to a rule's page."""
    return f"../rules/{entry_slug(standing.name, standing.entry.data['rule_hash'])}.html"


def _facts(standings: TaskStandings) -> str:
    task = standings.task
    facts = [
        ("id", f"<code>{breakable(task.id).replace('/', '/<wbr>')}</code>"),
        ("plastic pathways", escape(", ".join(task.pathways))),
        ("official lifetimes", str(len(task.official_seeds))),
        ("null rule, loss", f"{task.null_loss:.4g}"),
        (f"{task.reference_rule}, loss", f"{task.reference_loss:.4g}"),
        ("score", "linear in the loss" if task.score_scale == "linear" else "logarithmic in the loss"),
        *([] if task.blind_loss is None else [("best uninformed rule, loss", f"{task.blind_loss:.4g}")]),
        ("version", f'<code title="{task.spec_hash}">{task.spec_hash[:12]}</code>'),
    ]
    return '<dl class="facts">' + "".join(f"<div><dt>{escape(k)}</dt><dd>{v}</dd></div>" for k, v in facts) + "</dl>"


def _ranking(standings: TaskStandings) -> str:
    if not standings.ranked:
        return "<p>No entry is verified yet.</p>"
    header = (
        ("rank", "num"), ("rule", "text"), ("score", "num"), ("95 % interval", "num"), ("loss", "num"),
        ("middle half", "num"), ("blow-ups", "num"), ("learned in", "num"), ("learner", "text"),
    )  # fmt: skip
    rows = [
        (
            (rank_cell(row.rank, row.group), number(row.loss)),
            (f'<a href="{rule_link(row)}">{escape(row.name)}</a>', row.name),
            (score_cell(row.score), number(row.score)),
            (interval_text(row.score_interval), number(row.score_interval[0])),
            (f"{row.loss:.4g}", number(row.loss)),
            (f"{row.loss_iqm:.4g}", number(row.loss_iqm)),
            (f"{row.n_blown_up}/{row.n_lifetimes}", str(row.n_blown_up)),
            (cost_text(row.cost), "" if row.cost is None else str(row.cost)),
            (learner_text(row), row.entry.provenance.get("learner", {}).get("name", "published")),
        )
        for row in standings.ranked
    ]
    return (
        f"<p>{escape(standings.verdict)}</p>"
        + table(header, rows, "wraps")
        + (
            '<p class="small muted">Rules that share a letter are not told apart by their common lifetimes (paired '
            "bootstrap, 95&nbsp;%); a rank is the range that this leaves. “Middle half” is the mean of the middle half "
            "of the lifetimes.</p>"
        )
    )


def _plots(standings: TaskStandings) -> str:
    if not standings.ranked:
        return ""
    rows = [
        ForestRow(row.name, rule_link(row), row.score, *row.score_interval, row.score_iqm) for row in standings.ranked
    ]
    points = [
        ParetoPoint(row.name, rule_link(row), row.cost, row.loss) for row in standings.ranked if row.cost is not None
    ]
    forest = (
        f'<h2>Scores with their uncertainty</h2><div class="panel">{forest_plot(rows)}'
        '<p class="key"><i class="c1">● mean, with its 95&nbsp;% interval</i>'
        '<i class="c2">❘ middle half of the lifetimes</i>'
        "<i>◀ off the scale</i></p></div>"
    )
    if not any(point.cost > 0 for point in points):
        return forest
    return forest + (
        f'<h2>Loss against cost</h2><div class="panel">{pareto_plot(points, standings.task.null_loss)}'
        '<p class="key"><i class="c1">● learned</i><i class="c1">○ as published, not trained here</i>'
        "<i>┄ the best loss that each cost has bought</i></p></div>"
    )


def _unranked(standings: TaskStandings) -> str:
    if not standings.unranked:
        return ""
    rows = [
        (
            (f'<a href="{rule_link(row)}">{escape(row.name)}</a>', row.name),
            (f'<span class="tag {row.state}">{row.state}</span>', row.state),
            (f"{row.loss:.4g}", number(row.loss)),
            (f'<div class="reason">{escape(_reason(row))}</div>', ""),
        )
        for row in standings.unranked
    ]
    header = (("rule", "text"), ("state", "text"), ("loss, as claimed", "num"), ("why it is not ranked", ""))
    return "<h2>Not ranked</h2>" + table(header, rows)


def _reason(standing: Standing) -> str:
    if standing.state == "rejected":
        return standing.entry.records[-1]["reason"]
    if standing.state == "stale":
        return "measured under another version of this task; not measured again yet"
    return "nobody has simulated it again yet"


def _try_it(standings: TaskStandings) -> str:
    task = standings.task
    learner = "gradient" if task.track == "rate" else "evotorch"  # recurrent spiking lives are too long for a gradient
    return (
        f"<pre>import gymnasium as gym, plasticbench\n\n"
        f'env = gym.make("{escape(task.id)}")\n'
        f'rule = plasticbench.load_rule("{escape(task.reference_rule)}")\n'
        f'plasticbench.evaluate(rule, "{escape(task.id)}").score</pre>'
        f"<pre>plasticbench learn --task {escape(task_slug(task.id))} --learner {learner} --out my-run\n"
        f"plasticbench submit my-run/result.json</pre>"
    )
