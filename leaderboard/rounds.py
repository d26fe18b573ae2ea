"""Ranking rounds: lifetimes that all verified rules of a task live together, drawn after the last of them came in.

The official seeds are public, so a rule can be fitted to them; and an entry's own fresh seeds are a draw of its own,
so that who submits often draws often. A round has neither fault. Its seeds follow from a random number that is drawn
when the round begins and is written down first, with the list of those who take part; a draw is never repeated or
discarded, and an entry that comes later, when the seeds are public, waits for the next round. Two rules are compared on
the rounds that both have lived, paired, and a rule's loss is its mean over all of its rounds: whoever submits again
makes the next round due for everybody, and buys no draw for himself.

`plasticbench verify --rounds` lives those that are due.

    <board>/_rounds/<task>/0001/draw.json            the random number, and who takes part
    <board>/_rounds/<task>/0001/<entry's hash>.json  what one of them lived

A round that is broken off goes on where it was. It counts once all who take part have lived.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.files import create_bytes
from plasticbench.schema_errors import Problem
from plasticbench.tasks.task import EVALUATION_SEED_BASE

from .board import Board, open_board
from .catalogue import TaskLike
from .entry import RULE_FILE, Entry, read_data, task_slug
from .json_text import pretty
from .schema import schema_problems

FOLDER = "_rounds"
DRAW_FILE = "draw.json"
FORMAT = "plasticbench/ranking-round@1"


@dataclass(frozen=True)
class Round:
    """One draw of lifetimes under a task's hash, and what each who takes part lost in them."""

    folder: Path
    task_hash: str
    nonce: str
    n_lives: int
    takes_part: tuple[str, ...]  # hashes of entries
    losses: dict[str, np.ndarray] = field(default_factory=dict)  # entry's hash -> (n_lives,)
    statuses: dict[str, list[str]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)  # entry's hash -> why it could not be run

    @property
    def name(self) -> str:
        """Unique on a board: the random number."""
        return self.nonce

    @property
    def missing(self) -> tuple[str, ...]:
        """Who has not lived yet."""
        return tuple(e for e in self.takes_part if e not in self.losses and e not in self.failures)

    @property
    def seeds(self) -> list[int]:
        return drawn_seeds(f"ranking round {self.task_hash} {self.nonce}", self.n_lives)


def drawn_seeds(name: str, n: int) -> list[int]:
    """The first n seeds of a draw: distinct, in [2**61, 2**62), and not to be foreseen without its name."""
    seeds: dict[int, None] = {}
    index = 0
    while len(seeds) < n:
        word = hashlib.sha256(f"plasticbench {name} {index}".encode()).digest()[:8]
        seeds[EVALUATION_SEED_BASE + int.from_bytes(word, "big") % EVALUATION_SEED_BASE] = None
        index += 1
    return list(seeds)


def rounds_of(board: Board, task: TaskLike) -> tuple[Round, ...]:
    """The rounds of a task under its current hash, complete or not; those that cannot be read are left out."""
    found = (_read(folder) for folder in _round_folders(board, task))
    return tuple(r for r in found if r is not None and r.task_hash == task.spec_hash)


def complete_rounds(board: Board, task: TaskLike) -> tuple[Round, ...]:
    """The rounds that count: all who take part, and are still on the board, have lived."""
    present = {entry.hash for entry in board.of_task(task.id)}
    return tuple(r for r in rounds_of(board, task) if not present.intersection(r.missing))


def broken_rounds(board: Board) -> dict[str, str]:
    """Rounds that cannot be read: name -> first problem."""
    found: dict[str, str] = {}
    for folder in board.folders:
        for problem in round_problems(folder):
            found.setdefault(problem.path.partition(":")[0], str(problem).partition(": ")[2])
    return found


def round_problems(board_folder: Path) -> list[Problem]:
    """Every problem of the rounds in a board's folder, with the round's name in front; [] says: good."""
    return [
        Problem(f"{FOLDER}/{folder.parent.name}/{folder.name}: {name}", message)
        for folder in sorted((board_folder / FOLDER).glob("*/*"))
        for name, message in _problems(folder)
    ]


def live_round(board: Board, task_id: str, progress: Callable[[int, int, str], None] | None = None) -> Round | None:
    """Live the round of a task that is due (`round_is_due`), and return it; None where none is.

    PlasticbenchError if the board
    cannot be written. `progress` is called with (number done, number in all, name of the next entry).
    """
    task = board.catalogue.task(task_id)
    verified = {e.hash: e for e in board.of_task(task_id) if e.state(task.spec_hash) == "verified"}
    begun = [r for r in rounds_of(board, task) if any(e in verified for e in r.missing)]
    current = begun[-1] if begun else _draw(board, task, verified)
    if current is None:
        return None
    waiting = [verified[e] for e in current.missing if e in verified]
    for number, entry in enumerate(waiting):
        if progress is not None:
            progress(number, len(waiting), entry.name)
        _live(entry, task, board, current)
    return _read(current.folder)


def round_is_due(board: Board, task_id: str) -> bool:
    """Whether a verified entry waits for common lifetimes: for a new round, or for the end of one that was broken off.

    PlasticbenchError if there is no such task.
    """
    task = board.catalogue.task(task_id)
    lived = {e for r in rounds_of(board, task) for e in (*r.losses, *r.failures)}
    return any(e.state(task.spec_hash) == "verified" and e.hash not in lived for e in board.of_task(task_id))


