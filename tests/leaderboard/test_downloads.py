"""What can be taken away from the site: tables, references, evidence, dates; and differences pair by pair."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from small_tasks import SmallTask, make_catalogue, result_json, rule_json

from plasticbench.leaderboard import open_board, submit, verify
from plasticbench.leaderboard.differences import differences
from plasticbench.leaderboard.downloads import page_tables, table_files
from plasticbench.leaderboard.history import records_of_best
from plasticbench.leaderboard.ranking import difference_intervals
from plasticbench.leaderboard.references import bibtex
from plasticbench.leaderboard.standings import task_standings
from plasticbench.leaderboard.website import site_files

SMALL = "plasticbench/Small-v0"


def put(folder, catalogue, name, base, **changes):
    path = folder / "result.json"
    path.write_text(json.dumps(result_json(catalogue, rule_json(name, base), SMALL, **changes)))
    return verify(submit(path, folder / "board", catalogue=catalogue), folder / "board", catalogue=catalogue)


@pytest.fixture
def catalogue():
    return make_catalogue(SmallTask(SMALL))


@pytest.fixture
def board(tmp_path, catalogue):
    for name, base in {"alpha": 0.5, "beta": 0.1, "zeta": 0.3}.items():
        put(tmp_path, catalogue, name, base)
    return open_board(tmp_path / "board", catalogue)


def test_a_cell_says_its_raw_values_and_formulas_are_harmless():
    page = """<table data-name="t"><thead><tr class="families"><th>above</th></tr>
    <tr><th data-key="rule">R</th><th class="num" data-key="score"></th><th class="num fold" data-key="f"></th></tr>
    </thead><tbody><tr><th data-value="=1+1">x</th>
    <td class="num" data-raw="-1|2.5">short</td><td class="fold">9</td></tr>
    <tr><td>b | c</td><td class="num">–</td><td class="fold"></td></tr></tbody></table>
    <table><tr><td>no</td></tr></table>"""
    (table,) = page_tables(page)
    assert table.columns == ["rule", "score, low", "score, high"]
    assert table.values == [["=1+1", -1.0, 2.5], ["b | c", None, None]]
    files = table_files("tasks/x.html", page)
    assert list(files) == ["tasks/x.t.csv", "tasks/x.t.json"]
    rows = list(csv.reader(io.StringIO(files["tasks/x.t.csv"].decode())))
    assert rows[1:] == [["'=1+1", "-1.0", "2.5"], ["b | c", "", ""]]
    assert json.loads(files["tasks/x.t.json"])[1]["score, low"] is None


def test_every_table_of_every_page_has_both_its_files_and_no_column_twice(board):
    files = site_files(board)
    n = 0
    for name in [name for name in files if name.endswith(".html")]:
        text = files[name].decode()
        tables = page_tables(text)
        assert text.count("<table") == len(tables), name
        for table in tables:
            n += 1
            assert len(set(table.columns)) == len(table.columns), (name, table.columns)
            assert all(len(row) == len(table.columns) for row in table.values), (name, table.name)
            for kind in ("csv", "json"):
                file = f"{name.removesuffix('.html')}.{table.name}.{kind}"
                assert file in files
                assert f'"{file.rpartition("/")[2]}" download' in text
    assert n >= 8


def test_every_row_links_to_what_was_claimed_and_to_what_was_found(board):
    files = site_files(board)
    claim = json.loads(files[next(name for name in files if name.startswith("entries/Small-v0/beta"))])
    assert claim["rule"] == "beta"
    (found,) = [name for name in files if name.startswith("entries/Small-v0/beta") and "verification" in name]
    assert json.loads(files[found])["state"] == "verified"
    assert f'href="../{found}"' in files["tasks/Small-v0.html"].decode()


def test_a_reference_is_cited_word_for_word_and_no_field_is_guessed():
    text = bibtex("oja-1", "The rule oja", "Oja & Co, J. Math. Biol. 15:267 (1982), doi:10.1007/BF00275687")
    assert text == (
        "@misc{oja-1,\n  title = {The rule oja},\n"
        "  note = {Oja \\& Co, J. Math. Biol. 15:267 (1982), doi:10.1007/BF00275687},\n"
        "  year = {1982},\n  doi = {10.1007/BF00275687}\n}\n"
    )
    assert bibtex("k", "t", " ") == ""
    two = bibtex("k", "t", "A (2001), doi:10.1/a; B (2002), doi:10.1/b")
    assert "year" not in two
    assert "doi = " not in two
    hostile = bibtex("k}{", "t", "}, author = {me} \\input{x}\n@misc{y,")
    assert hostile.count("{") == hostile.count("}") == 3
    assert "\\input" not in hostile


def test_differences_are_those_of_the_means_and_colours_are_the_letters(board):
    table = task_standings(board, SMALL)
    rows = differences(table)
    for i, (row, cells) in enumerate(rows):
        for j, cell in enumerate(cells):
            other = table.ranked[j]
            if i == j:
                assert cell is None
                continue
            assert cell.value == pytest.approx(row.loss - other.loss)
            assert cell.interval[0] < cell.value < cell.interval[1]
            assert (cell.verdict == 0) == bool(set(row.group) & set(other.group))
            assert cell.value * rows[j][1][i].value < 0
    assert [cell.verdict for cell in rows[0][1][1:]] == [-1, -1]


def test_a_common_draw_makes_a_difference_paired_and_its_interval_narrow():
    noise = np.random.default_rng(0).normal(size=40)
    values, paired = difference_intervals([{"round": noise}, {"round": noise + 0.01}])
    assert values[0, 1] == pytest.approx(-0.01)
    assert paired[0, 1] == pytest.approx([-0.01, -0.01])
    _, apart = difference_intervals([{"own": noise}, {"other": noise + 0.01}])
    assert apart[0, 1, 1] - apart[0, 1, 0] > 0.3


def test_the_history_of_a_task_lists_each_new_lowest_loss_by_its_date(tmp_path, catalogue, monkeypatch):
    for date, name, base in (
        ("2027-01-02", "second", 0.3), ("2027-01-01", "first", 0.5), ("2027-01-03", "worse", 0.4),
        ("2027-02-01", "third", 0.2),
    ):  # fmt: skip
        monkeypatch.setattr("plasticbench.leaderboard.verification.today", lambda date=date: date)
        put(tmp_path, catalogue, name, base)
    board = open_board(tmp_path / "board", catalogue)
    found = [(date, row.name) for date, row in records_of_best(task_standings(board, SMALL))]
    assert found == [("2027-01-01", "first"), ("2027-01-02", "second"), ("2027-02-01", "third")]
    files = site_files(board)
    assert "2027-02-01" in files["index.html"].decode()
    assert json.loads(files["board.json"])["date"] == "2027-02-01"
    assert "2027-01-02" in files["tasks/Small-v0.html"].decode()
    assert site_files(open_board(tmp_path / "board", replace(catalogue))) == files  # no clock is read
