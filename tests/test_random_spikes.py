"""Neurons that spike at random do so at their hazard, alike on every engine, as their seed says."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from neuron_cases import DT_S, Compiled, InTorch, arrivals_of
from spiking_cases import batch_of, doublet, life_of, raster, run, run_on_torch

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.connections import RandomConnections
from plasticbench.networks.neurons import EscapeLIF
from plasticbench.networks.sources import PoissonProcess, PoissonSource
from plasticbench.networks.spiking import Population, SpikingNetwork, SpikingPathway
from plasticbench.rules import PathwayRule, Rule
from plasticbench.simulation.engine import EngineOptions, find_engine
from plasticbench.simulation.spiking.neuron_source import NOT_A_NUMBER
from plasticbench.simulation.spiking.random_spikes import draw_at, draw_step, spike_stream


@dataclasses.dataclass(frozen=True)
class Steady(EscapeLIF):
    """Its voltage stays where it begins."""

    updates = (("i_exc", "i_exc * decay"), ("i_inh", "i_inh * decay"))
    at_spike = {"v": "v"}  # noqa: RUF012


def resting_at(hazard_hz, **fields):
    """A neuron with this hazard at its resting voltage."""
    width_v = EscapeLIF.width_v
    return Steady(v_rest=EscapeLIF.v_threshold + width_v * math.log(hazard_hz / 0.01), **fields)


@pytest.mark.parametrize("hazard_hz", [0.5, 50.0, 10_000.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_voltage_gives_the_hazards_probability(hazard_hz, dtype):
    size, n_steps = 2000, 500
    population = Compiled(resting_at(hazard_hz, refractory_s=0.0), size, dtype)
    counts = [len(population.step(t, seed=3)) for t in range(n_steps)]
    p = -math.expm1(-hazard_hz * DT_S)
    error = math.sqrt(p * (1 - p) / (size * n_steps))
    assert abs(np.sum(counts) / (size * n_steps) - p) < 4 * error
    assert population.values["phi"] == pytest.approx(hazard_hz, rel=1e-3)


def test_a_refractory_neuron_does_not_spike():
    population, last = Compiled(resting_at(3000.0), 500, np.float64), np.full(500, -(10**6))
    for t in range(300):
        spikes = population.step(t)
        assert (t - last[spikes] > 20).all()
        last[spikes] = t
    assert (last >= 0).all()


def test_both_ways_to_draw_are_one():
    for seed, t in ((0, 0), (2**62 + 5, 3), (7, 2**31 - 1)):
        assert draw_step(seed, "e", t, 3).tolist() == [draw_at(seed, spike_stream("e"), t, i) for i in range(3)]


def test_compiled_and_torch_give_the_same_random_spikes_and_states():
    model, size, n_spikes = EscapeLIF(), 29, 0
    ours, theirs = Compiled(model, size, np.float64), InTorch(model, size)
    for t, arrivals in enumerate(arrivals_of(model, size, 2000, 1.5e-8)):
        spikes = ours.step(t, seed=11)
        draws = torch.from_numpy(draw_step(11, "e", t, size))[None]
        np.testing.assert_array_equal(spikes, theirs.step(t, draws=draws))
        n_spikes += len(spikes)
        ours.add(arrivals)
        theirs.add(arrivals)
        if t % 50 == 0:
            for name, values in theirs.values.items():
                np.testing.assert_allclose(ours.values[name], values, rtol=1e-9, atol=1e-25, err_msg=name)
    assert n_spikes > size


def test_a_voltage_that_is_not_a_number_ends_the_life():
    population = Compiled(EscapeLIF(), 9, np.float32)
    population.values["v"][5] = np.nan
    assert population.step(0) == NOT_A_NUMBER


def escaping(name="e"):
    """Ten neurons that hear thirty inputs through plastic synapses; weights in A."""
    return SpikingNetwork(
        (Population(name, 10, EscapeLIF()), Population("other", 10, EscapeLIF())),
        (PoissonSource("in", 30, (PoissonProcess(0, 30, 60.0),)),),
        (
            SpikingPathway("ee", "in", name, "exc", RandomConnections(1.0), 1.2e-9, True, 3e-9),
            SpikingPathway("static", "in", "other", "exc", RandomConnections(1.0), 1.2e-9),
        ),
    )


URBANCZIK = Rule(
    name="spike minus escape rate",
    reference="a test",
    pathways={"ee": PathwayRule.make({"on_pre": "-eta * 1e-5 * phi", "on_post": "eta * x_pre"}, {"eta": 1e-11},
                                     {"x_pre": 0.01})},
)  # fmt: skip


def test_both_engines_live_the_same_life_under_a_rule_that_reads_the_hazard():
    network = escaping()
    life = life_of(network, 3000)
    (cpu,) = run(life, URBANCZIK, dtype=np.float64)
    other = run_on_torch([life], batch_of(network, URBANCZIK))[life.seed][0]
    assert len(cpu.spike_steps) > 20
    np.testing.assert_array_equal(raster(cpu), raster(other))
    assert cpu.weights["ee"].std() > 0
    np.testing.assert_allclose(cpu.weights["ee"], other.weights["ee"], rtol=1e-9)


def test_the_seed_decides_about_random_spikes_and_populations_differ():
    size = 400

    def spikes(seed, name):
        population = Compiled(resting_at(300.0), size, np.float32, name)
        return [population.step(t, seed).tolist() for t in range(50)]

    assert spikes(1, "e") == spikes(1, "e")
    assert spikes(1, "e") != spikes(2, "e")
    assert spikes(1, "e") != spikes(1, "i")
    life = life_of(escaping(), 2000)
    (one,), (again,) = run(life, doublet(eta=0.0)), run(life, doublet(eta=0.0))
    assert len(one.spike_steps) > 10
    np.testing.assert_array_equal(raster(one), raster(again))


@pytest.mark.parametrize("engine", ["cpu", "torch"])
def test_there_are_no_gradients_through_random_spikes(engine):
    network = escaping()
    with pytest.raises(PlasticbenchError, match="random spikes"):
        find_engine(engine, [life_of(network, 10)], batch_of(network, doublet()), EngineOptions(gradients=True))
