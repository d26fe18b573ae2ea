"""Kernels without a GPU: their source built as C++, and a driver that runs it."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "emulation"
IN_CI = bool(os.environ.get("PLASTICBENCH_CI"))
HEADER = (
    "#define ON_CPU_IMPLEMENTATION\n"
    '#include "cuda_on_cpu.h"\n#include "as_host_code.h"\n'
)  # fmt: skip
FLAGS = ("-std=c++17", "-O1", "-ffp-contract=off", "-Wno-unknown-pragmas", "-I", str(FOLDER))

needs_compiler = pytest.mark.skipif(
    not IN_CI and (shutil.which("g++") is None or sys.platform != "linux"), reason="needs g++ on Linux x86-64"
)


def built(text: str, folder: Path, *flags: str, program: bool = False) -> Path:
    """The shared library, or the program, of some C++."""
    key = hashlib.sha256("\0".join((text, str(program), *FLAGS, *flags, *_headers())).encode()).hexdigest()[:24]
    library = folder / f"{key}{'' if program else '.so'}"
    if not library.exists():
        part = folder / f"{key}.{os.getpid()}"  # several processes may build the same
        source = part.with_suffix(f"{part.suffix}.cpp")
        source.write_text(text)
        command = [
            "g++",
            *FLAGS,
            *flags,
            *(() if program else ("-shared", "-fPIC")),
            str(source),
            "-o",
            str(part),
            "-ldl",
        ]
        subprocess.run(command, check=True)
        part.replace(library)
    return library


def _headers() -> list[str]:
    return [path.read_text() for path in sorted(FOLDER.iterdir())]


def host_code(source: str) -> str:
    """A module's source as C++ that the fake driver runs."""
    kernels = next(names for names in (("live_rates",), ("live",), ("wire", "weigh")) if f"{names[0]}(" in source)
    return HEADER + source + "".join(f"EMULATED({name}, THREADS)\n" for name in kernels)


def fake_image(source: str, folder: Path, *flags: str) -> bytes:
    """What the fake driver takes for a module's machine code."""
    return b"FAKE" + str(built(host_code(source), folder, *flags)).encode() + b"\0"


def sanitized(source: str, folder: Path, sanitizers: str) -> Path:
    """A program that lives what a file says, under sanitizers."""
    flags = (f"-fsanitize={sanitizers}", "-fno-sanitize-recover=undefined", "-g")
    return built(host_code(source) + '#include "program.h"\n', folder, *flags, program=True)
