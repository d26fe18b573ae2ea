"""Static weights that a life's protocol changes, blocks of pathways, and the neuron with a constant current."""

import copy
import dataclasses
import math

import numpy as np
import pytest
from excursion_cases import RULE, N, network_of, on_torch, unrolled
from neuron_cases import DT_S, Compiled
from spiking_cases import batch_of, life_of, raster, run

import plasticbench
from plasticbench.errors import PlasticbenchError
from plasticbench.networks.connections import Block, RandomConnections, ReceptiveFields
from plasticbench.networks.excursions import Excursion
from plasticbench.networks.neurons import DrivenLIF
from plasticbench.networks.sources import PoissonProcess, PoissonSource
from plasticbench.networks.spiking import Population, SpikingNetwork, SpikingPathway
from plasticbench.networks.weight_changes import WeightChange
from plasticbench.rules import load_rule
from plasticbench.simulation.cuda.engine import CudaEngine
from plasticbench.simulation.engine import EngineOptions, find_engine
from plasticbench.simulation.spiking.wiring import draw_wiring, synapses_of
from plasticbench.stepping.spiking_life import SteppedLife

CHANGES = 200  # the step of the change
HALVES = Block(RandomConnections(0.3), (0, 12), (4, 20), "ee")


def with_block(block=HALVES, weight=0.0, name="assembly", pre="e", post="e"):
    """The network of `excursion_cases` and one pathway more."""
    network = network_of()
    return dataclasses.replace(
        network, pathways=(*network.pathways, SpikingPathway(name, pre, post, "exc", block, weight))
    )


def without(network, name):
    return dataclasses.replace(network, pathways=tuple(p for p in network.pathways if p.name != name))


def pairs(network, name, seed=3):
    return set(zip(*(ends.tolist() for ends in synapses_of(network, name, seed)), strict=True))


def assert_same_life(one, other):
    np.testing.assert_array_equal(raster(one), raster(other))
    for name, w in one.weights.items():
        np.testing.assert_array_equal(w, other.weights[name])


# ---------------------------------------------------------------- blocks


def test_a_blocks_synapses_are_those_of_its_pathway_between_its_neurons():
    network = with_block()
    expected = {(j, i) for j, i in pairs(network, "ee") if 0 <= j < 12 and 4 <= i < 20}
    assert 20 < len(expected) < len(pairs(network, "ee"))
    assert pairs(network, "assembly") == expected
    wiring = draw_wiring(network, 3)
    pre, post = wiring.synapses(len(network.pathways) - 1, 24)
    assert set(zip(pre.tolist(), post.tolist(), strict=True)) == expected
    assert (np.diff(pre * 24 + post) > 0).all()  # in the order of all pathways


def test_a_block_of_its_own_draws_anew_and_may_lie_in_a_part_of_receptive_fields():
    fresh = dataclasses.replace(HALVES, of=None)
    assert pairs(with_block(fresh), "assembly") != pairs(with_block(), "assembly")
    assert all(4 <= i < 20 and j < 12 for j, i in pairs(with_block(fresh), "assembly"))
    fields = ReceptiveFields(7, 3.0)
    whole = with_block(fields, pre="in")
    part = with_block(Block(fields, None, (0, 5)), pre="in")
    assert pairs(part, "assembly") == {(j, i) for j, i in pairs(whole, "assembly") if i < 5}
    assert Block(fields, None, (0, 5)).capacity(49, 24) == fields.capacity(49, 5)


def test_a_block_that_weighs_nothing_changes_nothing():
    assert_same_life(*(run(life_of(n, N, 3), RULE)[0] for n in (with_block(), network_of())))


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (dataclasses.replace(HALVES, post=(4, 25)), r"pathway assembly: block\.post: \(4, 25\) of 24 neurons"),
        (dataclasses.replace(HALVES, of="ei"), "block.of: 'ei' is no pathway from e to e"),
        (dataclasses.replace(HALVES, of="none"), "block.of: 'none' is no pathway"),
        (Block(RandomConnections(0.2), of="ee"), "with the same connections"),
    ],
)
def test_a_block_that_does_not_fit_is_refused_with_its_network(block, message):
    with pytest.raises(PlasticbenchError, match=message):
        with_block(block)


