"""Metrics of weights, of novelty, and whether a life is plausible: analytic values."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metric_cases import POISSON, clock, few, poisson

from plasticbench.errors import PlasticbenchError
from plasticbench.tasks.metrics import novelty, plausibility
from plasticbench.tasks.metrics import weights as of_weights
from plasticbench.tasks.metrics.plausibility import Criterion, PlausibilityBox, plausibility_box


def constant(*means, n=50):
    """A pathway whose n synapses all have these weights in successive samples."""
    return np.repeat(np.array(means, dtype=np.float32)[:, None], n, axis=1)


def test_creep_is_the_largest_relative_change_of_a_mean_weight():
    weights = {"ee": constant(0.1, 9.0, 0.1), "ie": constant(1.0, 1.5)}
    assert of_weights.weight_creep(weights) == pytest.approx(2 * 0.5 / 2.5)
    assert of_weights.weight_creep({"ie": constant(1.5, 1.0)}) == pytest.approx(0.4)
    assert of_weights.weight_creep({"ee": constant(0.1, 9.0, 0.1)}) == 0.0


def test_creep_of_weights_near_zero_does_not_count():
    assert of_weights.weight_creep({"ee": constant(0.0, 0.0), "ii": constant(0.01, 0.08)}) == 0.0
    assert of_weights.weight_creep({"ii": constant(0.01, 0.12)}) == pytest.approx(2 * 0.11 / 0.13, rel=1e-6)


def test_creep_of_weights_that_are_not_numbers_is_not_a_number():
    assert math.isnan(of_weights.weight_creep({"ee": constant(0.5, math.nan), "ii": constant(1.0, 1.0)}))


def test_pile_up_counts_samples_exactly_at_a_bound_and_averages_over_pathways():
    ee = constant(0.2, 0.2, n=10)
    ee[0, :3], ee[1, :4] = 0.0, 0.3
    ee[1, 4:] = np.nextafter(np.float32(0.3), np.float32(0))
    w_max = {"ee": 0.3, "ie": 20.0}
    assert of_weights.weight_blow_up({"ee": ee}, w_max) == pytest.approx(7 / 20)  # 0.3 in float32 is the bound too
    assert of_weights.weight_blow_up({"ee": ee, "ie": constant(1.0, n=5)}, w_max) == pytest.approx(7 / 40)
    assert of_weights.weight_blow_up({"ie": constant(0.0, 20.0)}, w_max) == 1.0


def test_weights_that_do_not_fit_are_refused():
    for bad in ({}, {"ee": np.zeros((0, 3))}, {"ee": np.zeros(3)}, {"ee": np.zeros((2, 3), int)}):
        with pytest.raises(PlasticbenchError, match="weights"):
            of_weights.weight_creep(bad)
    with pytest.raises(PlasticbenchError, match="w_max: none for pathway 'ii'"):
        of_weights.weight_blow_up({"ii": constant(1.0)}, {"ee": 1.0})


def test_the_response_difference_is_that_of_mean_counts():
    novel, familiar = few(0.1, 0.2, 0.3, n_neurons=2), few(0.5, n_neurons=2)
    assert novelty.response_difference(novel, familiar) == pytest.approx(2 * (1.5 - 0.5) / 2.01)
    assert novelty.response_difference(familiar, novel) == -novelty.response_difference(novel, familiar)
    assert novelty.response_std_difference(novel, familiar) == pytest.approx(2 * (1.5 - 0.5) / 2.01)
    assert novelty.response_difference(few(), few()) == 0.0
    # rates of Lim et al. and the differences published for them, which leave out the 0.01
    assert novelty.relative_difference(15.599, 13.554) == pytest.approx(0.1403, abs=1e-4)
    assert novelty.relative_difference(19.901, 16.078) == pytest.approx(0.2125, abs=1e-4)


def test_the_on_ratio_is_1_for_a_steady_response_and_the_number_of_bins_for_one_volley():
    assert novelty.on_ratio(clock()) == 1.0
    assert novelty.on_ratio(few(0.01, 0.02, 0.03)) == 10.0
    assert novelty.on_ratio(few()) == 0.0


def stable_life():
    """Spikes and weights of a life within every bound: irregular trains, weights that stay."""
    weights = {"ee": constant(0.1, 0.1), "ei": constant(0.2, 0.2), "ie": constant(1.0, 1.01), "ii": constant(2.0, 2.0)}
    return POISSON, poisson(10.0, n_neurons=50, seed=2), weights, dict.fromkeys(weights, 20.0)


@pytest.mark.parametrize("name", ["module", "paper-figures"])
def test_a_poisson_life_with_steady_weights_is_plausible(name):
    metrics = plausibility.stability_metrics(*stable_life())
    box = plausibility_box(name)
    assert all(box.check(metrics).values())
    assert box.violation(metrics) == 0.0
    assert set(metrics) == set(box.check(metrics))


def test_each_criterion_is_missed_by_itself():
    metrics = plausibility.stability_metrics(*stable_life())
    for box in (plausibility_box("module"), plausibility_box("paper-figures")):
        for criterion in box.criteria:
            for bound, factor in ((criterion.low, 0.5), (criterion.high, 2.0)):
                if math.isfinite(bound):
                    changed = {**metrics, criterion.metric: bound * factor}
                    assert [m for m, holds in box.check(changed).items() if not holds] == [criterion.metric]
                    assert box.violation(changed) == pytest.approx((1 - min(factor, 1 / factor)) ** 2)
                    assert box.check({**metrics, criterion.metric: bound})[criterion.metric]


def test_the_two_boxes_differ_where_the_paper_does():
    module, figures = plausibility_box("module"), plausibility_box("paper-figures")
    differing = set(module.criteria) ^ set(figures.criteria)
    assert differing == {
        Criterion("cv_isi", 0.7, 2.7), Criterion("cv_isi", low=0.7),
        Criterion("temporal_rate_std", high=0.05), Criterion("temporal_rate_std", high=0.5),
    }  # fmt: skip


def test_a_metric_that_is_not_a_number_is_missed_by_one():
    metrics = plausibility.stability_metrics(*stable_life())
    box = plausibility_box("module")
    assert box.violation({**metrics, "cv_isi": math.nan}) == 1.0
    assert not box.check({**metrics, "cv_isi": math.nan})["cv_isi"]


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_violations_grow_away_from_the_bounds_to_1_at_most(a, b):
    box = PlausibilityBox("a test", (Criterion("x", 0.5, 2.5), Criterion("y", -3.0, -1.0)))
    for name, middle in (("x", 1.0), ("y", -2.0)):
        nearer, further = sorted((a, b), key=lambda value: abs(value - middle))
        if (nearer - middle) * (further - middle) > 0:  # on the same side
            other = {"x": 1.0, "y": -2.0}
            less, more = box.violation({**other, name: nearer}), box.violation({**other, name: further})
            assert 0.0 <= less <= more * (1 + 1e-12)  # to rounding
            assert more <= 1.0


def test_a_metric_that_is_missing_a_box_that_is_unknown_and_a_bound_of_zero_are_refused():
    with pytest.raises(PlasticbenchError, match="rate_e_hz"):
        plausibility_box("module").check({"rate_i_hz": 1.0})
    with pytest.raises(PlasticbenchError, match="module, paper-figures"):
        plausibility_box("paper")
    for low, high in ((0.0, 1.0), (2.0, 1.0), (math.nan, 1.0)):
        with pytest.raises(PlasticbenchError, match="criterion x"):
            Criterion("x", low, high)
