"""What a run tells while it goes and after it: callbacks, tables, one curve of several runs, seconds of compiling."""

import csv
import json
import sys

import numpy as np
import pytest

from plasticbench.command_line.cli import main
from plasticbench.errors import PlasticbenchError
from plasticbench.learning import learn, load_run, repeat
from plasticbench.learning.spread import cut_of_median, spread_of

TASK, SHORT = "OjaMini-v0", {"budget": 96, "options": {"population": 4}}


class Heard:
    """Writes down what it is told."""

    def __init__(self):
        self.rows, self.began, self.ended = [], [], []

    def begin(self, path, settings, lifetimes):
        self.began.append((path.name, settings["learner"], lifetimes))

    def log(self, row):
        self.rows.append(dict(row))

    def end(self, result):
        self.ended.append(result)


class Stops:
    """A learner that fails after its first batch."""

    def learn(self, problem):
        problem.log(loss=float(problem.losses(problem.family.initial(0)[None]).mean()))
        raise RuntimeError("on purpose")


def test_a_callback_hears_what_the_history_keeps(tmp_path):
    heard = Heard()
    result = learn(TASK, "random-search", tmp_path / "run", callbacks=[heard], **SHORT)
    run = load_run(tmp_path / "run")
    assert heard.began == [("run", "random-search", 0)]
    assert heard.rows == list(run.history)
    assert heard.ended == [result]
    again = Heard()  # a run that has ended is told to nobody
    learn(TASK, "random-search", tmp_path / "run", callbacks=[again], resume=True, **SHORT)
    assert (again.began, again.rows, again.ended) == ([], [], [])


def test_a_callback_hears_of_a_failure_and_of_where_a_run_goes_on(tmp_path):
    heard = Heard()
    with pytest.raises(RuntimeError, match="on purpose"):
        learn(TASK, Stops, tmp_path / "fails", budget=8, callbacks=[heard])
    assert len(heard.rows) == 1
    assert heard.ended == [None]
    learn(TASK, "random-search", tmp_path / "run", **SHORT)
    more = Heard()
    learn(TASK, "random-search", tmp_path / "run", callbacks=[more], resume=True, **{**SHORT, "budget": 160})
    assert more.began == [("run", "random-search", 96)]
    assert more.rows[0]["lifetimes"] == 128


@pytest.mark.parametrize(
    ("callback", "words"), [("tensorbord", "did you mean 'tensorboard'"), (object(), "object has no method begin")]
)
def test_what_is_no_callback_is_refused_before_anything_is_written(tmp_path, callback, words):
    with pytest.raises(PlasticbenchError, match=words):
        learn(TASK, "random-search", tmp_path / "run", callbacks=[callback], **SHORT)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "module"), [("tensorboard", "torch.utils.tensorboard"), ("wandb", "wandb")])
def test_without_the_library_the_error_says_what_to_install(tmp_path, monkeypatch, capsys, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    arguments = ["learn", "--task", TASK, "--learner", "random-search", "--out", str(tmp_path / "run"), "--log", name]
    assert main(arguments) == 2
    assert f'pip install "plasticbench[{name}]"' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_tensorboard_gets_every_number(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    result = learn(TASK, "random-search", tmp_path / "run", callbacks=["tensorboard"], **SHORT)
    found = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    found.Reload()
    losses = [(event.step, event.value) for event in found.Scalars("loss")]
    rows = load_run(tmp_path / "run").history
    assert losses == [(row["lifetimes"], pytest.approx(row["loss"], rel=1e-6)) for row in rows]
    assert found.Scalars("official/loss")[0].value == pytest.approx(result.loss, rel=1e-6)


def test_wandb_is_called_as_it_wants(tmp_path, monkeypatch):
    """A stand-in: the library asks for an account."""
    told = []

    class Run:
        summary = {}  # noqa: RUF012

        def log(self, row, step):
            told.append((step, row["loss"]))

        def finish(self, exit_code):
            told.append(exit_code)

    monkeypatch.setitem(sys.modules, "wandb", type("wandb", (), {"init": staticmethod(lambda **given: Run())}))
    result = learn(TASK, "random-search", tmp_path / "run", callbacks=["wandb"], **SHORT)
    assert told == [*((row["lifetimes"], row["loss"]) for row in load_run(tmp_path / "run").history), 0]
    assert Run.summary["official_loss"] == result.loss


def test_a_run_keeps_its_history_as_a_table_and_counts_compiling(tmp_path):
    learn(TASK, "random-search", tmp_path, **SHORT)
    run = load_run(tmp_path)
    with open(tmp_path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == [row["loss"] for row in run.history]
    assert 0.0 <= run.cost.compile_s <= run.cost.seconds + 0.01
    assert json.loads((tmp_path / "outcome.json").read_text())["compile_s"] == run.cost.compile_s
    assert repr(run).startswith("<Run ")
    assert len(repr(run)) < 300


def test_several_runs_have_one_curve(tmp_path, capsys):
    repeat(tmp_path, [0, 1, 2], task_id=TASK, learner="random-search", **SHORT)
    with open(tmp_path / "spread.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    runs = [load_run(tmp_path / f"seed-{seed}").history for seed in range(3)]
    for k, row in enumerate(rows):
        losses = [history[k]["loss"] for history in runs]
        assert float(row["median"]) == np.median(losses)
        assert (float(row["low"]), float(row["high"])) == (min(losses), max(losses))
    assert (tmp_path / "spread.png").read_bytes()[:4] == b"\x89PNG"


def test_between_its_rows_a_run_has_its_last_loss():
    spread = spread_of(
        [
            [{"lifetimes": 10, "loss": 3.0}, {"lifetimes": 30, "loss": 1.0}],
            [{"lifetimes": 20, "loss": 2.0}, {"lifetimes": 25}, {"lifetimes": 30, "loss": float("nan")}],
        ]
    )
    assert spread.lifetimes.tolist() == [20, 30]
    assert spread.losses.tolist() == [[3.0, 1.0], [2.0, 2.0]]
    assert spread_of([[{"lifetimes": 10}]]) is None


def test_the_interval_of_a_median_is_by_signs():
    """Tables of the sign test: at the level 0.95 none for 5 values, whole range for 6 to 8, second smallest for 9."""
    assert [cut_of_median(n) for n in (3, 5, 6, 8, 9, 11, 12, 20)] == [0, 0, 0, 0, 1, 1, 2, 5]
    generator = np.random.default_rng(0)
    values = np.sort(generator.exponential(size=(4_000, 15)), 1)
    cut, median = cut_of_median(15), np.log(2.0)
    covered = ((values[:, cut] <= median) & (median <= values[:, -1 - cut])).mean()
    assert 0.95 <= covered <= 0.98
