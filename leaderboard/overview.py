"""The pages that show everything at once: the board, the tasks, the rules, and how the ranking works."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template

from plasticbench.evaluation import statistics

from . import equivalence, verification
from .entry import entry_slug, task_slug
from .page import interval_text, number, page, prose, rank_cell, score_cell, table
from .rule_card import RuleOnBoard, thumbnail
from .standings import SCORE_FLOOR, TaskStandings, TrackStandings

_TRACK_WORDS = {
    "rate": "One presentation changes every synapse once: networks of rates, classical learning problems.",
    "spiking": "Spikes change synapses as they arrive: recurrent networks that must stay stable and remember.",
}
_HERO = (
    '<svg viewBox="0 0 300 190" role="img" aria-label="a spike-timing window">'
    '<line class="grid" x1="0" x2="300" y1="95" y2="95"/><line class="grid" x1="150" x2="150" y1="6" y2="184"/>'
    '<g fill="none" stroke-width="4" stroke-linecap="round">'
    '<path d="M0 103 C70 108 125 130 149 178" stroke="var(--minus)"/>'
    '<path d="M151 12 C168 62 215 86 300 91" stroke="var(--plus)"/></g></svg>'
)


def board_page(tracks: Sequence[TrackStandings], tables: dict[str, TaskStandings], n_rules: int) -> str:
    """The site's first page: one matrix of rules and tasks per track."""
    n_entries = sum(len(t.ranked) for t in tables.values())
    n_lives = sum(row.n_lifetimes for t in tables.values() for row in t.ranked)
    hero = (
        '<section class="hero"><div><h1>How should a synapse change?</h1>'
        '<p class="lead">plasticbench measures rules of synaptic plasticity: written by hand, published, or learned. '
        "Every rule lives through the same lifetimes, and every ranked number has been simulated again, on seeds that "
        "its author never saw.</p>"
        f'<ul class="figures"><li><b>{n_rules}</b>rules</li><li><b>{len(tables)}</b>tasks</li>'
        f"<li><b>{n_entries}</b>verified entries</li>"
        f"<li><b>{f'{n_lives:,}'.replace(',', ' ')}</b>lifetimes re-simulated</li></ul></div>"
        f"<figure>{_HERO}<figcaption>post before pre · pre before post</figcaption></figure></section>"
    )
    parts = [hero]
    for track in tracks:
        words = _TRACK_WORDS.get(track.track, "")
        parts.append(f"<h2>{escape(track.track.capitalize())} track</h2><p>{escape(words)}</p>{_matrix(track)}")
    parts.append(
        '<p class="small muted">A cell is the score: 0 as the null rule (frozen weights), 1 as the task’s '
        "reference rule. Rows are ordered by the number of tasks on which a rule is first, or tied for it, then by its "
        f"mean score on the tasks that it lived. {_overall_words(tracks)}Empty: not measured, or not verified.</p>"
    )
    return page("plasticbench: a board of synaptic plasticity rules", "\n".join(parts), 0, "Board")


def _overall_words(tracks: Sequence[TrackStandings]) -> str:
    if all(row.overall is None for track in tracks for row in track.rows):
        return ""
    return (
        f"Overall is the mean over the track, each task counted as at least −{-SCORE_FLOOR:g}, for rules that lived "
        "through all of it. "
    )


