"""MemoryRetention: its protocol, what its loss counts as memory, and the published rules on it."""

import dataclasses

import numpy as np
import pytest
import torch

import plasticbench
from plasticbench.envs.memory_retention import MemoryRetention
from plasticbench.networks.recordings import Recordings, SpikeCounts
from plasticbench.tasks.null_attacks import attacks

MINI = plasticbench.task("MemoryRetentionMini-v0")
FULL = plasticbench.task("MemoryRetention-v0")
HOURS = plasticbench.task("MemoryRetentionHours-v0")
RULE = "confavreux-2023-f19bec85"
SHORT = dataclasses.replace(
    MINI.shortened(), settling_s=0.02, probe_s=0.02, after_probe_s=0.01, base_s=0.01, breaks_s=(0.01, 0.03)
)


def spikes_of(task, lives, differences, rate_e_hz=2.0, rate_i_hz=2.0):
    """Counts whose Δr before training and after each break are these (but for the 0.01 of its denominator)."""
    values = {}
    for probe, difference in zip(task.probes, differences, strict=True):
        for pattern, mean in (("novel", 1e4 * (1 + difference / 2)), ("familiar", 1e4 * (1 - difference / 2))):
            values[SpikeCounts("e", f"{pattern}_{probe}")] = torch.full((1, 1, 8), mean, dtype=torch.float64)
        for population, rate_hz in (("e", rate_e_hz), ("i", rate_i_hz)):
            values[SpikeCounts(population, f"base_{probe}")] = torch.full((1, 1, 8), rate_hz, dtype=torch.float64)
    return Recordings(values, torch.tensor([[lives[0].n_steps]]), torch.tensor([[False]]))


def loss_of(*differences, **rates):
    lives = [MINI.example]
    return float(MINI.loss(spikes_of(MINI, lives, differences, **rates), lives))


@pytest.mark.parametrize(
    ("differences", "loss"),
    [
        ((0.0, 0.3, 0.3, 0.3, 0.3), 0.0),
        ((0.0, -0.3, -0.4, -0.5, -0.6), 0.0),  # familiar may be the stronger one
        ((0.0, 0.0, 0.0, 0.0, 0.0), 1.0),
        ((0.0, 0.1, -0.1, 0.05, 0.0), 1.0),
        ((0.0, 0.2, 0.2, 0.2, 0.2), 0.5),
        ((0.0, 0.3, 0.3, 0.0, 0.0), 0.5),  # for half of the breaks
        ((0.5, 0.5, 0.5, 0.5, 0.5), 1.0),  # as it was before training: the wiring, no memory
        ((-0.3, 0.0, 0.0, 0.0, 0.0), 1.0),  # a difference that has gone
        ((-0.1, 0.2, 0.2, 0.2, 0.2), 0.5),
        ((0.3, -0.2, -0.2, -0.2, -0.2), 0.5),
        ((0.3, 0.2, 0.2, 0.2, 0.2), 1.0),  # less than before training, and in its direction
        ((0.0, 0.0, 0.3, 0.3, 0.3), 1.0),  # it came later: no memory of the training
        ((0.0, 0.3, -0.3, 0.3, 0.3), 0.75),
        ((0.0, 0.2, 0.3, 0.3, 0.2), 0.5),
    ],
)
def test_a_difference_counts_if_it_came_with_training_and_for_as_long_as_it_stays(differences, loss):
    assert loss_of(*differences) == pytest.approx(loss, abs=1e-5)


@pytest.mark.parametrize(
    ("rates", "loss"),
    [
        ({"rate_e_hz": 1.0, "rate_i_hz": 50.0}, 0.0),
        ({"rate_e_hz": 0.5}, 0.5),
        ({"rate_i_hz": 0.5}, 0.5),
        ({"rate_e_hz": 0.0}, 1.0),
        ({"rate_e_hz": 75.0}, 0.5),
        ({"rate_e_hz": 75.0, "rate_i_hz": 75.0}, 0.75),
        ({"rate_i_hz": 1000.0}, 1.0),
    ],
)
def test_responses_count_as_much_as_activity_at_rest_is_plausible(rates, loss):
    assert loss_of(0.0, 0.3, 0.3, 0.3, 0.3, **rates) == pytest.approx(loss, abs=1e-5)


def test_a_blow_up_is_worse_than_any_life_without_one():
    assert 1.0 < MINI.blow_up_loss(1.0) < MINI.blow_up_loss(0.0) == 2.0


@pytest.mark.parametrize("task", [MINI, FULL, HOURS], ids=lambda task: task.id)
def test_probes_are_excursions_in_pairs_from_one_point_at_the_published_breaks(task):
    life = task.example
    clock_s = [(e.start - life.ahead(e.start)) * life.dt_s for e in life.excursions]
    expected = [30.0, *(40.0 + break_s for break_s in task.breaks_s)]
    np.testing.assert_allclose(clock_s, np.repeat(expected, 2))
    assert {e.stop - e.start for e in life.excursions} == {40_000}
    for k, probe in enumerate(task.probes):
        novel, familiar = (life.phase(f"{pattern}_{probe}") for pattern in task.patterns)
        assert (novel.start, familiar.start) == tuple(e.start for e in life.excursions[2 * k : 2 * k + 2])
        assert novel.stop - novel.start == familiar.stop - familiar.start == 10_000
    assert MINI.breaks_s == FULL.breaks_s[:4]
    assert FULL.breaks_s == HOURS.breaks_s[:6]


