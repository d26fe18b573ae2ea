"""Who stands where: a board's entries ranked per task and per track.

Only entries verified under the task's current hash are ranked, by their re-simulated losses. A track's overall
score is the mean over its tasks of the score, floored at -1 so that one task on which a rule fails without bound
does not decide alone; a rule that misses a task of the track has no overall rank. Being a mean, it orders two rules
by these two alone (a mean of ranks would not).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from plasticbench.evaluation import statistics

from . import ranking
from .board import Board, open_board
from .catalogue import TaskLike
from .entry import Entry

SCORE_FLOOR = -1.0  # in the overall score only


@dataclass(frozen=True)
class Standing:
    """One entry's row on its task."""

    entry: Entry
    state: str  # verified, self-reported, rejected or stale
    loss: float  # mean over lifetimes
    loss_iqm: float  # interquartile mean over lifetimes
    loss_interval: tuple[float, float]
    score: float
    score_iqm: float
    score_interval: tuple[float, float]
    n_lifetimes: int
    n_blown_up: int
    rank: tuple[int, int] | None = None  # best and worst that the data allow; None where not ranked
    group: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.entry.data["rule"]

    @property
    def is_first(self) -> bool:
        """No other rule is better: it is first, or tied for it."""
        return self.rank is not None and self.rank[0] == 1

    @property
    def cost(self) -> int | None:
        """Lifetimes that the learner spent; 0 for a rule that nobody trained, None where not said."""
        provenance = self.entry.provenance
        if "learner" not in provenance:
            return 0
        return provenance.get("cost", {}).get("lifetimes")


@dataclass(frozen=True)
class TaskStandings:
    """One task's table, best first, and the entries that are not ranked."""

    task: TaskLike
    ranked: tuple[Standing, ...]
    unranked: tuple[Standing, ...]  # self-reported first, then stale and rejected

    @property
    def verdict(self) -> str:
        """What the table comes to, in two sentences; empty where nothing is ranked."""
        first = [row.name for row in self.ranked if row.is_first]
        if not first:
            return ""
        *others, last = first
        best = f"No rule is better than {', '.join(others)} and {last}." if others else f"Best: {last}."
        blind = self.task.blind_loss
        bar = self.task.null_loss if blind is None else blind
        below = sum(row.loss_interval[1] < bar for row in self.ranked)
        ignorant = "frozen weights" if blind is None else "the best rule that knows nothing"
        return (
            f"{best} {below} of {len(self.ranked)} have their whole 95 % interval below the loss of "
            f"{ignorant} ({bar:.4g})."
        )


@dataclass(frozen=True)
class TrackRow:
    """One rule over the tasks of a track."""

    rule_hash: str
    name: str
    standings: dict[str, Standing]  # by task id; only verified ones
    overall: float | None = None  # mean floored score; None where a task is missing
    interval: tuple[float, float] | None = None
    rank: tuple[int, int] | None = None
    group: tuple[str, ...] = ()

    @property
    def n_first(self) -> int:
        """On how many tasks it is first, or tied for it."""
        return sum(standing.is_first for standing in self.standings.values())

    @property
    def mean_score(self) -> float:
        """Mean floored score over the tasks that it lived, however many."""
        scores = [max(standing.score, SCORE_FLOOR) for standing in self.standings.values()]
        return sum(scores) / len(scores)


@dataclass(frozen=True)
class TrackStandings:
    """A track's table: rules with an overall rank first, then those that lived through the most tasks."""

    track: str
    tasks: tuple[TaskLike, ...]
    rows: tuple[TrackRow, ...]


def task_standings(board: Board, task_id: str) -> TaskStandings:
    """The table of one task. PlasticbenchError if there is no such task."""
    task = board.catalogue.task(task_id)
    entries = board.of_task(task_id)
    verified = [e for e in entries if e.state(task.spec_hash) == "verified"]
    ranked = _ranked(task, verified)
    others = [_standing(task, e) for e in entries if e.state(task.spec_hash) != "verified"]
    states = ("self-reported", "stale", "rejected")
    others.sort(key=lambda standing: (states.index(standing.state), standing.loss, standing.entry.slug))
    return TaskStandings(task, ranked, tuple(others))


def _ranked(task: TaskLike, entries: list[Entry]) -> tuple[Standing, ...]:
    if not entries:
        return ()
    result = ranking.rank(np.stack([entry.measured(task.spec_hash)[0] for entry in entries]))
    rows = [
        _standing(
            task,
            entries[i],
            interval=(float(result.intervals[i, 0]), float(result.intervals[i, 1])),
            rank=(int(result.rank_low[i]), int(result.rank_high[i])),
            group=result.groups[i],
        )
        for i in result.order
    ]
    return tuple(rows)


