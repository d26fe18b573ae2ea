"""What may be on the board: every check of a submission, all problems at once, nothing executed.

`submit`, the command `validate` and CI run this same code. A rule is read by the whitelisting rule parser,
arrays by safetensors, everything else by a bounded JSON reader; a pickle is refused by its first bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from plasticbench.errors import PlasticbenchError

from . import strict_json
from .catalogue import Catalogue, installed
from .checks import claim_problems
from .entry import (
    ARRAYS_FILE,
    ENTRY_FILE,
    MAX_BYTES,
    MAX_RECORD_BYTES,
    NONCE_FILE,
    RECORD_NAME,
    RULE_FILE,
    entry_slug,
    hash_of_folder,
    task_slug,
)
from .schema import Problem, schema_problems

MAX_FILES = 200  # in one entry's folder


def entry_problems(folder: Path, *, submission: bool = False, catalogue: Catalogue | None = None) -> list[Problem]:
    """Every problem of one entry's folder, sorted; [] says that it is good.

    `submission` adds what only a new entry must fulfil: the task's current hash, and no verification files
    (these are added after it is accepted).
    """
    return sorted(set(_entry_problems(Path(folder), submission, catalogue or installed())))


def entry_folders(board: Path) -> Iterator[tuple[str, Path]]:
    """(<task>/<slug>, folder) of every entry on a board, sorted; hidden names (unfinished work) are skipped."""
    if not board.is_dir():
        return
    for task in sorted(board.iterdir()):
        if not task.is_dir() or task.name.startswith((".", "_")):
            continue
        for folder in sorted(task.iterdir()):
            if not folder.name.startswith("."):
                yield f"{task.name}/{folder.name}", folder


def _entry_problems(folder: Path, submission: bool, catalogue: Catalogue) -> Iterator[Problem]:
    if folder.is_symlink() or not folder.is_dir():
        yield Problem(folder.name, "is not a folder; an entry is a folder of data")
        return
    yield from _listing_problems(folder, submission)
    data, problems = _read(folder, ENTRY_FILE)
    yield from problems
    rule_data, problems = _read(folder, RULE_FILE)
    yield from problems
    arrays_problems = list(_arrays_problems(folder / ARRAYS_FILE))
    yield from arrays_problems
    rule = None
    if rule_data is not None and not arrays_problems:
        try:
            rule = catalogue.load_rule(folder / RULE_FILE)
        except PlasticbenchError as error:
            yield Problem(RULE_FILE, str(error))
    if data is None:
        return
    broken = [*_non_finite(data), *schema_problems("entry", data)]
    yield from broken
    if not broken:
        yield from claim_problems(data, rule, catalogue, submission)
        yield from _place_problems(folder, data)
        if rule_data is not None and not arrays_problems:
            yield from _record_problems(folder, data)


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


def _read(folder: Path, name: str) -> tuple[Any, list[Problem]]:
    if not os.path.lexists(folder / name):
        return None, []  # the listing says so
    try:
        return strict_json.read(folder / name, MAX_BYTES[name]), []
    except strict_json.JsonError as error:
        return None, [Problem(name, str(error))]


def _non_finite(data: Any) -> Iterator[Problem]:
    for path, value in strict_json.walk(data):
        if isinstance(value, float) and value - value != 0.0:
            yield Problem(path, f"is {value}, a finite number wanted")


def _arrays_problems(path: Path) -> Iterator[Problem]:
    if not os.path.lexists(path):
        return
    try:
        content = strict_json.read_bytes(path, MAX_BYTES[ARRAYS_FILE])
    except strict_json.JsonError as error:
        yield Problem(path.name, str(error))
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
        try:
            record = strict_json.read(folder / name, MAX_RECORD_BYTES)
        except strict_json.JsonError as error:
            yield Problem(name, str(error))
            continue
        broken = [*_non_finite(record), *schema_problems("verification", record)]
        yield from (Problem(f"{name}: {p.path}", p.message) for p in broken)
        if broken:
            continue
        if record["entry_hash"] != entry_hash:
            yield Problem(f"{name}: entry_hash", "is of other files; the entry was changed after it was verified")
        if record["task"] != data["task"]:
            yield Problem(f"{name}: task", f"is {record['task']}, {data['task']} wanted")
        if len(record["official"]["losses"]) != len(record["official"]["seeds"]):
            yield Problem(f"{name}: official.losses", "has another length than the seeds")
