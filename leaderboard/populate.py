"""Entries for all known rules on all tasks that they suit, evaluated and verified here; none is written by hand.

    python -m plasticbench.leaderboard.populate [--task ID ...] [--board DIR] [--no-verify]

Without --board, the entries that come with the package. What is there already is left as it is.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from plasticbench.errors import PlasticbenchError

from .board import bundled_folder, open_board
from .catalogue import Catalogue, installed
from .entry import entry_slug, task_slug
from .errata import Errata, verify_all
from .submission import submit

AUTHORS = ("The plasticbench authors",)


def populate(
    task_ids: Sequence[str] = (),
    board_dir: str | Path | None = None,
    *,
    verified: bool = True,
    say: Callable[[str], None] = print,
) -> Errata:
    """Evaluate and submit every known rule on the tasks (default all), then verify what has no verdict yet."""
    from plasticbench import evaluate, known_rules
    from plasticbench.tasks.registry import task

    catalogue = installed()
    folder = Path(board_dir) if board_dir is not None else bundled_folder()
    chosen = [task(task_id).id for task_id in task_ids] or list(catalogue.tasks)
    for task_id in chosen:
        for rule in _suitable(catalogue, catalogue.task(task_id), known_rules().values()):
            if (folder / task_slug(task_id) / entry_slug(rule.name, rule.hash)).exists():
                continue
            with tempfile.TemporaryDirectory() as temporary:
                path = Path(temporary) / "result.json"
                result = evaluate(rule, task_id)
                result.save(path)
                submit(path, folder, authors=AUTHORS)
            say(f"{task_slug(task_id)}: {rule.name}: loss {result.loss:.5g}, score {result.score:z.4f}")
    if not verified:
        return Errata(())
    return verify_all(
        open_board(folder), task_ids=chosen, progress=lambda done, n, name: say(f"verify {done + 1}/{n}: {name}")
    )


def _suitable(catalogue: Catalogue, task: Any, rules: Any) -> Iterator[Any]:
    for rule in rules:
        if rule.kind not in ("rate" if task.track == "rate" else "spiking", "any"):
            continue
        try:
            catalogue.check_rule(rule, task)
        except PlasticbenchError:
            continue  # it is made for other pathways or variables
        yield rule


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of this module; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m plasticbench.leaderboard.populate", description=__doc__)
    parser.add_argument("--task", action="append", default=[], metavar="ID", help="repeatable; default: all")
    parser.add_argument("--board", metavar="DIR")
    parser.add_argument("--no-verify", action="store_true")
    parsed = parser.parse_args(arguments)
    try:
        print(populate(parsed.task, parsed.board, verified=not parsed.no_verify))
    except PlasticbenchError as error:
        print(f"populate: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
