"""The entries that come with the package: valid, verified under their tasks' current versions, and ranked."""

import pytest

from plasticbench.leaderboard import open_board, validate_path
from plasticbench.leaderboard.board import bundled_folder
from plasticbench.leaderboard.standings import task_standings


@pytest.fixture(scope="module")
def board():
    if not bundled_folder().is_dir():
        pytest.skip("no bundled entries yet: python -m plasticbench.leaderboard.populate")
    return open_board(bundled_folder())


def test_every_bundled_entry_is_valid(board):
    assert validate_path(bundled_folder()) == []


def test_every_bundled_entry_has_a_verdict_under_the_current_task(board):
    states = {e.name: e.state(board.catalogue.tasks[e.task_id].spec_hash) for e in board.entries}
    assert {name for name, state in states.items() if state not in ("verified", "rejected")} == set()


def test_the_null_and_the_reference_rule_are_where_the_task_says(board):
    for task_id, task in board.catalogue.tasks.items():
        losses = {row.name: row.official_loss for row in task_standings(board, task_id).ranked}
        if "null" in losses:
            assert losses["null"] == pytest.approx(task.null_loss, rel=1e-3), task_id
        if task.reference_rule in losses:
            assert losses[task.reference_rule] == pytest.approx(task.reference_loss, rel=1e-3), task_id
