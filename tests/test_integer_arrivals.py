"""Arrivals as integers on the cpu: no sum overflows, little is rounded, nothing else changes."""

import numpy as np
import pytest
from spiking_cases import Keep, batch_of, doublet, life_of, raster, run, small_network

import plasticbench
from plasticbench.rules import rule_from_json
from plasticbench.simulation.spiking.cpu_engine import run_cpu
from plasticbench.simulation.spiking.integer_arrivals import arrival_scales, scale_of
from plasticbench.simulation.spiking.wiring import draw_wiring

VOGELS = doublet(alpha=-0.4, gamma=1.0, kappa=1.0)


def largest_sums(network, seed):
    """Scale x what one step can bring to one neuron at most, by kind of receptor, on the wiring of a seed."""
    scales, wiring = arrival_scales(network), draw_wiring(network, seed)
    found = {}
    for k, pathway in enumerate(network.pathways):
        n_pre, n_post = network.size(pathway.pre), network.size(pathway.post)
        _, post = wiring.synapses(k, n_pre)
        weight = pathway.w_max if pathway.plastic else np.max(pathway.weight)
        sums = np.bincount(post, minlength=n_post) * weight * pathway.gain * scale_of(network, pathway, scales)
        key = (pathway.post, pathway.receptor)
        found[key] = found.get(key, 0.0) + sums
    return {key: sums.max() for key, sums in found.items()}


@pytest.mark.parametrize("name", ["StabilityIEMini", "StabilityEEMini", "InhibitoryBalance"])
def test_no_step_can_overflow_and_few_bits_are_left_unused(name):
    (life,) = plasticbench.task(f"plasticbench/{name}-v0").draw([3])
    sums = largest_sums(life.network, 3)
    assert max(sums.values()) < 2**30
    assert max(sums.values()) > 2**27


def test_a_scale_is_a_power_of_two_of_the_network_alone():
    scales = arrival_scales(small_network())
    assert len(scales) == 2
    assert all(np.log2(scale) % 1 == 0 for scale in scales.values())


def test_spikes_and_weights_are_those_of_plain_arrivals_to_rounding():
    life = life_of(small_network(("ee", "ei", "ie", "ii"), rate_hz=30.0), 2500)
    (plain,), (integer,) = run(life, VOGELS), run(life, VOGELS, in_integers=True)
    assert len(raster(plain)) > 500
    np.testing.assert_array_equal(raster(plain), raster(integer))
    for name, w in plain.weights.items():
        np.testing.assert_allclose(integer.weights[name], w, rtol=1e-6)


def test_a_weight_that_is_no_number_ends_the_life_in_the_step_in_which_it_arrives():
    part = {"on_post": "0.1 * sqrt(w - 100)"}
    rule = rule_from_json({"format": "plasticbench/rule@1", "name": "spoils", "pathways": {"ie": part}})
    network = small_network(rate_hz=30.0)
    keep = Keep()
    run_cpu([life_of(network, 2000)], batch_of(network, rule), keep, threads=1, in_integers=True)
    (record,) = keep.records()[7]
    assert record.status == "blow-up"
    assert np.isnan(record.weights["ie"]).any()
    first_spike = record.spike_steps.min()
    assert first_spike < record.n_steps_lived < 2000


def test_it_is_an_engine_by_name_for_what_the_cuda_engine_runs():
    mini = plasticbench.task("StabilityIEMini-v0").shortened()
    assert mini.run("vogels-2011", [0], "cpu-integer").engine == "cpu-integer"
    assert mini.run("vogels-2011", [0]).engine == "cpu"
    rate = plasticbench.task("OjaMini-v0").shortened()
    assert rate.losses("oja", [0], "cpu-integer").equal(rate.losses("oja", [0], "cpu"))
    with pytest.raises(plasticbench.PlasticbenchError, match="choose the cpu engine"):
        plasticbench.task("SliceL5-v0").losses("null", [0], "cpu-integer")
