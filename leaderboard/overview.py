"""The pages that show everything at once: the board, the tasks, the rules, and how the ranking works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from string import Template

from plasticbench.evaluation import statistics
from plasticbench.rules.rule import PROVENANCES

from . import equivalence, verification
from .catalogue import TaskLike
from .entry import entry_slug
from .history import Made
from .rule_card import RuleOnBoard, thumbnail
from .standings import TaskStandings
from .templates import lives_text, render
from .tracks import SCORE_FLOOR, TrackStandings, family_of

_TRACK_WORDS = {
    "rate": "One presentation changes every synapse once: networks of rates, classical learning problems.",
    "slice": "Experimenters' spikes on one synapse: does a rule do what was measured in slices and cultures?",
    "spiking": "Spikes change synapses as they arrive: recurrent networks that must stay stable and remember.",
}


def board_page(
    tracks: Sequence[TrackStandings],
    tables: Mapping[str, TaskStandings],
    n_rules: int,
    broken: Mapping[str, str],
    made: Made,
) -> str:
    """The site's first page: one matrix of rules and tasks per track, and what could not be read."""
    rows = [row for track in tracks for row in (*track.rows, *track.frozen)]
    return render(
        "board.html",
        root="",
        current="Board",
        tracks=tracks,
        track_words=_TRACK_WORDS,
        slugs={(row.rule_hash, row.name): entry_slug(row.name, row.rule_hash) for row in rows},
        stem="index",
        made=made,
        tables=tables,
        families=list(dict.fromkeys(name for track in tracks for name in track.families)),
        origins=[origin for origin in PROVENANCES if any(origin in row.origins for row in rows)],
        n_rules=n_rules,
        n_tasks=len(tables),
        n_entries=sum(len(table.ranked) for table in tables.values()),
        n_lives=sum(row.n_lifetimes for table in tables.values() for row in table.ranked if row.rank is not None),
        broken=dict(sorted(broken.items())),
    )


def tasks_page(tracks: Sequence[TrackStandings], tables: Mapping[str, TaskStandings]) -> str:
    """All tasks as cards."""
    families = list(dict.fromkeys(family_of(table.task) for table in tables.values()))
    return render(
        "tasks.html", root="", current="Tasks", tracks=tracks, tables=tables, families=families, family_of=family_of
    )


def rules_page(rules: Sequence[RuleOnBoard], leading: Mapping[str, int], tasks: Mapping[str, TaskLike]) -> str:
    """All rules as cards with their pictures; `leading`: rule's hash -> on how many tasks it is best."""
    cards = [
        {
            "slug": found.slug,
            "name": found.rule.name,
            "citation": found.rule.citation,
            "kind": found.rule.kind,
            "origin": found.standings[0].entry.origin,
            "families": sorted({family_of(tasks[s.entry.task_id]) for s in found.standings}),
            "thumbnail": thumbnail(found),
            "n_tasks": sum(standing.rank is not None for standing in found.standings),
            "n_best": leading.get(found.rule.hash, 0),
        }
        for found in rules
    ]
    return render(
        "rules.html",
        root="",
        current="Rules",
        cards=cards,
        families=list(dict.fromkeys(family_of(task) for task in tasks.values())),
        origins=[origin for origin in PROVENANCES if any(card["origin"] == origin for card in cards)],
    )


def method_page() -> str:
    """How entries come in, are verified and ranked."""
    text = Template(resources.files(__package__).joinpath("site", "method.txt").read_text(encoding="utf-8")).substitute(
        row_tolerance=f"{equivalence.ROW_TOLERANCE:g}",
        mean_tolerance=f"{equivalence.MEAN_TOLERANCE:.0%}".replace("%", "\N{NO-BREAK SPACE}%"),
        fresh_level=f"{equivalence.FRESH_LEVEL:g}",
        doubt=f"{verification.DOUBT:g}",
        most_looks=verification.LOOKS[-1],
        resamples=lives_text(statistics.RESAMPLES),
        score_floor=f"−{-SCORE_FLOOR:g}",
    )
    return render("method.html", root="", current="Method", text=text)
