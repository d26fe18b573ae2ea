"""Lives, recordings and conditions as data: checked when they are made, drawn from the seed alone."""

import dataclasses
import math

import numpy as np
import pytest
from spiking_cases import doublet, life_of, run, small_network

import plasticbench
from plasticbench.errors import PlasticbenchError
from plasticbench.networks.connections import RandomConnections
from plasticbench.networks.life import Life, Modulator, Phase
from plasticbench.networks.neurons import ConductanceLIF
from plasticbench.networks.recordings import (
    FinalWeights,
    PopulationRate,
    SpikeTrains,
    Weights,
)
from plasticbench.networks.sources import ModulatedSource, PoissonProcess, PoissonSource, Schedule, SpikeTrainSource
from plasticbench.networks.spiking import Population, SpikingNetwork, SpikingPathway
from plasticbench.simulation.spiking.inputs import draw_steps, input_processes, input_state
from plasticbench.tasks.conditions import (
    Choice,
    Exponential,
    LogUniform,
    NormalVector,
    TruncatedNormal,
    Uniform,
    WholeInTurn,
    draw_conditions,
)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_steps": 0}, "n_steps"),
        ({"phases": (Phase("late", 50, 101),)}, "within the life"),
        ({"phases": (Phase("a", 0, 1), Phase("a", 1, 2))}, "another"),
        ({"phases": (Phase("a", 0, 1, ("xx",)),)}, "plastic"),
        ({"recordings": (SpikeTrains("e", phase="none"),)}, "phase"),
        ({"recordings": (SpikeTrains("nobody"),)}, "nobody"),
        ({"recordings": (SpikeTrains("e", 81),)}, "81"),
        ({"recordings": (FinalWeights("ee"),)}, "pathway"),
        ({"recordings": (Weights("ie", 0.0),)}, "every_s"),
        ({"recordings": (PopulationRate("in"),)}, "in"),
        ({"resets": (100,)}, "resets"),
        ({"modulator": Modulator((100,))}, "modulator"),
        ({"modulator": Modulator((5,), "total", population="nobody")}, "population"),
    ],
)
def test_what_leaves_a_life_is_an_error_when_the_life_is_made(change, words):
    with pytest.raises(PlasticbenchError, match=words):
        Life(**{"network": small_network(), "seed": 0, "n_steps": 100, **change})


def test_phases_say_which_pathways_are_plastic_when():
    network = small_network(("ee", "ie"))
    life = Life(network, 0, 100, phases=(Phase("a", 20, 60, ("ie",)), Phase("b", 40, 80, ())))
    assert life.plasticity_changes == (0, 20, 40, 60, 80)
    assert [life.plastic_at(t) for t in (0, 20, 45, 70, 99)] == [
        (True, True), (False, True), (False, False), (False, False), (True, True),
    ]  # fmt: skip
    rule = doublet(alpha=-0.3, gamma=1.0, kappa=1.0)
    base = life_of(network, 3000)
    only = dataclasses.replace(base, phases=(Phase("ie alone", 0, 3000, ("ie",)),))
    (record,) = run(only, rule)
    assert record.weights["ie"].std() > 0
    assert set(record.weights["ee"].tolist()) == {0.06}


def test_plasticity_that_pauses_keeps_its_traces():
    """A pause in which no spike could have changed anything changes nothing."""
    network = small_network()
    still = doublet(alpha=0.0)
    base = life_of(network, 2000)
    paused = dataclasses.replace(base, phases=(Phase("pause", 500, 1000, ()),))
    (a,), (b,) = run(base, still), run(paused, still)
    assert np.array_equal(a.spike_steps, b.spike_steps)
    rule = doublet(alpha=-0.3, gamma=1.0, kappa=1.0)
    (lived,) = run(dataclasses.replace(base, phases=(Phase("pause", 500, 500, ()),)), rule)
    (plain,) = run(base, rule)
    assert np.array_equal(lived.weights["ie"], plain.weights["ie"])


def one_neuron(source):
    return SpikingNetwork(
        (Population("e", 1, ConductanceLIF()),), (source,),
        (SpikingPathway("ee", source.name, "e", "exc", RandomConnections(1.0), 0.1, True, 1.0),),
    )  # fmt: skip


