"""Objects in place of names; problems opened for rules and metrics; sets of rules; undefined metrics."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch

import plasticbench
from plasticbench.errors import BudgetExceeded, PlasticbenchError, RuleError
from plasticbench.evaluation.result import Result
from plasticbench.learning import Problem, RuleSet, learn, load_run
from plasticbench.rules import load_rule, rule_from_json

TASK = plasticbench.task("OjaMini-v0").shortened()


def problem(budget=1000, **settings) -> Problem:
    return Problem(TASK, TASK.make_family(), budget, **settings)


# ---------------------------------------------------------------- the problem, opened


def test_an_outcome_has_losses_statuses_and_every_metric_and_is_charged_like_losses():
    one, other = problem(100), problem(100)
    thetas = torch.stack([one.family.initial(0), torch.full((27,), 5.0, dtype=torch.float64)])
    outcome, losses = one.outcome(thetas), other.losses(thetas)
    assert torch.equal(outcome.losses, losses)
    assert outcome.statuses[0].tolist() == ["ok"] * 8
    assert "blow-up" in outcome.statuses[1]
    assert set(outcome.metrics) == {"angle_deg", "weight_norm"}
    assert all(values.shape == (2, 8) for values in outcome.metrics.values())
    assert one.budget_left == other.budget_left == 100 - 16
    assert one.simulated_s == other.simulated_s
    with pytest.raises(BudgetExceeded):
        one.outcome(thetas.repeat(6, 1))


def test_rules_of_any_structure_are_judged_like_thetas():
    p = problem(200)
    seeds = p.training_seeds(4)
    theta = p.family.initial(0)
    rules = [p.rule(theta), load_rule("oja"), "hebb", load_rule("null")]
    losses = p.losses_of(rules, seeds)
    assert losses.shape == (4, 4)
    assert p.budget_left == 200 - 16
    assert torch.equal(losses[0], p.losses(theta[None], seeds)[0])
    assert torch.equal(losses[1], TASK.losses("oja", seeds)[0])
    assert torch.equal(p.losses_of("oja", seeds), losses[1:2])
    assert set(p.outcome_of(["oja"], seeds).metrics) == {"angle_deg", "weight_norm"}
    before = p.budget_left
    with pytest.raises(PlasticbenchError, match="official seed"):
        p.losses_of(["oja"], TASK.official_seeds[:1])
    with pytest.raises(RuleError):
        p.losses_of(["vogels-2011"])
    for empty in ({"rules": []}, {"rules": ["oja"], "seeds": []}):
        with pytest.raises(PlasticbenchError, match="none given"):
            p.losses_of(**empty)
    assert p.budget_left == before


def test_seeds_may_be_numpys_and_any_iterable():
    a, b = problem(), problem()
    theta = a.family.initial(0)[None]
    seeds = np.array([2**41, 2**41 + 5])
    assert torch.equal(a.losses(theta, seeds), b.losses(theta, (int(s) for s in seeds)))


# ---------------------------------------------------------------- objects in place of names


class Step:
    """Returns its start, moved."""

    def __init__(self, step=0.1):
        self.step = step

    def learn(self, problem):
        theta = problem.family.initial(problem.seed)
        theta[12] = self.step
        problem.log(loss=float(problem.losses(theta[None]).mean()))
        return problem.rule(theta, name="stepped")


def test_a_task_a_family_and_a_learner_may_be_objects(tmp_path):
    family = TASK.make_family()
    result = learn(TASK, Step(step=0.25), tmp_path, family=family, budget=8)
    assert result.learned["learner"].endswith(":Step")
    assert result.learned["options"] == {"step": 0.25}
    assert result.learned["family"] == "polynomial"
    assert result.task_hash == TASK.spec_hash
    assert not result.official
    assert result.specification == TASK
    assert learn(TASK, Step(step=0.25), tmp_path, family=family, budget=8, resume=True).losses == result.losses
    for changed, message in (
        ({"learner": Step(step=0.5)}, "options"),
        ({"family": TASK.make_family("polynomial", eta=0.7)}, "family"),
        ({"task_id": dataclasses.replace(TASK, n_steps=30)}, "task_hash"),
    ):
        settings = {"task_id": TASK, "learner": Step(step=0.25), "family": family, **changed}
        with pytest.raises(PlasticbenchError, match=message):
            learn(**settings, out=tmp_path, budget=8, resume=True)
    with pytest.raises(PlasticbenchError, match="an object already"):
        learn(TASK, Step(), tmp_path / "b", budget=8, options={"step": 1.0})


def test_evaluate_takes_a_task_a_rule_and_a_policy(tmp_path):
    by_name = plasticbench.evaluate("oja", "OjaMini-v0", seeds=np.int64(2))
    by_object = plasticbench.evaluate(load_rule("oja"), plasticbench.task("OjaMini-v0"), seeds=2)
    assert by_name.losses == by_object.losses
    assert by_object.seeds == plasticbench.task("OjaMini-v0").official_seeds[:2]
    short = plasticbench.evaluate("oja", TASK)
    assert (len(short.losses), short.official) == (TASK.n_official, False)
    short.save(tmp_path / "r.json")
    assert Result.load(tmp_path / "r.json", TASK).score == short.score

    def policy(observation):
        return {"ff": 0.1 * observation["ff"]["post"] * observation["ff"]["pre"]}

    stepped = plasticbench.evaluate(policy, TASK, seeds=[np.int64(5), 6])
    assert len(stepped.losses) == 2
    with pytest.raises(PlasticbenchError, match="Python policy, which no file can keep"):
        stepped.save(tmp_path / "p.json")


def test_fixed_conditions_may_be_numpys(tmp_path):
    result = plasticbench.evaluate("null", "OjaMini-v0", conditions=[{"w_init": np.array([0.1, 0.0, 0.0])}])
    result.save(tmp_path / "r.json")
    assert Result.load(tmp_path / "r.json").metrics["weight_norm"] == pytest.approx([0.1])


@pytest.mark.parametrize("seeds", [0, 2.5, True, [], [-1], 10**6])
def test_seeds_that_are_none_are_refused(seeds):
    with pytest.raises(PlasticbenchError, match=r"^seeds?: "):
        plasticbench.evaluate("oja", "OjaMini-v0", seeds=seeds)


def test_a_run_is_loaded_with_its_history_as_a_frame(tmp_path):
    result = learn("OjaMini-v0", "random-search", tmp_path, budget=600, seed=2)
    run = load_run(tmp_path)
    assert (run.settings["seed"], run.settings["learner"]) == (2, "random-search")
    assert run.rule == result.rule
    assert run.result.losses == result.losses
    assert run.cost.lifetimes == result.learned["lifetimes"] == 512
    assert list(run.history.to_frame()["lifetimes"]) == [256, 512]
    frame = result.to_frame()
    assert list(frame["loss"]) == list(result.losses)
    assert {"seed", "status", "angle_deg"} <= set(frame.columns)


# ---------------------------------------------------------------- sets of rules


class Archive:
    """A set: the starts of three seeds, weighted."""

    def learn(self, problem):
        thetas = torch.stack([problem.family.initial(problem.seed) + 0.01 * k for k in range(3)])
        outcome = problem.outcome(thetas)
        problem.log(loss=float(outcome.losses.mean()))
        order = outcome.losses.mean(1).argsort()
        return RuleSet(
            [problem.rule(thetas[i], name=f"rule {i}") for i in order],
            weights=[3.0, 2.0, 1.0],
            losses=outcome.losses.mean(1)[order],
            metrics={name: values.mean(1)[order] for name, values in outcome.metrics.items()},
            thetas=thetas[order],
        )


def test_a_set_of_rules_is_kept_and_its_best_is_evaluated(tmp_path):
    result = learn(TASK, Archive, tmp_path, budget=24)
    run = load_run(tmp_path, TASK)
    assert len(run.rules) == 3
    assert run.rules.best == run.rule == result.rule
    assert [load_rule(str(tmp_path / "rules" / f"0000{i}.json")) for i in range(3)] == list(run.rules.rules)
    assert run.rules.weights.tolist() == [3.0, 2.0, 1.0]
    assert run.rules.losses.tolist() == sorted(run.rules.losses)
    assert run.rules.thetas.shape == (3, 27)
    family = TASK.make_family()
    found = torch.stack([family.theta(rule) for rule in run.rules.rules])
    assert torch.allclose(found, torch.from_numpy(run.rules.thetas), rtol=1e-12)  # a coordinate is scaled
    frame = run.rules.to_frame()
    assert len(frame) == 3
    assert {"name", "weight", "loss", "angle_deg", "theta[0]"} <= set(frame.columns)
    with np.load(tmp_path / "rules.npz", allow_pickle=False) as table:
        assert set(table.files) == {"rule_file", "weight", "loss", "theta", "metric.angle_deg", "metric.weight_norm"}
    assert learn(TASK, Archive, tmp_path, budget=24, resume=True).losses == result.losses
    learn(TASK, Step, tmp_path, budget=24, overwrite=True)
    assert not (tmp_path / "rules").exists()
    assert not (tmp_path / "rules.npz").exists()


def test_a_set_may_be_of_rules_of_any_structure_and_of_the_least(tmp_path):
    rules = RuleSet([load_rule("oja"), load_rule("hebb")])
    rules.save(tmp_path)
    again = RuleSet.load(tmp_path)
    assert list(again.rules) == list(rules.rules)
    assert (again.losses, again.thetas, again.metrics) == (None, None, {})
    (tmp_path / "rules.npz").write_bytes(b"cut")
    with pytest.raises(PlasticbenchError, match=r"rules\.npz: not a table of rules"):
        RuleSet.load(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rules": []}, "a set of none"),
        ({"rules": ["oja"]}, r"rules\[0\]: str is not a rule"),
        ({"weights": [1.0]}, r"weights: shape \(1,\) for 2 rules"),
        ({"weights": [0.0, 0.0]}, "weights: not all"),
        ({"weights": [-1.0, 2.0]}, "weights: not all"),
        ({"weights": [1.0, float("nan")]}, "weights: not all"),
        ({"losses": ["a", "b"]}, "losses: not numbers"),
        ({"metrics": {"m": [1.0, 2.0, 3.0]}}, r"metrics\.m: shape"),
        ({"thetas": [1.0, 2.0]}, r"thetas: shape"),
    ],
)
def test_a_set_whose_columns_do_not_fit_is_refused(arguments, message):
    with pytest.raises(PlasticbenchError, match=message):
        RuleSet(**{"rules": [load_rule("oja"), load_rule("hebb")], **arguments})


class ReturnsText:
    def learn(self, problem):
        return "oja"


def test_what_is_neither_a_rule_nor_a_set_is_refused(tmp_path):
    with pytest.raises(PlasticbenchError, match="returned str, neither a rule nor a RuleSet"):
        learn(TASK, ReturnsText, tmp_path, budget=8)


# ---------------------------------------------------------------- undefined metrics

SPIKING = plasticbench.task("InhibitoryBalanceMini-v0").shortened()
NAN_WEIGHTS = rule_from_json(
    {"format": "plasticbench/rule@1", "name": "n", "pathways": {"ie": {"on_pre": "sqrt(0 - 1 - w)"}}}
)


class FindsNaN:
    """A learner whose rule makes weights NaN: stands for any rule that does so in one official lifetime."""

    def learn(self, problem):
        problem.losses(problem.family.initial(0)[None], problem.training_seeds(1))
        return NAN_WEIGHTS


def test_metrics_that_are_undefined_are_null_in_a_file_and_nan_in_python(tmp_path):
    result = plasticbench.evaluate(NAN_WEIGHTS, SPIKING, seeds=2)
    assert set(result.statuses) == {"blow-up"}
    result = dataclasses.replace(result, metrics={"m": (0.1, math.inf), **result.metrics})
    result.save(tmp_path / "r.json")
    stored = json.loads((tmp_path / "r.json").read_text())["metrics"]
    assert stored["m"] == [0.1, None]
    assert any(None in values for name, values in stored.items() if name != "m")
    again = Result.load(tmp_path / "r.json", SPIKING)
    assert again.metrics["m"][0] == 0.1
    assert math.isnan(again.metrics["m"][1])
    assert again.losses == result.losses
    for wrong in ("x", True, [1]):
        data = result.to_json()
        data["metrics"]["m"] = [wrong, None]
        with pytest.raises(PlasticbenchError, match=r"metrics\.m\[0\]: .* neither a number nor null"):
            Result.from_json(data, SPIKING)


def test_a_run_that_found_undefined_metrics_is_saved_and_read(tmp_path):
    result = learn(SPIKING, FindsNaN, tmp_path, budget=1)
    assert set(result.statuses) == {"blow-up"}
    assert load_run(tmp_path, SPIKING).result.losses == result.losses


def test_a_mean_of_undefined_metrics_is_printed_as_such(capsys):
    from plasticbench.command_line.describe import describe_result

    result = plasticbench.evaluate("oja", "OjaMini-v0", seeds=2)
    text = describe_result(dataclasses.replace(result, metrics={"a": (1.0, math.nan), "b": (math.nan, math.nan)}))
    assert "a  1 (mean over 1 lifetimes)" in text
    assert "b  undefined" in text
