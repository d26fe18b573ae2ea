"""The transfer matrix: who can live where, what stays frozen, an interrupted matrix goes on, and what it says."""

import csv
import json

import pytest

import plasticbench
from plasticbench.command_line.cli import main
from plasticbench.errors import PlasticbenchError
from plasticbench.evaluation import transfer
from plasticbench.evaluation.transfer import TransferCell, TransferMatrix, measure, suits

OJA, COMPONENTS, STABILITY = (
    plasticbench.task(name) for name in ("OjaMini-v0", "PrincipalComponentsMini-v0", "StabilityIEMini-v0")
)


def known(*names):
    return [plasticbench.load_rule(name) for name in names]


def test_a_rule_lives_where_its_pathways_events_and_variables_are():
    oja, both, vogels, null = known("oja", "oja-anti-hebb", "vogels-2011", "null")
    assert suits(oja, OJA)
    assert suits(oja, COMPONENTS)
    assert not suits(oja, STABILITY)
    assert suits(both, COMPONENTS)
    assert not suits(both, OJA)
    assert suits(vogels, STABILITY)
    assert not suits(vogels, OJA)
    assert all(suits(null, task) for task in (OJA, COMPONENTS, STABILITY))


def test_a_rule_of_one_pathway_leaves_the_others_frozen_and_the_cell_says_so(tmp_path):
    matrix = measure(known("oja", "oja-anti-hebb"), (OJA, COMPONENTS), tmp_path, seeds=2)
    assert set(matrix.cells) == {("oja", OJA.id), ("oja", COMPONENTS.id), ("oja-anti-hebb", COMPONENTS.id)}
    assert matrix.cells["oja", COMPONENTS.id].frozen_pathways == ("lateral",)
    assert matrix.cells["oja-anti-hebb", COMPONENTS.id].frozen_pathways == ()
    expected = plasticbench.evaluate("oja", COMPONENTS, seeds=2)
    assert matrix.cells["oja", COMPONENTS.id].loss == expected.loss


def test_an_interrupted_matrix_goes_on_where_it_was(tmp_path, monkeypatch):
    rules = known("oja", "hebb", "null")
    real, calls = transfer.evaluate, []

    def counted(rule, task, seeds):
        if len(calls) == 1:
            raise KeyboardInterrupt
        calls.append(rule.name)
        return real(rule, task, seeds)

    monkeypatch.setattr(transfer, "evaluate", counted)
    with pytest.raises(KeyboardInterrupt):
        measure(rules, (OJA,), tmp_path, seeds=2)
    monkeypatch.setattr(
        transfer, "evaluate", lambda rule, task, seeds: calls.append(rule.name) or real(rule, task, seeds)
    )
    first = measure(rules, (OJA,), tmp_path, seeds=2)
    assert sorted(calls) == ["hebb", "null", "oja"]
    assert measure(rules, (OJA,), tmp_path, seeds=2) == first
    assert len(calls) == 3
    measure(rules, (OJA,), tmp_path, seeds=3)
    assert len(calls) == 6


def test_a_damaged_result_is_measured_again(tmp_path):
    first = measure(known("oja"), (OJA,), tmp_path, seeds=2)
    (path,) = tmp_path.rglob("*.json")
    path.write_text(path.read_text()[:100])
    assert measure(known("oja"), (OJA,), tmp_path, seeds=2) == first


def test_two_rules_of_one_name_are_refused(tmp_path):
    with pytest.raises(PlasticbenchError, match="'oja' is given more than once"):
        measure(known("oja", "oja"), (OJA,), tmp_path)


def cell(rule, task, score, low=0.1):
    return TransferCell(rule, task.id, 0.0, score, (low, score), 4)


def test_a_reference_rule_works_beyond_only_on_tasks_of_other_names():
    full = plasticbench.task("Oja-v0")
    cells = [
        cell("oja", OJA, 1.0), cell("oja", full, 1.0), cell("oja", COMPONENTS, 0.6), cell("hebb", OJA, 0.9, low=-0.1),
        cell("sanger", COMPONENTS, 0.5), cell("sanger", OJA, 0.49),
    ]  # fmt: skip
    matrix = TransferMatrix(
        ("oja", "hebb", "sanger", "bcm"), (OJA, full, COMPONENTS), {(c.rule, c.task): c for c in cells}
    )
    assert matrix.beyond("oja") == (COMPONENTS.id,)
    answer = matrix.answer()
    assert answer.startswith("1 of 1 reference rules work on a task that they were not made for: oja (Principal")
    assert "1 of 2 other rules work on some task: sanger (PrincipalComponentsMini)." in answer


def test_the_command_writes_table_and_picture(tmp_path, capsys):
    arguments = ["transfer", "oja", "hebb", "--task", "OjaMini-v0", "--seeds", "2", "--out", str(tmp_path)]
    assert main(arguments) == 0
    assert "2 pairs of a rule and a task" in capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "transfer.csv").read_text().splitlines()))
    assert [row["rule"] for row in rows] == ["oja", "hebb"]
    assert rows[0]["lifetimes"] == "2"
    assert (tmp_path / "transfer.png").read_bytes().startswith(b"\x89PNG")
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cells"] == json.loads((tmp_path / "transfer.json").read_text())["cells"]


def test_evaluate_says_which_pathways_stay_frozen(capsys):
    assert main(["evaluate", "oja", "--task", "PrincipalComponentsMini-v0", "--seeds", "2"]) == 0
    assert "frozen lateral" in capsys.readouterr().out
