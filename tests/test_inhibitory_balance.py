"""Inhibition that balances tuned excitation: rates and tuning as the published neuron has them."""

import pytest
import torch
from spiking_cases import doublet

import plasticbench

FULL = plasticbench.task("InhibitoryBalance-v0")
MINI = plasticbench.task("InhibitoryBalanceMini-v0")
AVERAGE = {"input_gain": 1.0, "w_init": 0.1}


def test_without_plasticity_the_neuron_fires_at_110_hz():
    outcome = MINI.run("null", range(4), conditions=AVERAGE)
    rate = outcome.metrics["rate_hz"].mean()
    assert 100 < float(rate) < 122  # 115 to 117 Hz over a longer life of the published script
    assert not bool(outcome.blown_up.any())
    assert float(outcome.losses.mean()) == pytest.approx(100, rel=0.15)


def test_vogels_rule_holds_the_rate_and_balances_in_detail():
    outcome = FULL.run("vogels-2011-5hz", range(2), conditions=AVERAGE)
    rates, correlation = outcome.metrics["rate_hz"], outcome.metrics["ei_correlation"]
    assert bool(((rates > 3.7) & (rates < 4.9)).all())  # a prototype: 4 to 4.3 Hz
    assert bool((correlation > 0.98).all())
    assert float(outcome.losses.max()) < 0.3


def test_a_rule_without_a_hebbian_term_finds_the_rate_but_not_the_tuning():
    """On the published manifold: −α r_pre = β r*, with γ = κ = 0."""
    rule = doublet(alpha=-0.02, beta=0.149)
    outcome = FULL.run(rule, range(2), conditions=AVERAGE)
    assert bool((outcome.metrics["ei_correlation"] < 0.9).all())
    gain = FULL.run(rule, range(2), conditions={**AVERAGE, "input_gain": 1.4})
    assert float(gain.losses.mean()) > float(outcome.losses.mean())  # proportion alone follows the input


def test_excitatory_weights_are_tuned_to_the_fifth_group():
    weights = torch.from_numpy(FULL.excitatory_weights(3)).reshape(8, 100) / 0.014
    assert weights.mean(1).argmax() == 4
    assert 1.4 <= float(weights[4].min()) < float(weights[4].max()) <= 1.5
    assert float(weights[0].mean()) == pytest.approx(0.35, abs=0.03)
