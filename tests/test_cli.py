"""The command line as a user meets it: answers, exit codes, one-line errors, nothing half-written."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import plasticbench
from plasticbench.command_line.cli import main


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command run in this process."""
    try:
        code = main(list(arguments))
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def bad(capsys, *arguments: str) -> str:
    """The one line of a command that must refuse its input."""
    code, out, err = run(capsys, *arguments)
    assert code == 2, (out, err)
    assert out == ""
    assert err.startswith("plasticbench")
    assert len(err.strip().splitlines()) == 1, err
    assert "Traceback" not in err
    return err


def write_rule(path: Path, **changes) -> Path:
    rule = {
        "format": "plasticbench/rule@1",
        "name": "mine",
        "pathways": {"ff": {"on_step": "eta*(pre*post - post**2*w)", "parameters": {"eta": 0.1}}},
    }
    path.write_text(json.dumps({**rule, **changes}))
    return path


def test_list_names_every_task_rule_learner_and_family(capsys):
    code, out, _ = run(capsys, "list", "--json")
    listed = json.loads(out)
    assert code == 0
    assert [t["id"] for t in listed["tasks"]] == list(plasticbench.task_ids())
    assert {"oja", "hebb", "null", "vogels-2011"} <= {r["name"] for r in listed["rules"]}
    assert {"gradient", "random-search", "evotorch"} <= set(listed["learners"])
    assert {"polynomial", "doublet", "mlp"} <= set(listed["families"])
    assert "plasticbench/OjaMini-v0" in run(capsys, "list")[1]


