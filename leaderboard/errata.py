"""After an erratum: entries measured under another version of their task are measured again, before beside after.

An entry whose task hash is not the current one is `stale` and out of the ranking by itself. `verify_all` brings it
back (or not) with a new record; the claim and the older records stay as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from plasticbench.errors import PlasticbenchError

from .board import Board, open_board
from .entry import Entry, read_entry, task_slug
from .text_table import broken_text, text_table
from .verification import verify


@dataclass(frozen=True)
class Change:
    """One entry before and after it was verified again."""

    name: str  # <task>/<slug>
    state_before: str
    state_after: str
    loss_before: float
    loss_after: float | None  # None where the entry could not be run
    reason: str


def verify_all(
    board: Board | str | None = None,
    *,
    everything: bool = False,
    task_ids: Sequence[str] = (),
    progress: Callable[[int, int, str], None] | None = None,
) -> Errata:
    """Verify every entry that has no verdict under its task's current hash; `everything`: the others too.

    `task_ids` chooses tasks (default all).
    An entry that is broken or cannot be run is reported with its error and does not stop the others. `progress` is
    called with (number done, number in all, name of the next entry).
    """
    opened = board if isinstance(board, Board) else open_board(board)
    hashes = {task_id: task.spec_hash for task_id, task in opened.catalogue.tasks.items()}
    due = [
        entry
        for entry in opened.entries
        if (not task_ids or entry.task_id in task_ids)
        and (everything or entry.state(hashes[entry.task_id]) not in ("verified", "rejected"))
    ]
    changes = []
    lives: dict[tuple[str, str], np.ndarray] = {}
    for number, entry in enumerate(due):
        if progress is not None:
            progress(number, len(due), entry.name)
        changes.append(_verified_again(entry, opened, hashes[entry.task_id], lives))
    chosen = {task_slug(task_id) for task_id in task_ids}
    broken = {name: why for name, why in opened.broken.items() if not chosen or name.split("/")[0] in chosen}
    return Errata(tuple(changes), broken)


def _verified_again(
    entry: Entry, board: Board, task_hash: str, reference_lives: dict[tuple[str, str], np.ndarray]
) -> Change:
    before = entry.records[-1]["official"]["losses"] if entry.records else entry.data["losses"]
    state, loss = entry.state(task_hash), sum(before) / len(before)
    try:
        reason = verify(entry, board, reference_lives=reference_lives).reason
        after = read_entry(entry.folder)
    except PlasticbenchError as error:
        return Change(entry.name, state, state, loss, None, str(error))
    except Exception as error:  # a stranger's rule that breaks an engine must not keep the others from their verdict
        return Change(entry.name, state, state, loss, None, f"{type(error).__name__}: {error}")
    return Change(entry.name, state, after.state(task_hash), loss, float(after.measured(task_hash)[0].mean()), reason)


@dataclass(frozen=True)
class Errata:
    """What `verify_all` changed, and what it could not read; as text, a table of before and after."""

    changes: tuple[Change, ...]
    broken: Mapping[str, str] = field(default_factory=dict)  # name -> first problem

    def __str__(self) -> str:
        told = errata_table(self.changes) if self.changes else "every entry has a verdict under its task's version"
        return told + broken_text(self.broken)


def errata_table(changes: Sequence[Change]) -> str:
    """Changes before and after, as a text table."""
    rows = [
        (
            change.name,
            change.state_before,
            change.state_after,
            f"{change.loss_before:.6g}",
            "-" if change.loss_after is None else f"{change.loss_after:.6g}",
            change.reason if change.state_after != "verified" else "",
        )
        for change in changes
    ]
    return text_table(("entry", "before", "after", "loss before", "loss after", "why"), rows)
