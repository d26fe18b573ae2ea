"""Nine statements that the board once made and that were false or misled, on the built page or in the printed text.

Tests beside the code hold the parts: charts (1), origin (2, 6), rounds (3), standings (4, 5), the drawing of rules (9).
"""

import html
import json
import re

import pytest
from small_tasks import SmallTask, make_catalogue, result_json, rule_json

import plasticbench
from plasticbench.command_line.describe import describe_result
from plasticbench.leaderboard import open_board, submit, verify
from plasticbench.leaderboard.website import site_files

SMALL, WIDE, NOISY = "plasticbench/Small-v0", "plasticbench/Wide-v0", "plasticbench/Noisy-v0"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Page -> text: tasks with a clear best, with a tie, and with a wide interval; a rule that changes nothing."""
    catalogue = make_catalogue(SmallTask(SMALL), SmallTask(WIDE, null_loss=0.101), SmallTask(NOISY, blind_loss=0.05))
    folder = tmp_path_factory.mktemp("truth")
    frozen = rule_json("frozen", 0.9)
    frozen["pathways"]["ff"].pop("on_step")
    window = {
        **rule_json("window", 0.6), "format": "plasticbench/rule@1",
        "reference": "Bi & Poo (1998), doi:10.1523/JNEUROSCI.18-24-10464.1998",
    }  # fmt: skip
    window["pathways"]["ff"] = {
        "traces": {"x_pre": "tau", "x_post": "tau"},
        "on_pre": "-0.01 * x_post * w", "on_post": "0.01 * x_pre * (w_max - w)",
        "parameters": {"tau": 0.02, "base": 0.6, "eta": 0.1},
    }  # fmt: skip
    for task_id in catalogue.tasks:
        rules = [rule_json("best", 0.1), rule_json("mine", 0.5), frozen]
        if task_id == SMALL:
            rules += [rule_json("twin", 0.5, eta=0.2), window]
        for rule in rules:
            (folder / "result.json").write_text(json.dumps(result_json(catalogue, rule, task_id)))
            entry = submit(folder / "result.json", folder / "board", catalogue=catalogue, authors=rule["name"])
            verify(entry, folder / "board", catalogue=catalogue)
    files = site_files(open_board(folder / "board", catalogue))
    return {name: html.unescape(text.decode()) for name, text in files.items() if name.endswith(".html")}


def rule_of(pages, name):
    return next(text for page, text in pages.items() if page.startswith(f"rules/{name}-"))


def test_1_an_interval_that_goes_on_has_an_arrow_and_no_cap(pages):
    forest = re.search(r'<div class="forest">.*?<div class="forest-row axis">', pages["tasks/Wide-v0.html"], re.DOTALL)[
        0
    ]
    row = next(row for row in forest.split('<div class="forest-row">') if ">mine<" in row)
    assert 'class="off left"' in row
    assert 'class="cap"' not in row


def test_2_nobody_s_rule_is_called_published_and_its_provenance_is_what_was_declared(pages):
    text = pages["tasks/Small-v0.html"]
    assert "unpublished" in text
    assert "as published" not in text
    assert "Unpublished" in rule_of(pages, "mine")


def test_3_what_is_said_of_ranked_numbers_is_true_and_fresh_stands_beside_official_with_p(pages):
    assert "whose seeds were drawn after the rule had been submitted" in " ".join(pages["index.html"].split())
    head = re.search(r"<thead>.*?</thead>", pages["tasks/Small-v0.html"], re.DOTALL)[0]
    keys = re.findall(r'data-key="([^"]+)"', head)
    assert [key for key in keys if key in ("fresh loss", "official", "p")] == ["fresh loss", "official", "p"]
    row = next(row for row in pages["tasks/Small-v0.html"].split("<tr>") if ">mine</a>" in row and "fresh loss" in row)
    fresh, official = (re.search(rf'data-value="([^"]+)" data-label="{n}"', row)[1] for n in ("fresh loss", "official"))
    assert fresh != official


def test_4_a_card_names_no_best_where_nothing_beats_ignorance(pages):
    card = re.search(r'href="tasks/Noisy-v0.html">.*?</a>', pages["tasks.html"], re.DOTALL)[0]
    assert "best: " not in card
    assert "none better than the best rule that knows nothing" in card


def test_5_what_changes_nothing_has_no_rank_among_the_rules_of_a_track(pages):
    rows, _, apart = pages["index.html"].partition('<div class="phone">')[0].partition('<tbody class="apart">')
    assert ">frozen</a>" not in rows
    assert ">frozen</a>" in apart
    assert not re.search(r"overall", rows, re.IGNORECASE)


def test_6_a_fixed_threshold_is_named_as_the_variant_that_it_is():
    fixed, sliding = plasticbench.load_rule("bcm"), plasticbench.load_rule("bcm-sliding")
    assert fixed.provenance == "variant of a published rule"
    assert "fixed" in fixed.note
    assert any(pathway.traces or pathway.states for pathway in sliding.pathways.values())


def test_7_terms_stand_above_the_table_and_labels_above_the_curves(pages):
    text = pages["tasks/Noisy-v0.html"]
    for term in ("Letters", "Middle half", "Learned in", "knows nothing"):
        assert text.index(term) < text.index("<table"), term
    drawing = re.search(r'<svg class="curves".*?</svg>', rule_of(pages, "window"), re.DOTALL)[0]
    assert drawing.rindex("<path") < drawing.index("<text")
    rate, traces = (re.search(r'<div class="equation">.*?</div>', rule_of(pages, n))[0] for n in ("mine", "window"))
    assert "<mover" not in rate
    assert "<mover" in traces  # a bar over a trace, none over a rate


def test_8_a_part_of_the_lifetimes_is_called_a_part_and_has_no_interval():
    text = describe_result(plasticbench.evaluate("oja", "plasticbench/OjaMini-v0", seeds=4))
    assert "4 of 64 lifetimes" in text
    assert "too few lifetimes for an interval" in text


def test_9_a_window_says_at_which_weight_it_is_drawn_and_lies_within_the_range(pages):
    text = rule_of(pages, "window")
    weight, bound = map(float, re.search(r"at w = ([\d.]+) of at most ([\d.]+)", text).groups())
    assert 0.0 < weight < bound
    assert "pre–post–pre" in text
    assert text.count('<svg class="curves"') == 2  # by delay, by rate
