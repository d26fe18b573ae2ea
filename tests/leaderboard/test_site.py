"""The site: the same bytes every time, nothing from elsewhere, no stranger's code; and it works in a browser."""

import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import Browser, find_browser
from small_tasks import SmallTask, make_catalogue, result_json, rule_json

from plasticbench.errors import PlasticbenchError
from plasticbench.leaderboard import open_board, submit, verify, write_site
from plasticbench.leaderboard.equations import changes, outer_terms
from plasticbench.leaderboard.prose import indexed, linked, prose
from plasticbench.rules.pathway import PathwayRule
from plasticbench.tasks.rule_map import RuleMap, RuleMapPoint

SMALL, OTHER = "plasticbench/Small-v0", "plasticbench/Other-v0"
HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)">'
LEARNED = {"learner": "gradient", "seed": 0, "training_tasks": [SMALL], "lifetimes": 5000, "options": {"lr": 0.1}}


def place(rule):
    base = rule.for_pathway("ff").parameters["base"]
    return None if base == 0.3 else RuleMapPoint(base, 0.5, share=base, predicted=None)


MAP = RuleMap(
    "A map", "Sides of x_ij.", "x_pre", "y", "a line", "above", "below", "share", ("none", "all"), "rate",
    {"angle_deg": "angle"}, place,
)  # fmt: skip


@pytest.fixture(scope="module")
def catalogue():
    return make_catalogue(
        SmallTask(SMALL, description="## Life\n\nOne neuron and `w`.\n\n- first\n- second"),
        SmallTask(OTHER, title="Another task", rule_map=MAP),
        SmallTask("plasticbench/Spiking-v0", "spiking", "1", 50, HOSTILE, HOSTILE, HOSTILE, HOSTILE),
    )


@pytest.fixture(scope="module")
def board(tmp_path_factory, catalogue):
    """Verified, learned, hostile, self-reported and rejected entries."""
    folder = tmp_path_factory.mktemp("board")
    rules = {"alpha": 0.5, "reference": 0.1, "zeta": 0.3}
    for task_id in (SMALL, OTHER):
        for name, base in rules.items():
            learned = LEARNED if name == "zeta" else {}
            put(folder, catalogue, rule_json(name, base), task_id, learned=learned)
    put(folder, catalogue, rule_json("claimed", 0.05), SMALL, verified=False)
    result = result_json(catalogue, rule_json("edited", 0.4))
    shifted = [loss - 0.1 for loss in result["losses"]]
    task = catalogue.tasks[SMALL]
    loss = sum(shifted) / len(shifted)
    score = task.score(loss)
    put(
        folder, catalogue, rule_json("edited", 0.4), SMALL,
        losses=shifted, loss=loss, score=score, score_interval=[score - 0.1, score + 0.1],
    )  # fmt: skip
    hostile = rule_json("hostile", 0.7)
    hostile["reference"] = hostile["note"] = HOSTILE
    put(
        folder,
        catalogue,
        hostile,
        OTHER,
        learned={**LEARNED, "learner": HOSTILE, "options": {HOSTILE: HOSTILE}, "authors": [HOSTILE], "notes": HOSTILE},
    )
    return open_board(folder / "board", catalogue)


def put(folder, catalogue, rule, task_id, verified=True, **changes):
    (folder / "result.json").write_text(json.dumps(result_json(catalogue, rule, task_id, **changes)))
    path = submit(folder / "result.json", folder / "board", catalogue=catalogue)
    if verified:
        verify(path, folder / "board", catalogue=catalogue)


@pytest.fixture(scope="module")
def site(board, tmp_path_factory):
    return write_site(board, tmp_path_factory.mktemp("site")).parent


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_same_board_gives_the_same_bytes(site, board, catalogue, tmp_path):
    again = open_board(board.folders[0], replace(catalogue))
    write_site(again, tmp_path)
    assert content(tmp_path) == content(site)


def test_there_is_a_page_for_every_task_and_every_rule(site, catalogue):
    assert {p.stem for p in (site / "tasks").glob("*.html")} == {"Small-v0", "Other-v0", "Spiking-v0"}
    rules = {p.stem.rsplit("-", 1)[0] for p in (site / "rules").glob("*.html")}
    assert rules == {"alpha", "reference", "zeta", "claimed", "edited", "hostile"}
    for path in (site / "rules").glob("*.json"):
        is_table = "." in path.stem
        assert is_table or catalogue.load_rule(path).name == path.stem.rsplit("-", 1)[0]


