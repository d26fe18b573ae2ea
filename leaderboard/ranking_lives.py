"""Which lifetimes an entry is ranked by: none that its author could know when the rule was submitted.

The common rounds that it has lived (`rounds`) or, until there is one, the first look of its verification: as many fresh
lifetimes as there are official ones, on seeds drawn after it came in. (Later looks are taken only where there is doubt,
so they would bias a mean.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .board import Board
from .catalogue import TaskLike
from .entry import Entry
from .rounds import complete_rounds


@dataclass(frozen=True)
class RankingLives:
    """What one entry lived, draw by draw; rules that lived a draw of the same name lived the same lifetimes."""

    draws: Mapping[str, np.ndarray]  # name -> (n_lifetimes,)
    statuses: tuple[str, ...]  # of all lifetimes
    is_common: bool  # others live them, too

    @property
    def losses(self) -> np.ndarray:
        """Of all lifetimes."""
        return np.concatenate(list(self.draws.values()))

    @property
    def words(self) -> str:
        """What they are."""
        n = len(self.draws)
        return f"{n} common round{'s' * (n > 1)}" if self.is_common else "its own fresh seeds"

    @classmethod
    def official(cls, entry: Entry, task: TaskLike) -> RankingLives:
        """The official lifetimes, claimed or re-simulated; nobody is ranked by these."""
        losses, statuses = entry.measured(task.spec_hash)
        return cls({"official": losses}, tuple(statuses), True)


def has_ranking_lives(entry: Entry, task: TaskLike) -> bool:
    """Whether an entry is verified under the task's hash, by lifetimes that it can be ranked by."""
    record = entry.record(task.spec_hash)
    return record is not None and record["state"] == "verified" and bool((record["fresh"] or {}).get("losses"))


def lives_of(entries: Sequence[Entry], task: TaskLike, board: Board) -> list[RankingLives]:
    """The ranking lives of verified entries."""
    rounds = complete_rounds(board, task) if entries else ()
    found = []
    for entry in entries:
        own = [r for r in rounds if entry.hash in r.losses]
        if own:
            statuses = tuple(status for r in own for status in r.statuses[entry.hash])
            found.append(RankingLives({r.name: r.losses[entry.hash] for r in own}, statuses, True))
        else:
            found.append(_first_look(entry, task))
    return found


def _first_look(entry: Entry, task: TaskLike) -> RankingLives:
    record = entry.record(task.spec_hash)
    assert record is not None  # a verified entry has one, and it has fresh lifetimes
    n = len(record["official"]["seeds"])
    losses = np.asarray(record["fresh"]["losses"][:n], dtype=float)
    return RankingLives({f"fresh {entry.hash}": losses}, tuple(record["fresh"]["statuses"][:n]), False)
