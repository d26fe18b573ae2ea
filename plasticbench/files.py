"""Files at the boundary: read with limits, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from .errors import PlasticbenchError, RuleError
from .rules.io import parse_json

MAX_JSON_BYTES = 16 * 2**20


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write to a temporary file beside `path`, then rename; PlasticbenchError if the folder cannot be written."""
    path = Path(path)
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(file.name, 0o644)
        os.replace(file.name, path)
    except OSError as error:
        raise PlasticbenchError(f"{path}: cannot be written ({error.strerror}); choose another place") from error


def write_text(path: str | Path, content: str) -> None:
    """As `write_bytes`, in UTF-8."""
    write_bytes(path, content.encode())


def make_folder(path: str | Path) -> Path:
    """The folder, made if it is missing; PlasticbenchError if it cannot be made or written."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path):
            return path
    except OSError as error:
        raise PlasticbenchError(f"{path}: not a folder that can be written ({error.strerror})") from error


def read_json(path: str | Path, max_bytes: int = MAX_JSON_BYTES) -> Any:
    """Parsed strictly: no NaN or infinity, no duplicate keys; PlasticbenchError says what is wrong and where."""
    path = Path(path)
    try:
        if path.stat().st_size > max_bytes:
            raise PlasticbenchError(f"{path}: larger than the limit of {max_bytes // 2**20} MiB")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PlasticbenchError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise PlasticbenchError(f"{path}: cannot be read ({error})") from error
    try:
        return parse_json(text)
    except RuleError as error:
        raise PlasticbenchError(f"{path}: {error}") from None
