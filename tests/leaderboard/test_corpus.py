"""A generated corpus of hostile entries: every kind of odd value at every field of every file of an entry."""

import json
import re
import time

import pytest
from small_tasks import SmallTask, make_catalogue, result_json, rule_json

from plasticbench.leaderboard import board_table, open_board, submit, validate_path, verify
from plasticbench.leaderboard.entry import ENTRY_FILE, NONCE_FILE, RULE_FILE

RECORD = "verification-0001.json"
ODD = {
    "null": None,
    "true": True,
    "a negative number": -1,
    "a decimal number": 1.0,
    "a huge number": 1e308,
    "a whole number without end": 10**39,
    "a number as text": "0.1",
    "nothing": "",
    "half of a surrogate pair": "\ud800",
    "a terminal escape": "\x1b]0;title\x07",
    "text that turns": "\u202eabc",
    "long text": "x" * 30_000,
    "a path": "../../../etc/passwd",
    "a list": [],
    "an object": {},
    "nested lists": [[[[[[[[[[[[]]]]]]]]]]]],
    "many values": ["a"] * 9_000,
    "many fields": {f"k{i}": 1 for i in range(1_900)},
}


@pytest.fixture(scope="module")
def verified(tmp_path_factory):
    """A board with one verified entry, of whose every file there is a copy."""
    catalogue, folder = make_catalogue(SmallTask("plasticbench/Small-v0")), tmp_path_factory.mktemp("corpus")
    rule = {**rule_json("good", 0.3), "note": "a note", "provenance": "unpublished"}
    rule["pathways"]["ff"]["traces"] = {}
    learned = {"learner": "gradient", "family": "mlp", "seed": 1, "lifetimes": 5, "options": {"std": 2}}
    (folder / "result.json").write_text(json.dumps(result_json(catalogue, rule, learned=learned)))
    entry = submit(folder / "result.json", folder / "board", catalogue=catalogue)
    verify(entry, folder / "board", catalogue=catalogue)
    return catalogue, entry


def places(value, deepest=3):
    """The containers and keys of a JSON value, of a list its first item."""
    items = list(value.items()) if isinstance(value, dict) else list(enumerate(value))[:1]
    for key, inner in items:
        yield (key,)
        if deepest > 1 and isinstance(inner, dict | list):
            yield from ((key, *rest) for rest in places(inner, deepest - 1))


def put(value, place, odd):
    changed = json.loads(json.dumps(value))
    holder = changed
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = odd
    return changed


@pytest.mark.parametrize("file", [ENTRY_FILE, RULE_FILE, RECORD, NONCE_FILE])
def test_every_kind_of_odd_value_at_every_field_is_valid_or_clean_lines(file, verified):
    catalogue, entry = verified
    whole = (entry / file).read_bytes()
    value = json.loads(whole)
    fields = list(places(value))
    try:
        for number, (place, kind) in enumerate((place, kind) for place in fields for kind in ODD):
            if number % 7 != len(place):  # every kind and every field, not every pair
                continue
            (entry / file).write_text(json.dumps(put(value, place, ODD[kind])))
            start = time.process_time()
            problems = validate_path(entry, catalogue=catalogue)
            assert time.process_time() - start < 2.0, (place, kind)
            assert all(clean(str(p)) and p.path != "(entry)" for p in problems), (place, kind, problems)
            board = open_board(entry.parents[1], catalogue)
            text = board_table(board, "plasticbench/Small-v0")
            assert all(map(clean, text.splitlines())), (place, kind)
            assert entry.name in text or "good" in text
    finally:
        (entry / file).write_bytes(whole)
    assert validate_path(entry, catalogue=catalogue) == []


def clean(line):
    return len(line) < 2_000 and re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", line) is None


def test_there_are_at_least_ninety_five_kinds(verified):
    _, entry = verified
    for file in (ENTRY_FILE, RULE_FILE, RECORD):
        assert len(list(places(json.loads((entry / file).read_bytes())))) * len(ODD) >= 95, file
