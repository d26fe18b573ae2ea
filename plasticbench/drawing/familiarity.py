"""Pictures of a lifetime in a familiarity task: who fires for which pattern, the rate, the weights among friends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from plasticbench.drawing.constants import N_RASTER
from plasticbench.drawing.lives import MUTED, PLASTIC, TARGET, LifeHistory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RASTER_S = 18.0  # the tests, their breaks and the end of training
_SHADES = (PLASTIC, PLASTIC, TARGET)  # of the patterns: two familiar ones, a novel one


class Shown(Protocol):
    """A pattern on in steps `start` .. `stop` - 1."""

    pattern: int
    start: int
    stop: int
