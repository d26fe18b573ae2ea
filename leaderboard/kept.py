"""What a board has found out before, kept in the user's cache under the hash of all that it follows from.

That an entry is valid follows from its files, its task and this package's code; a ranking from losses and the code. So
what is kept is never out of date: another byte anywhere is another name. A damaged file is as good as none.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.files import user_folder, write_bytes
from plasticbench.schema_errors import Problem

from . import ranking
from .catalogue import Catalogue, installed
from .entry import task_slug
from .ranking import Draws, Ranking
from .validation import entry_problems

_MOST = 4_000  # files kept; beyond that the older half goes
_LARGEST = 50_000_000  # bytes of an entry's folder that is hashed at all
_CODE = ("*.py", "*.json", "language/*.py", "rules/*.py", "evaluation/*.py", "simulation/random.py")
_ARRAYS = ("values", "intervals", "highest", "better", "paired", "order", "rank_low", "rank_high")


def problems_of(folder: Path, catalogue: Catalogue) -> list[Problem]:
    """As `entry_problems`; an entry that was found good under the very same circumstances is not checked again."""
    if catalogue is not installed():  # somebody's own tasks and checks
        return entry_problems(folder, catalogue=catalogue)
    name = _name_of_entry(folder, catalogue)
    if name is not None and _read(name) == b"":
        return []
    found = entry_problems(folder, catalogue=catalogue)
    if not found and name is not None:
        _keep(name, b"")
    return found


def rank_draws(lived: Sequence[Draws], attempts: Sequence[int]) -> Ranking:
    """As `ranking.rank_draws`."""
    if not lived:
        return ranking.rank_draws(lived, attempts)
    digest = hashlib.sha256(f"ranking {_code()} {list(attempts)}".encode())
    for draws in lived:
        digest.update(b"rule")
        for draw, losses in draws.items():
            own = np.ascontiguousarray(losses, np.float64)
            digest.update(f"{draw}{own.shape}".encode() + own.tobytes())
    name = f"ranking-{digest.hexdigest()}"
    kept = _read(name)
    if kept is not None:
        try:
            return _unpacked(kept)
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile):
            pass  # damaged: made anew
    found = ranking.rank_draws(lived, attempts)
    _keep(name, _packed(found))
    return found


def _packed(found: Ranking) -> bytes:
    file = io.BytesIO()
    arrays = {name: getattr(found, name) for name in _ARRAYS}
    np.savez(file, groups=np.array(json.dumps(found.groups)), **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def _unpacked(content: bytes) -> Ranking:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        groups = tuple(tuple(group) for group in json.loads(str(arrays["groups"])))
        return Ranking(**{name: arrays[name] for name in _ARRAYS}, groups=groups)


def _name_of_entry(folder: Path, catalogue: Catalogue) -> str | None:
    """None of a folder that is better looked at than hashed: with anything but plain, small files in it."""
    tasks = [task.spec_hash for task in catalogue.tasks.values() if task_slug(task.id) == folder.parent.name]
    digest = hashlib.sha256(f"entry {_code()} {tasks} {folder.parent.name}/{folder.name}".encode())
    try:
        if folder.is_symlink():
            return None
        files = sorted(folder.iterdir())
        if any(path.is_symlink() or not path.is_file() for path in files):
            return None
        if sum(path.stat().st_size for path in files) > _LARGEST:
            return None
        for path in files:
            content = path.read_bytes()
            digest.update(f"{path.name} {len(content)} ".encode(errors="replace") + content)
    except OSError:
        return None
    return f"entry-{digest.hexdigest()}"


@functools.cache
def _code() -> str:
    """The hash of the code that a verdict or a ranking follows from."""
    digest = hashlib.sha256(np.__version__.encode())
    core = Path(str(resources.files("plasticbench")))
    paths = sorted({*Path(__file__).parent.glob("*.py"), *Path(__file__).parent.glob("*.json")})
    for pattern in _CODE:
        paths += sorted(core.glob(pattern))
    for path in paths:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _read(name: str) -> bytes | None:
    try:
        return (user_folder("cache") / "board" / name).read_bytes()
    except OSError:
        return None


def _keep(name: str, content: bytes) -> None:
    """Without a word where the cache cannot be written."""
    folder = user_folder("cache") / "board"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _prune(folder)
        write_bytes(folder / name, content)
    except (PlasticbenchError, OSError):
        pass


def _prune(folder: Path) -> None:
    """Keep the younger half where there is too much."""
    files = list(folder.iterdir())
    if len(files) > _MOST:
        for path in sorted(files, key=os.path.getmtime)[: len(files) // 2]:
            path.unlink(missing_ok=True)
