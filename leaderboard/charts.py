"""Charts as inline SVG: positions in percent, so that they fill any width while text and marks keep their size.

Colours come from classes of the style sheet, which knows light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np


def nice_ticks(low: float, high: float, n: int = 5) -> list[float]:
    """About n round numbers that lie within [low, high]."""
    if not high > low:
        return [low]
    raw = (high - low) / n
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * k for k in (1, 2, 2.5, 5, 10) if size * k >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first + 1
    return [round((first + k) * step, 12) + 0.0 for k in range(count)]


def tick_text(value: float) -> str:
    """A short number with a real minus sign."""
    text = f"{value:.3g}"
    if "e" in text:
        mantissa, exponent = text.split("e")
        text = f"{mantissa}e{int(exponent)}"
    return text.replace("-", "−")


@dataclass(frozen=True)
class Scale:
    """Values to percent of the width."""

    low: float
    high: float

    def __call__(self, value: float) -> float:
        inside = min(max(value, self.low), self.high)
        return 100.0 * (inside - self.low) / (self.high - self.low)

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


def forest_plot(rows: Sequence[ForestRow]) -> str:
    """Scores with intervals, one line a rule; 0 (null rule) and 1 (reference rule) are marked.

    The best score is always within the frame; what is far below the null rule is an arrow.
    """
    low = max(-1.0, min([0.0, *(row.low for row in rows)]))
    high = max([1.0, *(max(row.value, min(2.0, row.high)) for row in rows)])
    margin = 0.04 * (high - low)
    scale = Scale(low - margin, high + margin)
    lines = [
        f'<div class="forest-row"><a href="{escape(row.link)}">{escape(row.label)}</a>{_forest_bar(row, scale)}</div>'
        for row in rows
    ]
    ticks = "".join(f'<text x="{scale.percent(t)}" y="13">{tick_text(t)}</text>' for t in nice_ticks(low, high, 4))
    marks = (
        f'<text class="mark" x="{scale.percent(0)}" y="29">null</text>'
        f'<text class="mark{" last" if scale(1) > 80 else ""}" x="{scale.percent(1)}" y="29">reference</text>'
    )
    axis = f'<div class="forest-row axis"><span></span><svg height="34" role="presentation">{ticks}{marks}</svg></div>'
    return f'<div class="forest">{"".join(lines)}{axis}</div>'


def _forest_bar(row: ForestRow, scale: Scale) -> str:
    title = f"{row.label}: score {row.value:z.3f}, 95 % interval {row.low:z.3f} to {row.high:z.3f}"
    outside = ""
    if row.value < scale.low:
        outside = '<path class="off" d="M9 8 L2 13 L9 18 Z"/>'
    marks = (
        f'<line class="grid" x1="{scale.percent(0)}" x2="{scale.percent(0)}" y1="0" y2="26"/>'
        f'<line class="grid" x1="{scale.percent(1)}" x2="{scale.percent(1)}" y1="0" y2="26"/>'
    )
    if outside:
        body = outside
    else:
        body = (
            f'<line class="span" x1="{scale.percent(row.low)}" x2="{scale.percent(row.high)}" y1="13" y2="13"/>'
            f'<line class="cap" x1="{scale.percent(row.low)}" x2="{scale.percent(row.low)}" y1="9" y2="17"/>'
            f'<line class="cap" x1="{scale.percent(row.high)}" x2="{scale.percent(row.high)}" y1="9" y2="17"/>'
            f'<line class="middle" x1="{scale.percent(row.middle)}" x2="{scale.percent(row.middle)}" y1="6" y2="20"/>'
            f'<circle class="dot" cx="{scale.percent(row.value)}" cy="13" r="4.5"/>'
        )
    return f'<svg height="26" role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>{marks}{body}</svg>'


@dataclass(frozen=True)
class ParetoPoint:
    """One rule's cost and loss."""

    label: str
    link: str
    cost: float  # lifetimes spent on learning; 0 where nobody trained it
    loss: float


def pareto_plot(points: Sequence[ParetoPoint], null_loss: float, height: int = 300) -> str:
    """Loss against learning cost, both on log scales where they span enough; published rules in a band at the left."""
    paid = [p.cost for p in points if p.cost > 0]
    x_low, x_high = (math.log10(min(paid)), math.log10(max(paid))) if paid else (0.0, 1.0)
    x_low, x_high = math.floor(x_low), max(math.ceil(x_high), math.floor(x_low) + 1)
    values = [p.loss for p in points] + [null_loss]
    logarithmic = min(values) > 0 and max(values) / min(values) > 20

    def height_of(loss: float) -> float:
        return math.log10(loss) if logarithmic else loss

    y_low, y_high = min(map(height_of, values)), max(map(height_of, values))
    pad = 0.08 * (y_high - y_low or 1.0)
    y_low, y_high = y_low - pad, y_high + pad
    top, bottom = 8, height - 40

    def y(loss: float) -> float:
        return bottom - (height_of(loss) - y_low) / (y_high - y_low) * (bottom - top)

    band, left = 14.0, 28.0  # percent: where the untrained stand, where the axis of costs begins

    def x(cost: float) -> float:
        return band if cost <= 0 else left + (math.log10(cost) - x_low) / (x_high - x_low) * (96.0 - left)

    parts = [_grid_lines(y_low, y_high, logarithmic, y)]
    for power in range(x_low, x_high + 1) if paid else ():
        place = f"{x(10.0**power):.2f}%"
        parts.append(f'<line class="grid" x1="{place}" x2="{place}" y1="{top}" y2="{bottom}"/>')
        parts.append(f'<text class="tick-x" x="{place}" y="{bottom + 16}">{_thousands(10**power)}</text>')
    parts.append(f'<text class="tick-x" x="{band}%" y="{bottom + 16}">published</text>')
    parts.append(f'<text class="tick-x axis-name" x="60%" y="{height - 6}">lifetimes spent on learning</text>')
    parts.append(
        f'<line class="null-line" x1="10%" x2="98%" y1="{y(null_loss):.1f}" y2="{y(null_loss):.1f}"/>'
        f'<text class="null-name" x="98%" y="{y(null_loss) - 5:.1f}">null rule</text>'
    )
    front = _best_so_far(points)
    parts += _front_lines(front, x, y)
    parts += [_front_name(p.label, x(p.cost), y(p.loss)) for p in front]
    for point in sorted(points, key=lambda p: (p.cost, p.loss, p.label)):
        title = f"{point.label}: loss {point.loss:.4g}, {point.cost:,.0f} lifetimes"
        kind = "trained" if point.cost > 0 else "untrained"
        parts.append(
            f'<a href="{escape(point.link)}"><circle class="{kind}" cx="{x(point.cost):.2f}%" '
            f'cy="{y(point.loss):.1f}" r="5"><title>{escape(title)}</title></circle></a>'
        )
    return (
        f'<svg class="pareto" height="{height}" role="img" aria-label="loss against learning cost">'
        f'<text class="axis-name" x="4" y="{top + 4}">loss</text>{"".join(parts)}</svg>'
    )


