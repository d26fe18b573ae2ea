"""Excursions: a life that leaves its course and comes back as if it had not."""

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
from spiking_cases import EVENTS, Keep, batch_of, life_of, raster, run

import plasticbench
from plasticbench.errors import PlasticbenchError
from plasticbench.networks.excursions import Excursion
from plasticbench.networks.life import Life, Modulator, Phase
from plasticbench.networks.recordings import Recordings, SpikeCounts, SpikeTrains, Weights
from plasticbench.networks.sources import PoissonProcess, PoissonSource, Schedule, SpikeTrainSource
from plasticbench.rules import PathwayRule, Rule, group_rules, load_rule
from plasticbench.simulation.engine import EngineOptions, Measured, find_engine
from plasticbench.simulation.spiking.cpu_engine import run_cpu


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
