"""Learners: budgets, seeds, resumption bit by bit, a learner of the user's own, and the rule that must be found."""

import json
import math
import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import pytest
import torch
from optional_learners import skip_without

import plasticbench
from plasticbench.errors import BudgetExceeded, PlasticbenchError
from plasticbench.learning.problem import Problem
from plasticbench.learning.run import learn, repeat
from plasticbench.learning.run_directory import RunDirectory
from plasticbench.tasks.registry import learner, learners

TASK = "plasticbench/OjaMini-v0"


def problem(budget=1000, **settings) -> Problem:
    task = plasticbench.task(TASK)
    return Problem(task, task.make_family(), budget, **settings)


def history(folder) -> list[dict]:
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def test_the_budget_is_counted_by_the_problem_and_never_overspent():
    p = problem(100)
    assert p.losses(torch.zeros(3, 27)).shape == (3, 8)
    assert p.budget_left == 76
    with pytest.raises(BudgetExceeded, match="77 lifetimes, 76 of 100"):
        p.losses(torch.zeros(7, 27), seeds=range(2**41, 2**41 + 11))
    assert p.budget_left == 76


def test_training_seeds_are_fresh_reproducible_and_never_official():
    first, second = problem(seed=5), problem(seed=5)
    drawn = [first.training_seeds() for _ in range(20)]
    assert drawn == [second.training_seeds() for _ in range(20)]
    flat = [seed for seeds in drawn for seed in seeds]
    assert len(set(flat)) == len(flat)
    assert not set(flat) & set(first.task.official_seeds)
    assert drawn != [problem(seed=6).training_seeds() for _ in range(20)]
    with pytest.raises(PlasticbenchError, match="official seed"):
        first.losses(torch.zeros(1, 27), seeds=first.task.official_seeds[:2])


def test_losses_on_the_torch_engine_are_differentiable():
    p = problem()
    theta = torch.full((1, 27), 0.01, dtype=torch.float64, requires_grad=True)
    p.losses(theta, engine="torch").mean().backward()
    assert torch.isfinite(theta.grad).all()
    assert theta.grad.abs().max() > 0


def test_thetas_of_the_wrong_shape_are_refused():
    with pytest.raises(PlasticbenchError, match=r"\(n_rules, 27\)"):
        problem().losses(torch.zeros(27))


@pytest.mark.parametrize("name", sorted(learners()))
def test_every_learner_repeats_its_bits(tmp_path, name):
    skip_without(name)
    budget = 120 if name == "optuna" else 600  # it is for few, dear lifetimes
    runs = [learn(TASK, name, tmp_path / str(i), budget=budget, seed=3) for i in range(2)]
    assert runs[0].rule == runs[1].rule
    assert runs[0].losses == runs[1].losses
    assert runs[0].learned["lifetimes"] <= budget
    assert history(tmp_path / "0") == history(tmp_path / "1")
    for file in ("run.json", "rule.json", "result.json", "history.jsonl", "learning_curve.png"):
        assert (tmp_path / "0" / file).stat().st_size > 0


def test_a_finished_run_is_not_overwritten(tmp_path):
    learn(TASK, "random-search", tmp_path / "run", budget=300)
    with pytest.raises(PlasticbenchError, match="--resume"):
        learn(TASK, "random-search", tmp_path / "run", budget=300)
    again = learn(TASK, "random-search", tmp_path / "run", budget=300, resume=True)
    assert again.rule.name == "learned"
    with pytest.raises(PlasticbenchError, match=r"budget: .* started with 300, not 299"):
        learn(TASK, "random-search", tmp_path / "run", budget=299, resume=True)


def test_the_number_of_workers_may_change_on_resume(tmp_path):
    RunDirectory(tmp_path, {"task": TASK, "options": {"population": 8}, "workers": 2}).begin()
    RunDirectory(tmp_path, {"task": TASK, "options": {"population": 8}, "workers": 0}, resume=True)
    with pytest.raises(PlasticbenchError, match="options"):
        RunDirectory(tmp_path, {"task": TASK, "options": {"population": 9}, "workers": 2}, resume=True)


def test_repeat_reports_the_spread(tmp_path):
    results = repeat(tmp_path, range(2), task_id=TASK, learner="random-search", budget=300)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["losses"] == [r.loss for r in results]
    assert len(set(summary["losses"])) == 2


