"""Who stands where on a task: its entries ranked, and the bar that a rule must pass.

Only entries verified under the task's current hash are ranked, by lifetimes whose seeds were drawn after they came in
(`ranking_lives`); their official losses stand beside. The bar is the loss of the best rule that knows nothing (frozen
weights, or the task's `blind_loss`). Nobody is called best on a task where nobody is below the bar, and nobody is
ranked on a task that cannot tell its reference rule from one that knows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from plasticbench.evaluation import statistics

from .attempts import attempts
from .board import Board, open_board
from .catalogue import TaskLike
from .entry import Entry
from .kept import rank_draws
from .ranking import Draws, Ranking
from .ranking_lives import RankingLives, has_ranking_lives, lives_of


@dataclass(frozen=True)
class Standing:
    """One entry's row on its task: verified ones by their ranking lives, others by what they claim."""

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
    official_loss: float  # mean over the official lifetimes
    official_score: float
    agreement_p: float | None = None  # that fresh lifetimes are as much worse by chance; None: not verified
    drawn: str = ""  # what its lifetimes are, in words; empty for a claim on the official seeds
    is_paired: bool = False  # its lifetimes are common ones of all that are ranked
    attempts: int = 1  # entries of its form by its authors, itself included
    beats_frozen: bool = True  # better than every entry that changes nothing (there may be none)
    highest_loss: float = np.inf  # upper end of the interval, corrected for attempts
    rank: tuple[int, int] | None = None  # best and worst that the data allow; None where not ranked
    group: tuple[str, ...] = ()
    is_frozen: bool = False  # it should change weights, but every lifetime ended as with frozen ones

    @property
    def name(self) -> str:
        return self.entry.data["rule"]

    @property
    def has_score(self) -> bool:
        """Whether the score says something: not on a task that ranks nobody."""
        return self.rank is not None or self.state != "verified"

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
    draws: tuple[Draws, ...] = ()  # what each of the ranked lived
    better: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), bool))  # (n_ranked, n_ranked) i better than j

    @property
    def not_ranked_because(self) -> str:
        """Why the task ranks nobody; empty where it does. Its entries then have losses, and no ranks."""
        return self.task.not_ranked_because

    @property
    def comparison(self) -> str:
        """On which lifetimes the rules were compared, in a sentence; empty where none is."""
        if not self.ranked:
            return ""
        if all(row.is_paired for row in self.ranked):
            return "All rules lived common lifetimes, drawn after the last of them came in, and are compared in pairs."
        if any(row.is_paired for row in self.ranked):
            return (
                "Rules that lived the same rounds of lifetimes are compared in pairs; those that came in since then on "
                "lifetimes of their own, until the next round."
            )
        return (
            "Each rule lived lifetimes of its own, drawn after it came in; no common round of lifetimes has been lived "
            "yet, so the comparison is unpaired, and tells less apart."
        )

    @property
    def bar(self) -> float:
        """The loss of the best rule that knows nothing."""
        return self.task.null_loss if self.task.blind_loss is None else self.task.blind_loss

    @property
    def ignorant(self) -> str:
        """What sets the bar, in words."""
        return "frozen weights" if self.task.blind_loss is None else "the best rule that knows nothing"

    def beats_bar(self, standing: Standing) -> bool:
        """Whether a rule's whole 95 % interval, corrected for its authors' attempts, is below the bar.

        The bar was measured on the official seeds, so a rule must beat frozen weights in the same lifetimes, too.
        """
        return standing.highest_loss < self.bar and standing.beats_frozen

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
        if self.not_ranked_because:
            return "no ranking"
        if not self.leaders:
            return f"none better than {self.ignorant}"
        return f"best: {self.leaders[0]}" if len(self.leaders) == 1 else f"{len(self.leaders)} tied for the best"

    @property
    def verdict(self) -> str:
        """What the table comes to, in two sentences; empty where nothing is ranked."""
        if self.not_ranked_because:
            return f"No ranking here: {self.not_ranked_because}."
        if not self.ranked:
            return ""
        if not self.leaders:
            best = f"No rule is better than {self.ignorant}."
        elif len(self.leaders) == 1:
            best = f"Best: {self.leaders[0]}."
        else:
            best = f"No rule is better than {', '.join(self.leaders[:-1])} and {self.leaders[-1]}."
        has_frozen = any(row.entry.changes_nothing for row in self.ranked)
        beside = ", and are better than frozen weights in the lifetimes compared" if has_frozen else ""
        below = sum(self.beats_bar(row) for row in self.ranked)
        return (
            f"{best} {below} of {len(self.ranked)} have their whole 95\N{NO-BREAK SPACE}% interval below the loss of "
            f"{self.ignorant} ({self.bar:.4g}){beside}."
        )


