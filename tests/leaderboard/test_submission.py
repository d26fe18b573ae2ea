"""Submitting: what comes back out is what went in; nothing is overwritten, lost or half there."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest
from small_tasks import SmallTask, make_catalogue, result_json, rule_json

from plasticbench.errors import PlasticbenchError
from plasticbench.leaderboard import DuplicateEntry, open_board, submit, validate_path
from plasticbench.leaderboard.board import own_folder


def test_a_result_becomes_an_entry_that_validates(write_result, tmp_path, catalogue):
    path = submit(write_result(rule_json("my rule", 0.3)), tmp_path / "board", catalogue=catalogue)
    assert path.parent.name == "Small-v0"
    assert path.name.startswith("my-rule-")
    assert validate_path(path, catalogue=catalogue) == []
    (entry,) = open_board(tmp_path / "board", catalogue).entries
    assert entry.state(catalogue.tasks[entry.task_id].spec_hash) == "self-reported"
    assert entry.provenance["reference"].startswith("Hebb")


def test_who_and_how_comes_from_the_result_and_from_about(write_result, tmp_path, catalogue):
    options = {"std": 2, "conditions": {"training_s": 15}}
    learner = {"name": "gradient", "seed": 0, "options": options}
    learned = {"learner": learner, "cost": {"lifetimes": 100, "simulated_s": 5.0}}
    result = write_result(rule_json("learned", 0.3), learned=learned)
    submit(result, tmp_path / "board", about={"authors": ["Ada"]}, catalogue=catalogue)
    (entry,) = open_board(tmp_path / "board", catalogue).entries
    assert entry.provenance["learner"] == learner
    assert entry.provenance["authors"] == ["Ada"]


def test_on_the_public_board_nobody_is_anonymous(write_result, tmp_path, catalogue):
    result, public = write_result(rule_json("mine", 0.3)), tmp_path / "leaderboard" / "entries"
    public.mkdir(parents=True)
    (public.parent / "entry.schema.json").write_text("{}")
    with pytest.raises(PlasticbenchError, match=r"^authors: the public board .* --authors NAMES"):
        submit(result, public, catalogue=catalogue)
    assert not list(public.iterdir())
    submit(result, public, authors="Ada, Grace", catalogue=catalogue)
    (entry,) = open_board(public, catalogue).entries
    assert entry.provenance["authors"] == ["Ada", "Grace"]


def test_a_second_submission_of_the_same_rule_names_the_first(write_result, tmp_path, catalogue):
    result = write_result(rule_json("hebb", 0.3))
    first = submit(result, tmp_path / "board", catalogue=catalogue)
    before = {path: path.read_bytes() for path in first.iterdir()}
    with pytest.raises(DuplicateEntry) as caught:
        submit(result, tmp_path / "board", catalogue=catalogue)
    assert caught.value.path == first
    assert {path: path.read_bytes() for path in first.iterdir()} == before


RESPELT = {
    "another name": {"on_step": "eta*(pre*post - base*noise*w)"},
    "renamed parameters": {"on_step": "a*(pre*post - b*c*w)", "parameters": {"a": 0.1, "b": 0.3, "c": 0.01}},
    "numbers for parameters": {"on_step": "0.1*(pre*post - base*0.01*w)", "parameters": {"base": 0.3, "noise": 0.01}},
    "an unused parameter": {"parameters": {"eta": 0.1, "base": 0.3, "noise": 0.01, "unused": 7.0}},
    "commuted and multiplied out": {"on_step": "post*eta*pre - w*eta*noise*base"},
}


@pytest.mark.parametrize("pathway", ["ff", "*"])
@pytest.mark.parametrize("spelling", RESPELT)
def test_a_rule_is_known_by_what_it_does(spelling, pathway, write_result, tmp_path, catalogue):
    first = submit(write_result(rule_json("first", 0.3)), tmp_path / "board", catalogue=catalogue)
    rule = rule_json("second", 0.3)
    rule["pathways"] = {pathway: {**rule["pathways"]["ff"], **RESPELT[spelling]}}
    if spelling != "an unused parameter":
        rule["pathways"][pathway]["parameters"].setdefault("base", 0.3)  # the tests' tasks read it
    with pytest.raises(DuplicateEntry) as caught:
        submit(write_result(rule), tmp_path / "board", catalogue=catalogue)
    assert caught.value.path == first
    assert [path.name for path in (tmp_path / "board" / "Small-v0").iterdir()] == [first.name]


def test_a_board_with_one_rule_twice_is_not_valid(write_result, tmp_path, catalogue):
    board = tmp_path / "board"
    first = submit(write_result(rule_json("first", 0.3)), board, catalogue=catalogue)
    second = submit(write_result(rule_json("second", 0.3)), tmp_path / "elsewhere", catalogue=catalogue)
    second.rename(first.parent / second.name)
    (problem,) = validate_path(board, catalogue=catalogue)
    assert problem.path == f"Small-v0/{second.name}: rule.json"
    assert f"does the same as Small-v0/{first.name}" in problem.message


def test_a_rule_may_have_an_entry_on_every_task_and_nearly_the_same_is_another(write_result, tmp_path, catalogue):
    for task_id in ("plasticbench/Small-v0", "plasticbench/Other-v0"):
        submit(write_result(rule_json("first", 0.3), task_id), tmp_path / "board", catalogue=catalogue)
    submit(write_result(rule_json("second", 0.3, eta=0.1001)), tmp_path / "board", catalogue=catalogue)


def test_a_refused_result_leaves_no_trace(write_result, tmp_path, catalogue):
    with pytest.raises(PlasticbenchError, match="loss"):
        submit(write_result(rule_json("hebb", 0.3), loss=0.0), tmp_path / "board", catalogue=catalogue)
    assert list((tmp_path / "board").rglob("*")) == []


def test_a_board_that_cannot_be_written_is_one_clear_line(write_result, tmp_path, catalogue):
    (tmp_path / "file").write_text("")
    with pytest.raises(PlasticbenchError, match="board"):
        submit(write_result(rule_json("hebb", 0.3)), tmp_path / "file" / "board", catalogue=catalogue)


def test_the_own_board_overlays_the_bundled_one(write_result, tmp_path, catalogue, monkeypatch):
    monkeypatch.setenv("PLASTICBENCH_BOARD", str(tmp_path / "own"))
    assert own_folder() == tmp_path / "own"
    path = submit(write_result(rule_json("hebb", 0.3)), catalogue=catalogue)
    assert path.is_relative_to(tmp_path / "own")
    board = open_board(None, catalogue)
    assert len(board.folders) == 2
    assert path.name in [entry.slug for entry in board.entries]


def _submit_one(arguments) -> str:
    path, board = arguments
    return str(submit(path, board, catalogue=make_catalogue(SmallTask("plasticbench/Small-v0"))))


def _write_results(folder, names):
    catalogue = make_catalogue(SmallTask("plasticbench/Small-v0"))
    for number, name in enumerate(names):
        (folder / f"{name}.json").write_text(json.dumps(result_json(catalogue, rule_json(name, 0.3 + 0.001 * number))))
    return [str(folder / f"{name}.json") for name in names]


def test_fifty_processes_at_once_lose_nothing(tmp_path, catalogue):
    results = _write_results(tmp_path, [f"rule-{n}" for n in range(50)])
    board = tmp_path / "board"
    with multiprocessing.get_context("fork").Pool(50) as pool:
        paths = pool.map(_submit_one, [(result, board) for result in results], chunksize=1)
    assert len(set(paths)) == 50
    assert len(open_board(board, catalogue).entries) == 50
    assert validate_path(board, catalogue=catalogue) == []


def _try_submit(arguments) -> bool:
    try:
        _submit_one(arguments)
    except DuplicateEntry:
        return False
    return True


def test_of_fifty_processes_with_one_rule_exactly_one_wins(tmp_path, catalogue):
    (result,) = _write_results(tmp_path, ["rule"])
    with multiprocessing.get_context("fork").Pool(50) as pool:
        won = pool.map(_try_submit, [(result, tmp_path / "board")] * 50, chunksize=1)
    assert sum(won) == 1
    assert len(open_board(tmp_path / "board", catalogue).entries) == 1


def test_of_twenty_processes_with_one_rule_under_other_names_exactly_one_wins(tmp_path, catalogue):
    spellings = [f"post*{a}*pre - w*eta*noise*base" for a in ("eta", "(eta+0)", "eta*1", "1*eta")]
    paths = []
    for n in range(20):
        rule = rule_json(f"rule-{n}", 0.3)
        rule["pathways"]["ff"] = {**rule["pathways"]["ff"], "on_step": spellings[n % 4]}
        path = tmp_path / f"{n}.json"
        path.write_text(json.dumps(result_json(catalogue, rule)))
        paths.append((str(path), tmp_path / "board"))
    with multiprocessing.get_context("fork").Pool(20) as pool:
        won = pool.map(_try_submit, paths, chunksize=1)
    assert sum(won) == 1
    assert len(open_board(tmp_path / "board", catalogue).entries) == 1
    assert validate_path(tmp_path / "board", catalogue=catalogue) == []


def test_a_board_that_another_process_keeps_is_one_clear_line(write_result, tmp_path, catalogue, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr("plasticbench.leaderboard.incoming._WAIT_S", 0.0)
    (tmp_path / "board").mkdir()
    handle = os.open(tmp_path / "board", os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(PlasticbenchError, match="kept by another process"):
            submit(write_result(rule_json("hebb", 0.3)), tmp_path / "board", catalogue=catalogue)
    finally:
        os.close(handle)
    assert submit(write_result(rule_json("hebb", 0.3)), tmp_path / "board", catalogue=catalogue).is_dir()


_ENDLESS = """
import sys, pathlib
sys.path.insert(0, sys.argv[1])
from small_tasks import SmallTask, make_catalogue
from plasticbench.leaderboard import submit
catalogue = make_catalogue(SmallTask("plasticbench/Small-v0"))
results = sorted(pathlib.Path(sys.argv[2]).glob("*.json"))
print("ready", flush=True)
for result in results:
    submit(result, sys.argv[3], catalogue=catalogue)
"""


def test_a_kill_at_any_moment_leaves_the_board_readable(tmp_path, catalogue):
    names = [f"rule-{n:03}" for n in range(40)]
    _write_results(tmp_path, names)
    board = tmp_path / "board"
    here = os.path.dirname(__file__)
    n_before = 0
    for delay_s in (0.0, 0.011, 0.023, 0.05):
        waiting = tmp_path / f"waiting-{delay_s}"
        waiting.mkdir()
        for name in names[n_before:]:
            (waiting / f"{name}.json").write_bytes((tmp_path / f"{name}.json").read_bytes())
        process = subprocess.Popen(
            [sys.executable, "-c", _ENDLESS, here, str(waiting), str(board)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        while len(list(board.glob("[!.]*/*"))) <= n_before and process.poll() is None:
            time.sleep(0.001)
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert validate_path(board, catalogue=catalogue) == []
        opened = open_board(board, catalogue)
        assert opened.broken == {}
        assert len(opened.entries) > n_before
        n_before = len(opened.entries)
