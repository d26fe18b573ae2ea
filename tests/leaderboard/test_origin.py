"""Where rules come from: declared, shown on every surface, and never more than what is so."""

import json
import re

import pytest
from small_tasks import rule_json

from plasticbench.command_line.describe import describe_rule
from plasticbench.errors import PlasticbenchError
from plasticbench.leaderboard import board_json, board_table, open_board, submit, validate_path, verify, write_site
from plasticbench.leaderboard.entry import ENTRY_FILE
from plasticbench.leaderboard.origin import origin_of
from plasticbench.rules import known_rules, load_rule
from plasticbench.rules.codec import rule_from_json, rule_to_json
from plasticbench.rules.rule import AS_PUBLISHED, LEARNED, NUMBERS_LEARNED, PROVENANCES, UNPUBLISHED, VARIANT

LEARNER = {"learner": {"name": "gradient"}, "cost": {"lifetimes": 100}}


def entry_of(board, catalogue):
    (entry,) = open_board(board, catalogue).entries
    return entry


@pytest.mark.parametrize("origin", PROVENANCES)
def test_what_is_declared_is_what_the_board_says(origin, write_result, tmp_path, catalogue):
    learned = LEARNER if "learned" in origin else {}
    result = write_result(rule_json("mine", 0.3), learned=learned)
    submit(result, tmp_path / "board", about={"origin": origin}, catalogue=catalogue)
    entry = entry_of(tmp_path / "board", catalogue)
    assert entry.origin == entry.provenance["origin"] == origin
    verify(entry, tmp_path / "board", catalogue=catalogue)
    board = open_board(tmp_path / "board", catalogue)
    assert origin in board_table(board, "plasticbench/Small-v0")
    assert board_json(board)["tasks"][0]["entries"][0]["origin"] == origin
    page = next((write_site(board, tmp_path / "site").parent / "rules").glob("mine-*.html")).read_text("utf-8")
    assert f"<b>{origin.capitalize()}.</b>" in page
    others = {other.capitalize() for other in PROVENANCES} - {origin.capitalize()}
    assert not any(f"<b>{other}.</b>" in page for other in others)


def test_nobody_says_that_an_anonymous_rule_is_published(write_result, tmp_path, catalogue):
    submit(write_result(rule_json("mine", 0.3)), tmp_path / "board", catalogue=catalogue)
    assert entry_of(tmp_path / "board", catalogue).origin == UNPUBLISHED
    site = write_site(open_board(tmp_path / "board", catalogue), tmp_path / "site").parent
    page = next((site / "rules").glob("mine-*.html"))
    assert "ublished" in page.read_text("utf-8")
    assert not re.search("(?<!un)published", page.read_text("utf-8").lower().split("where it comes from")[1])


def test_what_the_rule_says_itself_is_taken_and_a_learner_s_rule_was_learned(write_result, tmp_path, catalogue):
    submit(write_result({**rule_json("a", 0.3), "provenance": VARIANT}), tmp_path / "a", catalogue=catalogue)
    submit(write_result(rule_json("b", 0.3), learned=LEARNER), tmp_path / "b", catalogue=catalogue)
    assert entry_of(tmp_path / "a", catalogue).origin == VARIANT
    assert entry_of(tmp_path / "b", catalogue).origin == LEARNED


def test_an_entry_from_before_has_what_the_library_says_of_its_rule(write_result, tmp_path, catalogue):
    path = submit(write_result(rule_json("mine", 0.3)), tmp_path / "board", catalogue=catalogue)
    data = json.loads((path / ENTRY_FILE).read_text())
    del data["provenance"]["origin"]
    (path / ENTRY_FILE).write_text(json.dumps(data))
    assert validate_path(path, catalogue=catalogue) == []
    assert entry_of(tmp_path / "board", catalogue).origin == UNPUBLISHED
    assert origin_of({}, {}, load_rule("bcm").hash) == VARIANT
    assert origin_of({}, {}, load_rule("hebbian-decay").hash) == NUMBERS_LEARNED
    assert origin_of({"learner": {}}, {}, "0" * 64) == LEARNED


@pytest.mark.parametrize(
    ("about", "learned", "rule", "message"),
    [
        ({"origin": "mine"}, {}, {}, "origin: found 'mine', expected 'as published' or"),
        ({"origin": AS_PUBLISHED}, LEARNER, {}, "a learner found the rule"),
        ({"origin": VARIANT}, {}, {"reference": ""}, "no publication is named"),
    ],
)
def test_a_claim_that_cannot_be_is_refused(about, learned, rule, message, write_result, tmp_path, catalogue):
    result = write_result({**rule_json("mine", 0.3), **rule}, learned=learned)
    with pytest.raises(PlasticbenchError, match=message):
        submit(result, tmp_path / "board", about=about, catalogue=catalogue)


def test_every_known_rule_says_where_it_comes_from_as_its_note_does():
    for name, rule in known_rules().items():
        assert rule.provenance in PROVENANCES, name
        learned = "learned here" in rule.note
        assert (rule.provenance in (NUMBERS_LEARNED, LEARNED)) == learned, name
        if rule.note.startswith("Variant"):
            assert rule.provenance == VARIANT, name
        if "not verified" in rule.note:
            assert rule.unverified, name
    assert known_rules()["bcm"].provenance == VARIANT
    assert "variant of a published rule" in describe_rule(load_rule("bcm"))


def test_what_is_from_memory_is_labelled_on_the_card(write_result, tmp_path, catalogue):
    rule = {**rule_json("mine", 0.3), "unverified": "eta, from memory"}
    submit(write_result(rule), tmp_path / "board", catalogue=catalogue)
    site = write_site(open_board(tmp_path / "board", catalogue), tmp_path / "site").parent
    page = next((site / "rules").glob("mine-*.html")).read_text("utf-8")
    assert "Not verified against the source: eta, from memory." in page
    assert "not verified against the source: A2_minus, from memory" in describe_rule(load_rule("pfister-gerstner-2006"))


def test_what_is_said_of_a_rule_is_kept_in_its_file_and_no_part_of_its_hash():
    plain = rule_from_json(rule_json("mine", 0.3))
    told = rule_from_json({**rule_json("mine", 0.3), "provenance": VARIANT, "unverified": "eta"})
    assert told.hash == plain.hash
    assert rule_from_json(rule_to_json(told)).provenance == VARIANT
    assert rule_to_json(told)["unverified"] == "eta"
    with pytest.raises(PlasticbenchError, match="provenance: found 'mine', expected"):
        rule_from_json({**rule_json("mine", 0.3), "provenance": "mine"})
