"""New figures, drawn in memory: the plotting backend that the environment names plays no part."""

from __future__ import annotations

import os
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
    """matplotlib refuses to be imported where MPLBACKEND names what is not installed, as a notebook's may."""
    try:
        import matplotlib
    except ValueError:
        inherited = os.environ.pop("MPLBACKEND", None)
        if inherited is None:
            raise
        try:
            import matplotlib  # noqa: F401
        finally:
            os.environ["MPLBACKEND"] = inherited
