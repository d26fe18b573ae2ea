"""Files at the boundary: JSON read strictly and with limits, files written whole or not at all, the user's folders.

Reading costs time and memory in proportion to a file's size, whatever is in it, so that a hostile file costs no more
than an honest one of its length.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plasticbench.errors import PlasticbenchError, RuleError
from plasticbench.language.vocabulary import shorten

MAX_JSON_BYTES = 16 * 2**20
_MAX_DIGITS = 40  # of a whole number; Python's own conversion takes the square of the length
# Strings end at their first bare quote, or with the text; possessive, so that nothing is tried twice.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")
# Control characters, what turns the direction of writing, and halves of surrogate pairs.
_NO_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_TEMPORARY = ".tmp-"


class JsonError(RuleError):
    """Content that is not the JSON accepted here; `field` is the path of the value, empty for the whole text."""

    def __init__(self, reason: str, field: str = ""):
        self.reason, self.field = reason, field
        super().__init__(f"{field}: {reason}" if field else reason)

    def within(self, key: str | int) -> JsonError:
        """The same error, seen from the object or list around it."""
        head = f"[{key}]" if isinstance(key, int) else shorten(key)[1:-1]
        return JsonError(self.reason, head + ("." if self.field and self.field[0] != "[" else "") + self.field)


@dataclass(frozen=True)
class JsonLimits:
    """How much of what a JSON text may hold; the defaults are far above any file of ours."""

    max_depth: int = 32
    max_keys: int = 10_000  # in one object
    max_items: int = 1_000_000  # in one list
    max_values: int = 2_000_000  # altogether


DEFAULT_LIMITS = JsonLimits()


def read_bytes(path: str | Path, max_bytes: int = MAX_JSON_BYTES, *, plain: bool = False) -> bytes:
    """At most `max_bytes` of content. PlasticbenchError, without the path: no such file, unreadable, too large.

    `plain` refuses links, pipes and devices, for what strangers send.
    """
    # No link that was put there meanwhile is followed; a pipe does not wait for its writer.
    further = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) if plain else 0
    try:
        if plain and stat.S_ISLNK(os.lstat(path).st_mode):
            raise JsonError("is a link; put the file itself here")
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | further)) as file:
            state = os.fstat(file.fileno())
            if plain and not stat.S_ISREG(state.st_mode):
                raise JsonError("is not a plain file")
            if state.st_size > max_bytes:
                raise JsonError(f"has {state.st_size:,} bytes; larger than the limit of {max_bytes:,} bytes")
            content = file.read(max_bytes + 1)
    except FileNotFoundError:
        raise JsonError("no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL character
        if isinstance(error, JsonError):
            raise
        raise JsonError(f"cannot be read ({getattr(error, 'strerror', None) or 'not a usable path'})") from None
    if len(content) > max_bytes:
        raise JsonError(f"larger than the limit of {max_bytes:,} bytes")
    return content


def read_json(path: str | Path, max_bytes: int = MAX_JSON_BYTES, limits: JsonLimits = DEFAULT_LIMITS) -> Any:
    """The value of a JSON file, parsed as by `parse_json`; PlasticbenchError names the file and what is wrong."""
    try:
        return parse_json(read_bytes(path, max_bytes), limits)
    except JsonError as error:
        raise PlasticbenchError(f"{path}: {error}") from None


def parse_json(content: bytes | str, limits: JsonLimits = DEFAULT_LIMITS) -> Any:
    """JSON, strictly: UTF-8 (with or without a mark of order), finite numbers, plain text, no key twice.

    Raises JsonError (a RuleError) with the path of the field. Takes time in proportion to the length.
    """
    text = _decoded(content) if isinstance(content, bytes) else content.removeprefix("\ufeff")
    _bound_structure(text, limits)
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_Constant, parse_int=_integer)
    except JsonError:
        raise
    except json.JSONDecodeError as error:
        raise JsonError(f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except (ValueError, RecursionError, MemoryError):
        raise JsonError("not JSON that can be read: nested too deeply, or a number too long") from None
    check_values(value, limits)
    return value


def _decoded(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise JsonError("not JSON: UTF-16 text, not UTF-8; save it as UTF-8")
    if content[:1] == b"\x80" or content[:2] == b"PK":
        raise JsonError("not JSON but a pickle or an archive; nothing but JSON is ever loaded here")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise JsonError(f"not JSON: not UTF-8 text (byte {error.start})") from None


def _bound_structure(text: str, limits: JsonLimits) -> None:
    """Depth and number of values, counted before anything is built from them."""
    bare = _STRING.sub('"', text)
    n_values = bare.count(",") + bare.count("[") + bare.count("{")
    if n_values > limits.max_values or bare.count("]") + bare.count("}") > limits.max_values:
        raise JsonError(f"not JSON that is accepted: more than {limits.max_values:,} values")
    depth = 0
    for bracket in _BRACKET.finditer(bare):
        depth += 1 if bracket[0] in "[{" else -1
        if depth > limits.max_depth:
            raise JsonError(f"not JSON that is accepted: nested more than {limits.max_depth} deep")


class _Constant(float):
    """NaN, Infinity or -Infinity, kept until its field is known."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique: dict[str, Any] = {}
    for name, value in pairs:
        if name in unique:
            raise JsonError(f"the key {shorten(name)} stands twice in one object; keep one")
        unique[name] = value
    return unique


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise JsonError(f"a whole number of {len(text):,} digits is too large; at most {_MAX_DIGITS}")
    return int(text)