def drawn(source, n_steps, seed=1):
    network = one_neuron(source)
    return draw_steps(seed, 0, n_steps, input_processes(network), input_state(network))


def test_a_schedule_is_the_sum_of_its_stretches():
    """Piecewise constant rates as arrays draw what one process a stretch would, stretch by stretch."""
    schedule = Schedule(np.array([100, 2000, 5000]), np.array([20.0, 0.0, 80.0]))
    steps, _, afferents = drawn(PoissonSource("in", 200, (PoissonProcess(0, 200, schedule),)), 10_000)
    per_s = [((steps >= a) & (steps < b)).sum() / 200 / ((b - a) * 1e-4) for a, b in ((100, 2000), (5000, 10_000))]
    assert not ((steps < 100) | ((steps >= 2000) & (steps < 5000))).any()
    assert per_s == pytest.approx([20.0, 80.0], rel=0.1)
    for rate_hz, (a, b) in ((20.0, (100, 2000)), (80.0, (5000, 10_000))):
        alone = drawn(PoissonSource("in", 200, (PoissonProcess(0, 200, rate_hz, a, b),)), 10_000)
        inside = (steps >= a) & (steps < b)
        assert np.array_equal(steps[inside], alone[0])
        assert np.array_equal(afferents[inside], alone[2])


def test_a_source_of_given_spikes_gives_them():
    steps, afferents = np.array([3, 3, 10, 57]), np.array([0, 4, 2, 4])
    found = drawn(SpikeTrainSource("in", 5, steps, afferents), 100)
    assert np.array_equal(found[0], steps)
    assert np.array_equal(found[2], afferents)
    with pytest.raises(PlasticbenchError, match="twice"):
        SpikeTrainSource("in", 5, np.array([3, 3]), np.array([1, 1]))


def test_a_modulated_source_without_a_signal_fires_at_its_base_rate():
    source = ModulatedSource("in", 400, 8, signal_rate_hz=0.0)
    steps, _, _ = drawn(source, 100_000)
    assert len(steps) / 400 / 10 == pytest.approx(5.0, rel=0.05)


def test_signals_of_many_groups_are_all_different():
    source = ModulatedSource("in", 2050, 2050, base_rate_hz=0.0, refractory_s=0.0)
    network = one_neuron(source)
    state = input_state(network)
    draw_steps(3, 0, 50, input_processes(network), state)
    assert len(set(state.signal.tolist())) == 2050


def test_resets_begin_anew_and_keep_the_weights():
    network = small_network()
    rule = doublet(alpha=-0.3, gamma=1.0, kappa=1.0)
    base = life_of(network, 2000)
    (again,) = run(dataclasses.replace(base, resets=(1000,)), rule)
    (plain,) = run(base, rule)
    first = plain.spike_steps < 1000
    assert np.array_equal(again.spike_steps[again.spike_steps < 1000], plain.spike_steps[first])
    after = again.spike_steps[again.spike_steps >= 1000]
    assert after[0] >= 1009  # nothing is on its way, so a neuron cannot spike at once
    assert not np.array_equal(after, plain.spike_steps[~first])


class Leakier(ConductanceLIF):
    """A subclass that changes an equation."""

    updates = (("v", "v + 2 * step * ((v_rest - v) - g_exc * (v - e_exc) - g_inh * (v - e_inh))"),
               *ConductanceLIF.updates[1:])  # fmt: skip


def test_a_subclass_is_simulated_by_its_own_equations():
    rule = doublet()
    (own,) = run(life_of(small_network(neuron=Leakier()), 3000), rule)
    (plain,) = run(life_of(small_network(), 3000), rule)
    assert not np.array_equal(own.spikes, plain.spikes)


def test_an_equation_that_does_not_fit_is_named():
    @dataclasses.dataclass(frozen=True)
    class Slip(ConductanceLIF):
        updates = (("v", "v + stride"),)

    with pytest.raises(PlasticbenchError, match=r"Slip\.updates\.v.*stride"):
        Slip()