def _draw(board: Board, task: TaskLike, verified: dict[str, Entry]) -> Round | None:
    if not round_is_due(board, task.id):
        return None
    home = board.writable / FOLDER / task_slug(task.id)
    try:
        home.mkdir(parents=True, exist_ok=True)
        number = 1 + max([int(p.name) for p in home.iterdir() if p.name.isdecimal()], default=0)
        folder = home / f"{number:04d}"
        folder.mkdir()
    except OSError as error:
        raise PlasticbenchError(f"board: {home} cannot be written ({error.strerror})") from None
    data = {
        "format": FORMAT, "task": task.id, "task_hash": task.spec_hash, "nonce": secrets.token_hex(16),
        "n_lives": len(task.official_seeds), "entries": sorted(verified),
    }  # fmt: skip
    create_bytes(folder / DRAW_FILE, pretty(data))
    return _read(folder)


def _live(entry: Entry, task: TaskLike, board: Board, current: Round) -> None:
    head = {"format": FORMAT, "entry_hash": entry.hash, "task_hash": task.spec_hash, "nonce": current.nonce}
    try:
        rule = board.catalogue.load_rule(entry.folder / RULE_FILE)
        lived = board.catalogue.measure(task, [rule], current.seeds, "auto")
    except Exception as error:  # a stranger's rule that breaks an engine must not keep the others from their round
        told: dict[str, Any] = {"failure": " ".join(f"{type(error).__name__}: {error}".split())[:500]}
    else:
        told = {
            "engine": lived.engine, "versions": dict(lived.versions), "hardware": dict(lived.hardware),
            "losses": lived.losses[0].tolist(), "statuses": [str(status) for status in lived.statuses[0]],
        }  # fmt: skip
    create_bytes(current.folder / f"{entry.hash}.json", pretty({**head, **told}))


def _round_folders(board: Board, task: TaskLike) -> Iterator[Path]:
    for home in (folder / FOLDER / task_slug(task.id) for folder in board.folders):
        if home.is_dir():
            yield from sorted(p for p in home.iterdir() if p.name.isdecimal() and (p / DRAW_FILE).is_file())


def _read(folder: Path) -> Round | None:
    """The round in a folder; None where its draw cannot be read. A life that cannot be read is still missing."""
    if any(_draw_problems(folder)):
        return None
    data = read_data(folder / DRAW_FILE)
    found = Round(folder, data["task_hash"], data["nonce"], data["n_lives"], tuple(data["entries"]))
    for entry_hash in found.takes_part:
        path = folder / f"{entry_hash}.json"
        if not path.is_file() or any(_life_problems(path, found)):
            continue
        life = read_data(path)
        if "failure" in life:
            found.failures[entry_hash] = life["failure"]
        else:
            found.losses[entry_hash] = np.asarray(life["losses"], dtype=float)
            found.statuses[entry_hash] = list(life["statuses"])
    return found


def _problems(folder: Path) -> Iterator[tuple[str, str]]:
    draw = _draw_problems(folder)
    yield from ((DRAW_FILE, problem) for problem in draw)
    found = None if draw else _read(folder)
    if found is not None:
        for path in sorted(folder.glob("*.json")):
            if path.name != DRAW_FILE:
                yield from ((f"{path.name[:12]}…", problem) for problem in _life_problems(path, found))


def _draw_problems(folder: Path) -> list[str]:
    try:
        data = read_data(folder / DRAW_FILE)
    except PlasticbenchError as error:
        return [str(error)]
    return [f"{p.path}: {p.message}" for p in schema_problems("draw", data)]


def _life_problems(path: Path, current: Round) -> list[str]:
    try:
        data = read_data(path)
    except PlasticbenchError as error:
        return [str(error)]
    problems = [f"{p.path}: {p.message}" for p in schema_problems("life", data)]
    if not problems and (data["nonce"], data["entry_hash"]) != (current.nonce, path.stem):
        problems = ["is of another round or entry"]
    if not problems and "losses" in data and not len(data["losses"]) == len(data["statuses"]) == current.n_lives:
        problems = [f"losses: {len(data['losses'])} lifetimes, {current.n_lives} wanted"]
    return problems


def live_rounds(
    board: Board | str | Path | None = None, task_ids: Sequence[str] = (), say: Callable[[str], None] = print
) -> None:
    """Live the rounds that are due on these tasks (default all), and say how far it is."""
    opened = board if isinstance(board, Board) else open_board(board)
    n_lived = 0
    for task_id in task_ids or opened.catalogue.tasks:
        known = opened.catalogue.task(task_id)

        def progress(done: int, n: int, name: str, of: str = known.id) -> None:
            say(f"{of}: {done + 1}/{n}: {name}")

        found = live_round(opened, known.id, progress)
        if found is not None:
            n_lived += 1
            say(f"{known.id}: round {found.folder.name}: {len(found.losses)} entries, {found.n_lives} lifetimes each")
    if not n_lived:
        say("no round is due: every verified entry has lived common lifetimes")
