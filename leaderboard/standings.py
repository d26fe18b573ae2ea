"""Who stands where on a task: its entries ranked, and the bar that a rule must pass.

Only entries verified under the task's current hash are ranked, by their re-simulated losses. The bar is the loss of
the best rule that knows nothing (frozen weights, or the task's `blind_loss`). Nobody is called best on a task where
nobody is below the bar.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from plasticbench.evaluation import statistics

from . import ranking
from .board import Board, open_board
from .catalogue import TaskLike
from .entry import Entry


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
    is_frozen: bool = False  # it should change weights, but every lifetime ended as with frozen ones

    @property
    def name(self) -> str:
        return self.entry.data["rule"]

    @property
    def is_first(self) -> bool:
        """No other rule is better: it is first, or tied for it."""
        return self.rank is not None and self.rank[0] == 1

    @property
    def learner(self) -> str:
        """What found the rule; empty for one that stands as its source gives it."""
        return self.entry.provenance.get("learner", {}).get("name", "")

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
    def bar(self) -> float:
        """The loss of the best rule that knows nothing."""
        return self.task.null_loss if self.task.blind_loss is None else self.task.blind_loss

    @property
    def ignorant(self) -> str:
        """What sets the bar, in words."""
        return "frozen weights" if self.task.blind_loss is None else "the best rule that knows nothing"

    def beats_bar(self, standing: Standing) -> bool:
        """Whether a rule's whole 95 % interval is below the bar."""
        return standing.loss_interval[1] < self.bar

    def leads(self, standing: Standing) -> bool:
        """Whether no other rule is better, and this one is better than knowing nothing."""
        return standing.is_first and self.beats_bar(standing)

    @property
    def leaders(self) -> tuple[str, ...]:
        """Names of the rules that lead; empty where nothing beats the bar."""
        return tuple(row.name for row in self.ranked if self.leads(row))

    @property
    def best(self) -> str:
        """Who is best, in a few words; empty where nothing is ranked."""
        if not self.ranked:
            return ""
        if not self.leaders:
            return f"none better than {self.ignorant}"
        return f"best: {self.leaders[0]}" if len(self.leaders) == 1 else f"{len(self.leaders)} tied for the best"

    @property
    def verdict(self) -> str:
        """What the table comes to, in two sentences; empty where nothing is ranked."""
        if not self.ranked:
            return ""
        if not self.leaders:
            best = f"No rule is better than {self.ignorant}."
        elif len(self.leaders) == 1:
            best = f"Best: {self.leaders[0]}."
        else:
            best = f"No rule is better than {', '.join(self.leaders[:-1])} and {self.leaders[-1]}."
        below = sum(self.beats_bar(row) for row in self.ranked)
        return (
            f"{best} {below} of {len(self.ranked)} have their whole 95\N{NO-BREAK SPACE}% interval below the loss of "
            f"{self.ignorant} ({self.bar:.4g})."
        )


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
    losses = np.stack([entry.measured(task.spec_hash)[0] for entry in entries])
    result = ranking.rank(losses)
    frozen = [row for row, entry in zip(losses, entries, strict=True) if entry.changes_nothing]
    if task.experiment is not None:
        frozen = []  # there a rule that fits the data in no scale loses as much, and is not frozen
    rows = [
        _standing(
            task,
            entries[i],
            interval=(float(result.intervals[i, 0]), float(result.intervals[i, 1])),
            rank=(int(result.rank_low[i]), int(result.rank_high[i])),
            group=result.groups[i],
            is_frozen=not entries[i].changes_nothing and any(np.array_equal(losses[i], row) for row in frozen),
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
    is_frozen: bool = False,
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
        is_frozen=is_frozen,
    )


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
