"""A window that shows pictures of a running lifetime (render_mode="human")."""

from __future__ import annotations

from typing import Any

import numpy as np

from plasticbench.drawing.figures import import_matplotlib
from plasticbench.errors import PlasticbenchError


class Window:
    """Raises PlasticbenchError where matplotlib has no interactive backend."""

    def __init__(self, title: str):
        import_matplotlib()
        import matplotlib as mpl
        import matplotlib.pyplot as plt

        if mpl.get_backend().lower() == "agg":
            raise PlasticbenchError("render_mode: 'human' needs a display; use render_mode='rgb_array' here")
        self._plt = plt
        self._figure = plt.figure(title)
        self._image: Any = None

    def show(self, picture: np.ndarray) -> None:
        if self._image is None:
            self._image = self._figure.figimage(picture)
            self._figure.set_size_inches(picture.shape[1] / self._figure.dpi, picture.shape[0] / self._figure.dpi)
        self._image.set_data(picture)
        self._figure.canvas.draw_idle()
        self._plt.pause(0.001)

    def close(self) -> None:
        self._plt.close(self._figure)
