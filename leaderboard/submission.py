"""Submitting a result: checked in full, then on the board in one atomic step, or not at all.

The entry is built in a hidden folder on the board's own file system, validated there by the code that CI runs,
and renamed, by one process at a time. The rename fails if the name is taken, so of many processes that submit at once
each either adds its entry or learns that it, or one that does the same, is there already; nothing is overwritten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plasticbench.errors import PlasticbenchError
from plasticbench.files import JsonError
from plasticbench.schema_errors import Problem

from .board import open_board
from .catalogue import Catalogue
from .duplicates import twin
from .entry import RULE_FILE, entry_slug, task_slug
from .incoming import incoming_folder, one_at_a_time, publish_folder, sweep
from .intake import read_result, stage
from .validation import entry_folders


class SubmissionError(PlasticbenchError):
    """A result that cannot be an entry; `problems` has all of them."""

    def __init__(self, name: str, problems: list[Problem]):
        self.problems = problems
        more = f" (and {len(problems) - 1} more: `plasticbench validate {name}` lists them)"
        super().__init__(f"result: {name}: {problems[0]}{more if len(problems) > 1 else ''}")


class DuplicateEntry(PlasticbenchError):  # noqa: N818  (says what is, not what failed)
    """The rule is on the board for this task already, under this or another name; `path` is its entry."""

    def __init__(self, path: Path):
        self.path = path
        super().__init__(f"entry: this rule, or one that does the same, is on the board for this task already: {path}")


def submit(
    result_path: str | Path,
    board_dir: str | Path | None = None,
    *,
    authors: str | Sequence[str] = (),
    about: Mapping[str, Any] | None = None,
    catalogue: Catalogue | None = None,
) -> Path:
    """Put a result (the file that `evaluate --out` writes) on a board and return the entry's folder.

    `authors` are names, as a list or with commas between; the public board (a checkout's) has no anonymous entries.
    `about` adds to what the result says of its rule's provenance: origin (one of
    `plasticbench.rules.rule.PROVENANCES`), reference, learner, training_tasks, training_seeds, cost, parents, notes.
    Raises SubmissionError with every problem, DuplicateEntry, or
    PlasticbenchError; the board is then as it was.
    """
    path = Path(result_path)
    board = open_board(board_dir, catalogue)
    listed = authors.split(",") if isinstance(authors, str) else list(authors)
    named = [name.strip() for name in listed if name.strip()]
    about = {**({"authors": named} if named else {}), **(about or {})}
    try:
        result = read_result(path)
    except JsonError as error:
        raise PlasticbenchError(f"result: {path}: {error}") from None
    if _is_public(board.writable) and not about.get("authors"):
        raise PlasticbenchError("authors: the public board says who made a rule; name them with --authors NAMES")
    with incoming_folder(board.writable) as folder:
        sweep(board.writable)
        problems = stage(result, path.parent, folder, board.catalogue, about)
        if problems:
            raise SubmissionError(str(path), problems)
        task, slug = task_slug(result["task"]), entry_slug(result["rule"]["name"], result["rule_hash"])
        rule = board.catalogue.load_rule(folder / RULE_FILE)
        target = board.writable / task / slug
        with one_at_a_time(board.writable):  # else two that do the same could both be found new
            others = [path for own in board.folders for _, path in entry_folders(own) if path.parent.name == task]
            existing = twin(rule, board.catalogue.task(result["task"]), others, board.catalogue)
            if existing is not None:
                raise DuplicateEntry(existing)
            target.parent.mkdir(exist_ok=True)
            try:
                publish_folder(folder, target)
            except FileExistsError:
                raise DuplicateEntry(target) from None
    return target


def _is_public(folder: Path) -> bool:
    """Whether a board is the one of a checkout of this repository, from which pull requests are made."""
    return folder.name == "entries" and (folder.parent / "entry.schema.json").is_file()
