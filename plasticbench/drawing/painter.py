"""Picture after picture of one life, as fast as a life is watched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from plasticbench.drawing.lives import LifeHistory, figure_to_array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_REDRAWN = 100  # times in a life: a picture of it is no sharper


class Painter:
    """Draws a life that goes on. Panels are placed anew at the 1st, 2nd, 4th, … picture, and stay put in between."""

    def __init__(self) -> None:
        self._n_drawn = 0
        self._places: list[Any] = []
        self._texts: list[Any] = []

    def draw(self, figure: Figure) -> np.ndarray:
        """(height, width, 3) uint8."""
        self._n_drawn += 1
        if self._n_drawn & (self._n_drawn - 1) == 0 or len(figure.axes) != len(self._places):
            picture = figure_to_array(figure)
            self._places = [axes.get_position() for axes in figure.axes]
            self._texts = [text.get_position() for text in figure.texts]  # the title among them
            return picture
        figure.set_layout_engine("none")  # most of the time of a picture
        for axes, place in zip(figure.axes, self._places, strict=True):
            axes.set_position(place)
        for text, where in zip(figure.texts, self._texts, strict=False):
            text.set_position(where)
        return figure_to_array(figure)


class LivePicture:
    """The picture of a life that is being stepped, drawn anew when a hundredth of the life has passed, and at its end.

    In between it is the one before.
    """

    def __init__(self, history: LifeHistory):
        self._history, self._painter = history, Painter()
        self._picture: np.ndarray | None = None
        self._drawn_at = -1

    def now(self) -> np.ndarray:
        """(height, width, 3) uint8; an array of its own."""
        history = self._history
        step, every = history.step, max(1, history.life.n_steps // _REDRAWN)
        due = step - self._drawn_at >= every or (history.life.finished and step != self._drawn_at)
        if self._picture is None or due:
            self._picture, self._drawn_at = self._painter.draw(history.figure()), step
        return self._picture.copy()
