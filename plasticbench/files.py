"""Files at the boundary: read with limits, written whole or not at all."""

from __future__ import annotations

import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import platformdirs

from plasticbench.errors import PlasticbenchError, RuleError
from plasticbench.language.vocabulary import shorten

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


def user_cache_folder() -> Path:
    """Where compiled code is kept: $PLASTICBENCH_CACHE, else the user's cache folder."""
    configured = os.environ.get("PLASTICBENCH_CACHE")
    return Path(configured) if configured else Path(platformdirs.user_cache_dir("plasticbench", appauthor=False))


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


def parse_json(content: bytes | str) -> Any:
    """JSON, strictly: UTF-8, finite numbers, no key twice. Raises RuleError."""
    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
        return json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
    except RuleError:
        raise
    except json.JSONDecodeError as error:
        raise RuleError(f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except UnicodeDecodeError:
        raise RuleError("not JSON: the file is not UTF-8 text") from None
    except (ValueError, RecursionError, MemoryError):
        raise RuleError("not JSON that can be read: nested too deeply, or a number too long") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RuleError(f"the key {shorten(twice)} stands twice in one object; keep one")
    return unique


def _no_constant(text: str) -> NoReturn:
    raise RuleError(f"{text} is not a number here; every number must be finite")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise RuleError(f"the number {shorten(text)} is too large; every number must be finite")
    return value


def _integer(text: str) -> int:
    if len(text) > 40:
        raise RuleError(f"the number {shorten(text)} is too large; at most 40 digits")
    return int(text)
