"""Function against data: who stands on the front, what the sentences say, and the curves on a task's page."""

import json

import pytest
from small_tasks import SmallTask, make_catalogue, result_json, rule_json

from plasticbench.leaderboard import open_board, submit, verify, write_site
from plasticbench.leaderboard.charts.protocols import ProtocolRow, RuleCurve, protocol_plot
from plasticbench.leaderboard.data_page import pictures
from plasticbench.leaderboard.standings import task_standings
from plasticbench.networks.clamped import ClampedProtocol
from plasticbench.tasks.experiment import Experiment, MeasuredChange

DATA, NETWORK, ELSEWHERE = (f"plasticbench/{name}-v0" for name in ("Data", "Network", "Elsewhere"))
EXPERIMENT = Experiment(
    (
        MeasuredChange(ClampedProtocol("lab.10Hz.10ms", (0.0,), (0.01,)), 0.5, 0.1, 7, "Somebody, doi:10.1000/x"),
        MeasuredChange(ClampedProtocol("lab.20Hz.10ms", (0.0,), (0.01,)), 0.7, 0.1, None, "Somebody, doi:10.1000/x"),
        MeasuredChange(ClampedProtocol("lab.20Hz.0ms", (0.0,), (0.0,)), -0.2, 0.1, 3, "Somebody, doi:10.1000/x", False),
    )
)
CHANGES = {"scale": 2.0, "dw_lab.10Hz.10ms": 0.2, "dw_lab.20Hz.10ms": 0.4, "dw_lab.20Hz.0ms": 0.1}


@pytest.fixture(scope="module")
def catalogue():
    return make_catalogue(
        SmallTask(DATA, track="slice", experiment=EXPERIMENT),
        SmallTask(NETWORK, track="spiking", fails="fits"),
        SmallTask(ELSEWHERE, track="spiking", pathways=("ie",)),
    )


@pytest.fixture(scope="module")
def board(tmp_path_factory, catalogue):
    """`fits` is best on the data and fails in the network; `works` is second and works; `idle` is worse in both."""
    folder = tmp_path_factory.mktemp("board")

    def put(name, base, task_id, **changes):
        path = folder / "result.json"
        path.write_text(json.dumps(result_json(catalogue, rule_json(name, base), task_id, **changes)))
        verify(submit(path, folder / "board", catalogue=catalogue), folder / "board", catalogue=catalogue)

    for name, base in {"fits": 0.2, "works": 0.4, "idle": 0.6, "unlived": 0.3}.items():
        put(name, base, DATA, metrics={key: [value] * 50 for key, value in CHANGES.items()})
        if name != "unlived":
            put(name, base, NETWORK)
    return open_board(folder / "board", catalogue)


@pytest.fixture(scope="module")
def picture(board, catalogue):
    (found,) = pictures({task_id: task_standings(board, task_id) for task_id in catalogue.tasks})
    return found


def test_the_front_has_the_rules_that_no_other_beats_in_both(picture):
    assert [point.name for point in picture.points] == ["fits", "unlived", "works", "idle"]
    assert [point.name for point in picture.both] == ["fits", "works", "idle"]
    assert [point.name for point in picture.front] == ["fits", "works"]


def test_a_rule_stands_at_its_best_score_over_networks_of_the_same_pathway(picture):
    fits, unlived, works, _ = picture.points
    assert unlived.in_network is None
    assert works.network_task == NETWORK
    assert works.score == pytest.approx(works.in_network.score)
    assert works.works
    assert not fits.works
    assert fits.score == -1.0  # a failure without bound is no further away than that


def test_the_sentences_are_the_entries_numbers(picture, catalogue):
    loss = picture.both[0].loss
    assert f"Of the 3 rules with a place in both, fits fits the data best (loss {loss:.3g}" in picture.sentences
    assert "Of the 2 that are better than knowing nothing in a network, 2 are on the data" in picture.sentences
    assert "The best in networks, works" in picture.sentences


def test_the_site_shows_the_page_the_front_and_the_curves(board, tmp_path):
    write_site(board, tmp_path)
    page = (tmp_path / "data.html").read_text(encoding="utf-8")
    assert page.count('class="front"') == 2  # one step of the stairs
    assert "not lived" in page
    task = (tmp_path / "tasks" / "Data-v0.html").read_text(encoding="utf-8")
    assert task.count('<g class="measured') == 3
    assert 'class="measured unscored"' in task
    assert task.count('<rect class="curve-') == 3 * 3  # three rules, three protocols
    assert "doi.org/10.1000/x" in task
    assert "curve-" not in (tmp_path / "tasks" / "Network-v0.html").read_text(encoding="utf-8")


def test_curves_join_the_protocols_of_a_series_and_no_others():
    assert list(EXPERIMENT.joined()) == [[0, 1], [2]]
    rows = [ProtocolRow(row.name, row.mean, row.sem, row.scored, row.n, row.source) for row in EXPERIMENT.rows]
    drawing = protocol_plot(rows, [RuleCurve("r", "#", 1.0, 2.0, (0.1, 0.2, 1e9))], list(EXPERIMENT.joined()))
    assert drawing.count('<line class="curve-1"') == 1


def test_a_board_without_such_entries_says_so(tmp_path, catalogue):
    write_site(open_board(tmp_path / "empty", catalogue), tmp_path / "site")
    assert "No entry on measured data is verified yet" in (tmp_path / "site" / "data.html").read_text(encoding="utf-8")
