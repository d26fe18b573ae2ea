"""Compiled code: how it is compiled, and the cache that keeps it.

Machine code is kept in the user's cache folder, never beside the code, under the hash of everything that is compiled
into it: all of `simulation`, what emits source, and the versions of the compilers. Generated modules are files there,
since numba caches only what has a file; their source comes from the parsed, whitelisted expression tree and from this
package, never from a user's text. Whatever in the cache is damaged is compiled anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import pickle
import platform
import shutil
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import llvmlite
import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.ccallback import CFunc
from numba.core.serialize import dumps

from plasticbench.files import user_folder, write_bytes

# No interpreter lock; division by zero gives inf, as in torch; and no reference counts (numba's `_nrt`): these
# functions allocate nothing, and counting the views they take costs a tenth of their time in atomic instructions.
OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
_PREFIX = "plasticbench_kernel_"
_KEPT_DAYS = 30  # of the caches of other versions
_PACKAGE = Path(__file__).resolve().parents[1]
_lock = threading.RLock()


@cache
def source_hash() -> str:
    """Of everything that decides machine code: sources of `simulation` and `language`, compilers, Python."""
    digest = hashlib.sha256()
    for folder in ("simulation", "language"):
        for path in sorted((_PACKAGE / folder).rglob("*.py")):
            digest.update(path.relative_to(_PACKAGE).as_posix().encode() + path.read_bytes())
    versions = (numba.__version__, llvmlite.__version__, platform.python_version(), sys.implementation.cache_tag)
    digest.update(repr(versions).encode())
    return digest.hexdigest()[:32]


@cache
def cache_dir() -> Path:
    """The folder of this version's machine code; where nothing can be written, a temporary one, with a warning."""
    base = user_folder("cache") / "kernels"
    folder = base / source_hash()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        warnings.warn(
            f"{base}: compiled code cannot be kept ({error.strerror}), so it is compiled in every process; "
            "set PLASTICBENCH_CACHE to a folder that can be written",
            stacklevel=2,
        )
        return Path(tempfile.mkdtemp(prefix="plasticbench-"))
    _forget_others(base, folder)
    return folder


def _forget_others(base: Path, current: Path) -> None:
    """Remove the caches of other versions that nobody has used for a while; best effort."""
    os.utime(current)
    for folder in base.iterdir():
        with contextlib.suppress(OSError):
            if folder != current and time.time() - folder.stat().st_mtime > _KEPT_DAYS * 86_400:
                shutil.rmtree(folder, ignore_errors=True) if folder.is_dir() else folder.unlink()


class _Locator(_CacheLocator):
    """Where numba keeps the code of this package's functions."""

    def __init__(self, function: Any, file: str):
        self._file = self._py_file = file  # the second is what numba's warnings name

    def get_cache_path(self) -> str:
        return str(cache_dir() / "machine_code")

    def get_source_stamp(self) -> str:
        return source_hash() + hashlib.sha256(Path(self._file).read_bytes()).hexdigest()

    def get_disambiguator(self) -> str:
        return hashlib.sha256(self._file.encode()).hexdigest()[:10]

    @classmethod
    def from_function(cls, function: Any, file: str) -> _Locator:
        return cls(function, file)


class _Implementation(CompileResultCacheImpl):
    """Numba's own, at our place, with a checksum: machine code that was damaged on disk must not run."""

    _locator_classes = (_Locator,)

    def reduce(self, result: Any) -> tuple[bytes, bytes]:
        content = dumps(super().reduce(result))
        return hashlib.sha256(content).digest(), content

    def rebuild(self, target: Any, payload: tuple[bytes, bytes]) -> Any:
        checksum, content = payload
        if hashlib.sha256(content).digest() != checksum:
            raise ValueError("damaged machine code")
        return super().rebuild(target, pickle.loads(content))  # noqa: S301  (numba's format, in the user's own folder)


class _Cache(FunctionCache):
    """What is damaged is compiled anew; what cannot be kept is not."""

    _impl_class = _Implementation

    def load_overload(self, signature: Any, target: Any) -> Any:
        try:
            return super().load_overload(signature, target)
        except Exception:  # a cut or foreign file can raise anything
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, signature: Any, data: Any) -> None:
        with contextlib.suppress(OSError), _one_process(cache_dir() / "machine_code"):
            super().save_overload(signature, data)


def compiled(function: Any) -> Any:
    """Compile a function that other compiled code calls; kept in the cache."""
    return _cached(numba.njit(**OPTIONS)(function))


def compiled_inline(function: Any) -> Any:
    """As `compiled`, inlined where it is called; it may return a view."""
    return _cached(numba.njit(inline="always", **OPTIONS)(function))


def compiled_plainly(function: Any) -> Any:
    """As `compiled`, for functions that may make arrays."""
    return _cached(numba.njit(nogil=True, error_model="numpy")(function))


def _cached(dispatcher: Any) -> Any:
    dispatcher._cache = _Cache(dispatcher.py_func)
    return dispatcher


def c_callable(signature: str) -> Any:
    """Compile a function with a C interface, which other compiled code calls by its address."""
    from numba.core import sigutils

    def decorate(function: Any) -> Any:
        made: Any = CFunc(function, sigutils.normalize_signature(signature), locals={}, options=_C_OPTIONS)
        made._cache = _Cache(function)
        made.compile()
        return made

    return decorate


_C_OPTIONS = {"error_model": "numpy", "_nrt": False, "nopython": True}


@contextlib.contextmanager
def _one_process(path: Path) -> Iterator[None]:
    """Only one process at a time is here for the same file; where the system has no such locks, several may be."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            file = stack.enter_context(open(path.with_suffix(".lock"), "w", encoding="utf-8"))
            fcntl.flock(file, fcntl.LOCK_EX)  # released by the system when a process dies
        yield


def compile_module(source: str) -> ModuleType:
    """The module with this source, imported; written to the cache folder at its first use.

    A module is seen by other threads and processes only when it is complete.
    """
    name = _PREFIX + hashlib.sha256((source_hash() + source).encode()).hexdigest()[:32]
    with _lock:
        if name in sys.modules:
            return sys.modules[name]
        path = cache_dir() / f"{name}.py"
        with _one_process(path):
            if not path.exists() or path.read_bytes() != source.encode():
                write_bytes(path, source.encode())
            return _import(name, path)


def _import(name: str, path: Path) -> ModuleType:
    loader = importlib.util.spec_from_file_location(name, path)
    assert loader is not None
    assert loader.loader is not None
    module = importlib.util.module_from_spec(loader)
    sys.modules[name] = module
    try:
        loader.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
