"""The run-time compiler of CUDA C++ through ctypes, and the cache of what it has compiled.

`libnvrtc` comes with torch's CUDA builds, and as the package nvidia-cuda-nvrtc.
"""

from __future__ import annotations

import ctypes
import hashlib
import re
import sys
from functools import lru_cache
from pathlib import Path

from plasticbench.files import write_bytes
from plasticbench.simulation.compile import cache_dir
from plasticbench.simulation.cuda.driver import CudaError

# Of dynamic shared memory, in CUDA; the emulation of tests says the same in its own way.
CUDA_HEAD = "#define DYNAMIC_SHARED(name) extern __shared__ __align__(16) unsigned char name[]\n"
# No contraction of multiplications and additions: the bits of the cpu engine.
OPTIONS = ("--fmad=false", "--std=c++17", "--ptxas-options=-v")
_PLACES = ("nvidia/cu1*/lib/libnvrtc.so.1*", "nvidia/cuda_nvrtc/lib/libnvrtc.so.1*", "nvidia/cu1*/bin/*/nvrtc64*.dll")


class Compiler:
    """NVRTC. Raises CudaError where it cannot be found."""

    def __init__(self) -> None:
        self._library = _load()
        self._library.nvrtcGetErrorString.restype = ctypes.c_char_p
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._check(self._library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)))
        self.version = f"{major.value}.{minor.value}"

    def _check(self, result: int) -> None:
        if result:
            raise CudaError(f"nvrtc: {self._library.nvrtcGetErrorString(result).decode()}")

    def compile(self, source: str, architecture: str, *more: str) -> tuple[bytes, str]:
        """The machine code of `architecture`, such as "sm_90", and the compiler's log; `more`: further options."""
        program = ctypes.c_void_p()
        text = (CUDA_HEAD + source).encode()
        self._check(self._library.nvrtcCreateProgram(ctypes.byref(program), text, b"plasticbench.cu", 0, None, None))
        try:
            options = [
                f"--gpu-architecture={architecture}".encode(),
                *(option.encode() for option in (*OPTIONS, *more)),
            ]
            result = self._library.nvrtcCompileProgram(
                program, len(options), (ctypes.c_char_p * len(options))(*options)
            )
            log = self._read(program, "ProgramLog").rstrip(b"\0").decode()
            if result:
                raise CudaError(f"nvrtc: {' '.join(log.split())[:500]}")
            return self._read(program, "CUBIN"), log
        finally:
            self._library.nvrtcDestroyProgram(ctypes.byref(program))

    def _read(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        self._check(getattr(self._library, f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
        found = ctypes.create_string_buffer(size.value)
        self._check(getattr(self._library, f"nvrtcGet{what}")(program, found))
        return found.raw


def _load() -> ctypes.CDLL:
    found = [
        str(path) for root in map(Path, sys.path) if root.is_dir() for place in _PLACES
        for path in sorted(root.glob(place), reverse=True) if "builtins" not in path.name and ".alt" not in path.name
    ]  # fmt: skip
    for name in (*found, "libnvrtc.so.13", "libnvrtc.so.12"):
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise CudaError("no CUDA run-time compiler here; pip install nvidia-cuda-nvrtc, or choose --engine cpu")


@lru_cache(maxsize=1)
def compiler() -> Compiler:
    """The compiler, found once."""
    return Compiler()


def compiled(source: str, architecture: str) -> bytes:
    """The machine code of a kernel, kept in the cache folder under the hash of all that decides it."""
    found = compiler()
    key = "\n".join((found.version, architecture, *OPTIONS, CUDA_HEAD, source))
    path = cache_dir() / f"cuda_{hashlib.sha256(key.encode()).hexdigest()[:32]}.cubin"
    if path.exists():
        content = path.read_bytes()
        checksum, image = content[:32], content[32:]
        if hashlib.sha256(image).digest() == checksum:
            return image
    image, _ = found.compile(source, architecture)
    write_bytes(path, hashlib.sha256(image).digest() + image)
    return image


def resources(log: str) -> dict[str, int]:
    """Registers and bytes of spilled registers, of the kernel `live` in a compiler's log."""
    found = {}
    for name, pattern in (
        ("registers", r"Used (\d+) registers"), ("spill_stores", r"(\d+) bytes spill stores"),
        ("spill_loads", r"(\d+) bytes spill loads"), ("stack", r"(\d+) bytes stack frame"),
    ):  # fmt: skip
        numbers = [int(n) for n in re.findall(pattern, log)]
        found[name] = max(numbers, default=0)
    return found
