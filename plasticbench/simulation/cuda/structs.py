"""Structures that the host fills and the device reads, declared once: as C source and as ctypes."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_KINDS = {
    "int": ctypes.c_int, "unsigned": ctypes.c_uint, "float": ctypes.c_float, "double": ctypes.c_double,
    "long long": ctypes.c_longlong, "unsigned long long": ctypes.c_ulonglong,
}  # fmt: skip


@dataclass(frozen=True)
class Field:
    """A member; `shape` of an array, whose dimensions are at least 1 in C."""

    name: str
    kind: str
    shape: tuple[int, ...] = ()

    @property
    def dimensions(self) -> tuple[int, ...]:
        """As declared: C has no arrays of nothing."""
        return tuple(max(1, n) for n in self.shape)


def fields(kind: str, names: str, *shape: int) -> list[Field]:
    """Several members of one kind and shape; names apart by spaces."""
    return [Field(name, kind, shape) for name in names.split()]


def structure(name: str, members: Sequence[Field]) -> type[ctypes.Structure]:
    """As a ctypes class."""
    return _structure(name, tuple(members))


@lru_cache(maxsize=256)
def _structure(name: str, members: tuple[Field, ...]) -> type[ctypes.Structure]:
    return type(name, (ctypes.Structure,), {"_fields_": [(m.name, _ctype(m)) for m in members]})


def _ctype(member: Field) -> Any:
    kind: Any = _KINDS[member.kind]
    for n in reversed(member.dimensions):
        kind = kind * n
    return kind


def declaration(name: str, members: Sequence[Field]) -> str:
    """As C++ source, which stops a compiler that lays it out differently from ctypes."""
    lines = [f"    {m.kind} {m.name}{''.join(f'[{n}]' for n in m.dimensions)};" for m in members]
    size = ctypes.sizeof(structure(name, members))
    return f"struct {name} {{\n" + "\n".join(lines) + f"\n}};\nstatic_assert(sizeof({name}) == {size});\n"
