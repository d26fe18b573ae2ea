"""Continual familiarity: the stream, the base rate, the published finding, and the paper's closed form."""

import numpy as np
import pytest
import torch

import plasticbench
from plasticbench.envs.continual_familiarity import OFFICIAL_INTERVALS
from plasticbench.envs.interval_curve import analytic_detector, curve_picture, interval_curve

FULL = plasticbench.task("ContinualFamiliarity-v0")
MINI = plasticbench.task("ContinualFamiliarityMini-v0")


@pytest.mark.parametrize("interval", OFFICIAL_INTERVALS)
def test_the_stream_repeats_as_the_paper_says(interval):
    lives = MINI.draw(range(20), {"interval": interval})
    familiar = np.stack([life.targets["familiar"] for life in lives]) > 0
    for s, life in enumerate(lives):
        shown, items = life.presentations.order, life.presentations.items
        for t in np.flatnonzero(familiar[s]):
            assert shown[t] == shown[t - interval]
            assert not familiar[s, t - interval]
        assert max(np.bincount(shown)) <= 2  # nothing is shown more than twice
        assert set(np.unique(items)) == {-1.0, 1.0}
    assert familiar[:, interval:].mean() == pytest.approx(1 / 3, abs=0.03)


def test_a_rule_without_slow_weights_knows_the_base_rate_and_no_more():
    entropy = -(np.log(1 / 3) / 3 + 2 * np.log(2 / 3) / 3)
    for task in (FULL, MINI):
        outcome = task.run(["null", "hebb"], task.official_seeds)
        assert outcome.losses.mean(1).tolist() == pytest.approx([entropy] * 2, abs=0.02)


def test_the_rule_found_from_zero_is_anti_hebbian_and_reaches_further_than_its_hebbian_twin():
    """Tyulmankov et al. 2022; trained on interval 3 only, with equal budgets."""
    anti, hebb = "anti-hebbian-decay-interval-3", "hebbian-decay-interval-3"
    assert plasticbench.load_rule(anti).pathways["hidden"].parameters["eta"] < 0
    intervals = (2, 3, 5, 8, 14, 20)
    accuracy = interval_curve([anti, hebb], intervals=intervals)["accuracy"]
    assert float(accuracy[0, 1]) > 0.95
    assert bool((accuracy[0, 2:] > accuracy[1, 2:]).all())
    # The published network trained alike has 0.998 at R = 2, 0.92 at 6 and 0.74 at 10.
    assert float(accuracy[0, 0]) == pytest.approx(0.998, abs=0.01)
    assert 0.74 < float(accuracy[0, 3]) < 0.92


def test_the_analytic_detector_gives_the_published_values():
    """Of the paper's closed form: d = 50 with 6 bits, true positives 0.923 at R = 100; d = 100 with 7, γ 0.998121."""
    assert float(analytic_detector(50, 6, [100])["true_positive_rate"]) == pytest.approx(0.923, abs=0.002)
    assert float(analytic_detector(100, 7, [400])["accuracy"]) == pytest.approx(0.970, abs=0.003)


def test_the_curve_is_drawn():
    curves = {name: torch.rand(1, 2) for name in ("accuracy", "true_positive_rate", "false_positive_rate")}
    picture = curve_picture(["a"], curves, (1, 2), "title", analytic_detector(25, 5, (1, 2)))
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
