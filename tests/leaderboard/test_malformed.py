"""Malformed entries and results: each a message of its own at its own field, nothing executed, nothing written."""

import copy
import json
import os
import pickle
import struct

import numpy as np
import pytest
import safetensors.numpy
from small_tasks import result_json, rule_json

from plasticbench.errors import PlasticbenchError
from plasticbench.leaderboard import submit, validate_path
from plasticbench.leaderboard.entry import ENTRY_FILE, RULE_FILE

TASK = "plasticbench/Small-v0"


@pytest.fixture
def entry(write_result, tmp_path, catalogue):
    """A good entry's folder."""
    return submit(write_result(rule_json("good", 0.3)), tmp_path / "board", catalogue=catalogue)


def change(name):
    """A mutation of entry.json or rule.json as data."""

    def decorate(function):
        def mutate(folder):
            data = json.loads((folder / name).read_text())
            function(data)
            (folder / name).write_text(json.dumps(data))

        return mutate

    return decorate


def put(*path, value):
    @change(ENTRY_FILE)
    def mutate(data):
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value

    return mutate


def drop(key):
    return change(ENTRY_FILE)(lambda data: data.pop(key))


def raw(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def in_entry(old, new):
    def mutate(folder):
        text = (folder / ENTRY_FILE).read_text()
        assert old in text
        (folder / ENTRY_FILE).write_text(text.replace(old, new, 1))

    return mutate


def set_rule(key, value):
    return change(RULE_FILE)(lambda data: data.__setitem__(key, value))


def set_expression(text):
    return change(RULE_FILE)(lambda data: data["pathways"]["ff"].__setitem__("on_step", text))


def with_arrays(content):
    def mutate(folder):
        set_rule("arrays", "rule.safetensors")(folder)
        (folder / "rule.safetensors").write_bytes(content)

    return mutate


def duplicate_seed(folder):
    change(ENTRY_FILE)(lambda data: data["seeds"].__setitem__(3, data["seeds"][2]))(folder)


class Exploit:
    def __reduce__(self):
        return os.system, ("touch /tmp/plasticbench-was-exploited",)


_BOMB = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
_LYING_HEADER = struct.pack("<Q", 2**60) + b"{}"
_OVERLAPPING = json.dumps({"a": {"dtype": "F32", "shape": [1000], "data_offsets": [0, 8]}}).encode()

# name: (mutation of a good entry's folder, field path, part of the message)
MALFORMED = {
    "truncated JSON": (raw(ENTRY_FILE, b'{"format": "plasticbench/entry@1", "lo'), ENTRY_FILE, "not JSON"),
    "empty file": (raw(ENTRY_FILE, b""), ENTRY_FILE, "not JSON"),
    "YAML": (raw(ENTRY_FILE, b"format: &a [*a, *a]\n"), ENTRY_FILE, "not JSON"),
    "a YAML bomb": (raw(ENTRY_FILE, b"a: &a [x]\nb: &b [*a,*a,*a]\n"), ENTRY_FILE, "not JSON"),
    "deep nesting": (raw(ENTRY_FILE, _BOMB), ENTRY_FILE, "nested more than 16 deep"),
    "deep lists": (raw(RULE_FILE, b"[" * 90_000), RULE_FILE, "nested more than 16 deep"),
    "huge file": (raw(ENTRY_FILE, b" " * 5_000_000), ENTRY_FILE, "limit of 4,000,000"),
    "huge number": (in_entry('"cores": 2', '"cores": ' + "9" * 5000), ENTRY_FILE, "5,000 digits"),
    "overflowing number": (in_entry('"wall_s": 0.5', '"wall_s": 1e999'), "wall_s", "too large"),
    "not UTF-8": (raw(ENTRY_FILE, b'{"format": "\xff\xfe"}'), ENTRY_FILE, "not UTF-8"),
    "a key twice": (in_entry('"engine": "cpu"', '"engine": "cpu", "engine": "gpu"'), ENTRY_FILE, "'engine' stands"),
    "a list": (raw(ENTRY_FILE, b"[]"), "(top level)", "expected object"),
    "pickle as entry": (raw(ENTRY_FILE, pickle.dumps(Exploit())), ENTRY_FILE, "a pickle"),
    "no losses": (drop("losses"), "(top level)", "the field 'losses' is missing"),
    "no provenance": (drop("provenance"), "(top level)", "the field 'provenance' is missing"),
    "unknown field": (put("colour", value="red"), "(top level)", "unknown field 'colour'"),
    "other format": (put("format", value="plasticbench/entry@9"), "format", "expected 'plasticbench/entry@1'"),
    "loss as text": (put("losses", 4, value="0.1"), "losses[4]", "found '0.1', expected number"),
    "seeds as text": (put("seeds", value="0..49"), "seeds", "expected array"),
    "fractional seed": (put("seeds", 0, value=0.5), "seeds[0]", "expected integer"),
    "negative seed": (put("seeds", 0, value=-1), "seeds[0]", "is below 0"),
    "true as loss": (put("losses", 0, value=True), "losses[0]", "found True, expected number"),
    "NaN": (in_entry('"loss": ', '"loss": NaN, "_": '), "loss", "NaN is not a number"),
    "infinite loss": (in_entry('"losses": [', '"losses": [Infinity, '), "losses[0]", "Infinity is not a number"),
    "unknown status": (put("statuses", 1, value="fine"), "statuses[1]", "expected 'ok' or 'blow-up'"),
    "too few statuses": (put("statuses", value=["ok", "ok"]), "statuses", "has 2 values for 50 seeds"),
    "short metric": (put("metrics", "angle_deg", value=[1.0]), "metrics.angle_deg", "has 1 values for 50"),
    "edited mean": (put("loss", value=0.01), "loss", "but the mean of the 50 losses is"),
    "edited score": (put("score", value=0.99), "score", "gives"),
    "interval upside down": (put("score_interval", value=[0.9, 0.1]), "score_interval", "smaller number comes first"),
    "interval elsewhere": (put("score_interval", value=[7.0, 8.0]), "score_interval", "does not contain the score"),
    "a seed twice": (duplicate_seed, "seeds[3]", "is seeds[2] already"),
    "other seeds": (put("seeds", 0, value=7), "seeds[0]", "the official seed is 1000000"),
    "fewer seeds": (change(ENTRY_FILE)(lambda d: d["seeds"].pop()), "seeds", "the official ones are 50"),
    "unknown task": (put("task", value="plasticbench/Nowhere-v0"), "task", "there is no"),
    "task traversal": (put("task", value="plasticbench/../../etc-v0"), "task", "does not have the form"),
    "wrong task hash": (put("task_hash", value="0" * 64), "task_hash", "stale; evaluate the rule again"),
    "task hash no hash": (put("task_hash", value="abc"), "task_hash", "does not have the form"),
    "wrong rule hash": (put("rule_hash", value="0" * 64), "rule_hash", "but the rule has"),
    "other rule name": (put("rule", value="famous"), "rule", "own name is 'good'"),
    "name traversal": (put("rule", value="../../.ssh/key"), "rule", "does not have the form"),
    "script in name": (put("rule", value="<script>alert(1)</script>"), "rule", "does not have the form"),
    "no authors": (put("provenance", "authors", value=[]), "provenance.authors", "is empty"),
    "endless author": (put("provenance", "authors", value=["x" * 1000]), "provenance.authors[0]", "more than 200"),
    "negative cost": (put("provenance", "cost", value={"lifetimes": -5}), "provenance.cost.lifetimes", "is below 0"),
    "trained on official seeds": (
        put("provenance", "training_seeds", value=[3, 1_000_000]), "provenance.training_seeds", "official seed 1000000",
    ),
    "rule not JSON": (raw(RULE_FILE, b"eta * pre"), RULE_FILE, "not JSON"),
    "rule that imports": (set_expression("__import__('os')"), RULE_FILE, "not part of the rule language"),
    "rule with attribute": (set_expression("pre.real"), RULE_FILE, "not part of the rule language"),
    "rule with tower of powers": (set_expression("9**9**9"), RULE_FILE, "power"),
    "rule for another pathway": (
        change(RULE_FILE)(lambda d: d["pathways"].__setitem__("ie", d["pathways"].pop("ff"))),
        RULE_FILE, "on offer: ff",
    ),
    "no rule": (lambda folder: (folder / RULE_FILE).unlink(), RULE_FILE, "is missing"),
    "pickle as arrays": (with_arrays(pickle.dumps(Exploit())), "rule.safetensors", "is a pickle"),
    "torch zip as arrays": (with_arrays(b"PK\x03\x04rest"), "rule.safetensors", "is a pickle"),
    "arrays that lie": (with_arrays(_LYING_HEADER), "rule.safetensors", "not a safetensors file"),
    "arrays of wrong shape": (
        with_arrays(struct.pack("<Q", len(_OVERLAPPING)) + _OVERLAPPING + b"\0" * 8),
        "rule.safetensors", "not a safetensors file",
    ),
    "whole numbers as arrays": (
        with_arrays(safetensors.numpy.save({"W1": np.zeros(3, np.int64)})),
        "rule.safetensors: W1", "float32 or float64",
    ),
    "NaN in arrays": (
        with_arrays(safetensors.numpy.save({"W1": np.full(3, np.nan, np.float32)})),
        "rule.safetensors: W1", "not finite",
    ),
    "code beside the data": (raw("run.py", b"print()"), "run.py", "does not belong into an entry"),
    "own verification": (raw("verification-0001.json", b"{}"), "verification-0001.json", "after submission"),
    "own nonce": (raw("nonce.json", b"{}"), "nonce.json", "after submission"),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_every_malformed_entry_has_a_message_of_its_own(name, entry, catalogue):
    mutate, path, message = MALFORMED[name]
    mutate(entry)
    problems = validate_path(entry, submission=True, catalogue=catalogue)
    assert any(p.path == path and message in p.message for p in problems), problems
    assert all(len(str(p)) < 600 and "\n" not in str(p) for p in problems)
    assert not os.path.exists("/tmp/plasticbench-was-exploited")


def test_there_are_at_least_thirty():
    assert len(MALFORMED) >= 30


def test_all_problems_are_listed_at_once(entry, catalogue):
    put("loss", value=0.01)(entry)
    put("rule_hash", value="0" * 64)(entry)
    put("statuses", value=["ok", "ok"])(entry)
    found = {problem.path for problem in validate_path(entry, catalogue=catalogue)}
    assert {"loss", "rule_hash", "statuses", "(folder)"} <= found


def test_an_entry_in_the_wrong_folder_is_told_the_right_one(entry, catalogue):
    moved = entry.rename(entry.with_name("duplicate-slug"))
    (problem,) = validate_path(moved, catalogue=catalogue)
    assert problem.path == "(folder)"
    assert f"{entry.parent.name}/{entry.name} wanted" in problem.message


def test_links_are_not_followed(entry, catalogue, tmp_path):
    (tmp_path / "secret").write_text((entry / ENTRY_FILE).read_text())
    (entry / ENTRY_FILE).unlink()
    (entry / ENTRY_FILE).symlink_to(tmp_path / "secret")
    assert "is a link" in str(validate_path(entry, catalogue=catalogue)[0])


def test_a_missing_path_and_a_foreign_file_are_said_to_be_so(tmp_path, catalogue):
    assert "no such file or folder" in validate_path(tmp_path / "none", catalogue=catalogue)[0].message
    (tmp_path / "notes.json").write_text("{}")
    assert validate_path(tmp_path / "notes.json", catalogue=catalogue)[0].path == "format"


RESULT_MUTATIONS = {
    "not official": ({"official": False}, "official"),
    "no rule": ({"rule": "oja"}, "rule"),
    "other format": ({"format": "something"}, "format"),
    "foreign field in learned": ({"learned": {"password": 1}}, "provenance"),
    "learned no object": ({"learned": []}, "learned"),
    "edited mean": ({"loss": 0.0}, "loss"),
    "NaN": ({"wall_s": float("nan")}, "wall_s"),
    "no such task": ({"task": "plasticbench/None-v0"}, "task"),
    "task of wrong type": ({"task": 7}, "task"),
}


@pytest.mark.parametrize("name", RESULT_MUTATIONS)
def test_a_bad_result_is_refused_by_submit_and_validate_alike(name, tmp_path, catalogue):
    changes, path = RESULT_MUTATIONS[name]
    data = {**copy.deepcopy(result_json(catalogue, rule_json("good", 0.3))), **changes}
    file = tmp_path / "result.json"
    file.write_text(json.dumps(data))
    problems = validate_path(file, catalogue=catalogue)
    assert path in [problem.path for problem in problems], problems
    with pytest.raises(PlasticbenchError) as caught:
        submit(file, tmp_path / "board", catalogue=catalogue)
    assert str(problems[0]) in str(caught.value)
    assert [p for p in (tmp_path / "board").rglob("*") if p.is_file()] == []
