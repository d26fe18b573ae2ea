"""No task is solved by a rule that knows nothing."""

import pytest

import plasticbench
from plasticbench.language.parse import MAX_NODES
from plasticbench.tasks.null_attacks import EPSILON, attack, attacks


def _tasks():
    for task_id in plasticbench.task_ids():
        spiking = plasticbench.task(task_id).track == "spiking"
        yield pytest.param(task_id, marks=[pytest.mark.slow] if spiking else [])


@pytest.mark.parametrize("task_id", list(_tasks()))
def test_rules_that_know_nothing_score_no_better_than_frozen_weights(task_id):
    task = plasticbench.task(task_id)
    outcomes = attack(task)
    through = {outcome.name: round(outcome.score_above_null, 3) for outcome in outcomes if outcome.passed}
    assert through == {}, f"more than {EPSILON} above the null rule"
    zero = next(outcome for outcome in outcomes if outcome.name == "zero")
    assert zero.score_above_null == pytest.approx(0.0, abs=1e-9)
    best = min(outcome.loss for outcome in outcomes)
    if task.blind_loss is not None:
        assert task.blind_loss == pytest.approx(best, rel=0.01)


@pytest.mark.parametrize("track", ["rate", "spiking"])
def test_the_attacks_are_rules_like_any_other(track):
    for name, rule in attacks(track).items():
        assert rule.kind == track
        text = rule.pathways["*"].to_json()["on_step" if track == "rate" else "on_pre"]
        assert 0 < len(text) < MAX_NODES, name
