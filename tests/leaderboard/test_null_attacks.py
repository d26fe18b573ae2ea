"""No task is solved by a rule that knows nothing."""

import numpy as np
import pytest

import plasticbench
from plasticbench.leaderboard.null_attacks import EPSILON, attack, attacks
from plasticbench.rules.expression import MAX_NODES

N_SEEDS = {"rate": 64, "spiking": 4}


def _tasks():
    for task_id in plasticbench.task_ids():
        spiking = plasticbench.task(task_id).track == "spiking"
        yield pytest.param(task_id, marks=[pytest.mark.slow] if spiking else [])


@pytest.mark.parametrize("task_id", list(_tasks()))
def test_rules_that_know_nothing_score_no_better_than_frozen_weights(task_id):
    task = plasticbench.task(task_id)
    outcomes = attack(task, task.official_seeds[: N_SEEDS[task.track]])
    through = {outcome.name: round(outcome.score_above_null, 3) for outcome in outcomes if outcome.passed}
    assert through == {}, f"more than {EPSILON} above the null rule"
    zero = next(outcome for outcome in outcomes if outcome.name == "zero")
    assert zero.score_above_null == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("track", ["rate", "spiking"])
def test_the_attacks_are_rules_like_any_other(track):
    for name, rule in attacks(track).items():
        assert rule.kind == track
        text = rule.pathways["*"].to_json()["on_step" if track == "rate" else "on_pre"]
        assert 0 < len(text) < MAX_NODES, name


def test_epsilon_is_above_what_the_best_blind_vector_gains_in_three_dimensions():
    task = plasticbench.task("plasticbench/OjaMini-v0")
    lengths = np.linspace(0.0, 1.5, 301)[1:]
    # Mean distance of a vector of this length to the nearer end of a random axis: |cosine| is uniform in 3 dimensions.
    distances = ((1 + lengths**2) ** 1.5 - (1 + lengths**2 - 2 * lengths) ** 1.5) / (3 * lengths)
    gain = task.score(distances.min()) - task.score(task.null_loss)
    assert 0.9 * EPSILON < gain < EPSILON
