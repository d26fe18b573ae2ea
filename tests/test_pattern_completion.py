"""PatternCompletion: its protocol, what its loss counts as completion, and the published rules on it."""

import dataclasses
import math

import numpy as np
import pytest
import torch

import plasticbench
from plasticbench.networks.connections import Block
from plasticbench.networks.recordings import Recordings, SpikeCounts
from plasticbench.rules import rule_from_json
from plasticbench.simulation.spiking.wiring import synapses_of
from plasticbench.tasks.conditions import Uniform

MINI, FULL = (plasticbench.task(f"PatternCompletion{size}-v0") for size in ("Mini", ""))
PAIR, ALONE = "kania-2026", "kania-2026-ie"


def recordings_of(uncued_hz, other_hz, before_hz=3.0, other_before_hz=3.0):
    """Of a life in which every cue has the same effect."""
    values = {}
    for phase, seconds in (("rest", MINI.rest_s), *((f"cue_{n}", MINI.cue_s) for n in MINI.cued)):
        rates = np.full(MINI.n_exc, other_before_hz if phase == "rest" else other_hz, float)
        rates[: MINI.n_assembly] = before_hz if phase == "rest" else uncued_hz
        if phase != "rest":
            rates[: int(phase.removeprefix("cue_"))] = 500.0  # whatever cued neurons do
        values[SpikeCounts("e", phase)] = torch.from_numpy(rates * seconds)[None, None]
    return Recordings(values, torch.tensor([[MINI.example.n_steps]]), torch.tensor([[False]]))


def loss_of(*rates, **before):
    return float(MINI.loss(recordings_of(*rates, **before), [MINI.example]))


@pytest.mark.parametrize(
    ("rates", "loss"),
    [
        ((60.0, 3.0), 1 - 57.0 / 63.1),
        ((60.0, 0.0), 1 - 57.0 / 63.1),  # above what the same neurons fired before, too
        ((60.0, 20.0), 1 - 40.0 / 80.1),
        ((20.0, 20.0), 1.0),  # everybody follows
        ((3.0, 3.0), 1.0),  # nobody does
        ((0.0, 0.0), 1 + 3.0 / 3.1),  # the cue silences
    ],
)
def test_the_uncued_have_to_rise_above_the_others_and_above_themselves(rates, loss):
    assert loss_of(*rates) == pytest.approx(loss)


def test_an_assembly_that_fires_all_the_time_completes_nothing_and_is_away_from_its_rate():
    expected = 1 - 5.0 / 195.1 + 0.5 * 0.5 * math.log10(95.0 / 3.0)
    assert loss_of(100.0, 1.0, before_hz=95.0) == pytest.approx(expected)


@pytest.mark.parametrize(("hz", "decades"), [(3.0, 0.0), (30.0, 1.0), (0.3, 1.0), (0.0, math.log10(30.0))])
def test_rates_before_the_cue_cost_half_a_point_for_each_factor_of_ten(hz, decades):
    base = loss_of(1e6, 0.0, before_hz=hz, other_before_hz=hz)
    assert base == pytest.approx(0.5 * decades, abs=1e-3)
    assert loss_of(1e6, 0.0, other_before_hz=hz) == pytest.approx(0.25 * decades, abs=1e-3)


def test_metrics_keep_the_published_index_beside_the_losss():
    found = {name: float(x) for name, x in _metrics(recordings_of(60.0, 1.0, before_hz=20.0)).items()}
    for n in MINI.cued:
        assert found[f"completion_{n}"] == pytest.approx(40.0 / 80.1)
        assert found[f"published_completion_{n}"] == pytest.approx(59.0 / 61.1)
        assert found[f"cued_{n}_hz"] == pytest.approx(500.0)
    assert found["assembly_rest_hz"] == pytest.approx(20.0)
    assert found["rate_e_hz"] == pytest.approx(0.1 * 20.0 + 0.9 * 3.0)


def _metrics(recordings):
    from plasticbench.networks.recordings import FinalWeights

    rest = {
        SpikeCounts("i", "rest"): torch.zeros(1, 1, 4),
        **{FinalWeights(name): torch.zeros(1, 1, 4) for name in ("ie", "ii")},
    }
    return MINI.metrics(dataclasses.replace(recordings, values={**recordings.values, **rest}), [MINI.example])


def test_a_blow_up_is_worse_than_any_life_that_calls_nothing():
    assert 2.0 < MINI.blow_up_loss(1.0) < MINI.blow_up_loss(0.0) == 3.0


# ---------------------------------------------------------------- the protocol


