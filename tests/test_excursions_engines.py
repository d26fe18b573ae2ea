"""Excursions on every engine: torch, stepping, gradients; and what ends a life in one."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from excursion_cases import (
    AWAY,
    CASES,
    FOUR,
    LEAVES,
    RULE,
    N,
    assert_same,
    network_of,
    on_torch,
    shown,
    unrolled,
    with_input,
)
from spiking_cases import batch_of, life_of, raster, run

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.excursions import Excursion
from plasticbench.networks.life import Life
from plasticbench.networks.recordings import PopulationRate, SpikeTrains
from plasticbench.rules import PathwayRule, Rule
from plasticbench.simulation.engine import EngineOptions, Measured, find_engine
from plasticbench.simulation.spiking.wiring import draw_wiring
from plasticbench.stepping.spiking_life import SteppedLife


@pytest.mark.parametrize("case", CASES)
def test_the_torch_engine_goes_and_comes_back_as_the_cpu_engine_does(case):
    make, rule = CASES[case]
    # lives side by side: one that stays, two that leave at different steps
    excursions = {4: (), 5: (Excursion(250, 370),), 6: (Excursion(100, 150), Excursion(150, 260))}
    lives = [life_of(make(), N, seed, excursions=away) for seed, away in excursions.items()]
    found = on_torch(*lives, rule=rule)
    for life in lives:
        (one,), other = run(life, rule, dtype=np.float64), found[life.seed]
        np.testing.assert_array_equal(raster(one)[np.lexsort(raster(one).T[::-1])], raster(other))
        np.testing.assert_array_equal(one.spikes, other.spikes)
        np.testing.assert_allclose(one.rates_hz, other.rates_hz, rtol=1e-6)  # those of the cpu engine are float32
        for name, w in one.weights.items():
            np.testing.assert_allclose(w, other.weights[name], rtol=1e-9, atol=1e-12)


def test_torch_comes_back_to_the_bit():
    plain = life_of(network_of(FOUR), N, seed=3)
    there = dataclasses.replace(unrolled(plain), network=with_input(plain.network, shown(0, LEAVES, LEAVES + AWAY)))
    assert_same(on_torch(there)[3], on_torch(plain)[3])


def test_a_blow_up_within_an_excursion_is_one_of_the_life():
    network = with_input(network_of(), shown(0, LEAVES, LEAVES + AWAY), *[shown(k, LEAVES, 600) for k in (10, 20, 30)])
    (free,) = run(life_of(network_of(), N, tau_rate_s=0.02), RULE)
    plain = life_of(network_of(), N, allowed_rate_hz=(1e-6, 1.2 * free.rates_hz.max()), tau_rate_s=0.02)
    there = unrolled(plain, network=network)
    assert run(plain, RULE)[0].status == "ok"
    (record,) = run(there, RULE)
    assert record.status == "blow-up"
    assert LEAVES < record.n_steps_lived < LEAVES + AWAY
    other = on_torch(there)[there.seed]
    assert (other.status, other.n_steps_lived) == (record.status, record.n_steps_lived)


def test_weights_that_stop_to_be_numbers_on_an_excursion_end_the_life_there():
    # delays longer than the excursion: no voltage meets them
    network = network_of()
    slow = tuple(dataclasses.replace(p, delay_steps=8 if p.name != "ie" else 500) for p in network.pathways)
    network = dataclasses.replace(network, pathways=slow)
    rule = Rule("broken", {"*": PathwayRule.make({"on_post": "sqrt(2 - x_post)"}, {"tau": 5.0}, {"x_post": "tau"})})
    life = life_of(network, N)
    (record,) = run(life, rule)
    assert record.status == "blow-up"
    there = unrolled(life)
    (cpu,) = run(there, rule)
    other = on_torch(there, rule=rule)[life.seed]
    assert cpu.status == other.status == "blow-up"
    assert cpu.n_steps_lived == other.n_steps_lived <= LEAVES + AWAY


@pytest.mark.parametrize("case", ["four pathways", "sources that remember"])
def test_stepping_by_hand_comes_back_to_the_bit(case):
    make, _ = CASES[case]
    there = unrolled(life_of(make(), N, seed=3))
    if case == "four pathways":
        there = dataclasses.replace(there, network=with_input(there.network, shown(0, LEAVES, LEAVES + AWAY)))
    (fused,) = run(there, RULE)
    stepped = SteppedLife(there, draw_wiring(there.network, 3), batch_of(there.network, RULE))
    stepped.begin_next()
    for step in range(there.n_steps):
        if step == LEAVES + 100:
            stepped = copy.deepcopy(stepped)  # what it will come back to is copied, too
        seen = stepped.observe()
        stepped.finish_step({name: change(values) for name, values in seen.items()})
        stepped.begin_next()
    assert stepped.over
    assert not stepped.blown_up
    found = {r: x for r, x in stepped.recordings().items() if isinstance(r, SpikeTrains)}
    (trains,) = found.values()
    np.testing.assert_array_equal(np.stack((trains.steps, trains.neurons), 1), raster(fused))
    for name, w in stepped.weights().items():
        np.testing.assert_array_equal(w, fused.weights[name])


def change(seen):
    """RULE by hand: its events follow each other, each clipped."""
    eta, alpha, beta, gamma, kappa = 0.01, -0.3, 0.1, 2.0, 1.0
    w = seen["w"]
    after_pre = np.clip(w + seen["pre_spike"] * (eta * (alpha + kappa * seen["x_post"])), 0.0, seen["w_max"])
    after = np.clip(after_pre + seen["post_spike"] * (eta * (beta + gamma * seen["x_pre"])), 0.0, seen["w_max"])
    return after - w


def test_gradients_pass_through_excursions_on_torch():
    rate = PopulationRate("e")
    plain = Life(network_of(), 3, N, (rate,))
    batch = batch_of(plain.network, RULE)

    def gradient(life, rows):
        numbers = tuple(p.clone().requires_grad_() for p in batch.parameters)
        own = dataclasses.replace(batch, parameters=numbers)

        def measure(recordings, lives):
            found = recordings[rate][..., rows].sum(-1)
            return Measured(found, recordings.blown_up, {}, found.detach())

        options = EngineOptions(gradients=True)
        measured, _ = find_engine("torch", [life], own, options).run([life], own, measure, options)
        return torch.autograd.grad(measured.losses.sum(), numbers)[0]

    course = [*range(LEAVES), *range(LEAVES + AWAY, N + AWAY)]
    expected = gradient(plain, list(range(N)))
    assert expected.abs().max() > 0.0
    torch.testing.assert_close(gradient(unrolled(plain), course), expected, rtol=1e-12, atol=0.0)


def test_compiled_derivatives_refuse_excursions_in_one_line():
    small = network_of()
    driven = dataclasses.replace(small.pathways[0], plastic=True, w_max=1.0)
    only_inputs = dataclasses.replace(small, populations=small.populations[:1], pathways=(driven,))
    options = EngineOptions(gradients=True)
    batch = batch_of(only_inputs, RULE)
    find_engine("cpu", [Life(only_inputs, 1, N)], batch, options)
    with pytest.raises(PlasticbenchError, match=r"no gradients through .*excursions.*; choose torch"):
        find_engine("cpu", [Life(only_inputs, 1, N, excursions=(Excursion(80, 140),))], batch, options)