def test_a_block_of_no_neurons_is_refused():
    with pytest.raises(PlasticbenchError, match=r"block\.pre: \(3, 3\) is no stretch of neurons"):
        Block(RandomConnections(0.2), (3, 3))


# ---------------------------------------------------------------- changes of weights


def test_a_change_at_the_start_is_the_weight_that_is_declared():
    changed = life_of(with_block(), N, 3, weight_changes=(WeightChange("assembly", 0, 0.3),))
    declared = life_of(with_block(weight=0.3), N, 3)
    (one,), (other,), (none,) = run(changed, RULE), run(declared, RULE), run(life_of(with_block(), N, 3), RULE)
    assert_same_life(one, other)
    assert len(one.spike_steps) != len(none.spike_steps)


def test_a_change_counts_from_its_step_on_and_the_last_one_stays():
    plain, late = life_of(with_block(), N, 3), WeightChange("assembly", CHANGES, 0.5)
    (before,), (one,) = run(plain, RULE), run(dataclasses.replace(plain, weight_changes=(late,)), RULE)
    rows, changed = raster(before), raster(one)
    np.testing.assert_array_equal(rows[rows[:, 0] <= CHANGES], changed[changed[:, 0] <= CHANGES])
    assert not np.array_equal(rows, changed)
    brief = (WeightChange("assembly", 0, 0.5), WeightChange("assembly", 1, 0.0))  # nothing arrives so early
    (other,) = run(dataclasses.replace(plain, weight_changes=brief), RULE)
    assert_same_life(other, before)


def test_the_torch_engine_changes_weights_as_the_cpu_engine_does():
    # lives side by side: one without a change, two with changes at different steps
    ways = {4: (), 5: (WeightChange("assembly", CHANGES, 0.5),), 6: (WeightChange("ee", 100, 0.0),)}
    lives = [life_of(with_block(), N, seed, weight_changes=changes) for seed, changes in ways.items()]
    found = on_torch(*lives)
    for life in lives:
        (one,), other = run(life, RULE, dtype=np.float64), found[life.seed]
        np.testing.assert_array_equal(raster(one)[np.lexsort(raster(one).T[::-1])], raster(other))
        for name, w in one.weights.items():
            np.testing.assert_allclose(w, other.weights[name], rtol=1e-9, atol=1e-12)


def test_a_change_stays_when_life_comes_back_from_an_excursion():
    changes = (WeightChange("assembly", CHANGES, 0.5),)
    plain = life_of(with_block(), N, 3, weight_changes=changes)
    (expected,), (found,) = run(plain, RULE), run(unrolled(plain), RULE)
    rows = raster(found)
    rows = rows[(rows[:, 0] < 250) | (rows[:, 0] >= 370)]
    rows[:, 0] -= np.where(rows[:, 0] >= 370, 120, 0)
    np.testing.assert_array_equal(rows, raster(expected))


