"""A scatter of named rules as inline SVG: x in percent of the width, y in pixels, names where there is room.

Names are laid out for the narrowest screen, so that they meet on no other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from .ticks import nice_ticks, tick_text

HEIGHT, TOP, BOTTOM = 330, 12, 300  # px: of the drawing, of its frame
_LEFT, _RIGHT = 13.0, 97.0  # percent: of the frame
_NARROW = 300  # px: the width that names are laid out for
_LETTER, _LINE, _LONGEST = 6.4, 14, 24  # px a letter, px a line, letters of a name
_MOST_DECADES = 6


@dataclass(frozen=True)
class Axis:
    """From values to 0 at the low and 1 at the high end; values beyond are put at the end."""

    low: float
    high: float
    ticks: tuple[float, ...]
    shape: Callable[[float], float]  # monotonic

    def __call__(self, value: float) -> float:
        inside = min(max(value, self.low), self.high)
        low, high = self.shape(self.low), self.shape(self.high)
        return (self.shape(inside) - low) / (high - low)

    def left(self, value: float) -> float:
        """Percent from the left."""
        return _LEFT + self(value) * (_RIGHT - _LEFT)

    def down(self, value: float) -> float:
        """Pixels from the top."""
        return BOTTOM - self(value) * (BOTTOM - TOP)


def linear_axis(low: float, high: float) -> Axis:
    """With round numbers as ticks."""
    pad = 0.05 * (high - low)
    return Axis(low - pad, high + pad, tuple(nice_ticks(low, high, 4)), lambda value: value)


def decades_axis(values: Sequence[float]) -> Axis:
    """A tick a decade: logarithmic where all values are positive, else linear near zero, logarithmic beyond.

    The values, at least one, are not all zero; those beyond the last few decades are as zero.
    """
    last = math.ceil(math.log10(max(abs(value) for value in values)) + 0.1)
    smallest = min(abs(value) for value in values if value != 0.0)
    first = min(max(math.floor(math.log10(smallest) - 0.1), last - _MOST_DECADES), last - 1)
    powers = [10.0**power for power in range(first, last + 1)]
    if min(values) >= powers[0]:
        return Axis(powers[0], powers[-1], tuple(powers), math.log10)

    def shape(value: float) -> float:
        return math.copysign(math.log10(1.0 + abs(value) / powers[0]), value)

    negative = [-power for power in reversed(powers)] if min(values) < 0.0 else []
    low = min(negative, default=-0.3 * powers[0])
    # Ticks nearer to zero than one decade would run into each other.
    shown = (*(p for p in negative if p <= -powers[1]), 0.0, *powers[1:])
    return Axis(low, powers[-1], shown, shape)


@dataclass(frozen=True)
class Spot:
    """One rule in a scatter."""

    name: str
    link: str
    title: str  # what a pointer over it reads
    x: float
    y: float
    shade: float | None  # 0 to 1
    learned: bool


def scatter_plot(
    spots: Sequence[Spot], x: Axis, y: Axis, label: str, ground: str = "", corners: tuple[str, str] = ("", "")
) -> Markup:
    """Spots, the most important first, over what `ground` draws; `corners` has words for top left and bottom right."""
    grid = "".join(
        f'<line class="grid" x1="{x.left(t):.2f}%" x2="{x.left(t):.2f}%" y1="{TOP}" y2="{BOTTOM}"/>'
        f'<text class="tick-x" x="{x.left(t):.2f}%" y="{BOTTOM + 17}">{tick_text(t)}</text>'
        for t in x.ticks
    ) + "".join(
        f'<line class="grid" x1="{_LEFT}%" x2="{_RIGHT}%" y1="{y.down(t):.1f}" y2="{y.down(t):.1f}"/>'
        f'<text class="tick-y" x="{_LEFT - 1.5}%" y="{y.down(t) + 4:.1f}">{tick_text(t)}</text>'
        for t in y.ticks
    )
    places = [(x.left(spot.x), y.down(spot.y)) for spot in spots]
    words = (
        f'<text class="corner" x="{_LEFT + 2}%" y="{TOP + 15}">{escape(corners[0])}</text>'
        f'<text class="corner before" x="{_RIGHT - 2}%" y="{BOTTOM - 8}">{escape(corners[1])}</text>'
    )
    laid = _layout(spots, places, _corner_boxes(corners))
    names = "".join(_name(spot, *put) for spot, put in zip(spots, laid, strict=True) if put)
    # The most important on top, and the small dots of learned rules within the rings of others.
    order = sorted(range(len(spots)), key=lambda i: (spots[i].learned, -i))
    dots = "".join(_dot(spots[i], *places[i]) for i in order)
    return Markup(
        f'<svg class="scatter" height="{HEIGHT}" role="group" aria-label="{escape(label)}">'
        f"{grid}{ground}{words}{names}{dots}</svg>"
    )


def _dot(spot: Spot, left: float, down: float) -> str:
    kind, radius = ("trained", 5) if spot.learned else ("untrained", 6)
    return (
        f'<a href="{escape(spot.link)}"><circle class="{kind}"{_shade(spot)} cx="{left:.2f}%" cy="{down:.1f}" '
        f'r="{radius}"><title>{escape(spot.title)}</title></circle></a>'
    )


def _shade(spot: Spot) -> str:
    return "" if spot.shade is None else f' style="--s:{round(100 * min(max(spot.shade, 0.0), 1.0))}%"'


def _name(spot: Spot, left: float, down: float, side: int, shift: int) -> str:
    """A name beside its spot, with a line to it where it had to move."""
    leader = f'<path class="leader" d="M{4 * side} {shift / 3:.0f} L{9 * side} {shift}"/>' if abs(shift) > _LINE else ""
    where = "behind" if side > 0 else "before"
    return (
        f'<svg x="{left:.2f}%" y="{down:.1f}" overflow="visible">{leader}<a href="{escape(spot.link)}">'
        f'<text class="{where}"{_shade(spot)} x="{10 * side}" y="{shift + 4}">{escape(_short(spot.name))}</text>'
        "</a></svg>"
    )


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"


Box = tuple[float, float, float, float]  # left, right, top, bottom


def _corner_boxes(corners: tuple[str, str]) -> list[Box]:
    left, right = _NARROW * (_LEFT + 2) / 100, _NARROW * (_RIGHT - 2) / 100
    return [
        (left, left + _LETTER * len(corners[0]), TOP, TOP + _LINE + 6),
        (right - _LETTER * len(corners[1]), right, BOTTOM - _LINE - 6, BOTTOM),
    ]


def _layout(
    spots: Sequence[Spot], places: Sequence[tuple[float, float]], kept_free: Sequence[Box] = ()
) -> list[tuple[float, float, int, int] | None]:
    """For each spot its place, the side of its name (1: right) and the name's shift (px); None without room."""
    dots = [(_NARROW * left / 100, down) for left, down in places]
    taken = list(kept_free)
    found: list[tuple[float, float, int, int] | None] = []
    for spot, place, (px, down) in zip(spots, places, dots, strict=True):
        others = [(a - 6, a + 6, b - 6, b + 6) for a, b in dots if abs(a - px) + abs(b - down) > 8]
        put = _free(px, down, _LETTER * len(_short(spot.name)), [*taken, *others])
        found.append((*place, *put[0]) if put else None)
        if put:
            taken.append(put[1])
    return found


def _free(px: float, down: float, width: float, taken: Sequence[Box]) -> tuple[tuple[int, int], Box] | None:
    for lines in (0, 1, -1, 2, -2, 3, -3, 4, -4):
        for side in (1, -1):
            left = px + 10 if side > 0 else px - 10 - width
            middle = down + lines * _LINE
            box = (left, left + width, middle - _LINE / 2, middle + _LINE / 2)
            inside = box[0] >= 0 and box[1] <= _NARROW and box[2] >= TOP - 8 and box[3] <= BOTTOM
            if inside and not any(_meet(box, other) for other in taken):
                return (side, lines * _LINE), box
    return None


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] - 0.5 and b[2] < a[3] - 0.5
