"""Folders that appear whole or not at all, and never replace one that is there.

A process may be killed at any moment and many may write at once, so a folder is built under a hidden name in the same
file system, synced to the disk, and given its name in one step that fails if the name is taken.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from plasticbench.errors import PlasticbenchError
from plasticbench.files import sync_folder

INCOMING = ".incoming-"
_ABANDONED_AFTER_S = 24 * 3600.0
_WAIT_S = 60.0  # for another process that publishes on the same board


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


@contextlib.contextmanager
def one_at_a_time(parent: Path) -> Iterator[None]:
    """Only one process at a time is here for a folder; PlasticbenchError after a minute of waiting.

    The lock is the folder's own, so nothing lies about, and the system releases it when a process dies. Where there
    are no such locks (Windows, some network drives) several processes may be here.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError):
            import fcntl

            handle = os.open(parent, os.O_RDONLY)
            stack.callback(os.close, handle)
            give_up = time.monotonic() + _WAIT_S
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if time.monotonic() > give_up:
                        raise PlasticbenchError(
                            f"board: {parent} is kept by another process that submits to it; wait for it, or end it"
                        ) from None
                    time.sleep(0.01)
                    continue
                except OSError:  # a file system without locks
                    pass
                break
        yield


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


def sweep(parent: Path) -> None:
    """Remove what killed processes left behind a day ago or earlier."""
    oldest = time.time() - _ABANDONED_AFTER_S
    for path in parent.glob(f"{INCOMING}*"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < oldest:
                shutil.rmtree(path, ignore_errors=True)