def _front_name(label: str, left: float, down: float) -> str:
    kind, shift = ("before", -10) if left > 70 else ("behind", 10)
    return f'<text class="{kind}" x="{left:.2f}%" dx="{shift}" y="{down + 4:.1f}">{escape(label[:28])}</text>'


def _grid_lines(y_low: float, y_high: float, logarithmic: bool, y) -> str:
    if logarithmic:
        losses = [10.0**power for power in range(math.ceil(y_low), math.floor(y_high) + 1)]
        if len(losses) < 2:
            losses = [10.0**exponent for exponent in nice_ticks(y_low, y_high, 4)]
    else:
        losses = nice_ticks(y_low, y_high, 5)
    return "".join(
        f'<line class="grid" x1="10%" x2="98%" y1="{y(loss):.1f}" y2="{y(loss):.1f}"/>'
        f'<text class="tick-y" x="9%" y="{y(loss) + 4:.1f}">{tick_text(loss)}</text>'
        for loss in losses
    )


def _best_so_far(points: Sequence[ParetoPoint]) -> list[ParetoPoint]:
    """The points that no cheaper one beats, cheapest first."""
    best, steps = math.inf, []
    for point in sorted(points, key=lambda p: (p.cost, p.loss)):
        if point.loss < best:
            best = point.loss
            steps.append(point)
    return steps


def _front_lines(steps: Sequence[ParetoPoint], x, y) -> list[str]:
    lines = []
    for here, following in zip(steps, [*steps[1:], None], strict=True):
        end = 98.0 if following is None else x(following.cost)
        flat, drop = f"{y(here.loss):.1f}", f"{end:.2f}%"
        lines.append(f'<line class="front" x1="{x(here.cost):.2f}%" x2="{drop}" y1="{flat}" y2="{flat}"/>')
        if following is not None:
            below = f"{y(following.loss):.1f}"
            lines.append(f'<line class="front" x1="{drop}" x2="{drop}" y1="{flat}" y2="{below}"/>')
    return lines


def _thousands(value: int) -> str:
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value >= size:
            return f"{value // size}{letter}"
    return str(value)


def curve_plot(curves: Sequence[tuple[str, np.ndarray, np.ndarray]], x_name: str, y_name: str) -> str:
    """Curves (class, x, y) over a shared frame with axes through zero; a gap where x changes sign."""
    x_limit = max(float(np.abs(x).max()) for _, x, _ in curves)
    values = np.concatenate([y for _, _, y in curves])
    y_low, y_high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    if y_high - y_low < 1e-15:
        y_high, y_low = 1.0, -1.0
    pad = 0.06 * (y_high - y_low)
    y_low, y_high = y_low - pad, y_high + pad
    width, height = 320.0, 190.0

    def place(x: float, y: float) -> str:
        return f"{(x / x_limit + 1) * width / 2:.1f} {(y_high - y) / (y_high - y_low) * height:.1f}"

    zero = (y_high) / (y_high - y_low) * height
    paths = []
    for kind, x, y in curves:
        for side in (x < 0, x > 0):
            points = " L".join(place(float(a), float(b)) for a, b in zip(x[side], y[side], strict=True))
            paths.append(f'<path class="curve {kind}" d="M{points}"/>')
    frame = (
        f'<line class="grid" x1="0" x2="{width:g}" y1="{zero:.1f}" y2="{zero:.1f}"/>'
        f'<line class="grid" x1="{width / 2:g}" x2="{width / 2:g}" y1="0" y2="{height:g}"/>'
        f'<text x="4" y="14">{tick_text(y_high - pad)}</text>'
        f'<text x="4" y="{height - 6:g}">{tick_text(y_low + pad)}</text>'
    )
    return (
        f'<svg class="curves" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(y_name)} against '
        f'{escape(x_name)}">{frame}{"".join(paths)}</svg>'
        f'<div class="under"><span>−{x_limit:g}</span><span>{escape(x_name)}</span><span>{x_limit:g}</span></div>'
    )
