"""A board: the entries that come with the package, overlaid by the user's own folder, or one folder alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path

from plasticbench.errors import PlasticbenchError
from plasticbench.files import user_folder
from plasticbench.schema_errors import Problem

from .catalogue import Catalogue, installed
from .entry import ENTRY_FILE, Entry, read_entry, task_slug
from .kept import problems_of
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
        return tuple(entry for name in self._folders for entry in self._read(name)[0])

    @cached_property
    def broken(self) -> dict[str, str]:
        """Entries that cannot be shown: name -> first problem."""
        return {name: problem for folder in self._folders for name, problem in self._read(folder)[1].items()}

    def of_task(self, task_id: str) -> tuple[Entry, ...]:
        """The entries of one task, without reading the others; PlasticbenchError if there is no such task."""
        return self._read(task_slug(self.catalogue.task(task_id).id))[0]

    def broken_of(self, task_id: str) -> dict[str, str]:
        """As `broken`, of one task."""
        return self._read(task_slug(self.catalogue.task(task_id).id))[1]

    @cached_property
    def _folders(self) -> dict[str, list[tuple[str, Path]]]:
        """Task's folder name -> (name, folder) of its entries, on all boards."""
        found: dict[str, list[tuple[str, Path]]] = {}
        for board in self.folders:
            for name, folder in entry_folders(board):
                found.setdefault(name.partition("/")[0], []).append((name, folder))
        return {name: found[name] for name in sorted(found)}

    @cached_property
    def _known(self) -> dict[str, tuple[tuple[Entry, ...], dict[str, str]]]:
        return {}  # filled by `_read`

    def _read(self, task_name: str) -> tuple[tuple[Entry, ...], dict[str, str]]:
        if task_name not in self._known:
            self._known[task_name] = self._read_anew(self._folders.get(task_name, []))
        return self._known[task_name]

    def _read_anew(self, folders: Iterable[tuple[str, Path]]) -> tuple[tuple[Entry, ...], dict[str, str]]:
        entries: dict[str, Entry] = {}
        broken: dict[str, str] = {}
        for name, folder in folders:
            problems = problems_of(folder, self.catalogue)
            try:
                if not problems:
                    entries[name] = read_entry(folder)
            except (PlasticbenchError, OSError) as error:  # it changed since it was checked
                problems = [Problem("(entry)", str(error))]
            if problems:
                broken[name] = str(problems[0])
        return tuple(entries[name] for name in sorted(entries)), broken

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