def test_show_prints_the_equation_and_draws_it(capsys, tmp_path):
    code, out, _ = run(capsys, "show", "oja", "--png", str(tmp_path / "oja.png"))
    assert code == 0
    assert "Oja" in out
    assert "pre*post" in out
    assert (tmp_path / "oja.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_evaluate_prints_one_json_object_and_writes_the_same(capsys, tmp_path):
    out_file = tmp_path / "result.json"
    code, out, _ = run(capsys, "evaluate", "oja", "--task", "plasticbench/OjaMini-v0", "--json", "--out", str(out_file))
    printed = json.loads(out)
    assert code == 0
    assert printed == json.loads(out_file.read_text())
    fields = "task rule engine seeds losses statuses loss score score_interval simulated_s wall_s compile_s versions"
    assert set(fields.split()) <= set(printed)
    assert printed["loss"] == pytest.approx(sum(printed["losses"]) / len(printed["losses"]))
    assert len(printed["seeds"]) == plasticbench.task("OjaMini-v0").n_official
    assert printed["score_interval"][0] <= printed["score"] <= printed["score_interval"][1]
    assert plasticbench.Result.load(out_file).loss == printed["loss"]


def test_evaluate_takes_the_first_seeds_and_fixed_conditions(capsys, tmp_path):
    code, out, _ = run(capsys, "evaluate", "oja", "--task", "OjaMini-v0", "--seeds", "3", "--json")
    assert code == 0
    assert json.loads(out)["seeds"] == list(plasticbench.task("OjaMini-v0").official_seeds[:3])
    conditions = [{"w_init": [0.1, 0.0, 0.0]}, {"w_init": [0.0, 0.2, 0.0]}]
    (tmp_path / "conditions.json").write_text(json.dumps(conditions))
    arguments = ("evaluate", "null", "--task", "OjaMini-v0", "--json", "--conditions")
    printed = json.loads(run(capsys, *arguments, str(tmp_path / "conditions.json"))[1])
    assert len(printed["losses"]) == 2
    assert printed["metrics"]["weight_norm"] == pytest.approx([0.1, 0.2])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("evaluate", "oja", "--task", "OjaMinni-v0"), "OjaMini-v0"),
        (("evaluate", "ojja", "--task", "OjaMini-v0"), "oja"),
        (("evaluate", "oja", "--task", "OjaMini-v0", "--engine", "gpu9"), "engine"),
        (("evaluate", "oja", "--task", "OjaMini-v0", "--seeds", "0"), "positive"),
        (("evaluate", "oja", "--task", "OjaMini-v0", "--seeds", "100000"), "seeds"),
        (("evaluate", "vogels-2011", "--task", "OjaMini-v0"), "pathway"),
        (("evaluate", "oja", "--task", "OjaMini-v0", "--conditions", "nowhere.json"), "no such file"),
        (("evaluate", "oja"), "--task"),
        (("show", "no-such-rule"), "no-such-rule"),
        (("learn", "--task", "OjaMini-v0", "--learner", "gradiant", "--out", "x"), "gradient"),
        (
            ("learn", "--task", "OjaMini-v0", "--learner", "gradient", "--family", "doublet", "--out", "x"),
            "family",
        ),
        (
            ("learn", "--task", "OjaMini-v0", "--learner", "gradient", "--option", "lr", "--out", "x"),
            "name=value",
        ),
        (
            ("learn", "--task", "OjaMini-v0", "--learner", "gradient", "--option", "lr=1", "--out", "x"),
            "option.lr",
        ),
        (("submit", "nowhere.json"), "nowhere.json"),
        (("board", "--task", "NoSuchTask-v0"), "NoSuchTask"),
        (("nonsense",), "nonsense"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(capsys, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert words in bad(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


HOSTILE = [
    ("not JSON", "{", "not JSON"),
    ("unknown variable", {"pathways": {"ff": {"on_step": "voltage*pre"}}}, "voltage"),
    ("import", {"pathways": {"ff": {"on_step": "__import__('os').system('touch hacked')"}}}, "on_step"),
    ("attribute", {"pathways": {"ff": {"on_step": "pre.__class__"}}}, "on_step"),
    ("power tower", {"pathways": {"ff": {"on_step": "9**9**9"}}}, "on_step"),
    ("nested powers", {"pathways": {"ff": {"on_step": "((pre**60)**60)**60"}}}, "on_step"),
    (
        "NaN",
        '{"format": "plasticbench/rule@1", "name": "x", "pathways": {"ff": {"parameters": {"a": NaN}}}}',
        "NaN",
    ),
    (
        "infinite",
        '{"format": "plasticbench/rule@1", "name": "x", "pathways": {"ff": {"parameters": {"a": 1e999}}}}',
        "",
    ),
    ("parentheses", {"pathways": {"ff": {"on_step": "(" * 400_000}}}, ""),
]


@pytest.mark.parametrize(("label", "content", "words"), HOSTILE, ids=[h[0] for h in HOSTILE])
def test_hostile_rule_files_are_refused_and_write_nothing(capsys, tmp_path, monkeypatch, label, content, words):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "rule.json"
    if isinstance(content, str):
        path.write_text(content)
    else:
        write_rule(path, **content)
    err = bad(capsys, "evaluate", str(path), "--task", "OjaMini-v0", "--out", "result.json")
    assert words in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["rule.json"]


def test_a_huge_rule_file_is_refused(capsys, tmp_path):
    path = tmp_path / "rule.json"
    path.write_text(json.dumps({"pathways": {"ff": {"on_step": "(" * 10_000_000}}}))
    assert "larger than" in bad(capsys, "show", str(path))


def edited(result: dict, **changes) -> dict:
    return {**result, **changes}


def test_a_result_edited_by_hand_is_refused_and_not_submitted(capsys, tmp_path):
    path, board = tmp_path / "result.json", tmp_path / "board"
    run(capsys, "evaluate", "oja", "--task", "OjaMini-v0", "--out", str(path))
    true = json.loads(path.read_text())
    for changes, words in (
        ({"loss": true["loss"] / 2}, "loss"),
        ({"score": 2.0}, "score"),
        ({"losses": [0.0, *true["losses"][1:]]}, "loss"),
        ({"seeds": true["seeds"][:-1]}, ""),
        ({"losses": "many"}, "losses"),
    ):
        path.write_text(json.dumps(edited(true, **changes)))
        assert words in bad(capsys, "submit", str(path), "--board", str(board))
        assert not board.exists() or not list(board.rglob("entry.json"))


def test_an_unwritable_folder_is_refused_before_anything_is_run(capsys, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert "file" in bad(
        capsys, "evaluate", "oja", "--task", "OjaMini-v0", "--out", str(blocked / "sub" / "result.json")
    )
    assert "file" in bad(
        capsys, "learn", "--task", "OjaMini-v0", "--learner", "random-search", "--out", str(blocked / "run")
    )


def test_submitting_and_reading_the_board(capsys, tmp_path):
    path, board = tmp_path / "result.json", tmp_path / "board"
    run(capsys, "evaluate", "oja", "--task", "OjaMini-v0", "--out", str(path))
    code, out, err = run(capsys, "submit", str(path), "--board", str(board))
    assert code == 0, err
    assert "self-reported" in out
    code, out, err = run(capsys, "board", "--board", str(board), "--task", "OjaMini-v0")
    assert code == 0, err
    assert "oja" in out
    code, out, _ = run(capsys, "board", "--board", str(board), "--json")
    assert code == 0
    assert json.loads(out)["tasks"]


def test_the_module_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "plasticbench", "--version"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stdout.strip() == plasticbench.__version__
    assert done.stderr == ""


def test_a_part_of_the_official_lifetimes_is_named_as_such_beside_null_and_reference_in_the_same(capsys):
    code, out, _ = run(capsys, "evaluate", "sanger", "--task", "PrincipalComponentsMini-v0", "--seeds", "4")
    assert code == 0
    assert "4 of 64 lifetimes" in out
    same = {
        name: plasticbench.evaluate(name, "PrincipalComponentsMini-v0", seeds=4).loss
        for name in ("null", "oja-anti-hebb")
    }
    assert "in the same lifetimes: " + ", ".join(f"{name} {loss:.5g}" for name, loss in same.items()) in out
    assert "too few lifetimes for an interval" in out
    assert "95 % interval" not in out