def test_what_is_shown_when_and_to_whom():
    life = MINI.example
    of_e, of_i = life.spiking_network.sources
    assert [(p.first, p.count) for p in of_e.processes] == [(0, 10_000), (2000, 500), (7500, 500)]
    assert of_e.processes[0].rate_hz == 10.0
    assert [(p.first, p.count, p.rate_hz) for p in of_i.processes] == [(0, 10_000, 10.0)]

    def on(process):
        schedule = process.rate_hz
        assert set(schedule.rates_hz) == {0.0, 50.0}
        shown = np.zeros(life.n_steps, bool)
        for step, stop, rate_hz in zip(
            schedule.steps, [*schedule.steps[1:], life.n_steps], schedule.rates_hz, strict=True
        ):
            shown[step:stop] = rate_hz > 0
        return shown

    expected = {pattern: np.zeros(life.n_steps, bool) for pattern in MINI.patterns}
    for pattern, shown in expected.items():
        for probe in MINI.probes:
            phase = life.phase(f"{pattern}_{probe}")
            shown[phase.start : phase.stop] = True
    training = life.phase("training")
    novel, familiar = (on(process) for process in of_e.processes[1:])
    np.testing.assert_array_equal(novel, expected["novel"])
    in_training = familiar[training.start : training.stop]
    assert 0.95 < in_training.mean() < 1.0
    familiar[training.start : training.stop] = False
    np.testing.assert_array_equal(familiar, expected["familiar"])


def test_presentations_last_about_a_second_with_short_gaps():
    lasted, gaps = [], []
    for life in MINI.draw(range(6), {"training_s": 100.0}):
        training = life.phase("training")
        schedule = life.spiking_network.sources[0].processes[2].rate_hz
        within = (schedule.steps >= training.start) & (schedule.steps < training.stop)
        edges, on = schedule.steps[within], schedule.rates_hz[within][:-1] > 0
        assert edges[0] == training.start
        lasted += list(np.diff(edges)[on] * life.dt_s)
        gaps += list(np.diff(edges)[~on] * life.dt_s)
    assert np.mean(lasted) == pytest.approx(1.0, abs=0.06)
    assert np.std(lasted) == pytest.approx(1 / 3, abs=0.05)
    assert np.mean(gaps) == pytest.approx(0.01, abs=0.002)


def test_a_condition_moves_the_course():
    (life,) = MINI.draw([1], {"training_s": 2.0, "active_rate_hz": 10.0})
    clock_s = sorted({(e.start - life.ahead(e.start)) * life.dt_s for e in life.excursions})
    np.testing.assert_allclose(clock_s, [30.0, 33.0, 42.0, 52.0, 92.0])
    assert not life.spiking_network.sources[0].processes[1].rate_hz.rates_hz.any()


def test_both_probes_of_a_break_see_one_network_and_leave_it_as_it_was():
    # with patterns of no afferents both see the same background, and so the same life
    short = dataclasses.replace(SHORT, n_shown=0)
    outcome = short.run(RULE, [3])
    assert float(outcome.metrics[f"on_ratio_novel_{short.probes[-1]}"]) > 0.0
    for probe in short.probes:
        assert float(outcome.metrics[f"response_difference_{probe}"]) == 0.0
        assert float(outcome.metrics[f"response_std_difference_{probe}"]) == 0.0


def test_a_life_that_is_probed_more_often_ends_as_it_would_have_ended():
    often = dataclasses.replace(SHORT, breaks_s=(0.01, 0.02, 0.03))
    rarely = dataclasses.replace(often, breaks_s=(0.01, 0.03))
    one, other = (task.run(RULE, [3]).metrics for task in (often, rarely))
    assert float(one["rate_e_hz_0.03s"]) > 0.0
    for probe in ("before", "0.01s", "0.03s"):
        for name in ("rate_e_hz", "rate_i_hz", "response_difference"):
            assert float(one[f"{name}_{probe}"]) == float(other[f"{name}_{probe}"])


def test_the_published_rule_tells_familiar_from_novel_and_frozen_weights_do_not():
    briefly = dataclasses.replace(MINI, breaks_s=(1.0,))
    learned, frozen = (briefly.run(rule, [1_000_000]) for rule in (RULE, "null"))
    assert float(learned.losses) < 0.1
    assert float(frozen.losses) == 1.0
    for probe in briefly.probes[1:]:
        assert 0.25 < float(learned.metrics[f"response_difference_{probe}"]) < 0.5
        assert 1.0 < float(learned.metrics[f"rate_e_hz_{probe}"]) < 2.6
    assert float(learned.metrics["weight_blow_up"]) < 0.1


@pytest.mark.slow
def test_the_published_rule_at_full_size_is_within_the_original_simulators_range():
    metrics = {name: float(x) for name, x in FULL.run(RULE, [1_000_000]).metrics.items()}
    for probe, (low, high) in {
        "1s": (0.25, 0.48),
        "10s": (0.25, 0.48),
        "20s": (0.25, 0.48),
        "60s": (0.12, 0.35),
    }.items():
        assert low < metrics[f"response_difference_{probe}"] < high
    for probe in FULL.probes[1:]:
        assert 1.5 < metrics[f"rate_e_hz_{probe}"] < 2.6


@pytest.mark.slow
def test_rules_that_know_nothing_remember_nothing():
    losses = MINI.losses(list(attacks("spiking").values()), MINI.official_seeds[:2]).mean(1)
    assert float(losses.min()) > 0.95


def test_ids_share_one_class():
    assert {type(task) for task in (MINI, FULL, HOURS)} == {MemoryRetention}
