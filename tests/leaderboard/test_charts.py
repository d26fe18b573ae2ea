"""The forest plot: what is good is within the frame, what lies beyond it is an arrow, a cap is an interval's end."""

import re

import pytest

from plasticbench.leaderboard.charts.forest import ForestRow, forest_plot


def dots(html):
    return [float(x) for x in re.findall(r'class="dot" cx="([\d.]+)%"', html)]


@pytest.mark.parametrize("best", [0.4, 1.0, 6.5, 400.0])
def test_the_best_score_is_always_within_the_frame(best):
    rows = [ForestRow("best", "#", best, best - 0.1, best + 900.0, best), ForestRow("null", "#", 0.0, 0.0, 0.0, 0.0)]
    html = forest_plot(rows)
    right, left = dots(html)
    assert 0 < left < right < 100
    assert 'class="off left"' not in html


def test_a_score_far_below_the_null_rule_does_not_squeeze_the_others():
    html = forest_plot([ForestRow("bad", "#", -1e6, -1e7, -1e5, -1e6), ForestRow("good", "#", 0.9, 0.8, 1.0, 0.9)])
    assert html.count('class="off left"') == 1
    assert dots(html) == [pytest.approx(91.7, abs=1.0)]


def test_an_interval_that_rounds_to_zero_has_no_sign():
    html = forest_plot([ForestRow("null", "#", -1e-9, -1e-7, 1e-7, 0.0)])
    assert "score 0.000, 95 % interval 0.000 to 0.000" in html


def test_an_interval_that_goes_on_beyond_the_frame_is_an_arrow_and_has_no_cap_there():
    """StabilityIIMini's −3.6 to 7.1 was drawn with closed caps at −1.1 and 2.1."""
    (bar, *_) = re.findall(r"<svg .*?</svg>(?=</div>)", forest_plot([ForestRow("wide", "#", 1.0, -3.6, 7.1, 0.9)]))
    assert 'class="off left"' in bar
    assert 'class="off right"' in bar
    assert 'class="cap"' not in bar
    (bar, *_) = re.findall(r"<svg .*?</svg>(?=</div>)", forest_plot([ForestRow("narrow", "#", 1.0, 0.6, 1.4, 0.9)]))
    assert "off" not in bar
    assert bar.count('class="cap"') == 2


def test_a_middle_half_beyond_the_frame_is_not_drawn_at_its_edge():
    html = forest_plot([ForestRow("odd", "#", 0.5, 0.4, 0.6, 50.0)])
    assert 'class="middle"' not in html


def test_a_name_is_escaped():
    assert "<b>" not in forest_plot([ForestRow("<b>", "#", 1.0, 0.6, 1.4, 0.9)])
