"""Learners that return sets: what they find is known beforehand, and a killed run ends with the same bits."""

import json
import math

import numpy as np
import pytest
import torch

import plasticbench
from plasticbench.command_line.cli import main
from plasticbench.drawing.archive import Axis, archive_picture
from plasticbench.drawing.corner import corner_picture
from plasticbench.errors import PlasticbenchError
from plasticbench.learning import Problem, RuleSet, learn, load_run
from plasticbench.learning.run_directory import RunDirectory
from plasticbench.rules import PathwayRule, load_rule
from plasticbench.rules.families import Coordinate, TemplateFamily
from plasticbench.tasks.outcome import Outcome
from plasticbench.tasks.registry import learner

TASK = plasticbench.task("OjaMini-v0").shortened()
PNG = b"\x89PNG"


class Square(TemplateFamily):
    """Two coefficients, each uniform from -1 to 1 beforehand."""

    name = "square"

    def template(self, pathway):
        return PathwayRule.make({"on_step": "a*pre*post + b*w"}, {"a": 0.0, "b": 0.0})

    def coordinates(self, pathway):
        return [Coordinate(name, -1.0, 1.0, std=0.3, prior=(-1.0, 1.0)) for name in "ab"]


def problem_of(folder=None, budget=600, resume=False, known=None, seed=0) -> Problem:
    """On lives that come to what `known(thetas)` says: loss, metrics, blown up; (n_rules,) each."""
    run = None if folder is None else RunDirectory(folder, {"task": TASK.id, "budget": budget}, resume)
    problem = Problem(TASK, Square(("ff",)), budget, seed=seed, run=run)
    if known is not None:

        def lives(rules, seeds, engine, **options):
            loss, metrics, gone = known(rules[1])
            wide = {name: value[:, None].expand(-1, len(seeds)) for name, value in (metrics | {"l": loss}).items()}
            return Outcome(wide.pop("l"), gone[:, None].expand(-1, len(seeds)), wide, "cpu", 1.0, 0.0, 0.0)

        problem.execute = lives
    return problem


class KilledError(Exception):
    pass


def kill_at(problem, checkpoint):
    keep, count = problem.checkpoint, 0

    def counting(state):
        nonlocal count
        keep(state)
        count += 1
        if count == checkpoint:
            raise KilledError

    problem.checkpoint = counting


def same(a: RuleSet, b: RuleSet) -> bool:
    columns = [(x.losses, x.weights, x.thetas) for x in (a, b)]
    return a.rules == b.rules and a.summary == b.summary and all(map(np.array_equal, *columns))


# ---------------------------------------------------------------- map-elites


def bowl(thetas):
    """Best in the middle; the metrics are the coordinates."""
    a, b = thetas.double().T
    return a**2 + b**2 + 0.01, {"angle_deg": a, "weight_norm": b}, torch.zeros(len(a), dtype=torch.bool)


def map_elites(**options):
    pytest.importorskip("ribs")
    return learner("map-elites")(**({"cells": 5, "emitters": 2, "batch": 6} | options))


WHOLE = {"angle_deg": [-1, 1], "weight_norm": [-1, 1]}


@pytest.mark.parametrize("emitter", ["improvement", "line"])
def test_the_archive_holds_the_best_rule_that_was_tried_of_every_cell(emitter):
    tried = []

    def known(thetas):
        tried.append(thetas)
        return bowl(thetas)

    problem = problem_of(known=known, budget=1200)
    found = map_elites(emitter=emitter, descriptors=WHOLE).learn(problem)
    thetas = torch.cat(tried[:-1])  # the last call compares finalists
    cells = ((thetas.numpy() + 1) / 2 * 5).astype(int).clip(0, 4)
    losses = bowl(thetas)[0].numpy()
    best = {}
    for cell, loss in zip(map(tuple, cells), losses, strict=True):
        best[cell] = min(loss, best.get(cell, math.inf))
    assert sorted(found.losses) == pytest.approx(sorted(best.values()), rel=1e-12)
    assert found.summary["cells"] == len(best) >= 20
    assert found.summary["coverage"] == len(best) / 25
    quality = [max(0.0, 1.0 - loss / TASK.null_loss) for loss in best.values()]
    assert found.summary["qd_score"] == pytest.approx(sum(quality))
    assert found.losses[0] == min(found.losses)
    assert problem.lifetimes_spent <= 1200
    assert found.picture.startswith(PNG)