DISTRIBUTIONS = {
    "uniform": Uniform(1.0, 5.0, (0.0, 10.0)),
    "log": LogUniform(2.0, 3.0),
    "normal": TruncatedNormal(2.0, 1.0, 0.0, 3.0),
    "exponential": Exponential(0.1),
    "word": Choice(("novel", "familiar")),
    "flag": Choice((True, False)),
    "turn": WholeInTurn((1, 3, 5)),
    "vector": NormalVector(4, 0.1, "w_init"),
}


def test_conditions_come_from_their_seed_and_from_nothing_else():
    one, again = (draw_conditions(DISTRIBUTIONS, 7, {}) for _ in range(2))
    assert one == again
    fixed = draw_conditions(DISTRIBUTIONS, 7, {"word": "novel", "uniform": np.float64(2.5)})
    assert fixed == {**one, "word": "novel", "uniform": 2.5}
    many = [draw_conditions(DISTRIBUTIONS, s, {}) for s in range(300)]
    assert {m["word"] for m in many} == {"novel", "familiar"}
    assert {m["turn"] for m in many} == {1, 3, 5}
    assert all(1 <= m["uniform"] <= 5 and 2 <= m["log"] <= 3 and 0 <= m["normal"] <= 3 for m in many)
    assert np.mean([m["exponential"] for m in many]) == pytest.approx(0.1, rel=0.2)


@pytest.mark.parametrize(
    ("name", "value"),
    [("uniform", 11.0), ("uniform", "2"), ("uniform", True), ("uniform", math.nan), ("word", "other"), ("flag", 1),
     ("turn", 0), ("turn", 2.0), ("vector", [1.0]), ("vector", None)],
)  # fmt: skip
def test_a_value_that_may_not_stand_for_a_condition_is_named(name, value):
    with pytest.raises(PlasticbenchError, match=rf"conditions\.{name}"):
        draw_conditions(DISTRIBUTIONS, 0, {name: value})


def test_a_change_of_any_number_is_another_specification():
    task = plasticbench.task("StabilityIEMini-v0")
    changed = [
        dataclasses.replace(task, input_weight=0.2),
        dataclasses.replace(task, conditions={**task.conditions, "training_s": Uniform(30.0, 46.0)}),
        dataclasses.replace(task, n_official=39),
        dataclasses.replace(task, scoring_s=4.0),
    ]

    class Heavier(type(task)):
        def network(self, conditions):
            network = super().network(conditions)
            first = dataclasses.replace(network.pathways[0], weight=0.3)
            return dataclasses.replace(network, pathways=(first, *network.pathways[1:]))

    fields = {f.name: getattr(task, f.name) for f in dataclasses.fields(task)}
    changed.append(Heavier(**fields))
    assert len({task.spec_hash, *(other.spec_hash for other in changed)}) == 6


def test_a_change_of_a_neurons_equations_is_another_specification():
    task = plasticbench.task("StabilityIEMini-v0")

    def with_neuron(**declared):
        model = type("ConductanceLIF", (ConductanceLIF,), declared)

        class Other(type(task)):
            def network(self, conditions):
                network = super().network(conditions)
                populations = tuple(dataclasses.replace(p, neuron=model()) for p in network.populations)
                return dataclasses.replace(network, populations=populations)

        return Other(**{f.name: getattr(task, f.name) for f in dataclasses.fields(task)}).spec_hash

    hashes = [
        with_neuron(),
        with_neuron(derived={**ConductanceLIF.derived, **dict.fromkeys(list(ConductanceLIF.derived)[:1], "0.5")}),
        with_neuron(held="v_threshold"),
        with_neuron(refractory=None),
        with_neuron(receptors={"exc": "g_inh", "inh": "g_exc"}),
        with_neuron(decaying=()),
    ]
    assert len(set(hashes)) == len(hashes)


def test_a_measured_mark_is_no_part_of_a_specification():
    task = plasticbench.task("StabilityIEMini-v0")
    assert dataclasses.replace(task, blind_loss=1.0, null_loss=2.0, reference_loss=0.1).spec_hash == task.spec_hash
