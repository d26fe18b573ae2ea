"""One rule, one entry on a task: entries compared by what their rules do, whatever they are called or how written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from plasticbench.errors import PlasticbenchError
from plasticbench.rules.equivalence import canonical_form
from plasticbench.schema_errors import Problem

from .catalogue import Catalogue, TaskLike
from .entry import RULE_FILE, TASK_ID


def twin(rule: Any, task: TaskLike, folders: Iterable[Path], catalogue: Catalogue) -> Path | None:
    """The first of these entries' folders whose rule does the same on the task's pathways."""
    own = canonical_form(rule, task.pathways)
    return next((folder for folder in folders if _form(folder, task, catalogue) == own), None)


def duplicate_problems(entries: Iterable[tuple[str, Path]], catalogue: Catalogue) -> Iterator[Problem]:
    """A problem for each of a board's entries (name, folder) whose rule an entry before it on its task has."""
    tasks = {match[1]: task for task_id, task in catalogue.tasks.items() if (match := TASK_ID.match(task_id))}
    first: dict[tuple[str, str], str] = {}
    for name, folder in entries:
        task = tasks.get(folder.parent.name)
        form = None if task is None else _form(folder, task, catalogue)
        if form is not None:
            known = first.setdefault((folder.parent.name, form), name)
            if known != name:
                yield Problem(f"{name}: {RULE_FILE}", f"does the same as {known}; one rule has one entry on a task")


def _form(folder: Path, task: TaskLike, catalogue: Catalogue) -> str | None:
    try:
        return canonical_form(catalogue.load_rule(folder / RULE_FILE), task.pathways)
    except PlasticbenchError:
        return None  # its own problem is said elsewhere
