"""Scatters of named rules: axes that hold all values, names that do not meet."""

import itertools

import numpy as np
import pytest

from plasticbench.leaderboard.charts.scatter import Spot, _layout, _short, decades_axis, linear_axis, scatter_plot


def spots(n, seed=0, spread=1.0):
    draw = np.random.default_rng(seed)
    return [Spot(f"rule-number-{i}", "#", "", *(spread * draw.random(2)), 0.5, i % 2 == 0) for i in range(n)]


@pytest.mark.parametrize("values", [(7.46, 7.45, 0.746), (0.0, 3.0), (-0.5, 40.0), (1e-300, 1e300), (-2.0, -1.0)])
def test_an_axis_of_decades_is_monotonic_and_ends_beyond_its_values(values):
    axis = decades_axis(values)
    at = [axis(value) for value in sorted(values)]
    assert at == sorted(at)
    assert axis(axis.low) == 0.0
    assert axis(axis.high) == 1.0
    assert max(values) <= axis.high
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)


def test_decades_are_equally_far_apart_where_all_values_are_positive():
    axis = decades_axis((0.02, 300.0))
    gaps = np.diff([axis(tick) for tick in axis.ticks])
    assert gaps == pytest.approx(gaps[0])


@pytest.mark.parametrize("spread", [1.0, 0.02, 0.0])
def test_names_do_not_meet_and_the_first_has_one(spread):
    some = spots(12, spread=spread)
    axis = linear_axis(0.0, 1.0)
    places = [(axis.left(spot.x), axis.down(spot.y)) for spot in some]
    boxes, laid = [], _layout(some, places)
    assert laid[0] is not None
    for spot, put in zip(some, laid, strict=True):
        if put is None:
            continue
        left, down, side, shift = put
        near = 3.0 * left + 10 * side
        far = near + side * 6.4 * len(_short(spot.name))
        boxes.append((min(near, far), max(near, far), down + shift))
    assert len(boxes) >= 3
    for (a, b, y), (c, d, z) in itertools.combinations(boxes, 2):
        assert b <= c or d <= a or abs(y - z) >= 13
    for a, b, _ in boxes:
        assert a >= 0
        assert b <= 300


def test_names_and_titles_are_escaped():
    spot = Spot("<b>&", "#", '"<i>', 0.5, 0.5, None, False)
    drawing = scatter_plot([spot], linear_axis(0, 1), linear_axis(0, 1), "<u>", corners=("<s>", ""))
    assert not any(tag in drawing for tag in ("<b>", "<i>", "<u>", "<s>"))
    assert drawing.count("&lt;") == 4
