"""Lives at the edge: extreme time constants, no room for weights, silence, saturation, numbers that are not."""

import numpy as np
import pytest
import torch
from spiking_cases import batch_of, doublet, life_of, run, run_on_torch, small_network

import plasticbench
from plasticbench.rules import PathwayRule, Rule

MINI = plasticbench.task("StabilityIEMini-v0")
VOGELS = {"alpha": -0.4, "gamma": 1.0, "kappa": 1.0}
SHORT = {"input_rate_hz": 2.0, "w_init": 0.3, "w_max": 2.5, "training_s": 0.5}


def rule_of(event, **parameters):
    part = PathwayRule.make({"on_pre": event}, parameters, {"x_pre": 0.02, "x_post": 0.02})
    return Rule(name="edge", pathways={"*": part}, reference="a test")


@pytest.mark.parametrize("tau_s", [1e-6, 1e-12, 100.0])
def test_any_positive_time_constant_gives_a_finite_loss(tau_s):
    outcome = MINI.run(doublet(tau_s, tau_s, **VOGELS), [0], conditions=SHORT)
    assert bool(torch.isfinite(outcome.losses).all())


def test_traces_of_extreme_time_constants_agree_between_engines():
    network = small_network()
    for tau_s in (1e-6, 100.0):
        rule = doublet(tau_s, tau_s, **VOGELS)
        (cpu,) = run(life_of(network, 800), rule, dtype=np.float64)
        other = run_on_torch([life_of(network, 800)], batch_of(network, rule))[7][0]
        np.testing.assert_allclose(cpu.weights["ie"], other.weights["ie"], rtol=1e-8)


def test_w_max_zero_leaves_no_inhibition_and_blows_up():
    outcome = MINI.run(doublet(**VOGELS), [0], conditions={**SHORT, "w_max": 0.0, "input_rate_hz": 5.0})
    assert outcome.statuses.tolist() == [["blow-up"]]
    assert 160 < float(outcome.losses[0, 0]) <= 320
    assert all(bool(values.isnan().all()) for values in outcome.metrics.values())  # of a blow-up there are none


def test_a_silent_network_is_a_blow_up_when_its_rate_has_decayed():
    outcome = MINI.run("null", [0], conditions={**SHORT, "input_rate_hz": 0.0, "training_s": 5.0})
    assert outcome.statuses.tolist() == [["blow-up"]]
    assert float(outcome.losses[0, 0]) == pytest.approx(160 * (np.exp(-6.2156 / 10) + 1), rel=1e-4)


@pytest.mark.parametrize(("alpha", "bound"), [(1e6, 2.5), (-1e6, 0.0)])
def test_a_rule_that_drives_all_weights_to_a_bound(alpha, bound):
    outcome = MINI.run(doublet(alpha=alpha, beta=alpha), [0], conditions=SHORT)
    assert bool(torch.isfinite(outcome.losses).all())
    if outcome.statuses.tolist() == [["ok"]]:
        assert float(outcome.metrics["mean_weight_ie"][0, 0]) == pytest.approx(bound, rel=0.01)


@pytest.mark.parametrize("event", ["log(-1 - x_post)", "exp(1000 * (1 + x_post)) - exp(1000 * (1 + x_post))"])
def test_a_change_that_is_not_a_number_ends_the_life_on_both_engines(event):
    network = small_network()
    (cpu,) = run(life_of(network, 800), rule_of(event), dtype=np.float64)
    other = run_on_torch([life_of(network, 800)], batch_of(network, rule_of(event)))[7][0]
    assert cpu.status == other.status == "blow-up"
    assert cpu.n_steps_lived == other.n_steps_lived < 800
    loss = MINI.losses(rule_of(event), [0], conditions=SHORT)
    assert 160 < float(loss[0, 0]) <= 320


def test_an_infinite_change_is_clipped():
    (record,) = run(life_of(small_network(), 2000), rule_of("exp(1000 + x_post)"))
    assert record.status == "ok"
    assert record.weights["ie"].max() == 2.0


def test_parameters_that_cannot_be_simulated_are_errors_that_name_the_field():
    family = MINI.make_family("doublet")
    theta = torch.zeros(1, 6, dtype=torch.float64)
    theta[0, 2] = float("nan")
    with pytest.raises(plasticbench.PlasticbenchError, match="alpha"):
        MINI.losses((family, theta), [0], conditions=SHORT)
    theta[0, 0], theta[0, 2] = -1e6, 0.0
    with pytest.raises(plasticbench.PlasticbenchError, match="time constant"):
        MINI.losses((family, theta), [0], conditions=SHORT)
    for name, value in (
        ("w_max", -1.0),
        ("input_rate_hz", "fast"),
        ("training_s", float("nan")),
        ("w_init", True),
    ):
        with pytest.raises(plasticbench.PlasticbenchError, match=rf"conditions\.{name}"):
            MINI.losses("null", [0], conditions={name: value})