@pytest.mark.parametrize("task", [MINI, FULL], ids=lambda task: task.id)
def test_the_assembly_is_imprinted_once_and_cued_three_times_from_one_point(task):
    life = task.example
    assert {(change.pathway, change.step) for change in life.weight_changes} == {
        ("assembly_ee", 250_000), ("assembly_ei", 250_000)
    }  # fmt: skip
    for change in life.weight_changes:
        assert change.weight + 0.03 == pytest.approx(life.conditions["assembly_weight"])
    assert [(e.start - life.ahead(e.start), e.stop - e.start) for e in life.excursions] == [(650_000, 10_000)] * 3
    assert (life.phase("rest").start, life.phase("rest").stop) == (600_000, 650_000)
    assert life.n_steps == 680_000
    assert all(life.phase(f"cue_{n}").plastic == () for n in task.cued)
    for n, excursion in zip(task.cued, life.excursions, strict=True):
        (process,) = next(s for s in life.spiking_network.sources if s.name == f"cue_{n}").processes
        assert (process.start_step, process.stop_step, process.rate_hz) == (excursion.start, excursion.stop, 100.0)
    pathways = {pathway.name: pathway for pathway in life.spiking_network.pathways}
    assert pathways["assembly_ee"].weight == pathways["ie"].weight == pathways["ii"].weight == 0.0
    assert (pathways["ie"].gain, pathways["ii"].gain) == (life.conditions["gain_ie"], life.conditions["gain_ii"])


def test_mini_has_the_in_degrees_and_the_shares_of_the_full_size():
    for task in (MINI, FULL):
        assert task.n_exc * task.probability == pytest.approx(160)
        assert task.n_assembly * task.probability == pytest.approx(15.7, rel=0.03)
        np.testing.assert_allclose(np.array(task.cued) / task.n_assembly, [1 / 8, 1 / 4, 1 / 2])


def test_strengthened_synapses_are_those_that_join_the_assembly_and_cues_reach_its_first_neurons():
    network = MINI.example_network
    whole = set(zip(*(ends.tolist() for ends in synapses_of(network, "ei", 0)), strict=True))
    found = set(zip(*(ends.tolist() for ends in synapses_of(network, "assembly_ei", 0)), strict=True))
    assert found == {(j, i) for j, i in whole if j < 80 and i < 20}
    for n in MINI.cued:
        cue = next(pathway for pathway in network.pathways if pathway.name == f"cue_{n}")
        assert isinstance(cue.connections, Block)
        afferents, neurons = synapses_of(network, cue.name, 0)
        assert set(neurons.tolist()) == set(range(n))
        assert np.bincount(neurons).mean() == pytest.approx(50, rel=0.1)  # of 1000 afferents
        assert afferents.max() < MINI.n_cue


# ---------------------------------------------------------------- what rules do


def test_cues_leave_the_life_as_it_was():
    short = dataclasses.replace(
        MINI.shortened(), cued=(6, 12), conditions={**MINI.shortened().conditions, "imprinted_s": Uniform(0.03, 0.03)}
    )
    once = dataclasses.replace(short, cued=(6,))
    both, one = (task.run(PAIR, [4]).metrics for task in (short, once))
    for name in ("mean_weight_ie", "mean_weight_ii", "uncued_6_hz"):
        assert float(both[name]) == float(one[name])
    assert float(both["mean_weight_ie"]) > 0.0


def test_the_pair_completes_and_a_constant_weight_does_not_hold_the_rate():
    """One official life of each; the pair loses 0.16 to 0.32 in all of them."""
    constant = rule_from_json(
        {"format": "plasticbench/rule@2", "name": "constant", "pathways": {"*": {"on_pre": "0.4 - w"}}}
    )
    losses = [float(MINI.losses(rule, MINI.official_seeds[:1])) for rule in (PAIR, constant)]
    assert losses[0] < 0.33
    assert losses[1] > losses[0] + 0.05


@pytest.mark.slow
def test_both_pathways_plastic_complete_better_than_one_and_one_better_than_any_constant():
    pair, alone = (MINI.run(rule, MINI.official_seeds) for rule in (PAIR, ALONE))
    assert float(pair.losses.mean()) == pytest.approx(MINI.reference_loss, rel=0.01)
    assert float(pair.losses.mean()) < float(alone.losses.mean()) - 0.04 < MINI.blind_loss - 0.1
    for n in MINI.cued:
        name = f"published_completion_{n}"
        assert float(pair.metrics[name].mean()) > float(alone.metrics[name].mean()) + 0.03


@pytest.mark.slow
def test_the_published_numbers_of_completion_at_full_size_in_networks_without_gains():
    fixed = {"gain_ie": 1.0, "gain_ii": 1.0, "assembly_weight": 0.15}
    pair, alone = (FULL.run(rule, [1], conditions=fixed).metrics for rule in (PAIR, ALONE))
    for n, both, one in zip(FULL.cued, (0.91, 0.92, 0.93), (0.75, 0.79, 0.79), strict=True):
        assert float(pair[f"published_completion_{n}"]) == pytest.approx(both, abs=0.04)
        assert float(alone[f"published_completion_{n}"]) == pytest.approx(one, abs=0.06)
