"""Scores with their intervals, one line a rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from .ticks import nice_ticks, tick_text

_LOWEST, _HIGHEST = -1.0, 2.0  # the frame reaches no further for an interval's sake


@dataclass(frozen=True)
class Scale:
    """Values to percent of the width."""

    low: float
    high: float

    def __call__(self, value: float) -> float:
        inside = min(max(value, self.low), self.high)
        return 100.0 * (inside - self.low) / (self.high - self.low)

    def holds(self, value: float) -> bool:
        """Whether a value lies within the frame."""
        return self.low <= value <= self.high

    def percent(self, value: float) -> str:
        return f"{self(value):.2f}%"


@dataclass(frozen=True)
class ForestRow:
    """One rule's score with its interval."""

    label: str
    link: str
    value: float
    low: float
    high: float
    middle: float  # of the middle half of the lifetimes


def forest_plot(rows: Sequence[ForestRow]) -> Markup:
    """Scores with intervals; 0 (null rule) and 1 (reference rule) are marked.

    The best score is always within the frame. Whatever lies beyond it, an interval's end or a whole score, is an
    arrow that points there: a cap stands only where an interval ends.
    """
    low = max(_LOWEST, min([0.0, *(row.low for row in rows)]))
    high = max([1.0, *(max(row.value, min(_HIGHEST, row.high)) for row in rows)])
    margin = 0.04 * (high - low)
    scale = Scale(low - margin, high + margin)
    lines = [
        f'<div class="forest-row"><a href="{escape(row.link)}">{escape(row.label)}</a>{_bar(row, scale)}</div>'
        for row in rows
    ]
    ticks = "".join(f'<text x="{scale.percent(t)}" y="13">{tick_text(t)}</text>' for t in nice_ticks(low, high, 4))
    marks = (
        f'<text class="mark" x="{scale.percent(0)}" y="29">null</text>'
        f'<text class="mark{" last" if scale(1) > 80 else ""}" x="{scale.percent(1)}" y="29">reference</text>'
    )
    axis = f'<div class="forest-row axis"><span></span><svg height="34" role="presentation">{ticks}{marks}</svg></div>'
    return Markup(f'<div class="forest">{"".join(lines)}{axis}</div>')


def _bar(row: ForestRow, scale: Scale) -> str:
    title = f"{row.label}: score {row.value:z.3f}, 95 % interval {row.low:z.3f} to {row.high:z.3f}"
    grid = "".join(
        f'<line class="grid" x1="{scale.percent(at)}" x2="{scale.percent(at)}" y1="0" y2="26"/>' for at in (0, 1)
    )
    body = ""
    if row.high > scale.low:
        body += f'<line class="span" x1="{scale.percent(row.low)}" x2="{scale.percent(row.high)}" y1="13" y2="13"/>'
    body += _arrow("left") if row.low < scale.low else _cap(row.low, scale)
    body += _arrow("right") if row.high > scale.high else _cap(row.high, scale)
    if scale.holds(row.middle):
        body += _upright("middle", row.middle, scale, 6, 20)
    if scale.holds(row.value):
        body += f'<circle class="dot" cx="{scale.percent(row.value)}" cy="13" r="4.5"/>'
    return f'<svg height="26" role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>{grid}{body}</svg>'


def _cap(value: float, scale: Scale) -> str:
    return _upright("cap", value, scale, 9, 17) if scale.holds(value) else ""


def _upright(kind: str, value: float, scale: Scale, top: int, bottom: int) -> str:
    at = scale.percent(value)
    return f'<line class="{kind}" x1="{at}" x2="{at}" y1="{top}" y2="{bottom}"/>'


def _arrow(side: str) -> str:
    if side == "left":
        return '<path class="off left" d="M8 8 L1 13 L8 18 Z"/>'
    return '<svg x="100%" overflow="visible"><path class="off right" d="M-8 8 L-1 13 L-8 18 Z"/></svg>'
