"""Small pictures as data, so that a page needs no other file."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

_POSITIVE, _NEGATIVE = (200, 85, 61), (47, 109, 181)  # strengthening, weakening; as in the style sheet
_LEVELS = 127  # of each sign


def diverging_png(values: np.ndarray) -> str:
    """A data URI of values (height, width), row 0 at the top: colour by sign, opacity by size.

    Zero is transparent, so the picture suits a light page and a dark one. Values that are not finite count as 0.
    """
    clean = np.nan_to_num(np.asarray(values, dtype=float), nan=0.0, posinf=0.0, neginf=0.0)
    limit = float(np.abs(clean).max()) or 1.0
    strength = np.sign(clean) * np.sqrt(np.abs(clean) / limit)  # small changes stay visible
    picture = Image.fromarray((np.rint(strength * _LEVELS) + _LEVELS).astype(np.uint8))
    picture.putpalette(_NEGATIVE * _LEVELS + _POSITIVE * (_LEVELS + 1))
    opacity = bytes(round(255 * abs(level) / _LEVELS) for level in range(-_LEVELS, _LEVELS + 1))
    file = io.BytesIO()
    picture.save(file, "PNG", transparency=opacity)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
