"""A track's rules, ordered by what they are good at.

First come those that lead on most tasks (no rule is better, and they are better than knowing nothing), then those
that pass the bar on the largest share of the tasks that they lived, then those of the best mean score. So a rule is
judged by what it was made for, and one that only lives through everything leads nothing. Rules that change nothing
stand apart.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from .board import Board
from .catalogue import TaskLike
from .standings import Standing, TaskStandings, task_standings

SCORE_FLOOR = -1.0  # in mean scores: one task on which a rule fails without bound does not decide alone
_CORE = ("builtins", "abc", "typing", "plasticbench.tasks")


@dataclass(frozen=True)
class TrackRow:
    """One rule over the tasks of a track that it lived through."""

    rule_hash: str
    name: str
    standings: dict[str, Standing]  # by task id; only verified ones
    leads_on: frozenset[str]  # ids of tasks on which it is the best, or tied for it
    beats_bar_on: frozenset[str]  # ids of tasks on which it is better than knowing nothing

    @property
    def mean_score(self) -> float:
        """Mean score over the tasks that it lived, each counted as at least SCORE_FLOOR."""
        scores = [max(standing.score, SCORE_FLOOR) for standing in self.standings.values()]
        return sum(scores) / len(scores)

    @property
    def origins(self) -> list[str]:
        """Where its entries say that it comes from; one word for most rules."""
        return sorted({standing.entry.origin for standing in self.standings.values()})

    def families(self, track: TrackStandings) -> list[str]:
        """The families of tasks in which it has lived."""
        return [name for name, tasks in track.families.items() if self.within(tasks)[2]]

    def within(self, tasks: Iterable[TaskLike]) -> tuple[int, int, int]:
        """Of these tasks: on how many it leads, on how many it is above the bar, how many it lived."""
        ids = {task.id for task in tasks}
        return len(self.leads_on & ids), len(self.beats_bar_on & ids), len(self.standings.keys() & ids)


@dataclass(frozen=True)
class TrackStandings:
    """A track's rules, those that lead on most tasks first; `frozen` are those that change nothing.

    Tasks that rank nobody are among `tasks`, and count nowhere.
    """

    track: str
    tasks: tuple[TaskLike, ...]
    rows: tuple[TrackRow, ...]
    frozen: tuple[TrackRow, ...] = ()

    @property
    def families(self) -> dict[str, tuple[TaskLike, ...]]:
        """The track's ranked tasks by family, in the order of registration."""
        found: dict[str, list[TaskLike]] = defaultdict(list)
        for task in self.tasks:
            if task.not_ranked_because:
                continue
            found[family_of(task)].append(task)
        return {name: tuple(tasks) for name, tasks in found.items()}

    @property
    def columns(self) -> tuple[TaskLike, ...]:
        """The tasks that any rule lived, family by family."""
        return tuple(task for tasks in self.families.values() for task in tasks)


def family_of(task: TaskLike) -> str:
    """What a task has in common with its variants, in words: its most general class outside the package's core."""
    own = [cls for cls in type(task).__mro__ if not cls.__module__.startswith(_CORE)]
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", own[-1].__name__.removesuffix("Task")).lower()
    return words.capitalize()


def tracks(board: Board) -> dict[str, tuple[TaskLike, ...]]:
    """The tasks of each track, in the order of registration."""
    found: dict[str, list[TaskLike]] = defaultdict(list)
    for task in board.catalogue.tasks.values():
        found[task.track].append(task)
    return {track: tuple(tasks) for track, tasks in found.items()}


def track_standings(board: Board, track: str, tables: dict[str, TaskStandings] | None = None) -> TrackStandings:
    """The table of one track; `tables` are its tasks' standings where they are there already."""
    tasks = tracks(board)[track]
    tables = tables or {task.id: task_standings(board, task.id) for task in tasks}
    by_rule: dict[str, dict[str, Standing]] = defaultdict(dict)
    for task in tasks:
        if task.not_ranked_because:
            continue
        for standing in tables[task.id].ranked:
            by_rule[standing.entry.data["rule_hash"]].setdefault(task.id, standing)
    rows = [
        TrackRow(
            rule_hash=rule_hash,
            name=min(s.name for s in standings.values()),
            standings=standings,
            leads_on=frozenset(i for i, s in standings.items() if tables[i].leads(s)),
            beats_bar_on=frozenset(i for i, s in standings.items() if tables[i].beats_bar(s)),
        )
        for rule_hash, standings in by_rule.items()
    ]
    rows.sort(
        key=lambda row: (
            -len(row.leads_on), -len(row.beats_bar_on) / len(row.standings), -row.mean_score, row.name, row.rule_hash
        )
    )  # fmt: skip
    frozen = [row for row in rows if next(iter(row.standings.values())).entry.changes_nothing]
    return TrackStandings(track, tasks, tuple(row for row in rows if row not in frozen), tuple(frozen))