def test_a_rule_that_is_best_at_something_stands_above_one_that_is_bad_at_everything(tmp_path, catalogue):
    for task_id, rules in ((SMALL, {"bad": 0.9, "specialist": 0.2}), (OTHER, {"bad": 0.9, "good": 0.3})):
        for name, base in rules.items():
            put(tmp_path, catalogue, rule_json(name, base), task_id)
    board = open_board(tmp_path / "board", catalogue)
    text = (write_site(board, tmp_path / "site").parent / "index.html").read_text()
    names = re.findall(r'href="rules/([a-z]+)-', text.partition('<div class="phone">')[0])
    assert names == ["specialist", "good", "bad"]


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.sources: list[str] = []
        self.anchors: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            assert not name.startswith("on"), f"{tag} has {name}"
            if name in ("src", "href", "data", "poster", "srcset", "action") and value is not None:
                (self.anchors if tag == "a" else self.sources).append(value)


def test_nothing_is_requested_from_elsewhere_and_every_link_leads_somewhere(site):
    for path in site.rglob("*.html"):
        links = _Links()
        links.feed(path.read_text())
        for source in links.sources:
            assert source.startswith("data:") or (path.parent / source).is_file(), (path, source)
        for anchor in links.anchors:
            assert anchor.startswith("https://doi.org/") or (path.parent / anchor).is_file(), (path, anchor)
    for name in ("style.css", "board.js"):
        assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttp", (site / name).read_text())


def test_what_a_stranger_wrote_is_shown_not_run(site):
    for path in site.rglob("*.html"):
        links = _Links()
        links.feed(path.read_text())
        assert links.tags.count("script") == 1, path
    (card,) = (site / "rules").glob("hostile-*.html")
    assert "&lt;script&gt;" in card.read_text()


def test_hostile_words_are_escaped_wherever_a_page_shows_them():
    """Every page kind, with each text of task and rule replaced by markup."""
    for text in (
        prose(f"{HOSTILE}\n\n## {HOSTILE}\n\n- {HOSTILE}\n\n`{HOSTILE}` {HOSTILE}"),
        linked(HOSTILE),
        indexed(HOSTILE),
    ):
        assert "<script" not in text
        assert "<img" not in text
    assert "<b>" not in linked("doi:10.1234/<b>x</b>")
    assert '"' not in re.sub(r'<a href="[^"]*">', "", linked('doi:10.1234/"onclick="x'))


def test_the_shape_of_an_array_is_not_a_symbol_with_an_index():
    assert indexed("synapses, (n_synapses,) each") == "synapses, <code>(n_synapses,)</code> each"
    assert indexed("dense (n_post, n_pre)") == "dense <code>(n_post, n_pre)</code>"
    assert indexed("(n_presented, 1, n), N(0, 1)") == "<code>(n_presented, 1, n)</code>, N(0, 1)"
    assert indexed("the bound w_max") == "the bound w<sub>max</sub>"


def test_terms_are_explained_where_they_stand(site):
    text = (site / "tasks" / "Small-v0.html").read_text()
    for term in ("<b>Letters</b>", "<b>Middle half</b>", "<b>Learned in</b>"):
        assert text.index(term) < text.index("<table"), term
    assert "Best on" in (site / "index.html").read_text().partition("<table")[0]


def test_no_card_names_a_best_where_rules_are_tied_or_nothing_is_learned(tmp_path):
    catalogue = make_catalogue(SmallTask(SMALL, blind_loss=0.2), SmallTask(OTHER))
    for task_id in (SMALL, OTHER):
        put(tmp_path, catalogue, rule_json("first", 0.3), task_id)
        put(tmp_path, catalogue, rule_json("second", 0.3, eta=0.2), task_id)
    write_site(open_board(tmp_path / "board", catalogue), tmp_path / "site")
    text = (tmp_path / "site" / "tasks.html").read_text()
    assert "best: " not in text
    assert "2 verified, none better than the best rule that knows nothing" in text
    assert "2 verified, 2 tied for the best" in text


