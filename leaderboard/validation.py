"""What may be on the board: every check of a submission, all problems at once, nothing executed.

`submit`, the command `validate` and CI run this same code. A rule is read by the whitelisting rule parser,
arrays by safetensors, everything else by a bounded JSON reader; a pickle is refused by its first bytes. Whatever is
in an entry, checking it ends in a list of problems, so that one entry takes no other from the board.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from plasticbench.errors import PlasticbenchError
from plasticbench.files import JsonError, JsonLimits, read_bytes
from plasticbench.schema_errors import Problem, printable

from .catalogue import Catalogue, installed
from .checks import claim_problems
from .entry import (
    ARRAYS_FILE,
    ENTRY_FILE,
    LIMITS,
    MAX_BYTES,
    NONCE_FILE,
    RECORD_LIMITS,
    RECORD_NAME,
    RULE_FILE,
    entry_slug,
    hash_of_folder,
    read_data,
    task_slug,
)
from .schema import schema_problems

MAX_FILES = 200  # in one entry's folder
_ABSENT = object()  # null is a value of JSON


def entry_problems(folder: Path, *, submission: bool = False, catalogue: Catalogue | None = None) -> list[Problem]:
    """Every problem of one entry's folder, sorted; [] says that it is good.

    `submission` adds what only a new entry must fulfil: the task's current hash, and no verification files
    (these are added after it is accepted).
    """
    catalogue = catalogue or installed()
    return contained(lambda: sorted(set(_entry_problems(Path(folder), submission, catalogue))))


def contained(check: Callable[[], list[Problem]]) -> list[Problem]:
    """The problems that a check of a stranger's data finds; where it breaks on them, that is the problem."""
    try:
        return check()
    except RecursionError:
        return [Problem("(entry)", "is nested too deeply to be read")]
    except Exception as error:  # a defect of ours must not take the other entries from the board
        return [Problem("(entry)", f"cannot be read: {type(error).__name__}: {' '.join(str(error).split())[:200]}")]


def entry_folders(board: Path) -> Iterator[tuple[str, Path]]:
    """(<task>/<slug>, folder) of every entry on a board, sorted; hidden names (unfinished work) are skipped."""
    try:
        tasks = _listed(board) if board.is_dir() else []
    except OSError as error:
        raise PlasticbenchError(f"board: {board} cannot be read ({error.strerror})") from None
    for task in tasks:
        if task.is_dir() and not task.name.startswith("_"):
            try:
                folders = _listed(task)
            except OSError:
                yield printable(task.name), task  # its problem will be said like an entry's
                continue
            for folder in folders:
                yield printable(f"{task.name}/{folder.name}"), folder


