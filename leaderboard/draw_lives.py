"""Draws the thumbnails of lives that task pages show.

    python -m plasticbench.leaderboard.draw_lives [--task ID]... [--track T] [--redo]

What has a picture already is left alone, so a run that was stopped goes on; `--redo` draws anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from plasticbench.errors import PlasticbenchError
from plasticbench.files import write_bytes

from .board import open_board
from .entry import RULE_FILE, task_slug
from .lives import FOLDER
from .standings import task_standings


def draw(task: Any, rule: Any) -> bytes:
    """The thumbnail of a task: frozen weights, and the rule in the same lifetime."""
    from plasticbench.drawing.thumbnail import thumbnail

    records = [task.record("null"), task.record(rule)]
    words = (
        f"One life, seed {records[0].seed}: left with frozen weights (loss {records[0].loss:.3g}), "
        f"right under {rule.name} (loss {records[1].loss:.3g})."
    )
    return thumbnail([record.kept for record in records], ["frozen weights", rule.name], words)


def best_rule(board: Any, task_id: str) -> Any:
    """The first of a task's ranking that changes anything, else the task's reference rule."""
    table = task_standings(board, task_id)
    for row in table.ranked:
        if not row.is_frozen and not row.entry.changes_nothing:
            return board.catalogue.load_rule(row.entry.folder / RULE_FILE)
    return board.catalogue.load_rule(table.task.reference_rule)


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw what lacks a picture, a line each; 0, or 2 for an unknown task."""
    parser = argparse.ArgumentParser(prog="python -m plasticbench.leaderboard.draw_lives", description=__doc__)
    parser.add_argument("--task", action="append", metavar="ID", help="repeatable (default: all)")
    parser.add_argument("--track", metavar="T", help="only tasks of this track")
    parser.add_argument("--redo", action="store_true", help="draw anew what has a picture")
    parsed = parser.parse_args(arguments)
    board = open_board()
    try:
        wanted = [board.catalogue.task(i) for i in parsed.task or board.catalogue.tasks]
        for task in wanted:
            path = FOLDER / f"{task_slug(task.id)}.png"
            if (parsed.track and task.track != parsed.track) or (path.is_file() and not parsed.redo):
                continue
            write_bytes(path, draw(task, best_rule(board, task.id)))
            print(path, flush=True)
    except PlasticbenchError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
