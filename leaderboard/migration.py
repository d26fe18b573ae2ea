"""Carry entries over to a task's new hash where nothing that decides a score has changed.

When the hash of a task comes to cover more, or code is rearranged, entries go stale although every lifetime is the
same. This re-simulates official lifetimes of each and, only where every loss is equal to the bit, appends a record for
the new hash with the numbers of the last one. What differs stays stale, to be verified anew.

python -m plasticbench.leaderboard.migration [--board DIR] [--log FILE]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .board import Board, open_board
from .entry import RULE_FILE, Entry
from .verification import append_record, today

CHECKED = 4  # official lifetimes of tasks whose lives take seconds; of others all
_LONG_LIVES = 20  # official lifetimes below which a task is taken for one of those


@dataclass(frozen=True)
class Carried:
    """What became of one entry."""

    name: str
    n_checked: int
    n_official: int
    n_equal: int

    @property
    def is_carried(self) -> bool:
        return self.n_equal == self.n_checked

    @property
    def verdict(self) -> str:
        return "carried over" if self.is_carried else "differs: to be verified anew"


def migrate(board: Board | str | None = None, progress: Callable[[Carried], None] | None = None) -> list[Carried]:
    """Try to carry over every verified entry that is stale; resumable, since carried ones are stale no more."""
    opened = board if isinstance(board, Board) else open_board(board)
    found = []
    for entry in opened.entries:
        task = opened.catalogue.task(entry.task_id)
        if entry.records and entry.records[-1]["state"] == "verified" and entry.state(task.spec_hash) == "stale":
            found.append(_carry(entry, task, opened))
            if progress is not None:
                progress(found[-1])
    return found


def _carry(entry: Entry, task: Any, board: Board) -> Carried:
    last = entry.records[-1]
    official = last["official"]
    n_official = len(official["seeds"])
    n_checked = CHECKED if n_official < _LONG_LIVES else n_official
    seeds = official["seeds"][:n_checked]
    measured = board.catalogue.measure(
        task, [board.catalogue.load_rule(entry.folder / RULE_FILE)], seeds, last["engine"]
    )
    pairs = zip(measured.losses[0].tolist(), official["losses"][:n_checked], strict=True)
    carried = Carried(entry.name, n_checked, n_official, sum(a == b for a, b in pairs))
    if carried.is_carried:
        reason = (
            f"carried over: {n_checked} of {n_official} official lifetimes equal to the bit; before, {last['reason']}"
        )
        versions = {"versions": dict(measured.versions), "hardware": dict(measured.hardware)}
        found = {"date": today(), "task_hash": task.spec_hash, "reason": reason[:2000], **versions}
        append_record(entry.folder, {**last, **found})
    return carried


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Carry entries over to their tasks' new hashes.")
    parser.add_argument("--board", metavar="DIR")
    parser.add_argument("--log", metavar="FILE", help="append a line an entry")
    parsed = parser.parse_args(arguments)

    def tell(carried: Carried) -> None:
        line = f"{carried.name}\t{carried.n_checked}\t{carried.n_official}\t{carried.n_equal}\t{carried.verdict}"
        print(line, flush=True)
        if parsed.log:
            with Path(parsed.log).open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    migrate(parsed.board, tell)


if __name__ == "__main__":
    main()