def test_a_copy_of_a_stepped_life_has_the_weights_of_its_step():
    life = life_of(with_block(), 300, 3, weight_changes=(WeightChange("assembly", CHANGES, 0.5),))
    stepped = SteppedLife(life, draw_wiring(life.network, 3), batch_of(life.network, load_rule("null")))
    stepped.begin_next()
    copied = None
    while not stepped.over:
        stepped.finish_step({})
        if not stepped.over:
            stepped.begin_next()
        if stepped.step == CHANGES + 20 and copied is None:
            copied = copy.deepcopy(stepped)
    while not copied.over:
        copied.finish_step({})
        if not copied.over:
            copied.begin_next()
    (fused,) = run(life, load_rule("null"))
    for one in (stepped, copied):
        ((_, trains),) = [(r, v) for r, v in one.recordings().items() if type(r).__name__ == "SpikeTrains"]
        np.testing.assert_array_equal(np.stack((trains.steps, trains.neurons), 1), raster(fused))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (WeightChange("ie", 3, 0.1), r"weight_changes\[0\]\.pathway: 'ie' is none of the static in_e"),
        (WeightChange("assembly", N, 0.1), r"weight_changes\[0\]\.step: 500 is not from 0 to 499"),
        (WeightChange("assembly", 3, -0.1), r"weight_changes\[0\]\.weight: -0\.1 is not a finite number"),
        (WeightChange("assembly", 3, math.nan), r"weight_changes\[0\]\.weight: nan"),
        (WeightChange("assembly", 20, 0.1), r"weight_changes\[0\]\.step: 20 lies in an excursion"),
    ],
)
def test_a_change_that_does_not_fit_is_refused_with_its_life(change, message):
    with pytest.raises(PlasticbenchError, match=message):
        life_of(with_block(), N, weight_changes=(change,), excursions=(Excursion(20, 30),))


def test_a_life_of_rates_has_no_changes():
    life = plasticbench.task("OjaMini-v0").example
    with pytest.raises(PlasticbenchError, match="weight_changes: only a spiking network"):
        dataclasses.replace(life, weight_changes=(WeightChange("w", 0, 0.0),))


def test_engines_that_cannot_change_weights_say_so():
    life = life_of(with_block(), N, weight_changes=(WeightChange("assembly", 3, 0.1),))
    rules = batch_of(life.network, RULE)
    with pytest.raises(PlasticbenchError, match="cpu-integer: no changes of static weights; choose the cpu engine"):
        find_engine("cpu-integer", [life], rules, EngineOptions())
    reason = CudaEngine().unsupported([life], rules, EngineOptions())
    assert reason == "it does not know life.weight_changes; choose the cpu engine"
    assert find_engine("auto", [life], rules, EngineOptions()).name == "cpu"


def test_compiled_derivatives_refuse_changes_in_one_line():
    source = PoissonSource("in", 20, (PoissonProcess(0, 20, 50.0),))
    pathways = (
        SpikingPathway("plain", "in", "e", "exc", RandomConnections(0.5), 0.1),
        SpikingPathway("learned", "in", "e", "exc", RandomConnections(0.5), 0.1, True, 1.0),
    )
    network = SpikingNetwork((Population("e", 3, DrivenLIF()),), (source,), pathways)
    life = life_of(network, 50, weight_changes=(WeightChange("plain", 3, 0.2),))
    with pytest.raises(PlasticbenchError, match=r"no gradients through .* changes of weights"):
        find_engine("cpu", [life], batch_of(network, RULE), EngineOptions(gradients=True))


# ---------------------------------------------------------------- the constant current


@pytest.mark.parametrize("drive_v", [0.015, 0.02, 0.04])
def test_a_driven_neuron_fires_at_the_rate_that_its_equation_has_in_closed_form(drive_v):
    model = DrivenLIF(drive_v=drive_v)
    alone = Compiled(model, 1, np.float64)
    n_spikes = sum(len(alone.step(t)) for t in range(20_000))
    period_s = model.refractory_s - model.tau_membrane_s * math.log(1 - 0.01 / drive_v)
    assert n_spikes * DT_S * 1e4 / 2.0 == pytest.approx(1 / period_s, rel=0.03)


def test_a_current_below_threshold_never_makes_it_fire():
    alone = Compiled(DrivenLIF(drive_v=0.00999), 1, np.float64)
    assert sum(len(alone.step(t)) for t in range(5_000)) == 0
    assert float(alone.values["v"][0]) == pytest.approx(-0.05001, abs=1e-6)
