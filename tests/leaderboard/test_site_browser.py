"""The site in a real browser: filters, search, sorting, what an address says, files, folding families, a phone."""

import csv
import json

import pytest
from browser import Browser, find_browser
from small_tasks import SmallTask, make_catalogue, result_json, rule_json

from plasticbench.leaderboard import board_json, open_board, submit, verify, write_site

LEARNED = {"learner": "gradient", "seed": 0, "training_tasks": ["plasticbench/Small1-v0"], "lifetimes": 5000}


class Many:
    """A family of its own."""


class ManySmallTask(SmallTask, Many):
    """One of it."""


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """Thirty tasks of one family and one of another; a learned rule and two that nobody learned."""
    catalogue = make_catalogue(
        *(ManySmallTask(f"plasticbench/Small{k}-v0", title=f"Small task {k}") for k in range(1, 31)),
        SmallTask("plasticbench/Other-v0", title="Another task"),
        SmallTask("plasticbench/Spiking-v0", "spiking", title="A spiking task"),
    )
    folder = tmp_path_factory.mktemp("board")
    for task_id in ("plasticbench/Small1-v0", "plasticbench/Other-v0", "plasticbench/Spiking-v0"):
        for name, base in {"alpha": 0.5, "beta": 0.1, "zeta": 0.3}.items():
            if task_id == "plasticbench/Spiking-v0" and name == "zeta":
                continue
            learned = LEARNED if name == "beta" else {}
            result = result_json(catalogue, rule_json(name, base), task_id, learned=learned)
            (folder / "result.json").write_text(json.dumps(result))
            verify(submit(folder / "result.json", folder / "board", catalogue=catalogue), catalogue=catalogue)
    return open_board(folder / "board", catalogue)


@pytest.fixture(scope="module")
def site(board, tmp_path_factory):
    return write_site(board, tmp_path_factory.mktemp("site")).parent


@pytest.fixture(scope="module")
def window():
    found = find_browser()
    if found is None:
        pytest.skip("needs chromium and chromedriver")
    with Browser(*found, width=1400) as browser:
        yield browser


ROWS = "return [...document.querySelectorAll('{} tbody tr')].filter(r => r.offsetParent).map(r => r.cells[0].innerText)"


def rows(window, name="rate"):
    return window.run(ROWS.format(f"table[data-name={name}]"))


def choose(window, field, value):
    window.run(
        f"const f = document.forms[0].elements[{field!r}]; f.value = {value!r}; "
        "f.dispatchEvent(new Event('input', {bubbles: true}))"
    )


def address(window):
    return window.run("return location.hash")


def test_a_search_leaves_what_it_names_and_puts_empty_tracks_away(window, site):
    window.open((site / "index.html").as_uri())
    assert rows(window) == ["beta", "zeta", "alpha"]
    choose(window, "q", "zet")
    assert rows(window) == ["zeta"]
    assert rows(window, "spiking") == []
    assert window.run("return [...document.querySelectorAll('h2')].filter(h => h.offsetParent).length") == 1
    assert address(window) == "#q=zet"
    choose(window, "q", "nobody")
    assert window.run("return document.querySelector('.nothing').offsetParent !== null")
    window.click("form.filters button[type=reset]")
    window.run("return new Promise(done => setTimeout(done, 20))")
    assert rows(window) == ["beta", "zeta", "alpha"]
    assert address(window) == ""


def test_track_family_and_provenance_choose_rows_and_columns(window, site):
    window.open((site / "index.html").as_uri())
    choose(window, "track", "spiking")
    assert rows(window) == []
    assert rows(window, "spiking") == ["beta", "alpha"]
    choose(window, "track", "")
    choose(window, "origin", "learned here")
    assert rows(window) == ["beta"]
    choose(window, "origin", "")
    choose(window, "family", "Small")
    shown = "return [...document.querySelectorAll('table[data-name=rate] thead tr:last-child th')]"
    shown += ".filter(h => h.offsetParent).map(h => h.dataset.key)"
    assert window.run(shown) == ["rule", "best on", "beats ignorance, share", "Other-v0"]


