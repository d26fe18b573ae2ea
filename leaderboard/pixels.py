"""Small pictures as data: a palette PNG made here, so that a page needs no other file and is the same everywhere."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

_POSITIVE, _NEGATIVE = (200, 85, 61), (47, 109, 181)  # strengthening, weakening; as in the style sheet
_LEVELS = 127  # of each sign


def diverging_png(values: np.ndarray) -> str:
    """A data URI of values (height, width), row 0 at the top: colour by sign, opacity by size.

    Zero is transparent, so the picture suits a light page and a dark one. Values that are not finite count as 0.
    """
    clean = np.nan_to_num(np.asarray(values, dtype=float), nan=0.0, posinf=0.0, neginf=0.0)
    limit = float(np.abs(clean).max()) or 1.0
    strength = np.sign(clean) * np.sqrt(np.abs(clean) / limit)  # small changes stay visible
    indices = (np.rint(strength * _LEVELS) + _LEVELS).astype(np.uint8)
    colours = bytes(_NEGATIVE) * _LEVELS + bytes(_POSITIVE) * (_LEVELS + 1)
    opacity = bytes(round(255 * abs(level) / _LEVELS) for level in range(-_LEVELS, _LEVELS + 1))
    height, width = indices.shape
    rows = b"".join(b"\0" + row.tobytes() for row in indices)
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, content)
        for kind, content in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            (b"PLTE", colours),
            (b"tRNS", opacity),
            (b"IDAT", zlib.compress(rows, 0)),  # stored: another zlib could pack otherwise
            (b"IEND", b""),
        )
    )
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