def task_standings(board: Board, task_id: str) -> TaskStandings:
    """The table of one task. PlasticbenchError if there is no such task."""
    task = board.catalogue.task(task_id)
    entries = board.of_task(task_id)
    verified = [e for e in entries if has_ranking_lives(e, task)]
    tried = attempts(entries, task, board.catalogue)
    lives = lives_of(verified, task, board)
    result = rank_draws([own.draws for own in lives], [tried[entry.name] for entry in verified])
    ranked = _ranked(task, verified, lives, tried, result)
    others = [_standing(task, e, tried[e.name]) for e in entries if e not in verified]
    states = ("verified", "self-reported", "stale", "rejected")
    others.sort(key=lambda standing: (states.index(standing.state), standing.loss, standing.entry.slug))
    draws = tuple(lives[i].draws for i in result.order)
    return TaskStandings(task, ranked, tuple(others), draws, result.better[np.ix_(result.order, result.order)])


def _ranked(
    task: TaskLike, entries: list[Entry], lives: list[RankingLives], tried: Mapping[str, int], result: Ranking
) -> tuple[Standing, ...]:
    official = [entry.measured(task.spec_hash)[0] for entry in entries]
    still = [j for j, entry in enumerate(entries) if entry.changes_nothing]
    # Where rules are held against an experiment, one that fits it in no scale loses as much, and is not frozen.
    frozen = [] if task.experiment is not None else [official[j] for j in still]
    rows = []
    for i in result.order:
        entry, own = entries[i], lives[i]
        ended_frozen = not entry.changes_nothing and any(np.array_equal(official[i], row) for row in frozen)
        standing = _standing(task, entry, tried[entry.name], own, (result.intervals[i, 0], result.intervals[i, 1]))
        rows.append(
            replace(
                standing,
                is_frozen=ended_frozen,
                beats_frozen=bool(result.better[i, still].all()),
                is_paired=bool(result.paired[i].all()) and own.is_common,
                highest_loss=float(result.highest[i]),
                **({} if task.not_ranked_because else _place(result, i)),
            )
        )
    return tuple(rows)


def _place(result: Ranking, i: int) -> dict[str, Any]:
    return {"rank": (int(result.rank_low[i]), int(result.rank_high[i])), "group": result.groups[i]}


def _standing(
    task: TaskLike,
    entry: Entry,
    tried: int,
    lives: RankingLives | None = None,
    interval: tuple[float, float] | None = None,
) -> Standing:
    """A row without its place: by its ranking lives or, without any, by its claim on the official seeds."""
    official, statuses = entry.measured(task.spec_hash)
    losses = official if lives is None else lives.losses
    low, high = interval or statistics.mean_interval(losses)
    loss, loss_iqm, official_loss = (
        float(x) for x in (losses.mean(), statistics.interquartile_mean(losses), official.mean())
    )
    fresh = None if lives is None else (entry.record(task.spec_hash) or {}).get("fresh")
    return Standing(
        entry=entry,
        state=entry.state(task.spec_hash),
        loss=loss,
        loss_iqm=loss_iqm,
        loss_interval=(float(low), float(high)),
        score=task.score(loss),
        score_iqm=task.score(loss_iqm),
        score_interval=(task.score(float(high)), task.score(float(low))),
        n_lifetimes=len(losses),
        n_blown_up=sum(status != "ok" for status in (statuses if lives is None else lives.statuses)),
        official_loss=official_loss,
        official_score=task.score(official_loss),
        agreement_p=None if fresh is None else fresh["p_value"],
        drawn="" if lives is None else lives.words,
        attempts=tried,
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
        note = "" if self.state == "verified" else f" (on the official seeds; {self.state}, ranked once it is verified)"
        return f"{verb} {place} of {self.n_ranked} on {self.task_id}{ties}{note}"


def place_of(entry: str | Path | Entry, board: Board | str | Path | None = None) -> Place:
    """An entry's place on its task. PlasticbenchError if there is no such entry."""
    opened = board if isinstance(board, Board) else open_board(board)
    found = entry if isinstance(entry, Entry) else opened.find(entry)
    task = opened.catalogue.task(found.task_id)
    state = found.state(task.spec_hash)
    rivals = [e for e in opened.of_task(task.id) if has_ranking_lives(e, task) and e.name != found.name]
    entries = [found, *rivals]
    if has_ranking_lives(found, task):
        lives = lives_of(entries, task, opened)
    else:  # nobody has drawn lifetimes for it yet: the official ones are what it shares with the others
        lives = [RankingLives.official(entry, task) for entry in entries]
    tried = attempts(opened.of_task(task.id), task, opened.catalogue)
    result = rank_draws([own.draws for own in lives], [tried.get(entry.name, 1) for entry in entries])
    own_group, *groups = (set(group) for group in result.groups)
    ties = [entry.data["rule"] for entry, group in zip(rivals, groups, strict=True) if group & own_group]
    return Place(task.id, state, (int(result.rank_low[0]), int(result.rank_high[0])), len(entries), tuple(ties))
