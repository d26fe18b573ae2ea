"""A board: the entries that come with the package, overlaid by the user's own folder, or one folder alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path

from plasticbench.errors import PlasticbenchError
from plasticbench.files import user_folder
from plasticbench.schema_errors import Problem

from .catalogue import Catalogue, installed
from .entry import ENTRY_FILE, Entry, read_entry
from .validation import entry_folders, entry_problems


def bundled_folder() -> Path:
    """The entries that come with the package."""
    return Path(str(resources.files(__package__).joinpath("entries")))


def own_folder() -> Path:
    """The user's board: PLASTICBENCH_BOARD, or a folder where the platform keeps a user's data."""
    return user_folder("board")


@dataclass(frozen=True)
class Board:
    """Entries of one or several folders; new ones go to the last. An entry of a later folder hides its namesake."""

    folders: tuple[Path, ...]
    catalogue: Catalogue

    @property
    def writable(self) -> Path:
        """Where `submit` puts entries."""
        return self.folders[-1]

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """All entries that pass validation, by name; the others are in `broken`."""
        return self._read[0]

    @cached_property
    def broken(self) -> dict[str, str]:
        """Entries that cannot be shown: name -> first problem."""
        return self._read[1]

    @cached_property
    def _read(self) -> tuple[tuple[Entry, ...], dict[str, str]]:
        entries: dict[str, Entry] = {}
        broken: dict[str, str] = {}
        for name, folder in self._folders():
            problems = entry_problems(folder, catalogue=self.catalogue)
            try:
                if not problems:
                    entries[name] = read_entry(folder)
            except (PlasticbenchError, OSError) as error:  # it changed since it was checked
                problems = [Problem("(entry)", str(error))]
            if problems:
                broken[name] = str(problems[0])
        return tuple(entries[name] for name in sorted(entries)), broken

    def _folders(self) -> Iterator[tuple[str, Path]]:
        for board in self.folders:
            yield from entry_folders(board)

    def of_task(self, task_id: str) -> tuple[Entry, ...]:
        """The entries of one task; PlasticbenchError if there is no such task."""
        self.catalogue.task(task_id)
        return tuple(entry for entry in self.entries if entry.task_id == task_id)

    def find(self, entry: str | Path) -> Entry:
        """An entry by its path, its name <task>/<slug>, or its slug where only one has it."""
        path = Path(entry)
        if path.name == ENTRY_FILE:
            path = path.parent
        if (path / ENTRY_FILE).is_file():
            problems = entry_problems(path, catalogue=self.catalogue)
            if problems:
                raise PlasticbenchError(f"entry: {path}: {problems[0]}")
            return read_entry(path)
        named = str(entry).strip("/")
        found = [e for e in self.entries if named in (e.name, e.slug)]
        if len(found) == 1:
            return found[0]
        if found:
            raise PlasticbenchError(f"entry: {named!r} is on several tasks: {', '.join(e.name for e in found)}")
        rules = sorted(e.name for e in self.entries if e.data["rule"] == named)
        hint = f"; entries of this rule: {', '.join(rules)}" if rules else "; `plasticbench board` lists them"
        why = next((f" ({problem})" for name, problem in self.broken.items() if name.endswith(named)), "")
        raise PlasticbenchError(f"entry: no path or entry {named!r} on the board{why}{hint}")


def open_board(folder: str | Path | None = None, catalogue: Catalogue | None = None) -> Board:
    """The board in `folder` alone or, by default, the package's entries overlaid by the user's own board."""
    catalogue = catalogue or installed()
    if folder is None:
        return Board((bundled_folder(), own_folder()), catalogue)
    path = Path(folder).expanduser()
    if path.exists() and not path.is_dir():
        raise PlasticbenchError(f"board: {path} is not a folder")
    return Board((path,), catalogue)
