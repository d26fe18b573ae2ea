"""One allocation for everything that a batch of lives needs: where each array lies in it, known before any is made."""

from __future__ import annotations

from dataclasses import dataclass, field

ALIGNMENT = 256
GAP = 256  # bytes that belong to nobody, between arrays: tests notice who touches them


@dataclass
class Arena:
    """Places are handed out from the beginning; nothing is given back."""

    size: int = 0
    parts: list[tuple[int, int]] = field(default_factory=list)  # (offset, bytes) of each array

    def place(self, n_bytes: int) -> int:
        """The offset of a new array."""
        offset = self.size
        self.parts.append((offset, n_bytes))
        self.size += space(n_bytes)
        return offset


def space(n_bytes: int) -> int:
    """What an array takes, its alignment and the gap after it included."""
    return -(-n_bytes // ALIGNMENT) * ALIGNMENT + GAP