def test_an_address_gives_the_same_view_to_whoever_opens_it(window, site):
    window.open((site / "index.html").as_uri())
    choose(window, "track", "rate")
    window.click("table[data-name=rate] th:first-child button")
    window.click("table[data-name=rate] th:first-child button")
    assert rows(window) == ["zeta", "beta", "alpha"]
    kept = address(window)
    window.open("about:blank")
    window.open((site / "index.html").as_uri() + kept)
    assert rows(window) == ["zeta", "beta", "alpha"]
    assert rows(window, "spiking") == []
    window.open((site / "tasks" / "Small1-v0.html").as_uri() + "#sort=ranking:rule:descending")
    assert window.run("return document.querySelector('tbody tr td:nth-child(2) a').textContent") == "zeta"


def test_a_matrix_fits_its_page_with_families_folded_and_opens_on_demand(window, site):
    window.open((site / "index.html").as_uri())
    beyond = (
        "const t = document.querySelector('table[data-name=rate]'); return t.scrollWidth - t.parentElement.clientWidth"
    )
    columns = "return [...document.querySelectorAll('table[data-name=rate] thead tr:last-child th')]"
    columns += ".filter(h => h.offsetParent).length"
    assert window.run(beyond) <= 0
    assert window.run(columns) == 5  # rule, two counts, the folded family, the other task
    assert window.run("return document.querySelector('td.fold .heat').innerText") == "1/1"
    window.click(".families th button")
    assert window.run(columns) == 34
    assert address(window) == "#open=Many"
    window.click(".families th button")
    assert window.run(columns) == 5


def test_a_phone_shows_each_task_s_ranking_with_score_and_interval(site):
    found = find_browser()
    if found is None:
        pytest.skip("needs chromium and chromedriver")
    with Browser(*found, width=500, height=800) as phone:
        phone.open((site / "index.html").as_uri())
        assert phone.run("return document.querySelector('table').offsetParent") is None
        phone.click(".phone summary")
        first = phone.run("return document.querySelector('.phone details li').innerText").split("\n")
        assert first[:2] == ["1", "beta"]
        assert " to " in first[-1]
        assert rows(phone) == []
        choose(phone, "family", "Small")
        titles = (
            "return [...document.querySelectorAll('.phone summary')].filter(s => s.offsetParent).map(s => s.innerText)"
        )
        assert [title.split("\n")[0] for title in phone.run(titles)] == ["Another task", "A spiking task"]


def test_every_table_s_files_say_what_its_page_says(window, site):
    window.open((site / "tasks" / "Small1-v0.html").as_uri())
    links = window.run("return [...document.querySelectorAll('a[download]')].map(a => a.getAttribute('href'))")
    assert {"Small1-v0.ranking.csv", "Small1-v0.ranking.json", "Small1-v0.differences.csv", "Small1-v0.bib"} <= {*links}
    with (site / "tasks" / "Small1-v0.ranking.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["rule"] for row in found] == ["beta", "zeta", "alpha"]
    shown = window.run(
        "return [...document.querySelectorAll('table[data-name=ranking] tbody tr')].map(r => r.cells[2].innerText)"
    )
    assert [f"{float(row['score']):.3f}" for row in found] == shown
    assert float(found[0]["score, 95 % interval, low"]) < float(found[0]["score"])
    in_json = json.loads((site / "tasks" / "Small1-v0.ranking.json").read_text())
    assert [row["rule"] for row in in_json] == ["beta", "zeta", "alpha"]
    assert in_json[0]["fresh loss"] == pytest.approx(float(found[0]["fresh loss"]))


def test_the_board_s_file_is_what_the_command_prints(site, board):
    found = json.loads((site / "board.json").read_text())
    assert found == json.loads(json.dumps(board_json(board)))
    assert found["version"] == "0.1.0"
    assert found["date"]  # of the newest verification