def test_a_rule_that_changes_nothing_leads_nothing_and_stands_apart(tmp_path, catalogue):
    frozen = rule_json("frozen", 0.05)
    frozen["pathways"]["ff"].pop("on_step")
    for task_id in (SMALL, OTHER):
        put(tmp_path, catalogue, frozen, task_id)
    put(tmp_path, catalogue, rule_json("good", 0.1), SMALL)
    write_site(open_board(tmp_path / "board", catalogue), tmp_path / "site")
    first, _, rest = (tmp_path / "site" / "index.html").read_text().partition('<tbody class="apart">')
    assert "good" in first
    assert ">frozen</a>" not in first
    assert ">frozen</a>" in rest


def test_a_rule_that_cannot_be_drawn_keeps_no_page_from_being_written(tmp_path, catalogue):
    rule = rule_json("bomb", 0.3)
    rule["pathways"]["ff"]["on_step"] = "exp(exp(exp(10 + eta*base*noise*w))) * (pre - 1e30*post)**9"
    put(tmp_path, catalogue, rule, SMALL)
    put(tmp_path, catalogue, rule_json("good", 0.1), SMALL)
    write_site(open_board(tmp_path / "board", catalogue), tmp_path / "site")
    assert len(list((tmp_path / "site" / "rules").glob("*.html"))) == 2


def test_entries_that_are_not_ranked_stand_apart_with_the_reason(site):
    text = (site / "tasks" / "Small-v0.html").read_text()
    ranked, _, rest = text.partition("Not ranked")
    assert "claimed" not in ranked
    assert "edited" not in ranked
    assert "nobody has simulated it again yet" in rest
    assert "losses are not reproduced" in rest


def test_a_learned_rule_tells_home_from_transfer(site):
    (card,) = (site / "rules").glob("zeta-*.html")
    text = card.read_text()
    assert "learned here" in text
    assert "Transfer to 1 task" in text
    assert "lr = 0.1" in text


def test_equations_are_mathml_with_an_operator_between_terms(site):
    (card,) = (site / "rules").glob("alpha-*.html")
    text = html.unescape(card.read_text())
    assert re.search(r"<math[^>]*>.*<mi>η</mi>.*<msub><mi>x</mi>.*<mtext>pre</mtext>.*<mo>−</mo>.*</math>", text)


def test_a_long_sum_breaks_between_its_terms_only():
    text = r"a + \frac{b + c}{d} - \left(e - f\right) \, g + 10^{-3}"
    assert outer_terms(text) == ["a", r"+ \frac{b + c}{d}", r"- \left(e - f\right) \, g", "+ 10^{-3}"]


def test_a_power_stands_above_its_index_and_a_numbered_parameter_has_its_number_as_index():
    rule = PathwayRule.make({"on_step": "A2_minus * post**2"}, {"A2_minus": 1.0})
    (change,) = changes(rule)
    text = html.unescape(str(change.html))
    assert re.search(r"<msubsup><mi>x</mi><mrow><mtext>post</mtext></mrow><mrow><mn>2</mn></mrow></msubsup>", text)
    assert re.search(r"<msub><mi>A</mi><mrow><mn>2</mn><mo>,</mo><mtext>minus</mtext></mrow></msub>", text)


def test_a_neural_rule_s_equation_is_mathematics_and_its_layers_are_words(tmp_path, catalogue):
    """It read "\\quad \\text{" and "1 identity]}"."""
    rule = rule_json("neural", 0.3)
    network = {
        "inputs": ["pre", "post", "w"], "outputs": ["on_step"], "layers": [2, 1], "activations": ["tanh", "identity"],
        "weights": [[[1, 2, 3], [1, 2, 3]], [[1, 2]]], "biases": [[0, 0], [0]],
    }  # fmt: skip
    rule["pathways"]["ff"] = {"network": network, "parameters": rule["pathways"]["ff"]["parameters"]}
    put(tmp_path, catalogue, rule, SMALL)
    write_site(open_board(tmp_path / "board", catalogue), tmp_path / "site")
    (card,) = (tmp_path / "site" / "rules").glob("neural-*.html")
    text = html.unescape(card.read_text())
    equation = re.search(r'<div class="equation">.*?</div>', text)[0]
    assert "<mi>tanh</mi>" in equation
    assert "\\" not in equation
    assert "[" not in equation
    assert "A network of 2 tanh units, then 1 identity unit." in text


