"""Several pictures as one."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np


def side_by_side(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures (height, width, 3) uint8 in a row, white below the lower ones."""
    height = max(picture.shape[0] for picture in pictures)
    padded = [np.pad(p, ((0, height - p.shape[0]), (0, 0), (0, 0)), constant_values=255) for p in pictures]
    return np.concatenate(padded, 1)


def png_of(picture: np.ndarray) -> bytes:
    """(height, width, 3) uint8 as a PNG."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", optimize=True)
    return file.getvalue()
