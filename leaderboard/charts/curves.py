"""Curves over a frame with axes through zero."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup, escape

from .ticks import tick_text


def curve_plot(curves: Sequence[tuple[str, np.ndarray, np.ndarray]], x_name: str, y_name: str) -> Markup:
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
    )
    ends = (  # above the curves, with a border of the ground's colour: no curve strikes through them
        f'<text class="above" x="4" y="14">{tick_text(y_high - pad)}</text>'
        f'<text class="above" x="4" y="{height - 6:g}">{tick_text(y_low + pad)}</text>'
    )
    return Markup(
        f'<svg class="curves" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(y_name)} against '
        f'{escape(x_name)}">{frame}{"".join(paths)}{ends}</svg>'
        f'<div class="under"><span>−{x_limit:g}</span><span>{escape(x_name)}</span><span>{x_limit:g}</span></div>'
    )