def _matrix(track: TrackStandings) -> str:
    if not track.rows:
        return "<p>No entry is verified yet.</p>"
    complete = any(row.overall is not None for row in track.rows)
    header = [("rule", "text"), *([("rank", "num"), ("overall", "num")] if complete else [])]
    tasks = [task for task in track.tasks if any(task.id in row.standings for row in track.rows)]
    header += [(task_slug(task.id).removesuffix("-v0"), "num") for task in tasks]
    rows = []
    for row in sorted(track.rows, key=lambda row: (-row.n_first, -row.mean_score)):
        slug = entry_slug(row.name, row.rule_hash)
        cells = [(f'<a href="rules/{escape(slug)}.html">{escape(row.name)}</a>', row.name)]
        if complete:
            title = "" if row.interval is None else f' title="95 %: {interval_text(row.interval)}"'
            overall = "" if row.overall is None else f"<span{title}>{score_cell(row.overall)}</span>"
            cells.append((rank_cell(row.rank, row.group), "" if row.overall is None else number(-row.overall)))
            cells.append((overall, "" if row.overall is None else number(row.overall)))
        for task in tasks:
            standing = row.standings.get(task.id)
            if standing is None:
                cells.append(("", ""))
            else:
                link = f"tasks/{task_slug(task.id)}.html"
                cells.append((score_cell(standing.score, link), number(standing.score)))
        rows.append(cells)
    return table(header, rows, "matrix")


def tasks_page(tracks: Sequence[TrackStandings], tables: dict[str, TaskStandings]) -> str:
    """All tasks as cards."""
    parts = ["<h1>Tasks</h1>", '<p class="lead">A network, a protocol, and one number at the end of a life.</p>']
    for track in tracks:
        parts.append(f'<h2>{escape(track.track.capitalize())} track</h2><div class="cards">')
        for task in track.tasks:
            ranked = tables[task.id].ranked
            best = f"{len(ranked)} verified, best: {escape(ranked[0].name)}" if ranked else "no verified entry yet"
            parts.append(
                f'<a class="card" href="tasks/{task_slug(task.id)}.html"><h3>{escape(task.title)}</h3>'
                f"<p>{escape(task.summary)}</p>"
                f'<span class="small"><code>{task_slug(task.id)}</code><br>{best}</span></a>'
            )
        parts.append("</div>")
    return page("Tasks · plasticbench", "\n".join(parts), 0, "Tasks")


def rules_page(rules: Sequence[RuleOnBoard]) -> str:
    """All rules as cards with their pictures."""
    cards = []
    for found in rules:
        ranked = [s for s in found.standings if s.rank is not None]
        wins = sum(s.is_first for s in ranked)
        told = f"{len(ranked)} task{'s' * (len(ranked) != 1)}" if ranked else "not ranked yet"
        told += f", first or tied on {wins}" if wins else ""
        cards.append(
            f'<a class="card rule" href="rules/{escape(found.slug)}.html">{thumbnail(found.rule)}'
            f"<h3>{escape(found.rule.name)}</h3><p>{escape(found.rule.citation[:110])}</p>"
            f'<span class="small muted">{escape(found.rule.kind)} · {told}</span></a>'
        )
    return page(
        "Rules · plasticbench",
        '<h1>Rules</h1><p class="lead">What each of them does at a synapse: rate rules over pre and post, '
        "spiking rules "
        "over the delay between two spikes. In the maps red strengthens and blue weakens.</p>"
        '<input type="search" data-filters=".card.rule" placeholder="Filter by name or author" '
        'aria-label="filter" hidden>'
        f'<div class="cards">{"".join(cards)}</div>',
        0,
        "Rules",
    )


def method_page() -> str:
    """How entries come in, are verified and ranked."""
    text = Template(resources.files(__package__).joinpath("site", "method.txt").read_text(encoding="utf-8")).substitute(
        row_tolerance=f"{equivalence.ROW_TOLERANCE:g}",
        mean_tolerance=f"{equivalence.MEAN_TOLERANCE:.0%}".replace("%", "\N{NO-BREAK SPACE}%"),
        fresh_level=f"{equivalence.FRESH_LEVEL:g}",
        doubt=f"{verification.DOUBT:g}",
        most_looks=verification.LOOKS[-1],
        resamples=f"{statistics.RESAMPLES:,}".replace(",", "\N{NO-BREAK SPACE}"),
        score_floor=f"−{-SCORE_FLOOR:g}",
    )
    return page(
        "Method · plasticbench",
        '<h1>How the ranking works</h1><p class="lead">Scores that can be trusted, and ranks that say what they do not '
        f"know.</p>{prose(text)}",
        0,
        "Method",
    )