def test_rules_outside_the_ranges_or_without_a_place_are_not_kept():
    def known(thetas):
        loss, metrics, gone = bowl(thetas)
        nowhere = torch.full_like(loss, math.nan)
        return loss, {"angle_deg": torch.where(metrics["angle_deg"] > 0, metrics["angle_deg"], nowhere)}, gone

    found = map_elites(descriptors={"angle_deg": [0.2, 0.6]}).learn(problem_of(known=known))
    assert ((found.metrics["angle_deg"] >= 0.2) & (found.metrics["angle_deg"] <= 0.6)).all()
    empty = map_elites(descriptors={"angle_deg": [7.0, 8.0]}).learn(problem_of(known=known))
    assert (len(empty), empty.summary["cells"]) == (1, 0.0)


@pytest.mark.parametrize("emitter", ["improvement", "line"])
def test_a_killed_archive_goes_on_bit_for_bit(tmp_path, emitter):
    expected = map_elites(emitter=emitter).learn(problem_of(tmp_path / "whole"))
    broken = problem_of(tmp_path / "broken")
    kill_at(broken, 9)
    with pytest.raises(KilledError):
        map_elites(emitter=emitter).learn(broken)
    np.random.rand(3), torch.rand(3)
    assert same(map_elites(emitter=emitter).learn(problem_of(tmp_path / "broken", resume=True)), expected)


@pytest.mark.parametrize(
    ("descriptors", "message"),
    [
        ({}, "0 given; an archive has one or two axes"),
        ({"weigth_norm": [0, 1]}, r"descriptors\.weigth_norm: no such number; .*weight_norm"),
        ({"angle_deg": [1, 1]}, r"descriptors\.angle_deg: \[1, 1\] is not a range"),
        ({"angle_deg": 3}, "is not a range"),
    ],
)
def test_axes_are_checked_before_work_is_spent(descriptors, message):
    problem = problem_of()
    with pytest.raises(PlasticbenchError, match=message):
        map_elites(descriptors=descriptors).learn(problem)
    assert problem.lifetimes_spent == 0


def test_places_are_also_read_off_the_rule_and_the_tasks_theory():
    pytest.importorskip("ribs")
    from plasticbench.baselines._descriptors import Descriptor, descriptors_of, places_of

    task = plasticbench.task("InhibitoryBalanceMini-v0")
    problem = Problem(task, task.make_family("doublet"), 100)
    axes = descriptors_of(problem, None)
    assert [(axis.name, axis.low, axis.high) for axis in axes] == [
        ("ei_correlation", 0.0, 1.0), ("map.share", 0.0, 1.0),
    ]  # fmt: skip
    thetas = problem.family.theta(load_rule("vogels-2011-5hz"))[None]
    axes = [axes[1], Descriptor("ie.alpha", -1.0, 1.0)]
    share, alpha = places_of(axes, problem, thetas, {})[0]
    assert share == pytest.approx(1.0)  # Vogels' rule has no term of the postsynaptic spike alone
    assert alpha == float(thetas[0, 2])


# ---------------------------------------------------------------- sbi


def band(thetas):
    """The metric is a + b; a third of the square blows up, all of it outside the band."""
    a, b = thetas.double().T
    gone = a - b > 1.0
    return 1.0 + (a + b) ** 2, {"weight_norm": torch.where(gone, math.nan, a + b + 3.0)}, gone


BAND = {"weight_norm": [2.9, 3.1]}  # |a + b| < .1: 9.75 % of the square


def sbi(**options):
    pytest.importorskip("sbi")
    return learner("sbi")(**({"criteria": BAND, "epochs": 40, "rounds": 2} | options))