def _standing(
    task: TaskLike,
    entry: Entry,
    interval: tuple[float, float] | None = None,
    rank: tuple[int, int] | None = None,
    group: tuple[str, ...] = (),
) -> Standing:
    losses, statuses = entry.measured(task.spec_hash)
    low, high = interval or statistics.mean_interval(losses)
    loss, loss_iqm = float(losses.mean()), float(statistics.interquartile_mean(losses))
    return Standing(
        entry=entry,
        state=entry.state(task.spec_hash),
        loss=loss,
        loss_iqm=loss_iqm,
        loss_interval=(low, high),
        score=task.score(loss),
        score_iqm=task.score(loss_iqm),
        score_interval=(task.score(high), task.score(low)),
        n_lifetimes=len(losses),
        n_blown_up=sum(status != "ok" for status in statuses),
        rank=rank,
        group=group,
    )


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
        for standing in tables[task.id].ranked:
            by_rule[standing.entry.data["rule_hash"]].setdefault(task.id, standing)
    rows = [
        TrackRow(rule_hash, min(s.name for s in standings.values()), standings)
        for rule_hash, standings in by_rule.items()
    ]
    complete = [row for row in rows if len(row.standings) == len(tasks)]
    partial = [row for row in rows if len(row.standings) < len(tasks)]
    partial.sort(key=lambda row: (-len(row.standings), -row.mean_score, row.name, row.rule_hash))
    return TrackStandings(track, tasks, (*_overall(tasks, complete), *partial))


def _overall(tasks: tuple[TaskLike, ...], rows: list[TrackRow]) -> list[TrackRow]:
    if not rows:
        return []
    rows = sorted(rows, key=lambda row: (row.name, row.rule_hash))
    total = np.zeros((len(rows), statistics.RESAMPLES))
    for task in tasks:
        losses = np.stack([row.standings[task.id].entry.measured(task.spec_hash)[0] for row in rows])
        means = statistics.resampled_means(losses, stream=f"bootstrap {task.id}")  # tasks are independent
        total += np.maximum(np.vectorize(task.score)(means), SCORE_FLOOR)
    fewest = min(standing.n_lifetimes for row in rows for standing in row.standings.values())
    overall = np.array([row.mean_score for row in rows])
    result = ranking.compare(-overall, -total / len(tasks), statistics.tail_probability(fewest))
    return [
        TrackRow(
            rule_hash=rows[i].rule_hash,
            name=rows[i].name,
            standings=rows[i].standings,
            overall=-float(result.values[i]),
            interval=(-float(result.intervals[i, 1]), -float(result.intervals[i, 0])),
            rank=(int(result.rank_low[i]), int(result.rank_high[i])),
            group=result.groups[i],
        )
        for i in result.order
    ]


@dataclass(frozen=True)
class Place:
    """Where an entry stands, or would stand if it were verified, among the verified entries of its task."""

    task_id: str
    state: str
    rank: tuple[int, int]
    n_ranked: int
    tied_with: tuple[str, ...]  # names of rules that the data do not tell apart from it

    def __str__(self) -> str:
        low, high = self.rank
        place = f"{low}" if low == high else f"{low} to {high}"
        verb = "is" if self.state == "verified" else "would be"
        ties = f", not distinguishable from {', '.join(self.tied_with)}" if self.tied_with else ""
        note = "" if self.state == "verified" else f" ({self.state}; ranked once it is verified)"
        return f"{verb} {place} of {self.n_ranked} on {self.task_id}{ties}{note}"


def place_of(entry: str | Path | Entry, board: Board | str | Path | None = None) -> Place:
    """An entry's place on its task. PlasticbenchError if there is no such entry."""
    opened = board if isinstance(board, Board) else open_board(board)
    found = entry if isinstance(entry, Entry) else opened.find(entry)
    task = opened.catalogue.task(found.task_id)
    rivals = [e for e in opened.of_task(task.id) if e.state(task.spec_hash) == "verified" and e.name != found.name]
    rows = _ranked(task, [found, *rivals])
    own = next(row for row in rows if row.entry is found)
    ties = [row.name for row in rows if row is not own and set(row.group) & set(own.group)]
    assert own.rank is not None
    return Place(task.id, found.state(task.spec_hash), own.rank, len(rows), tuple(ties))
