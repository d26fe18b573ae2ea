"""Compile generated kernels once: a module's source is stored in the cache folder under its hash.

numba keeps machine code beside a function's file, so generated source needs a real file. The source comes only
from the parsed, whitelisted expression tree and from kernels of this package, never from a user's text.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numba

# No interpreter lock; division by zero gives inf, as in torch; and no reference counts (numba's `_nrt`): these
# functions allocate nothing, and counting the views they take costs a tenth of their time in atomic instructions.
OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}

compiled: Any = numba.njit(cache=True, **OPTIONS)
compiled_inline: Any = numba.njit(cache=True, inline="always", **OPTIONS)  # may return a view


def c_callable(signature: str) -> Any:
    """Compile a function with a C interface, which other compiled code calls by its address."""
    return numba.cfunc(signature, cache=True, error_model="numpy", _nrt=False)


_PREFIX = "plasticbench_kernel_"


def cache_dir() -> Path:
    """The folder of generated kernels: $PLASTICBENCH_CACHE, the user's cache folder, or a private temporary one."""
    configured = os.environ.get("PLASTICBENCH_CACHE")
    base = Path(configured) if configured else Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    folder = (base if configured else base / "plasticbench") / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            return folder
    except OSError:
        private = Path(tempfile.gettempdir()) / f"plasticbench-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
        private.mkdir(mode=0o700, exist_ok=True)
        if private.is_symlink() or (hasattr(os, "getuid") and private.stat().st_uid != os.getuid()):
            return Path(tempfile.mkdtemp(prefix="plasticbench-"))
        return private


def compile_module(source: str) -> ModuleType:
    """The module with this source, imported; written to the cache folder at its first use (atomically)."""
    name = _PREFIX + hashlib.sha256(source.encode()).hexdigest()[:32]
    if name in sys.modules:
        return sys.modules[name]
    path = cache_dir() / f"{name}.py"
    if not path.exists() or path.read_text() != source:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False) as file:
            file.write(source)
        os.replace(file.name, path)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


MARKER = "# --- generated code ends here ---"


def compile_kernel(kernel_source: str, generated: str) -> ModuleType:
    """A kernel file with generated definitions in place of the stand-ins above its marker line.

    Import lines of the kernel stay; everything else above the marker is replaced.
    """
    head, found, body = kernel_source.partition(MARKER)
    if not found:
        raise ValueError(f"the kernel has no line {MARKER!r}")
    imports = [line for line in head.splitlines() if line.startswith(("import ", "from "))]
    return compile_module("\n".join([*imports, "", generated, body]))
