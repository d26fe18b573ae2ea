"""Measured changes with their errors and rules' curves, one line a protocol, as inline SVG."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from .ticks import nice_ticks, tick_text

_LINE, _TOP = 22, 8  # px
_LEFT, _RIGHT = 38.0, 97.0  # percent: of the frame; names stand before it
_MOST = 1.5  # a curve's change beyond this, either way, is put at the frame's end


@dataclass(frozen=True)
class ProtocolRow:
    """What one protocol did in tissue."""

    name: str
    mean: float
    sem: float
    scored: bool
    n: int | None
    source: str


@dataclass(frozen=True)
class RuleCurve:
    """A rule's changes in its best scale, one a protocol."""

    name: str
    link: str
    loss: float
    scale: float
    changes: tuple[float, ...]


def protocol_plot(rows: Sequence[ProtocolRow], curves: Sequence[RuleCurve], joined: Sequence[Sequence[int]]) -> Markup:
    """Rows from top to bottom; a curve's line runs within each of `joined`, runs of places of rows."""
    inside = [max(-_MOST, min(_MOST, change)) for curve in curves for change in curve.changes]
    low = min([0.0, *inside, *(row.mean - row.sem for row in rows)])
    high = max([0.0, *inside, *(row.mean + row.sem for row in rows)])
    pad = 0.05 * (high - low)
    low, high = low - pad, high + pad
    bottom = _TOP + _LINE * len(rows)

    def left(value: float) -> float:
        return _LEFT + (min(max(value, low), high) - low) / (high - low) * (_RIGHT - _LEFT)

    def down(place: int) -> float:
        return _TOP + _LINE * (place + 0.5)

    parts = [
        f'<line class="grid" x1="{left(t):.2f}%" x2="{left(t):.2f}%" y1="{_TOP}" y2="{bottom}"/>'
        f'<text class="tick-x" x="{left(t):.2f}%" y="{bottom + 16}">{tick_text(t)}</text>'
        for t in nice_ticks(low, high, 5)
    ]
    for k, row in enumerate(rows):
        parts.append(_measured(row, left(row.mean - row.sem), left(row.mean), left(row.mean + row.sem), down(k)))
    for number, curve in enumerate(curves, 1):
        for run in joined:
            places = [(left(curve.changes[k]), down(k)) for k in run]
            parts += [
                f'<line class="curve-{number}" x1="{a:.2f}%" y1="{b:.1f}" x2="{c:.2f}%" y2="{d:.1f}"/>'
                for (a, b), (c, d) in itertools.pairwise(places)
            ]
        for k, change in enumerate(curve.changes):
            title = f"{curve.name}, {rows[k].name}: {change:+.3f}"
            parts.append(
                f'<svg x="{left(change):.2f}%" y="{down(k):.1f}" overflow="visible"><rect class="curve-{number}" '
                f'x="-3.5" y="-3.5" width="7" height="7"><title>{escape(title)}</title></rect></svg>'
            )
    return Markup(
        f'<svg class="protocols" height="{bottom + 22}" role="group" aria-label="measured changes and rules">'
        f"{''.join(parts)}</svg>"
    )


def _measured(row: ProtocolRow, low: float, middle: float, high: float, down: float) -> str:
    n = "" if row.n is None else f", n = {row.n}"
    title = f"{row.name}: {row.mean:+.3f} ± {row.sem:.3f}{n}; {row.source}"
    kind = "measured" if row.scored else "measured unscored"
    return (
        f'<text class="name" x="{_LEFT - 1.5}%" y="{down + 4:.1f}">{escape(row.name)}</text>'
        f'<g class="{kind}"><line x1="{low:.2f}%" x2="{high:.2f}%" y1="{down:.1f}" y2="{down:.1f}"/>'
        f'<circle cx="{middle:.2f}%" cy="{down:.1f}" r="4.5"><title>{escape(title)}</title></circle></g>'
    )
