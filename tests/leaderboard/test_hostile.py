"""Entries that were made to break something: each is one clean line at its own place, and takes no other with it."""

import json
import os
import random
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from small_tasks import SmallTask, make_catalogue, result_json, rule_json

from plasticbench.leaderboard import board_json, board_table, open_board, submit, validate_path, verify_all, write_site
from plasticbench.leaderboard.entry import ENTRY_FILE, RULE_FILE

NETWORK = {
    "inputs": ["pre", "post", "w"], "outputs": ["on_step"], "layers": [2, 1], "activations": ["tanh", "identity"],
    "weights": [[[1, 2, 3], [1, 2, 3]], [[1, 2]]], "biases": [[0, 0], [0]],
}  # fmt: skip


@pytest.fixture(scope="module")
def catalogue():
    return make_catalogue(SmallTask("plasticbench/Small-v0"), SmallTask("plasticbench/Other-v0"))


def put(folder, catalogue, name, base):
    result = folder / "result.json"
    result.write_text(json.dumps(result_json(catalogue, rule_json(name, base))))
    return submit(result, folder / "board", catalogue=catalogue)


@pytest.fixture
def entry(tmp_path, catalogue):
    """A good entry on a board where another good one stands."""
    put(tmp_path, catalogue, "good", 0.3)
    return put(tmp_path, catalogue, "victim", 0.4)


def data(name, change):
    def mutate(folder):
        value = json.loads((folder / name).read_text())
        changed = change(value)
        (folder / name).write_text(json.dumps(value if changed is None else changed))

    return mutate


def text(name, content):
    return lambda folder: (folder / name).write_text(content)


def network(**part):
    return data(RULE_FILE, lambda rule: rule["pathways"].update(ff={"network": {**NETWORK, **part}}))


def provenance(**part):
    return data(ENTRY_FILE, lambda entry: entry["provenance"].update(part))


def odd_file_name(folder):
    (folder / os.fsdecode(b"\xff\x1b[2J")).write_text("")