def test_the_posterior_is_the_part_of_the_prior_that_holds_the_criterion():
    """Uniform on the band without the corner that blows up: mean, spread and correlation are known."""
    found = sbi(samples=2000).learn(problem_of(known=band, budget=2200))
    a, b = found.thetas.T
    assert (np.abs(a + b) < 0.1).all()
    assert (a - b <= 1.0).all()
    share_prior, share_posterior = (found.summary[f"holding_round_{k}"] for k in (1, 2))
    exact = 0.0975 * 0.75  # of the prior: u = a - b is even from -2 to 2, but for the ends, and 1 to 2 blows up
    assert share_prior == pytest.approx(exact, abs=0.03)
    assert share_posterior > 4 * share_prior
    weights = found.weights / found.weights.sum()
    difference = a - b  # even from about -1.95 to 1
    assert weights @ difference == pytest.approx(-0.475, abs=0.2)
    assert np.sqrt(weights @ (difference + 0.475) ** 2) == pytest.approx(2.95 / math.sqrt(12), abs=0.12)
    assert np.corrcoef(a, b)[0, 1] < -0.97
    assert found.summary["effective_samples"] > 150
    assert found.picture.startswith(PNG)


def test_a_killed_inference_goes_on_bit_for_bit(tmp_path):
    quick = {"epochs": 3, "ensemble": 2, "criteria": BAND}
    expected = sbi(**quick).learn(problem_of(tmp_path / "whole", known=band))
    for moment in (3, 10):
        broken = problem_of(tmp_path / str(moment), known=band)
        kill_at(broken, moment)
        with pytest.raises(KilledError):
            sbi(**quick).learn(broken)
        torch.rand(3)
        resumed = problem_of(tmp_path / str(moment), resume=True, known=band)
        assert same(sbi(**quick).learn(resumed), expected)


def test_without_a_rule_that_holds_the_last_rounds_draws_are_the_set():
    found = sbi(criteria={"weight_norm": [8.0, 9.0]}, epochs=3, samples=50).learn(problem_of(known=band))
    assert found.summary["holding"] == 0
    assert len(found) == 50
    assert set(found.metrics["round"]) == {2.0}
    assert len(set(found.weights)) == 1


@pytest.mark.slow
def test_simulation_based_calibration_of_a_density_with_a_known_answer():
    """x = θ + noise, cut at the box: ranks of the truth among draws are even, draws spread as they should."""
    pytest.importorskip("sbi")
    from scipy.stats import kstest

    from plasticbench.baselines._posterior import Box, Posterior

    generator = torch.Generator().manual_seed(0)
    box = Box(torch.zeros(2), torch.ones(2))
    thetas = torch.rand((4100, 2), generator=generator, dtype=torch.float64)
    x = thetas @ torch.tensor([[1.0, 0.5], [0.0, 1.0]], dtype=torch.float64)
    x += 0.1 * torch.randn(x.shape, generator=generator, dtype=torch.float64)
    posterior = Posterior.learned(box, thetas[:4000], x[:4000], torch.ones(4000), "maf", 1, 100, 0)
    draws = torch.stack([posterior.draw(99, x[4000 + k], k) for k in range(100)])  # (100, 99, 2)
    ranks = (draws < thetas[4000:, None]).sum(1).double() + 0.5
    for column in ranks.T:
        assert kstest(column.numpy() / 100.0, "uniform").pvalue > 0.01
    given = torch.tensor([0.5, 0.75], dtype=torch.float64)  # θ = (.5, .5)
    spread = posterior.draw(2000, given, 7).std(0)
    assert spread.tolist() == pytest.approx([0.1, math.hypot(0.1, 0.05)], rel=0.25)
    axis = (torch.arange(40, dtype=torch.float64) + 0.5) / 40
    grid = torch.cartesian_prod(axis, axis)
    assert float(posterior.log_density(grid, given).exp().mean()) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("criteria", "message"),
    [
        ({}, "none given"),
        ({"rate": [1, 2]}, r"criteria\.rate: no such metric"),
        ({"angle_deg": [2, 1]}, r"criteria\.angle_deg: criterion angle_deg: 2\.0 to 1\.0"),
        ({"angle_deg": ["low", 1]}, "is not a range"),
        ({"angle_deg": [1]}, "is not a range"),
    ],
)
def test_criteria_are_checked_before_work_is_spent(criteria, message):
    problem = problem_of()
    with pytest.raises(PlasticbenchError, match=message):
        sbi(criteria=criteria).learn(problem)
    assert problem.lifetimes_spent == 0