def check_values(value: Any, limits: JsonLimits = DEFAULT_LIMITS) -> None:
    """Raise JsonError where a JSON value, from a file or from Python, has what no JSON text of ours may have."""
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            found = {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
            told = f"{found} is not a number here" if isinstance(value, _Constant) else f"{found}: a number too large"
            raise JsonError(f"{told}; every number must be finite")
    elif isinstance(value, dict):
        if len(value) > limits.max_keys:
            raise JsonError(f"has {len(value):,} fields, at most {limits.max_keys:,} accepted")
        for name, inner in value.items():
            _check_text(name, "its key ")
            _check_inner(name, inner, limits)
    elif isinstance(value, list):
        if len(value) > limits.max_items:
            raise JsonError(f"has {len(value):,} items, at most {limits.max_items:,} accepted")
        for position, inner in enumerate(value):
            _check_inner(position, inner, limits)


def _check_inner(key: str | int, value: Any, limits: JsonLimits) -> None:
    try:
        check_values(value, limits)
    except JsonError as error:
        raise error.within(key) from None


def _check_text(text: str, what: str = "") -> None:
    found = _NO_TEXT.search(text)
    if found:
        kind = "half of a surrogate pair" if "\ud800" <= found[0] <= "\udfff" else "a control character"
        raise JsonError(f"{what}has {kind} (U+{ord(found[0]):04X} at {found.start()}); leave it out")


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write whole or not at all: a new file takes the place of the old one, and its permissions.

    A link stays and its target is written; a pipe, a terminal or an open descriptor (/dev/stdout) is written into.
    PlasticbenchError where the place cannot be written; what was there is then as it was.
    """
    with _one_line(path):
        state = _state(path)
        if _is_stream(path, state):
            _write_into(path, content)
            return
        target = Path(os.path.realpath(path))
        if state is not None and not os.access(target, os.W_OK):
            raise OSError(errno.EACCES, "it is write-protected")
        with _temporary(target.parent, content, None if state is None else stat.S_IMODE(state.st_mode)) as temporary:
            os.replace(temporary, target)


def write_text(path: str | Path, content: str) -> None:
    """As `write_bytes`, in UTF-8."""
    try:
        encoded = content.encode()
    except UnicodeEncodeError as error:
        raise PlasticbenchError(f"{path}: the text is not valid Unicode (character {error.start})") from None
    write_bytes(path, encoded)


def create_bytes(path: str | Path, content: bytes) -> None:
    """Create a file whole; FileExistsError if there is one already, PlasticbenchError if it cannot be written."""
    path = Path(path)
    with _one_line(path, FileExistsError), _temporary(path.parent, content) as temporary:
        # A rename refuses to replace on Windows only, a link everywhere else.
        (os.rename if os.name == "nt" else os.link)(temporary, path)


def check_output(path: str | Path) -> None:
    """Before the work: make the folder that `path` will lie in; PlasticbenchError if it cannot be written there."""
    with _one_line(path):
        if not _is_stream(path, _state(path)):
            make_folder(Path(os.path.realpath(path)).parent)


def make_folder(path: str | Path) -> Path:
    """The folder, made if it is missing; PlasticbenchError if it cannot be made or written."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with _temporary(path, b""):
            return path
    except OSError as error:
        raise PlasticbenchError(f"{path}: not a folder that can be written ({error.strerror})") from error


def user_folder(which: str) -> Path:
    """The user's `cache` (of compiled code) or `board`; it need not exist yet.

    $PLASTICBENCH_CACHE or $PLASTICBENCH_BOARD where it is set, else where the platform keeps such data.
    """
    configured = os.environ.get(f"PLASTICBENCH_{which.upper()}")
    if configured:
        return Path(configured).expanduser()
    import platformdirs

    if which == "cache":
        return platformdirs.user_cache_path("plasticbench", appauthor=False)
    return platformdirs.user_data_path("plasticbench", appauthor=False) / which


def sync_folder(folder: Path) -> None:
    """Wait until the disk has a folder's list of names (where the system can do that)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def _one_line(path: str | Path, *passed: type[OSError]) -> Iterator[None]:
    try:
        yield
    except passed:
        raise
    except (OSError, ValueError) as error:
        if isinstance(error, PlasticbenchError):
            raise
        reason = getattr(error, "strerror", None) or "not a usable path"
        raise PlasticbenchError(f"{path}: cannot be written ({reason}); choose another place") from error


def remove_cut_short(folder: Path) -> None:
    """Remove what writes into this folder have left behind that a kill cut short."""
    for unfinished in folder.glob(_TEMPORARY + "[0-9a-f]" * 16):
        unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def _temporary(folder: Path, content: bytes, mode: int | None = None) -> Iterator[Path]:
    """A hidden file with this content, on the disk; gone afterwards unless it was given a name."""
    path = folder / f"{_TEMPORARY}{os.urandom(8).hex()}"
    try:
        with open(path, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            path.chmod(mode)
        yield path
    finally:
        path.unlink(missing_ok=True)
    sync_folder(folder)


def _state(path: str | Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _is_stream(path: str | Path, state: os.stat_result | None) -> bool:
    """Whether content is written into what is there; OSError where it is a folder, a disk or a socket."""
    mode = stat.S_IFREG if state is None else state.st_mode
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, "it is a folder")
    if stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
        raise OSError(errno.EINVAL, "it is a disk or a socket")
    return not stat.S_ISREG(mode) or _descriptor(path) is not None


def _descriptor(path: str | Path) -> int | None:
    """The open file of this process that a path, as /dev/stdout, stands for."""
    seen = os.path.abspath(path)
    for _ in range(40):
        folder, name = os.path.realpath(os.path.dirname(seen)), os.path.basename(seen)
        if name.isdecimal() and folder in ("/dev/fd", f"/proc/{os.getpid()}/fd"):
            return int(name)
        if not os.path.islink(seen):
            return None
        seen = os.path.join(folder, os.readlink(seen))
    return None


def _write_into(path: str | Path, content: bytes) -> None:
    """Into what is open, or is no file: where its reader, or the process's further output, expects it."""
    handle = _descriptor(path)
    with contextlib.ExitStack() as stack:
        if handle is None:
            handle = os.open(path, os.O_WRONLY)
            stack.callback(os.close, handle)
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(handle, rest) :]