HOSTILE = {
    "null for the entry": text(ENTRY_FILE, "null"),
    "null for the rule": text(RULE_FILE, "null"),
    "a number for the entry": text(ENTRY_FILE, "1"),
    "surrogate in a note": data(RULE_FILE, lambda rule: rule.update(note="\ud835")),
    "surrogate in an author": provenance(authors=["\udce9"]),
    "surrogate in a key": data(ENTRY_FILE, lambda entry: entry["hardware"].update({"\ud835": 1})),
    "terminal escape in a reference": provenance(reference="\x1b[2J"),
    "text for a network's weight": network(weights=[[["0.1", 2, 3], [1, 2, 3]], [[1, 2]]]),
    "true for a network's weight": network(weights=[[[True, 2, 3], [1, 2, 3]], [[1, 2]]]),
    "1.0 for a layer's size": network(layers=[2.0, 1.0]),
    "true for a layer's size": network(layers=[True, 1], activations=["tanh", "identity"]),
    "1.0 for an array's size": data(
        RULE_FILE, lambda rule: rule.update(arrays={"W": {"shape": [1.0], "float32": "AAAAAA=="}})
    ),
    "1.0 for a seed": data(ENTRY_FILE, lambda entry: entry["seeds"].__setitem__(0, 1000000.0)),
    "20,000 equal keys": text(ENTRY_FILE, "{" + '"a":1,' * 20_000 + '"a":1}'),
    "20,000 keys": text(ENTRY_FILE, json.dumps({str(i): 1 for i in range(20_000)})),
    "20,000 parents": provenance(parents=["a" * 64] * 20_000),
    "10,000 unequal items of many kinds": provenance(parents=[i if i % 2 else [str(i)] for i in range(10_000)]),
    "10,000 losses as text": data(ENTRY_FILE, lambda entry: entry.update(losses=["0.1"] * 10_000)),
    "20,000 parameters": data(
        RULE_FILE, lambda rule: rule["pathways"]["ff"]["parameters"].update({f"a{i}": 1 for i in range(20_000)})
    ),
    "escaped quotes without end": text(ENTRY_FILE, '{"a": "' + '\\"' * 1_900_000),
    "a folder for the entry": lambda folder: ((folder / ENTRY_FILE).unlink(), (folder / ENTRY_FILE).mkdir()),
    "a pipe for the rule": lambda folder: ((folder / RULE_FILE).unlink(), os.mkfifo(folder / RULE_FILE)),
    "a file name that is no text": odd_file_name,
    "a file for the folder": lambda folder: (shutil.rmtree(folder), folder.write_text("x")),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_entry_is_one_clean_line_and_the_others_are_shown(name, entry, catalogue, tmp_path):
    HOSTILE[name](entry)
    start = time.process_time()
    problems = validate_path(tmp_path / "board", catalogue=catalogue)
    board = open_board(tmp_path / "board", catalogue)
    assert [e.data["rule"] for e in board.entries] == ["good"]
    assert time.process_time() - start < 2.0
    assert 0 < len(problems) <= 500
    if "size" in name or "network" in name or "rule" in name:
        assert any(": rule.json" in p.path for p in problems), problems
    for line in (*map(str, problems), *board.broken.values()):
        assert len(line) < 2000
        assert re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", line) is None
        assert "Error" not in line, "an exception got as far as the last net"
    assert list(board.broken) == [f"Small-v0/{entry.name}"]
    assert entry.name in board_table(board)
    assert list(json.loads(json.dumps(board_json(board)))["broken"]) == list(board.broken)
    assert f"Small-v0/{entry.name}" in str(verify_all(board))
    assert entry.name in (write_site(board, tmp_path / "site").parent / "index.html").read_text(encoding="utf-8")


def test_a_defect_of_ours_in_reading_one_entry_hides_no_other(entry, catalogue, tmp_path, monkeypatch):
    def breaks(data, folder):
        if data["name"] == "victim":
            raise ZeroDivisionError("an unforeseen\nfault")
        return catalogue.rule_from_json(data, folder)

    board = open_board(tmp_path / "board", replace(catalogue, rule_from_json=breaks))
    assert [e.data["rule"] for e in board.entries] == ["good"]
    assert list(board.broken.values()) == ["(entry): cannot be read: ZeroDivisionError: an unforeseen fault"]


def mutated(content: bytes, dice: random.Random) -> bytes:
    """An entry's file with one to three small changes: bytes, or values of the JSON object."""
    odd = [
        None,
        True,
        -1,
        1.0,
        1e308,
        10**30,
        "",
        "0.1",
        "\ud800",
        "\x07",
        [],
        {},
        [[]],
        [1] * 300,
        {"a": {}},
        "x" * 9999,
    ]
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(content) + 1)
        kind = dice.randrange(6)
        if kind == 0:
            content = content[:at] + bytes([dice.randrange(256)]) + content[at + 1 :]
        elif kind == 1:
            content = content[:at] + content[min(len(content), at + dice.randint(1, 40)) :]
        elif kind == 2:
            content = (
                content[:at] + dice.choice([b"{", b"]", b'"', b"\\", b"1e999", b"NaN", b",", b"\\u001b"]) + content[at:]
            )
        else:
            try:
                value = json.loads(content)
            except ValueError:
                continue
            holder, key = dice.choice(list(places(value)))
            holder[key] = dice.choice(odd)
            content = json.dumps(value).encode()
    return content


def places(value):
    """Every (container, key) of a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from places(inner)


@pytest.mark.parametrize("file", [ENTRY_FILE, RULE_FILE])
def test_mutated_entries_are_valid_or_clean_errors(file, entry, catalogue):
    dice, whole = random.Random(file), (entry / file).read_bytes()
    valid, rounds = 0, int(os.environ.get("FUZZ_ROUNDS", "700"))
    for _ in range(rounds):
        content = mutated(whole, dice)
        (entry / file).write_bytes(content)
        problems = validate_path(entry, catalogue=catalogue)
        assert all(p.path != "(entry)" and "\n" not in str(p) for p in problems), (content, problems)
        valid += not problems
    assert valid < rounds / 10


def test_a_mutated_result_is_refused_in_one_line(tmp_path, catalogue):
    dice = random.Random(1)
    rule = rule_json("fuzz", 0.3)
    rule["pathways"]["ff"] = {"network": NETWORK, "parameters": rule["pathways"]["ff"]["parameters"]}
    whole = json.dumps(result_json(catalogue, rule)).encode()
    path = Path(tmp_path / "result.json")
    for _ in range(300):
        path.write_bytes(mutated(whole, dice))
        problems = validate_path(path, catalogue=catalogue)
        assert all(p.path != "(entry)" and "\n" not in str(p) for p in problems), (path.read_bytes(), problems)