def test_the_tasks_box_is_the_default_and_a_blow_up_fails_every_criterion():
    pytest.importorskip("sbi")
    from plasticbench.baselines._criteria import criteria_of, violations
    from plasticbench.tasks.metrics.plausibility import Criterion

    task = plasticbench.task("StabilityAllMini-v0")
    assert criteria_of(Problem(task, task.make_family(), 10), None) == task.box.criteria
    values = {"r": np.array([2.0, 0.5, 8.0, math.nan, 2.0]), "c": np.array([1.0, 1.0, 1.0, 1.0, 1.0])}
    gone = np.array([False, False, False, False, True])
    x = violations([Criterion("r", 1.0, 4.0), Criterion("c", high=2.0)], values, gone)
    assert x.tolist() == [[0.0, 0.0], [-0.5, 0.0], [0.5, 0.0], [1.0, 1.0], [1.0, 1.0]]


# ---------------------------------------------------------------- around them


@pytest.mark.parametrize(("name", "library"), [("map-elites", "ribs"), ("sbi", "sbi")])
def test_without_its_library_a_learner_says_what_to_install(tmp_path, monkeypatch, name, library):
    monkeypatch.setitem(__import__("sys").modules, library, None)
    extra = {"map-elites": "qd"}.get(name, name)
    with pytest.raises(PlasticbenchError, match=rf'{library} is not installed; pip install "plasticbench\[{extra}\]"'):
        learn(TASK, name, tmp_path / "run", budget=600)
    assert list(tmp_path.iterdir()) == []


class Two:
    """A set with a summary and a picture."""

    def learn(self, problem):
        theta = problem.family.initial(problem.seed)
        problem.log(loss=float(problem.losses(theta[None]).mean()))
        rules = [problem.rule(theta), problem.rule(theta + 0.1)]
        return RuleSet(rules, summary={"coverage": 0.25}, picture=PNG)


def test_a_run_is_shown_with_its_set_and_the_sets_picture(tmp_path, capsys):
    run = tmp_path / "run"
    learn("OjaMini-v0", Two, run, budget=8)
    again = load_run(run).rules
    assert (again.summary, again.picture) == ({"coverage": 0.25}, PNG)
    assert main(["show", str(run), "--png", str(tmp_path / "set.png")]) == 0
    shown = capsys.readouterr().out
    assert "8 of 8 lifetimes" in shown
    assert "2 rules with weights" in shown
    assert "coverage  0.25" in shown
    assert (tmp_path / "set.png").read_bytes() == PNG
    learn("OjaMini-v0", "random-search", run, budget=300, overwrite=True)
    assert not (run / "rules.png").exists()
    assert main(["show", str(run), "--png", str(tmp_path / "none.png")]) == 2
    assert json.loads((run / "run.json").read_text())["learner"] == "random-search"


def test_pictures_of_sets_are_drawn():
    axes = [Axis("correlation", -1.0, 1.0, 4), Axis("share", 0.0, 1.0, 3)]
    assert archive_picture(axes, np.array([[0, 0], [3, 2]]), np.array([0.1, 2.0]), "title").startswith(PNG)
    assert archive_picture(axes[:1], np.zeros((0, 1), int), np.zeros(0), "title").startswith(PNG)
    thetas = np.random.default_rng(0).random((30, 9))
    ranges = np.tile([0.0, 1.0], (9, 1))
    assert corner_picture(thetas, np.ones(30), ranges, [f"p{k}" for k in range(9)], "title").startswith(PNG)
