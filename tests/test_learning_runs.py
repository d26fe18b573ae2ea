"""Runs lose nothing: dying at any write, finished, resumed, overwritten, with more budget, side by side."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from optional_learners import skip_without

import plasticbench
from plasticbench.baselines import _illumination, _inference
from plasticbench.errors import PlasticbenchError
from plasticbench.learning import Problem, learn, load_run, run_directory
from plasticbench.tasks.registry import learners

TASK = plasticbench.task("OjaMini-v0").shortened()
LEARNERS = {  # a few steps each
    "random-search": {"budget": 8 * 4 * 3, "options": {"population": 4}},
    "gradient": {"budget": 4 * 4, "options": {"lifetimes": 4}},
    "evotorch": {"budget": 8 * 2 * 3 + 2 * 16, "options": {"population": 8, "lifetimes": 2}},
    "optuna": {"budget": 2 * 6 + 5 * 2, "options": {"lifetimes": 2, "startup": 3}},
    "persistent-es": {"budget": 4 * 3, "options": {"particles": 4, "lifetimes": 1}},
    "symbolic": {"budget": 40, "options": {"population": 8, "lifetimes": 2, "front": 2, "validation": 2}},
    "map-elites": {"budget": 4 * 3 + 8, "options": {"emitters": 1, "batch": 4, "cells": 2}},
    "sbi": {"budget": 3 * 4 + 8, "options": {"samples": 3}},
}


@pytest.fixture
def _fast_curves(monkeypatch):
    monkeypatch.setattr(run_directory, "learning_curve", lambda *_: b"a picture")
    monkeypatch.setattr(_illumination, "archive_picture", lambda *_: b"a picture")
    monkeypatch.setattr(_inference, "corner_picture", lambda *_: b"a picture")


class KilledError(BaseException):
    """No `except Exception` stops it, as none stops SIGKILL."""


def die_before(monkeypatch, n: int) -> dict[str, int]:
    """The n-th change of the disk does not happen, nor does anything after it."""
    count = {"changes": 0}

    def dying(change):
        def changing(*arguments, **options):
            count["changes"] += 1
            if count["changes"] > n:
                raise KilledError
            return change(*arguments, **options)

        return changing

    monkeypatch.setattr(os, "replace", dying(os.replace))
    unlink, missing = dying(Path.unlink), Path.unlink
    monkeypatch.setattr(Path, "unlink", lambda p, **o: (unlink if p.exists() else missing)(p, **o))
    monkeypatch.setattr(run_directory.RunDirectory, "append_history", dying(run_directory.RunDirectory.append_history))
    return count


def history(folder) -> list[dict]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in load_run(folder).history]


def left(folder) -> tuple:
    """All that a run leaves, seconds and versions apart."""
    run = load_run(folder, TASK)
    names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))
    cost = (run.cost.lifetimes, run.cost.simulated_s)
    learned = {k: v for k, v in run.result.learned.items() if k != "seconds"}
    return names, run.settings, run.rule, run.result.losses, learned, cost, history(folder)


def test_every_bundled_learner_is_tried():
    assert set(LEARNERS) == set(learners())


@pytest.mark.usefixtures("_fast_curves")
@pytest.mark.parametrize("name", LEARNERS)
def test_a_run_that_dies_at_any_write_and_is_resumed_is_the_whole_run(tmp_path, monkeypatch, name):
    skip_without(name)
    settings = {"task_id": TASK, "learner": name, **LEARNERS[name]}
    learn(out=tmp_path / "whole", **settings)
    expected = left(tmp_path / "whole")
    n = 0
    while True:
        folder = tmp_path / str(n)
        with monkeypatch.context() as context:
            die_before(context, n)
            try:
                learn(out=folder, **settings)
                break
            except KilledError:
                n += 1
        torch.rand(3)  # another process's generators stand elsewhere
        learn(out=folder, resume=True, **settings)
        assert left(folder) == expected, f"died before change {n - 1} of the disk"
    assert n > 10


@pytest.mark.usefixtures("_fast_curves")
def test_a_run_that_dies_again_and_again_is_the_whole_run(tmp_path, monkeypatch):
    settings = {"task_id": TASK, "learner": "evotorch", **LEARNERS["evotorch"]}
    learn(out=tmp_path / "whole", **settings)
    for _ in range(60):
        with monkeypatch.context() as context:
            die_before(context, 7)  # a few steps further each time
            try:
                learn(out=tmp_path / "run", resume=True, **settings)
                break
            except KilledError:
                pass
    assert left(tmp_path / "run") == left(tmp_path / "whole")


def files(folder) -> dict[str, tuple]:
    return {
        str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.rglob("*") if p.is_file()
    }


class Unkept:
    """Logs, and keeps no checkpoint."""

    def __init__(self, n_steps=3):
        self.n_steps = n_steps

    def learn(self, problem):
        theta = problem.family.initial(problem.seed)
        for _ in range(self.n_steps):
            problem.log(loss=float(problem.losses(theta[None]).mean()))
        return problem.rule(theta)


@pytest.mark.parametrize("name", [*LEARNERS, "a learner without checkpoints"])
def test_resuming_a_finished_run_changes_nothing(tmp_path, name):
    skip_without(name)
    settings = {"task_id": TASK, "learner": name, **LEARNERS.get(name, {"budget": 100})}
    if name not in LEARNERS:
        settings["learner"] = Unkept
    first = learn(out=tmp_path, **settings)
    before = files(tmp_path)
    assert len(load_run(tmp_path).history) >= 3
    again = learn(out=tmp_path, resume=True, **settings)
    assert files(tmp_path) == before
    assert (again.losses, again.learned) == (first.losses, first.learned)


@pytest.mark.parametrize("learner", ["random-search", Unkept])
def test_the_cost_survives_the_loss_of_the_result(tmp_path, learner):
    first = learn(TASK, learner, tmp_path, budget=300)
    before = files(tmp_path)
    (tmp_path / "result.json").unlink()
    again = learn(TASK, learner, tmp_path, budget=300, resume=True)
    assert again.learned == first.learned
    assert again.learned["lifetimes"] > 0
    assert again.losses == first.losses
    after = files(tmp_path)
    del before["result.json"], after["result.json"]
    assert after == before


@pytest.mark.parametrize("name", LEARNERS)
def test_a_finished_run_goes_on_with_a_larger_budget(tmp_path, name):
    skip_without(name)
    settings = {"task_id": TASK, "learner": name, "options": LEARNERS[name]["options"], "out": tmp_path}
    small = LEARNERS[name]["budget"]
    first = learn(budget=small, **settings)
    n_rows = len(load_run(tmp_path).history)
    more = learn(budget=4 * small, resume=True, **settings)
    assert small < more.learned["lifetimes"] <= 4 * small
    assert first.learned["lifetimes"] <= small
    run = load_run(tmp_path, TASK)
    assert run.settings["budget"] == 4 * small
    assert len(run.history) > n_rows
    assert [row["lifetimes"] for row in run.history] == sorted(row["lifetimes"] for row in run.history)
    assert run.result.learned == more.learned
    before = files(tmp_path)
    with pytest.raises(PlasticbenchError, match=rf"budget: .* started with {4 * small}, not {small}"):
        learn(budget=small, resume=True, **settings)
    with pytest.raises(PlasticbenchError, match="seed"):
        learn(budget=4 * small, resume=True, seed=1, **settings)
    assert files(tmp_path) == before


class Crashes:
    """Fails, before or after a checkpoint."""

    def __init__(self, kept=False):
        self.kept = kept

    def learn(self, problem):
        problem.losses(problem.family.initial(0)[None])
        problem.log(loss=1.0)
        if self.kept:
            problem.checkpoint({})
        raise ZeroDivisionError


def test_a_crashed_run_does_not_lock_its_folder(tmp_path):
    with pytest.raises(ZeroDivisionError):
        learn(TASK, Crashes, tmp_path, budget=50)
    learn(TASK, Unkept, tmp_path, budget=100)
    assert len(load_run(tmp_path).history) == 3


def test_a_run_with_a_checkpoint_is_replaced_only_on_demand(tmp_path):
    with pytest.raises(ZeroDivisionError):
        learn(TASK, Crashes, tmp_path, budget=50, options={"kept": True})
    (tmp_path / "notes.txt").write_text("mine")
    before = files(tmp_path)
    with pytest.raises(PlasticbenchError, match="--resume, replace it with --overwrite"):
        learn(TASK, Unkept, tmp_path, budget=100)
    with pytest.raises(PlasticbenchError, match="learner: the run"):
        learn(TASK, Unkept, tmp_path, budget=100, resume=True)
    with pytest.raises(PlasticbenchError, match="budget"):
        learn(TASK, "evotorch", tmp_path, budget=5, overwrite=True)
    with pytest.raises(PlasticbenchError, match="either"):
        learn(TASK, Unkept, tmp_path, budget=100, overwrite=True, resume=True)
    assert files(tmp_path) == before
    learn(TASK, Unkept, tmp_path, budget=100, overwrite=True)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "checkpoint.pt").exists()
    assert len(load_run(tmp_path).history) == 3


def test_what_is_not_of_a_run_is_never_removed(tmp_path):
    (tmp_path / "rule.json").write_text("mine")
    with pytest.raises(PlasticbenchError, match=r"holds a rule\.json of something else"):
        learn(TASK, Unkept, tmp_path, budget=100)
    (tmp_path / "rule.json").rename(tmp_path / "my_rule.json")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "mine.json").write_text("mine")
    before = files(tmp_path)
    for settings in ({}, {"resume": True}, {"overwrite": True}):
        learn(TASK, Unkept, tmp_path, budget=100, **settings)
        assert before.items() <= files(tmp_path).items()


@pytest.mark.parametrize("name", LEARNERS)
def test_a_budget_too_small_for_one_step_is_refused_and_nothing_written(tmp_path, name):
    skip_without(name)
    with pytest.raises(PlasticbenchError, match=r"budget: 3 lifetimes; .* takes \d+; give more"):
        learn(TASK, name, tmp_path / "run", budget=3, options=LEARNERS[name]["options"])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_by_another_process_is_refused(tmp_path):
    code = textwrap.dedent(f"""
        import time, plasticbench
        from plasticbench.learning.run_directory import RunDirectory
        run = RunDirectory({str(tmp_path)!r}, {{"seed": 0}})
        with run.exclusive():
            run.begin()
            print("begun", flush=True)
            time.sleep(600)
    """)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    with pytest.raises(PlasticbenchError, match="another process is running"):
        learn(TASK, Unkept, tmp_path, budget=100)
    process.kill()
    process.wait()
    process.stdout.close()
    learn(TASK, Unkept, tmp_path, budget=100)


def test_a_last_row_torn_by_a_kill_is_left_out(tmp_path):
    learn(TASK, Unkept, tmp_path, budget=100)
    whole = load_run(tmp_path).history
    file = tmp_path / "history.jsonl"
    file.write_text(file.read_text() + '{"lifetimes": 4')
    assert load_run(tmp_path).history == whole


def test_what_is_not_finite_is_null_in_the_history_and_read_as_nan(tmp_path):
    problem = Problem(TASK, TASK.make_family(), 10, 0, run_directory.RunDirectory(tmp_path, {}))
    problem.log(loss=float("nan"), norm=float("inf"), penalty=0.5)
    row = json.loads((tmp_path / "history.jsonl").read_text())
    assert (row["loss"], row["norm"], row["penalty"]) == (None, None, 0.5)
    (read,) = load_run(tmp_path).history
    assert read["loss"] != read["loss"]
    frame = load_run(tmp_path).history.to_frame()
    assert list(frame.columns) == ["lifetimes", "seconds", "loss", "norm", "penalty"]


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(PlasticbenchError, match="holds no run"):
        load_run(tmp_path)


def test_an_unfinished_run_can_be_read(tmp_path):
    with pytest.raises(ZeroDivisionError):
        learn(TASK, Crashes, tmp_path, budget=50)
    run = load_run(tmp_path)
    assert (run.rule, run.rules, run.cost, run.result) == (None, None, None, None)
    assert (run.settings["budget"], len(run.history)) == (50, 1)
