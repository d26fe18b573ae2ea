"""Structures that the host fills and the device reads, declared once: as C source and as ctypes."""

from __future__ import annotations

import ctypes as C
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_KINDS = {
    "int": C.c_int, "unsigned": C.c_uint, "float": C.c_float, "double": C.c_double, "long long": C.c_longlong,
    "unsigned long long": C.c_ulonglong,
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


def structure(name: str, members: Sequence[Field]) -> type[C.Structure]:
    """As a ctypes class."""
    return _structure(name, tuple(members))


@lru_cache(maxsize=256)
def _structure(name: str, members: tuple[Field, ...]) -> type[C.Structure]:
    return type(name, (C.Structure,), {"_fields_": [(m.name, _ctype(m)) for m in members]})


def _ctype(member: Field):
    kind = _KINDS[member.kind]
    for n in reversed(member.dimensions):
        kind = kind * n
    return kind


def declaration(name: str, members: Sequence[Field]) -> str:
    """As C++ source, which stops a compiler that lays it out differently from ctypes."""
    lines = [f"    {m.kind} {m.name}{''.join(f'[{n}]' for n in m.dimensions)};" for m in members]
    size = C.sizeof(structure(name, members))
    return f"struct {name} {{\n" + "\n".join(lines) + f"\n}};\nstatic_assert(sizeof({name}) == {size});\n"