def _listed(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _entry_problems(folder: Path, submission: bool, catalogue: Catalogue) -> Iterator[Problem]:
    if folder.is_symlink() or not folder.is_dir():
        yield Problem(folder.name, "is not a folder; an entry is a folder of data")
        return
    yield from _listing_problems(folder, submission)
    rule_data, unreadable = _loaded(folder, RULE_FILE)
    unreadable += _arrays_problems(folder / ARRAYS_FILE)
    yield from unreadable
    rule = None
    if not unreadable and rule_data is not _ABSENT:
        try:
            rule = catalogue.rule_from_json(rule_data, folder)
        except PlasticbenchError as error:
            yield Problem(RULE_FILE, str(error))
    data, broken = _loaded(folder, ENTRY_FILE)
    if data is not _ABSENT:
        broken = list(schema_problems("entry", data))
        if not broken:
            yield from claim_problems(data, rule, catalogue, submission)
            yield from _place_problems(folder, data)
            if rule is not None:
                yield from _record_problems(folder, data)
    yield from broken


def _listing_problems(folder: Path, submission: bool) -> Iterator[Problem]:
    names = sorted(os.listdir(folder))
    if len(names) > MAX_FILES:
        yield Problem("(folder)", f"has {len(names):,} files, at most {MAX_FILES} accepted")
    for name in names[:MAX_FILES]:
        verification = name == NONCE_FILE or RECORD_NAME.match(name)
        if submission and verification:
            yield Problem(name, "belongs to verification, which happens after submission; leave it out")
        elif name not in MAX_BYTES and not verification and not name.startswith(".tmp-"):
            yield Problem(name, f"does not belong into an entry; its files are {', '.join(MAX_BYTES)}")
    for name in (ENTRY_FILE, RULE_FILE):
        if name not in names:
            yield Problem(name, "is missing")


def _loaded(folder: Path, name: str, limits: JsonLimits = LIMITS) -> tuple[Any, list[Problem]]:
    """The value of a JSON file, or _ABSENT with what is wrong (nothing for a missing file: the listing says so)."""
    if not os.path.lexists(folder / name):
        return _ABSENT, []
    try:
        return read_data(folder / name, limits), []
    except JsonError as error:
        return _ABSENT, [json_problem(error, name)]


def json_problem(error: JsonError, name: str) -> Problem:
    """What is wrong with a file: the field alone in entry.json, else the file and the field."""
    if not error.field or name == ENTRY_FILE:
        return Problem(error.field or name, error.reason)
    return Problem(f"{name}: {error.field}", error.reason)


def _arrays_problems(path: Path) -> Iterator[Problem]:
    if not os.path.lexists(path):
        return
    try:
        content = read_bytes(path, MAX_BYTES[ARRAYS_FILE], plain=True)
    except JsonError as error:
        yield Problem(path.name, error.reason)
        return
    if content[:1] == b"\x80" or content[:2] == b"PK" or content[:6] == b"\x93NUMPY":
        yield Problem(path.name, "is a pickle, archive or npy file; save it with safetensors")
        return
    import numpy as np
    import safetensors
    import safetensors.numpy

    try:
        arrays = safetensors.numpy.load(content)
    except (safetensors.SafetensorError, KeyError, ValueError, TypeError) as error:
        yield Problem(path.name, f"is not a safetensors file: {str(error)[:200]}")
        return
    for name, array in arrays.items():
        if array.dtype not in (np.float32, np.float64):
            yield Problem(f"{path.name}: {name}", f"has numbers of type {array.dtype}, float32 or float64 wanted")
        elif not np.isfinite(array).all():
            yield Problem(f"{path.name}: {name}", "has numbers that are not finite")


def _place_problems(folder: Path, data: dict[str, Any]) -> Iterator[Problem]:
    try:
        wanted = f"{task_slug(data['task'])}/{entry_slug(data['rule'], data['rule_hash'])}"
    except ValueError as error:
        yield Problem("rule", str(error))
        return
    resolved = folder.resolve()
    found = f"{resolved.parent.name}/{resolved.name}"
    if found != wanted and not resolved.name.startswith(".incoming-"):
        yield Problem("(folder)", f"is {found}, {wanted} wanted")


def _record_problems(folder: Path, data: dict[str, Any]) -> Iterator[Problem]:
    entry_hash = hash_of_folder(folder)
    for name in sorted(os.listdir(folder)):
        if not RECORD_NAME.match(name):
            continue
        record, unreadable = _loaded(folder, name, RECORD_LIMITS)
        yield from unreadable
        if unreadable:
            continue
        broken = list(schema_problems("verification", record))
        yield from (Problem(f"{name}: {p.path}", p.message) for p in broken)
        if broken:
            continue
        if record["entry_hash"] != entry_hash:
            yield Problem(f"{name}: entry_hash", "is of other files; the entry was changed after it was verified")
        if record["task"] != data["task"]:
            yield Problem(f"{name}: task", f"is {record['task']}, {data['task']} wanted")
        if len(record["official"]["losses"]) != len(record["official"]["seeds"]):
            yield Problem(f"{name}: official.losses", "has another length than the seeds")