KILLED = {  # some twenty steps each
    "gradient": {"budget": 16 * 20, "options": {"lifetimes": 16}},
    "random-search": {"budget": 8 * 40 * 20, "options": {"population": 40}},
    "evotorch": {"budget": 8 * 20 * 20 + 160, "options": {"population": 40, "lifetimes": 4}},
    "optuna": {"budget": 2 * 20 + 5 * 2, "options": {"lifetimes": 2}},
    "persistent-es": {"budget": 8 * 2 * 20, "options": {"particles": 8}},
    "map-elites": {"budget": 8 * 20 + 24, "options": {"emitters": 1}},
    "sbi": {"budget": 2 * 320 + 72, "options": {"rounds": 2, "epochs": 5}},
}


@pytest.mark.parametrize(
    ("name", "workers", "kills"),
    [
        ("gradient", 0, 1),
        ("random-search", 0, 1),
        ("evotorch", 0, 1),
        *(pytest.param(name, 0, 4, marks=pytest.mark.slow) for name in KILLED),
        pytest.param("random-search", 2, 2, marks=pytest.mark.slow),  # Ray takes its time to start
        pytest.param("evotorch", 2, 2, marks=pytest.mark.slow),
        pytest.param("map-elites", 2, 2, marks=pytest.mark.slow),
        pytest.param("sbi", 2, 2, marks=pytest.mark.slow),
    ],
)
def test_a_run_killed_at_random_moments_and_resumed_ends_with_the_same_bits(tmp_path, name, workers, kills):
    """SIGKILL. Every single write is died at in test_learning_runs.py."""
    skip_without(name)
    settings = {"task_id": TASK, "learner": name, **KILLED[name]}
    whole = learn(out=tmp_path / "whole", **settings)
    n_steps = len(history(tmp_path / "whole"))
    code = textwrap.dedent(f"""
        from plasticbench.learning import learn
        learn(out={str(tmp_path / "killed")!r}, resume=True, workers={workers}, **{settings!r})
    """)
    moments = sorted(random.Random(f"{name} {workers}").sample(range(1, n_steps - 2), kills))
    for moment in [*moments, math.inf]:
        process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code])
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if _n_rows(tmp_path / "killed") >= moment:
                os.kill(process.pid, signal.SIGKILL)
                break
            time.sleep(0.002)
        assert process.wait() == (0 if moment == math.inf else -signal.SIGKILL)
    resumed = plasticbench.Result.load(tmp_path / "killed" / "result.json")
    assert resumed.rule == whole.rule
    assert resumed.losses == whole.losses
    cost = ("lifetimes", "simulated_s")
    assert [resumed.learned[name] for name in cost] == [whole.learned[name] for name in cost]
    assert history(tmp_path / "killed") == history(tmp_path / "whole")


def _n_rows(folder) -> int:
    file = folder / "history.jsonl"
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_learners_are_found_by_name_and_by_module_and_class(tmp_path, monkeypatch):
    (tmp_path / "my_learner.py").write_text(
        textwrap.dedent("""
        class Mine:
            def __init__(self, step=0.1):
                self.step = step
            def learn(self, problem):
                best = problem.family.initial(problem.seed)
                best[12] = self.step
                problem.losses(best[None])
                return problem.rule(best, name="mine")
        """)
    )
    monkeypatch.syspath_prepend(tmp_path)
    result = learn(TASK, "my_learner:Mine", tmp_path / "run", budget=50, options={"step": 0.2})
    assert result.rule.name == "mine"
    assert result.learned["lifetimes"] == 8
    with pytest.raises(PlasticbenchError, match=r"option\.stride"):
        learn(TASK, "my_learner:Mine", tmp_path / "other", budget=50, options={"stride": 1})
    with pytest.raises(PlasticbenchError, match="gradient"):
        learner("gradiant")
    with pytest.raises(PlasticbenchError, match="has no 'Yours'"):
        learner("my_learner:Yours")


def test_gradient_finds_ojas_rule_from_zero(tmp_path):
    result = learn(TASK, "gradient", tmp_path / "run", budget=5120)
    theta = plasticbench.task(TASK).make_family().theta(result.rule)
    names = plasticbench.task(TASK).make_family().names
    size = theta.abs()
    order = size.argsort(descending=True).tolist()
    found = {names[i]: float(theta[i]) for i in order[:2]}
    assert set(found) == {"ff.A_110", "ff.A_021"}
    assert abs(found["ff.A_110"] / found["ff.A_021"] + 1.0) <= 0.1
    assert float(size[order[2]]) <= 0.1 * float(size[order[0]])
    assert result.loss <= 0.02
