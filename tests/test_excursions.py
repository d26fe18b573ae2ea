"""Excursions: a life that leaves its course and comes back as if it had not, on every engine."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from spiking_cases import EVENTS, Keep, batch_of, doublet, life_of, raster, run, run_on_torch, small_network

import plasticbench
from plasticbench.errors import PlasticbenchError
from plasticbench.networks.excursions import Excursion
from plasticbench.networks.life import Life, Modulator, Phase
from plasticbench.networks.neurons import EscapeLIF
from plasticbench.networks.recordings import PopulationRate, Recordings, SpikeCounts, SpikeTrains, Weights
from plasticbench.networks.sources import ModulatedSource, PoissonProcess, PoissonSource, Schedule, SpikeTrainSource
from plasticbench.rules import PathwayRule, Rule, group_rules, load_rule
from plasticbench.simulation.engine import EngineOptions, Measured, find_engine
from plasticbench.simulation.spiking.cpu_engine import run_cpu
from plasticbench.simulation.spiking.wiring import draw_wiring
from plasticbench.simulation.threads import one_torch_thread
from plasticbench.stepping.spiking_life import SteppedLife

N, LEAVES, AWAY = 500, 250, 120  # steps of the course; where the excursion starts; how long it is
FOUR = ("ee", "ei", "ie", "ii")
RULE = doublet(alpha=-0.3, beta=0.1, gamma=2.0, kappa=1.0, eta=0.01)
STATEFUL = Rule(
    "stateful",
    {
        "*": PathwayRule.make(
            {"on_pre": {"w": "0.02 * (x_post - 0.1) + 0.01 * e", "e": "0.1 * x_post"}, "on_post": {"theta": "0.1"}},
            {"tau": 0.02},
            {"x_post": "tau"},
            states={"e": {"tau_s": 0.05}, "theta": {"tau_s": 0.1, "scope": "post"}},
        )
    },
)


def network_of(plastic=("ie",), neuron=None):
    """Thirty neurons, driven hard, so that short lives have spikes to lose."""
    return small_network(plastic, neuron, rate_hz=80.0, n_exc=24, n_inh=6)


def with_input(network, *processes):
    """The network with further processes of its input."""
    (source,) = network.sources
    return dataclasses.replace(
        network, sources=(dataclasses.replace(source, processes=(*source.processes, *processes)),)
    )


def shown(first, start, stop):
    """Strong input to ten afferents during some steps."""
    return PoissonProcess(first, 10, 400.0, start, stop)


def unrolled(life, at=LEAVES, steps=AWAY, **changes):
    """The life with an excursion of its own course's input, all windows moved with it."""
    return dataclasses.replace(life, n_steps=life.n_steps + steps, excursions=(Excursion(at, at + steps),), **changes)


def cut(record, at=LEAVES, steps=AWAY):
    """A record without what was recorded in the excursion: rates, spikes by step, and the raster."""
    away = slice(at, at + steps)
    rows = raster(record)
    rows = rows[(rows[:, 0] < at) | (rows[:, 0] >= at + steps)]
    rows[:, 0] -= np.where(rows[:, 0] >= at, steps, 0)
    return np.delete(record.rates_hz, away), np.delete(record.spikes, away), rows


