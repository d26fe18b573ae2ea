"""The pages that show everything at once: the board, the tasks, the rules, and how the ranking works."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from . import equivalence, ranking, verification
from .entry import entry_slug, task_slug
from .page import interval_text, number, page, prose, rank_cell, score_cell, table
from .rule_card import RuleOnBoard, thumbnail
from .standings import SCORE_FLOOR, TaskStandings, TrackStandings

_TRACK_WORDS = {
    "rate": "One presentation changes every synapse once: networks of rates, classical learning problems.",
    "spiking": "Spikes change synapses as they arrive: recurrent networks that must stay stable and remember.",
}
_HERO = (
    '<svg viewBox="0 0 300 190" role="img" aria-label="a spike-timing window"><line class="grid" x1="0" x2="300" y1="95" '
    'y2="95"/><line class="grid" x1="150" x2="150" y1="6" y2="184"/>'
    '<path d="M0 103 C70 108 125 130 149 178" fill="none" stroke="var(--minus)" stroke-width="4" stroke-linecap="round"/>'
    '<path d="M151 12 C168 62 215 86 300 91" fill="none" stroke="var(--plus)" stroke-width="4" stroke-linecap="round"/></svg>'
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
        f"<li><b>{n_entries}</b>verified entries</li><li><b>{f'{n_lives:,}'.replace(',', ' ')}</b>lifetimes re-simulated</li>"
        f"</ul></div><figure>{_HERO}<figcaption>post before pre · pre before post</figcaption></figure></section>"
    )
    parts = [hero]
    for track in tracks:
        words = _TRACK_WORDS.get(track.track, "")
        parts.append(f"<h2>{escape(track.track.capitalize())} track</h2><p>{escape(words)}</p>{_matrix(track)}")
    parts.append(
        '<p class="small muted">A cell is the score: 0 as the null rule (frozen weights), 1 as the task’s reference rule; '
        f"overall is the mean over the track, each task counted as at least {SCORE_FLOOR:g}, for rules that lived "
        "through all of it. Empty: not measured, or not verified.</p>"
    )
    return page("plasticbench: a board of synaptic plasticity rules", "\n".join(parts), 0, "Board")


def _matrix(track: TrackStandings) -> str:
    if not track.rows:
        return "<p>No entry is verified yet.</p>"
    complete = any(row.overall is not None for row in track.rows)
    header = [("rule", "text"), *([("rank", "num"), ("overall", "num")] if complete else [])]
    tasks = [task for task in track.tasks if any(task.id in row.standings for row in track.rows)]
    header += [(task_slug(task.id).removesuffix("-v0"), "num") for task in tasks]
    rows = []
    for row in track.rows:
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
            best = f"best: {escape(ranked[0].name)}, {ranked[0].score:.3f}" if ranked else "no entry yet"
            parts.append(
                f'<a class="card" href="tasks/{task_slug(task.id)}.html"><h3>{escape(task.title)}</h3>'
                f'<p>{escape(task.summary)}</p><span class="small"><code>{task_slug(task.id)}</code><br>{best} · '
                f"{len(ranked)} verified</span></a>"
            )
        parts.append("</div>")
    return page("Tasks · plasticbench", "\n".join(parts), 0, "Tasks")


def rules_page(rules: Sequence[RuleOnBoard]) -> str:
    """All rules as cards with their pictures."""
    cards = []
    for found in rules:
        ranked = [s for s in found.standings if s.rank is not None]
        wins = sum(s.rank is not None and s.rank[0] == 1 for s in ranked)
        told = f"{len(ranked)} task{'s' * (len(ranked) != 1)}" + (f", first or tied on {wins}" if wins else "")
        source = found.rule.reference.split(";")[0].split(", doi")[0]
        cards.append(
            f'<a class="card rule" href="rules/{escape(found.slug)}.html">{thumbnail(found.rule)}'
            f"<h3>{escape(found.rule.name)}</h3><p>{escape(source[:110])}</p>"
            f'<span class="small muted">{escape(found.rule.kind)} · {told}</span></a>'
        )
    return page(
        "Rules · plasticbench",
        '<h1>Rules</h1><p class="lead">What each of them does at a synapse: rate rules over pre and post, spiking rules '
        "over the delay between two spikes.</p>"
        '<input type="search" data-filters=".card.rule" placeholder="Filter by name or author" aria-label="filter" hidden>'
        f'<div class="cards">{"".join(cards)}</div>',
        0,
        "Rules",
    )


def method_page() -> str:
    """How entries come in, are verified and ranked."""
    text = f"""
An entry is a folder of data: a rule, which is equations and numbers, and the loss of each of the task's official
lifetimes. Nothing in it is ever executed; the same checks run at submission and in continuous integration.

- Verified. Someone else has simulated the entry again. On the official seeds the losses must come out the same: to the
bit on the same machine and versions, to a relative {equivalence.ROW_TOLERANCE:g} in every lifetime elsewhere, or, where chaotic networks
diverge, in the mean to {equivalence.MEAN_TOLERANCE:.0%} by an equivalence test.
- Fresh seeds. They follow from the entry's hash and a random number drawn after submission, so nobody could have
trained on them. If the rule does better on the official seeds than on fresh ones, beyond what the reference rule does
on the same seeds (permutation test, level {equivalence.FRESH_LEVEL:g}), it is rejected: it was picked by luck. A clear case needs as
many fresh lifetimes as official ones; while there is doubt (p below {verification.DOUBT:g}), up to {verification.LOOKS[-1]} times as many.
- Rejected and self-reported entries are shown, with the reason, and not ranked.

Only verified entries are ranked, by their re-simulated losses, task by task. All rules live through the same seeds,
and two rules are told apart where the 95 % interval of the difference of their means, from {ranking.RESAMPLES:,} paired bootstrap
resamples, leaves out zero. A rank is a range: from one more than the number of rules that are better, to the number of
rules less those that are worse. Rules that share a letter are not told apart. What is said about two rules depends on
these two alone, so that no third one can change their order.

A score is 0 where a rule does as well as frozen weights and 1 where it does as well as the task's reference rule. It is
not clipped. A track's overall score is the mean over its tasks, in which one task counts as at least {SCORE_FLOOR:g};
a rule that misses a task has no overall rank.

When a task changes, even by one number, its hash changes, and entries measured under the old one leave the ranking until
they have been measured again.
"""
    return page(
        "Method · plasticbench",
        '<h1>How the ranking works</h1><p class="lead">Scores that can be trusted, and ranks that say what they do not '
        f"know.</p>{prose(text)}",
        0,
        "Method",
    )
