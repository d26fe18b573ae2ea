"""When a board was last added to, what it was made with, and who had the lowest loss on a task since when."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from .board import Board
from .standings import Standing, TaskStandings


@dataclass(frozen=True)
class Made:
    """What a board's pages and files are made from. No clock is read: the same board and code give the same."""

    date: str  # of the newest verification; empty where none is dated
    version: str
    commit: str  # of the code; empty where it is not known


def made_from(board: Board) -> Made:
    """Of a board, as it is now."""
    dates = [record.get("date", "") for entry in board.entries for record in entry.records]
    return Made(max(dates, default=""), metadata.version("plasticbench"), _commit())


def records_of_best(table: TaskStandings) -> list[tuple[str, Standing]]:
    """(date, rule) whenever a newly verified rule had a lower fresh loss than all before it, oldest first.

    Entries verified before records were dated come first, without a date.
    """
    by_date: dict[str, list[Standing]] = {}
    for row in table.ranked:
        if not row.entry.changes_nothing:
            by_date.setdefault(row.entry.verified_on, []).append(row)
    found: list[tuple[str, Standing]] = []
    for date in sorted(by_date):
        best = min(by_date[date], key=lambda row: row.loss)
        if not found or best.loss < found[-1][1].loss:
            found.append((date, best))
    return found


@cache
def _commit() -> str:
    """From the checkout that the code lies in or, installed from a repository, from what the installer wrote down."""
    root = Path(__file__).parents[1]
    git = shutil.which("git")
    if git is not None and (root / ".git").exists():
        asked = subprocess.run([git, "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
        return asked.stdout.strip()
    origin = metadata.distribution("plasticbench").read_text("direct_url.json")
    return json.loads(origin).get("vcs_info", {}).get("commit_id", "") if origin else ""
