"""Files and folders that appear whole or not at all, and never replace one that is there.

A process may be killed at any moment and many may write at once, so everything is written under a hidden name in
the same file system, synced to the disk, and given its name in one step that fails if the name is taken.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from plasticbench.errors import PlasticbenchError

INCOMING = ".incoming-"
_ABANDONED_AFTER_S = 24 * 3600.0


def write_synced(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it."""
    with open(path, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the disk has a folder's list of names (where the system can do that)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def incoming_folder(parent: Path) -> Iterator[Path]:
    """A hidden folder in `parent` to build something in; removed afterwards unless it was given a name."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=INCOMING, dir=parent))
    except OSError as error:
        raise PlasticbenchError(f"board: {parent} cannot be written: {error.strerror}") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish_folder(folder: Path, target: Path) -> None:
    """Give a finished folder its name; FileExistsError if the name is taken."""
    for path in folder.iterdir():
        path.chmod(0o644)
    folder.chmod(0o755)
    sync_folder(folder)
    try:
        os.rename(folder, target)  # onto a folder with files in it, this fails in every system
    except OSError:
        if target.exists():
            raise FileExistsError(str(target)) from None
        raise
    sync_folder(target.parent)


def publish_file(target: Path, content: bytes) -> None:
    """Create a file whole; FileExistsError if there is one already."""
    handle, name = tempfile.mkstemp(prefix=".tmp-", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        if os.name == "nt":
            os.rename(temporary, target)  # refuses to replace there
        else:
            os.link(temporary, target)  # rename would replace here, link refuses
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(target.parent)


def publish_files(files: Mapping[Path, bytes]) -> None:
    """Replace files one by one, each atomically; a file that has the content already is left alone."""
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() and path.read_bytes() == content:
            continue
        handle, name = tempfile.mkstemp(prefix=".tmp-", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)
        os.replace(name, path)


def sweep(parent: Path) -> None:
    """Remove what killed processes left behind a day ago or earlier."""
    oldest = time.time() - _ABANDONED_AFTER_S
    for path in parent.glob(f"{INCOMING}*"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < oldest:
                shutil.rmtree(path, ignore_errors=True)