def test_a_task_with_a_theory_shows_ranked_rules_on_its_map(site):
    """Base 0.5 lies on the line; zeta (base 0.3) is not covered; others than those ranked are not drawn."""
    text = (site / "tasks" / "Other-v0.html").read_text()
    _, _, shown = text.partition("A map")
    first, second = re.findall(r'<svg class="scatter".*?</svg>(?=<p class="axis)', shown, re.DOTALL)
    for drawing in (first, second):
        assert drawing.count("<circle") == 3
        for name in ("alpha", "reference", "hostile"):
            assert f">{name}</text>" in drawing
    assert 'class="solutions"' in first
    assert re.search(r'Not on the map[^<]*<a href="[^"]*">zeta</a>', shown)
    assert "x<sub>ij</sub>" in shown
    assert "A map" not in (site / "tasks" / "Small-v0.html").read_text()


def test_a_folder_that_cannot_be_written_is_one_clear_line(board, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PlasticbenchError, match="html"):
        write_site(board, tmp_path / "file" / "site")


@pytest.fixture(scope="module")
def window():
    found = find_browser()
    if found is None:
        pytest.skip("needs chromium and chromedriver")
    with Browser(*found) as browser:
        yield browser


def test_a_browser_sorts_a_table_follows_a_link_and_has_nothing_to_complain_about(window, site):
    window.open((site / "tasks" / "Small-v0.html").as_uri())
    rows = "[...document.querySelectorAll('table')[0].tBodies[0].rows]"
    names = f"return {rows}.map(r => r.cells[1].querySelector('a').textContent)"
    assert window.run(names) == ["reference", "zeta", "alpha"]
    window.click("table th:nth-child(2) button")
    assert window.run(names) == ["alpha", "reference", "zeta"]
    window.click("table th:nth-child(2) button")
    assert window.run(names) == ["zeta", "reference", "alpha"]
    window.click("table th:nth-child(3) button")
    assert window.run(names) == ["reference", "zeta", "alpha"], "a first click on a score sorts the best first"
    assert window.run("return document.querySelector('th:nth-child(3)').getAttribute('aria-sort')") == "descending"
    window.click("table th:nth-child(3) button")
    assert window.run(names) == ["alpha", "zeta", "reference"]
    window.click("tbody tr:first-child a")
    assert window.run("return document.querySelector('h1').textContent") == "alpha"
    assert window.run("return document.querySelector('math').getBoundingClientRect().height") > 5
    pages = [str(p.relative_to(site)) for p in sorted(site.rglob("*.html"))]
    for name in pages:
        window.open((site / name).as_uri())
    assert window.complaints() == []


def test_the_filter_and_the_choice_of_dark(window, site):
    window.open((site / "rules.html").as_uri())
    shown = "return [...document.querySelectorAll('.card.rule')].filter(c => c.offsetParent).length"
    assert window.run(shown) == 6
    window.run("const f = document.forms[0].q; f.value = 'zet'; f.dispatchEvent(new Event('input', {bubbles: true}))")
    assert window.run(shown) == 1
    ground = "return getComputedStyle(document.body).backgroundColor"
    before = window.run(ground)
    window.click("#theme")
    assert window.run(ground) != before


def test_no_page_is_wider_than_a_phone(site):
    found = find_browser()
    if found is None:
        pytest.skip("needs chromium and chromedriver")
    with Browser(*found, width=500, height=800) as phone:  # Chromium's windows are no narrower
        for path in sorted(site.rglob("*.html")):
            phone.open(path.as_uri())
            phone.run("document.documentElement.style.width = '360px'")
            assert phone.run("return document.body.scrollWidth") <= 360, path


def test_the_transfer_page_has_a_cell_for_every_ranked_entry_and_says_what_works(site):
    page = (site / "transfer.html").read_text()
    assert "alpha on Small: " in page
    assert "claimed on Small" not in page  # self-reported
    assert re.search(r"\d of \d reference rules work on a task that they were not made for", page)
    assert 'class="home" title="reference on Small' in page