def assert_same(there_and_back, plain, at=LEAVES, steps=AWAY):
    for found, expected in zip(
        cut(there_and_back, at, steps), (plain.rates_hz, plain.spikes, raster(plain)), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    for name, w in plain.weights.items():
        np.testing.assert_array_equal(there_and_back.weights[name], w)


def network_with_signals():
    source = ModulatedSource("in", 50, 5)
    return dataclasses.replace(network_of(FOUR), sources=(source,))


def network_that_escapes():
    network = network_of(FOUR, EscapeLIF())
    amperes = tuple(dataclasses.replace(p, gain=2e-9) for p in network.pathways)
    return dataclasses.replace(network, pathways=amperes)


CASES = {
    "four pathways": (lambda: network_of(FOUR), RULE),
    "states": (lambda: network_of(FOUR), STATEFUL),
    "random spikes": (network_that_escapes, RULE),
    "sources that remember": (network_with_signals, RULE),
}


@pytest.mark.parametrize("case", CASES)
def test_a_life_with_an_excursion_is_without_it_the_life_that_had_none(case):
    make, rule = CASES[case]
    plain = life_of(make(), N, seed=3)
    there = unrolled(plain)
    if isinstance(plain.network.sources[0], PoissonSource):
        there = dataclasses.replace(there, network=with_input(plain.network, shown(0, LEAVES, LEAVES + AWAY)))
    (expected,), (found,) = run(plain, rule), run(there, rule)
    assert expected.spikes.sum() > 30
    assert_same(found, expected)
    for name, w in expected.weights.items():
        assert len(np.unique(w)) > 10, name  # something was learned that could have been lost


def on_torch(*lives, rule=RULE):
    """Seed -> the record of this rule's life, on the torch engine, in one batch."""
    with one_torch_thread():
        found = run_on_torch(lives, batch_of(lives[0].network, rule))
    return {seed: records[0] for seed, records in found.items()}


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


def test_two_excursions_from_one_point_with_the_same_input_are_equal_and_with_another_are_not():
    first, second = (Excursion(LEAVES + k * AWAY, LEAVES + (k + 1) * AWAY) for k in range(2))
    network = network_of(FOUR)

    def windows(of_second):
        shows = (shown(0, first.start, first.stop), shown(of_second, second.start, second.stop))
        # one process for each, on all schedules alike: the draws of a process are its own
        steps = np.array([0, first.start, first.stop, second.stop])
        on = PoissonProcess(0, 10, Schedule(steps, np.array([0.0, 400.0, 400.0 if of_second == 0 else 0.0, 0.0])))
        extra = (on,) if of_second == 0 else (on, shows[1])
        life = life_of(with_input(network, *extra), N + 2 * AWAY, seed=3, excursions=(first, second))
        (record,) = run(life, RULE)
        rows = raster(record)
        return [
            (rows[(rows[:, 0] >= e.start) & (rows[:, 0] < e.stop)] - (e.start, 0), record.rates_hz[e.start : e.stop])
            for e in (first, second)
        ]

    (rows, rates), (again, rates_again) = windows(0)
    np.testing.assert_array_equal(rows, again)
    np.testing.assert_array_equal(rates, rates_again)
    (rows, _), (other, _) = windows(30)
    assert len(rows) != len(other) or (rows != other).any()


def test_schedules_phases_and_given_spikes_count_the_lifes_steps():
    given = SpikeTrainSource("in", 50, np.array([10, 450, 450, 700]), np.array([0, 1, 2, 3]))
    network = dataclasses.replace(network_of(), sources=(given,))
    excursion = Excursion(400, 500)
    phases = (Phase("away", 400, 500), Phase("after", 500, 1000))
    recordings = tuple(SpikeTrains("in", phase=name) for name in (None, "away", "after"))
    life = Life(network, 1, 1000, recordings, phases=phases, excursions=(excursion,))
    found = recorded(life, RULE)
    assert [found[r].steps.tolist() for r in recordings] == [[10, 450, 450, 700], [450, 450], [700]]


def recorded(life, rule):
    kept = []

    def measure(recordings: Recordings, lives):
        kept.append({r: recordings[r][0][0] for r in life.recordings})
        lived = recordings.n_steps_lived.to(torch.float64)
        return Measured(lived, recordings.blown_up, {}, lived)

    engine = find_engine("cpu", [life], batch_of(life.network, rule), EngineOptions())
    engine.run([life], batch_of(life.network, rule), measure, EngineOptions(threads=1))
    return kept[0]


def test_weights_at_the_end_of_an_excursion_are_those_before_life_comes_back():
    excursion = Excursion(LEAVES, LEAVES + AWAY)
    phases = (Phase("away", excursion.start, excursion.stop), Phase("after", excursion.stop, N + AWAY))
    samples = [Weights("ie", AWAY * 1e-4, phase=name) for name in ("away", "after")]
    life = Life(
        with_input(network_of(), shown(0, excursion.start, excursion.stop)), 3, N + AWAY,
        (*samples, Weights("ie", 1e-3)), phases=phases, excursions=(excursion,),
    )  # fmt: skip
    found = recorded(life, RULE)
    before, away = found[samples[0]]
    after = found[samples[1]][0]
    assert (before != away).any()
    np.testing.assert_array_equal(before, after)
    of_all = found[life.recordings[-1]]  # every 10 steps
    np.testing.assert_array_equal(of_all[[LEAVES // 10, (LEAVES + AWAY) // 10]], torch.stack([before, before]))


def test_plasticity_may_be_off_within_an_excursion_alone():
    excursion = Excursion(LEAVES, LEAVES + AWAY)
    phases = (Phase("away", excursion.start, excursion.stop, ()),)
    away = Weights("ie", 1e-2, phase="away")
    network = with_input(network_of(), shown(0, excursion.start, excursion.stop))
    life = Life(network, 3, N + AWAY, (away,), phases=phases, excursions=(excursion,))
    found = recorded(life, RULE)[away]
    assert (found == found[0]).all()


def test_a_modulator_within_an_excursion_is_forgotten_outside():
    deliveries = Modulator((100, 400), "total", population="e")
    rule = Rule(
        "reward",
        {
            "*": PathwayRule.make(
                {"on_pre": {"e": "1"}, "on_modulator": {"w": "0.001 * m * e"}}, states={"e": {"tau_s": 0.05}}
            )
        },
    )
    plain = life_of(network_of(), N, seed=3, modulator=deliveries)
    there = unrolled(plain, modulator=dataclasses.replace(deliveries, steps=(100, LEAVES + 50, 400 + AWAY)))
    assert run(plain, load_rule("null"))[0].weights["ie"].var() == 0.0
    names, offered = ["ie"], plain.network.variables(plain.network.plastic_pathways[0]) | {"m"}
    ((_, batch),) = group_rules([rule], names, (*EVENTS, "on_modulator"), {"ie": offered})
    found = []
    for life in (plain, there):
        keep = Keep()
        run_cpu([life], batch, keep, threads=1)
        found += keep.records()[3]
    assert found[0].weights["ie"].var() > 0.0
    assert_same(found[1], found[0])


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
    with pytest.raises(PlasticbenchError, match=r"no gradients through .*excursions; choose torch"):
        find_engine("cpu", [Life(only_inputs, 1, N, excursions=(Excursion(80, 140),))], batch, options)


@pytest.mark.parametrize(
    ("excursions", "message"),
    [
        ((Excursion(10, 10),), r"excursions\[0\]: steps 10 to 10 are not a stretch of the life's 100"),
        ((Excursion(-1, 10),), r"excursions\[0\]: steps -1"),
        ((Excursion(10, 101),), r"excursions\[0\]: steps 10 to 101"),
        ((Excursion(10, 20), Excursion(15, 30)), r"excursions\[1\]: it starts at step 15, before 20"),
        ((Excursion(50, 60), Excursion(10, 20)), r"excursions\[1\]: it starts at step 10, before 60"),
    ],
)
def test_excursions_that_do_not_fit_are_refused_when_a_life_is_made(excursions, message):
    with pytest.raises(PlasticbenchError, match=message):
        Life(network_of(), 0, 100, excursions=excursions)


def test_a_rate_network_has_no_excursions():
    life = plasticbench.task("OjaMini-v0").example
    with pytest.raises(PlasticbenchError, match=r"life\.excursions: a rate network"):
        dataclasses.replace(life, excursions=(Excursion(1, 2),))


def test_a_life_may_end_with_an_excursion_and_begin_with_one():
    plain = life_of(network_of(FOUR), N, seed=3)
    late = unrolled(plain, N)
    early = unrolled(plain, 0)
    (expected,) = run(plain, RULE)
    assert_same(run(late, RULE)[0], expected, N)
    assert_same(run(early, RULE)[0], expected, 0)
    assert_same(on_torch(late)[3], on_torch(plain)[3], N)


def test_counts_of_a_whole_life_count_its_excursions():
    plain = life_of(network_of(), N, seed=3)
    (expected,), (found,) = run(plain, RULE), run(unrolled(plain), RULE)
    away = raster(found)[:, 0]
    n_away = ((away >= LEAVES) & (away < LEAVES + AWAY)).sum()
    assert found.spike_counts["e"].sum() == expected.spike_counts["e"].sum() + n_away
    assert SpikeCounts("e") in plain.recordings
