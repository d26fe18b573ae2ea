"""The table of learners: equal budgets, resumable, and a test that can tell learners apart and does not always."""

from pathlib import Path

import numpy as np
import pytest

from plasticbench.learning import learner_table
from plasticbench.learning.learner_table import Cell, best_of, cells_of, main, markdown, p_value, read_table

TASK = "plasticbench/OjaMini-v0"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    command = ["--runs", str(folder / "runs"), "--out", str(folder / "out"), "--seeds", "2", "--most", "gradient=100"]
    command += ["--task", "OjaMini-v0=64,256", "--learner", "random-search", "--learner", "gradient"]
    assert main(command) == 0
    return folder, command


def test_every_run_is_a_row_or_says_why_it_was_not_run(made):
    rows = read_table(made[0] / "out" / "learners.csv")
    assert [(row.learner, row.budget, row.seed) for row in rows] == [
        (learner, budget, seed) for learner in ("random-search", "gradient") for budget in (64, 256) for seed in (0, 1)
    ]
    said = {(row.learner, row.budget): row.not_run for row in rows}
    assert "a draw takes 256" in said["random-search", 64]
    assert said["gradient", 256] == "it is for at most 100 lifetimes"
    assert said["random-search", 256] == said["gradient", 64] == ""
    assert all(row.lifetimes <= row.budget for row in rows)
    assert all(np.isfinite(row.loss) and row.options for row in rows if not row.not_run)
    assert (made[0] / "out" / "learners.png").stat().st_size > 10_000


def test_runs_that_have_ended_are_not_run_again(made, capsys):
    folder, command = made

    def written():
        return {p: p.stat().st_mtime_ns for p in (folder / "runs").rglob("result.json")}

    table, before = (folder / "out" / "learners.csv").read_bytes(), written()
    assert main(command) == 0
    assert len(before) == 4
    assert written() == before
    assert (folder / "out" / "learners.csv").read_bytes() == table
    assert "## `OjaMini-v0`" in capsys.readouterr().out


def test_the_text_is_made_of_the_rows(made):
    rows = read_table(made[0] / "out" / "learners.csv")
    text = markdown(rows)
    (cell,) = (c for c in cells_of(rows, TASK) if c.learner == "random-search" and c.budget == 256)
    assert f"{cell.mean:.4g}" in text
    assert "| gradient |" in text
    assert "not run" in text


def test_p_is_that_of_all_splits():
    assert p_value(np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])) == pytest.approx(2 / 20)
    assert p_value(np.zeros(4), np.zeros(4)) == 1.0
    noise = np.random.default_rng(0).normal(size=(2, 12))
    assert p_value(*noise) > 0.05 > p_value(noise[0], noise[1] + 3.0)


def test_who_is_told_from_the_best():
    def cell(learner, losses, budget=8):
        return Cell(learner, budget, np.array(losses), np.zeros(len(losses)), 1.0)

    cells = [
        cell("far", [9.0, 9.1, 9.2, 9.3, 9.4]), cell("best", [1.0, 1.1, 1.2, 1.3, 1.4]),
        cell("near", [1.05, 1.1, 1.2, 1.3, 1.45]), cell("earlier", [0.1] * 5, budget=4),
    ]  # fmt: skip
    assert [c.learner for c in best_of(cells)] == ["best", "near"]


@pytest.mark.parametrize("text", ["OjaMini-v0", "OjaMini-v0=", "OjaMini-v0=many", "OjaMini-v0=0"])
def test_what_is_no_budget_is_said(text, tmp_path, capsys):
    assert main(["--runs", str(tmp_path), "--out", str(tmp_path), "--task", text]) == 2
    assert "NAME=BUDGET" in capsys.readouterr().err
    assert learner_table.TABLE not in [p.name for p in tmp_path.iterdir()]


def test_the_docs_have_the_table_that_the_measured_rows_make():
    docs = Path(__file__).parents[1] / "docs"
    assert markdown(read_table(docs / "learners" / "learners.csv")).strip() in (docs / "learners.md").read_text("utf-8")
