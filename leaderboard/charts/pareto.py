"""What learning has cost, and what it bought."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from .ticks import nice_ticks, tick_text


@dataclass(frozen=True)
class ParetoPoint:
    """One rule's cost and loss."""

    label: str
    link: str
    cost: float  # lifetimes spent on learning; 0 where nobody trained it
    loss: float


def pareto_plot(points: Sequence[ParetoPoint], null_loss: float, height: int = 300) -> Markup:
    """Loss against learning cost, both on log scales where they span enough; what no learner found at the left."""
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
    parts.append(f'<text class="tick-x" x="{band}%" y="{bottom + 16}">no learner</text>')
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
    return Markup(
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
