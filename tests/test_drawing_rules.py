"""What a picture of a rule assumes, and what it shows of experimenters' protocols."""

import math

import numpy as np
import pytest

from plasticbench import load_rule
from plasticbench.command_line.cli import main
from plasticbench.drawing.rules import rule_picture
from plasticbench.drawing.synapse import shown_at
from plasticbench.drawing.timing import lone_groups, rate_dependence, timing_window
from plasticbench.rules import Rule, rule_from_json
from plasticbench.rules.pathway import PathwayRule


def multiplicative():
    """Potentiation towards the bound, depression towards 0: at half the bound it does both."""
    pathway = {
        "traces": {"x_pre": "tau", "x_post": "tau"},
        "on_pre": "-x_post * w",
        "on_post": "x_pre * (w_max - w)",
        "parameters": {"tau": 0.02},
    }
    return rule_from_json({"format": "plasticbench/rule@1", "name": "multiplicative", "pathways": {"*": pathway}})


def test_a_rule_is_shown_inside_the_weight_range():
    """At w = 0.5 with the bound 0.3 potentiation would look like depression."""
    rule = multiplicative()
    shown = shown_at(rule)
    assert 0.0 < shown.w < shown.w_max == 0.3
    window = timing_window(rule, "*", shown=shown)
    assert (window.change[window.delay_s > 0] > 0).all()
    assert (window.change[window.delay_s < 0] < 0).all()
    assert shown_at(rule, w_max=3.0).w == 1.5
    assert shown_at(rule, w=0.1).w == 0.1


def test_the_assumption_is_stated_with_the_voltage_where_a_rule_reads_it():
    assert shown_at(multiplicative()).words == "w = 0.15 of at most 0.3"
    reader = Rule("reader", {"*": PathwayRule.make({"on_pre": "v"}, {})})
    assert shown_at(reader).words.endswith("membrane at -60 mV")
    assert timing_window(reader, "*").change == pytest.approx(np.full(200, -0.06))
    assert shown_at(load_rule("oja")).words == "w = 0.5"


def test_a_lone_pair_and_triplets_have_the_changes_that_follow_from_the_equations():
    rule = load_rule("song-2000")
    decay = math.exp(-0.01 / 0.02)
    found = lone_groups(rule, "*")
    assert found["pre post"] == pytest.approx(0.003 * decay)
    assert found["post pre"] == pytest.approx(-0.00315 * decay)
    assert found["pre post pre"] == pytest.approx(0.003 * decay - 0.00315 * decay)
    assert found["post pre post"] == pytest.approx(found["pre post pre"])


def test_pairs_in_a_train_meet_their_neighbours_as_geometric_series_say():
    found = rate_dependence(load_rule("song-2000"), "*")
    period_s = 1.0 / found.rate_hz
    all_before = 1.0 / (1.0 - np.exp(-period_s / 0.02))
    near, far = np.exp(-0.01 / 0.02) * all_before, np.exp(-(period_s - 0.01) / 0.02) * all_before
    assert found.post_late == pytest.approx(0.003 * near - 0.00315 * far, rel=1e-6)
    assert found.post_early == pytest.approx(0.003 * far - 0.00315 * near, rel=1e-6)


@pytest.mark.parametrize("name", ["song-2000", "oja", "triplet-full", "null"])
def test_a_picture_is_drawn_at_a_weight_of_choice(name):
    assert rule_picture(load_rule(name), 0.2).startswith(b"\x89PNG")


def test_the_weight_of_a_picture_is_an_option_and_makes_no_sense_without_one(tmp_path, capsys):
    file = tmp_path / "rule.png"
    assert main(["show", "song-2000", "--png", str(file), "--w", "0.1"]) == 0
    assert file.read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()
    assert main(["show", "song-2000", "--w", "0.1"]) == 2
    assert "w: " in capsys.readouterr().err
    assert main(["show", "song-2000", "--png", str(file), "--w", "-1"]) == 2
    assert "no weight" in capsys.readouterr().err
