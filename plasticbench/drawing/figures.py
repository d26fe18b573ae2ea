"""New figures, drawn in memory: the plotting backend that the environment names plays no part."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width_in: float, height_in: float, dpi: int) -> Figure:
    """An empty figure (sizes in inches) on the Agg canvas, which needs no display."""
    import_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def import_matplotlib() -> None:
    """Import it whatever MPLBACKEND says; as a notebook's may, it can name what is not installed, which is an error."""
    if "matplotlib" in sys.modules:
        return
    inherited = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib as mpl
    finally:
        if inherited is not None:
            os.environ["MPLBACKEND"] = inherited
    if inherited:
        with contextlib.suppress(ValueError):
            mpl.rcParams["backend"] = inherited
