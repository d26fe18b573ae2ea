"""The stability tasks against arithmetic and against what the original simulator did."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

import plasticbench
from plasticbench.envs.stability import RATE
from plasticbench.networks.recordings import Recordings
from plasticbench.stepping.lifetimes import lifetimes
from plasticbench.tasks.losses import rate_deviation

FULL = plasticbench.task("StabilityIE-v0")
MINI = plasticbench.task("StabilityIEMini-v0")
PUBLISHED = json.loads((Path(__file__).parent / "data" / "stability_ie.json").read_text())


@pytest.mark.parametrize(
    ("rate_hz", "loss"),
    [(9.0, 1 / 11), (9.5, 0.25 / 11.5), (11.0, 1 / 13), (5.0, 25 / 7), (1.0, 27.0), (99.0, 7921 / 101)],
)
def test_a_constant_rate_has_the_published_loss(rate_hz, loss):
    (life,) = FULL.draw([0], [{"training_s": 1.0}])
    rates = torch.full((1, 1, 50_000), rate_hz, dtype=torch.float64)
    recordings = Recordings({RATE: rates}, torch.tensor([[life.n_steps]]), torch.tensor([[False]]))
    assert life.phase(RATE.phase).stop - life.phase(RATE.phase).start == 50_000
    assert float(FULL.loss(recordings, [life])) == pytest.approx(loss, rel=1e-12)
    assert float(rate_deviation(torch.tensor(rate_hz), 10.0)) == pytest.approx(loss, rel=1e-5)


def test_conditions_are_drawn_from_the_published_ranges():
    drawn = [life.conditions for life in FULL.draw(range(400))]
    for name, low, high in (
        ("input_rate_hz", 1, 5),
        ("w_init", 0, 0.3),
        ("w_max", 2, 3),
        ("training_s", 30, 45),
    ):
        values = np.array([c[name] for c in drawn])
        assert low <= values.min() < values.max() <= high
        centre = math.sqrt(low * high) if name == "w_max" else (low + high) / 2
        assert np.median(values) == pytest.approx(centre, abs=0.12 * (high - low))
    assert drawn[3] == FULL.draw([3])[0].conditions


@pytest.mark.parametrize("w_init", [0.0, 0.1, 0.15])
def test_too_little_inhibition_blows_up_at_once(w_init):
    """The authors' simulator: 313 to 318 for initial weights below 0.2."""
    conditions = {"w_init": w_init, "input_rate_hz": 3.0, "training_s": 30.0}
    outcome = FULL.run("null", [0], conditions=conditions)
    assert outcome.statuses.tolist() == [["blow-up"]]
    assert 312 < float(outcome.losses[0, 0]) < 319


def test_the_mini_task_behaves_as_its_original():
    """Medians of 10 lives in the original simulator: learned rule 0.0049, Vogels' rule 0.040; null mean 130."""
    losses = MINI.losses(["confavreux-2025-stability-ie", "null"], MINI.official_seeds[:6])
    assert float(losses[0].median()) < 0.03
    assert float(losses[1].mean()) > 50


@pytest.mark.slow
@pytest.mark.parametrize(("rate_hz", "expected"), [(1.0, 21.50), (2.0, 2.42), (3.0, 0.054), (4.0, 0.447), (5.0, 1.835)])
def test_the_null_rule_at_full_size_has_the_losses_of_the_original_simulator(rate_hz, expected):
    """One life each there, on one wiring; single wirings here spread from 0.17 to 0.70 at 4 Hz, so 8 are averaged."""
    conditions = {"w_init": 0.3, "input_rate_hz": rate_hz, "w_max": 2.5, "training_s": 12.0}
    losses = FULL.losses("null", FULL.official_seeds[:8], conditions=conditions)
    assert float(losses.mean()) == pytest.approx(expected, rel=0.3, abs=0.03)


@pytest.mark.slow
def test_the_published_search_has_the_losses_of_the_original_simulator():
    family = FULL.make_family("doublet")
    ours, reference = [], []
    for rule in PUBLISHED["rules"]:
        theta = torch.tensor([rule["theta"]], dtype=torch.float64)
        seeds = FULL.official_seeds[: len(rule["losses"])]
        ours.append(FULL.losses((family, theta), seeds, conditions=rule["conditions"])[0].numpy())
        reference.append(np.array(rule["losses"]))
    for mine, theirs in zip(ours, reference, strict=True):
        if 0.3 < theirs.mean() < 15:
            assert theirs.mean() / 3 < mine.mean() < theirs.mean() * 3
    medians = [np.median(mine) for mine in ours], [np.median(theirs) for theirs in reference]
    assert spearmanr(*medians).statistic >= 0.9
    assert medians[0][-1] < 5e-3


@pytest.mark.slow
@pytest.mark.parametrize("task_id", [i for i in plasticbench.task_ids() if plasticbench.task(i).track == "spiking"])
def test_frozen_references_of_spiking_tasks_are_what_this_code_measures(task_id):
    task = plasticbench.task(task_id)
    for rule, frozen in (("null", task.null_loss), (task.reference_rule, task.reference_loss)):
        assert float(task.losses(rule, task.official_seeds).mean()) == pytest.approx(frozen, rel=1e-4), rule


def test_every_synapse_is_in_the_recorded_distribution_of_weights():
    life = lifetimes(MINI.shortened(), [0])
    weights = life.weights["ie"]
    for name, w in (("start", 0.0), ("largest", 10.0)):
        life.advance({"ie": torch.full_like(weights, w)})
        snapshot = life.snapshot()
        assert snapshot["shares/ie"].sum() == pytest.approx(1.0, abs=1e-5), name
        assert snapshot["shares/ie"].max() == pytest.approx(1.0, abs=1e-5), name
    assert snapshot["shares/ie"][-1] == pytest.approx(1.0, abs=1e-5)
    assert snapshot["median/ie"] == life.first.network.plastic_pathways[0].w_max
