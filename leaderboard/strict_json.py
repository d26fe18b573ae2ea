"""Reading JSON that a stranger sent: bounded in size, depth and numbers, and never silently altered.

Python's own reader accepts NaN, keeps the last of two equal keys, turns 1e999 into infinity and needs unbounded
memory and stack. Here each of these is either an error with its place, or (NaN, infinity) a value that the
later check of finite numbers reports with its field path.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from plasticbench.errors import PlasticbenchError

MAX_DEPTH = 16
MAX_DIGITS = 19  # of a whole number: seeds end at 2**63 - 1
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


class JsonError(PlasticbenchError):
    """A file that is not the JSON we accept; the message says why, without the file's name."""


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """The content of a plain file (no link, no device) of at most max_bytes; JsonError otherwise."""
    try:
        state = os.lstat(path)
    except OSError as error:
        raise JsonError(f"cannot be read: {error.strerror}") from None
    if stat.S_ISLNK(state.st_mode):
        raise JsonError("is a link; put the file itself here")
    if not stat.S_ISREG(state.st_mode):
        raise JsonError("is not a plain file")
    if state.st_size > max_bytes:
        raise JsonError(f"has {state.st_size:,} bytes; at most {max_bytes:,} are accepted")
    try:
        with open(path, "rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise JsonError(f"cannot be read: {error.strerror}") from None
    if len(content) > max_bytes:
        raise JsonError(f"has more than {max_bytes:,} bytes")
    return content


def parse(content: bytes) -> Any:
    """The value of one JSON text; JsonError for anything doubtful. NaN and infinities come back as floats."""
    if content[:1] == b"\x80" or content[:2] == b"PK":
        raise JsonError("is a pickle or an archive, not JSON; nothing but JSON is ever loaded here")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonError(f"is not UTF-8 text (byte {error.start})") from None
    depth = deepest = 0
    for bracket in _BRACKET.finditer(_STRING.sub("", text)):
        depth += 1 if bracket.group() in "[{" else -1
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        raise JsonError(f"is nested {deepest:,} deep; at most {MAX_DEPTH} levels are accepted")
    try:
        return json.loads(text, object_pairs_hook=_unique_keys, parse_int=_bounded_int)
    except json.JSONDecodeError as error:
        raise JsonError(f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None


def read(path: Path, max_bytes: int) -> Any:
    """`parse` of a bounded plain file."""
    return parse(read_bytes(path, max_bytes))


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise JsonError(f"has the key {key[:40]!r} twice in one object")
        found[key] = value
    return found


def _bounded_int(digits: str) -> int:
    if len(digits.lstrip("-")) > MAX_DIGITS:
        raise JsonError(f"has a whole number of {len(digits):,} digits; at most {MAX_DIGITS} are accepted")
    return int(digits)


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a JSON value with its field path, such as ("losses[3]", 0.1)."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from walk(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from walk(inner, f"{path}[{index}]")
    else:
        yield path, value


def canonical(value: Any) -> bytes:
    """The one byte string of a JSON value: sorted keys, no spaces, shortest floats; no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(*parts: bytes) -> str:
    """SHA-256 of byte strings, each preceded by its length, in hexadecimal."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(len(part).to_bytes(8, "big"))
        sha.update(part)
    return sha.hexdigest()


def pretty(value: Any) -> bytes:
    """A JSON file as people read it: two spaces, lists of plain values on one line, a final newline."""
    return (_pretty(value, "") + "\n").encode()


def _pretty(value: Any, indent: str) -> str:
    inner = indent + "  "
    if isinstance(value, dict) and value:
        lines = [f"{inner}{_dump(str(k))}: {_pretty(v, inner)}" for k, v in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(v, dict | list) for v in value):
        return "[\n" + ",\n".join(inner + _pretty(v, inner) for v in value) + f"\n{indent}]"
    return _dump(value)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
