"""No task is solved by a rule that knows nothing."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import plasticbench
from plasticbench.language.parse import MAX_NODES
from plasticbench.rules import rule_from_json
from plasticbench.tasks.blind_search import Effort, search_restart, validation_seeds
from plasticbench.tasks.null_attacks import EPSILON, attack, attacks, attacks_on, found_on
from plasticbench.tasks.references import search_blind_rules
from plasticbench.tasks.task import TRAINING_SEED_BASE
from plasticbench.tasks.uninformed import uninformed_classes


def _tasks():
    """Long ones are slow: spiking ones, and those that a small one stands for."""
    ids = plasticbench.task_ids()
    for task_id in ids:
        long = plasticbench.task(task_id).track == "spiking" or task_id.replace("-v0", "Mini-v0") in ids
        yield pytest.param(task_id, marks=[pytest.mark.slow] if long else [])


@pytest.mark.parametrize("task_id", list(_tasks()))
def test_rules_that_know_nothing_score_no_better_than_frozen_weights(task_id):
    """Or the task ranks nobody, and says why."""
    task = plasticbench.task(task_id)
    outcomes = attack(task)
    through = {outcome.name: round(outcome.score_above_null, 3) for outcome in outcomes if outcome.passed}
    assert bool(through) == bool(task.not_ranked_because), f"more than {EPSILON} above the null rule: {through}"
    zero = next(outcome for outcome in outcomes if outcome.name == "zero")
    assert zero.score_above_null == pytest.approx(0.0, abs=1e-9)
    best = min(outcome.loss for outcome in outcomes)
    if task.blind_loss is not None:
        assert task.blind_loss == pytest.approx(best, rel=0.01)


SEARCHED = [i for i in plasticbench.task_ids() if found_on(plasticbench.task(i))]


@pytest.mark.parametrize("task_id", SEARCHED)
def test_what_a_search_found_is_in_the_declared_blind_loss(task_id):
    task = plasticbench.task(task_id)
    if task.not_ranked_because:
        return
    best = min(found["official_loss"] for found in found_on(task).values())
    bar = task.null_loss if task.blind_loss is None else task.blind_loss
    assert bar <= 1.01 * best
    assert task.score(best) - task.score(task.null_loss) <= EPSILON


def test_a_life_of_what_a_search_found_is_what_was_measured():
    """The best found on every small task, in its first official lifetime: this code, these numbers."""
    for task in map(plasticbench.task, SEARCHED):
        if task.track == "spiking" and "Mini" not in task.id:
            continue
        found = min(found_on(task).values(), key=lambda f: f["official_loss"])
        rule = rule_from_json({"format": "plasticbench/rule@2", "name": "found", "pathways": found["pathways"]})
        loss = float(task.losses(rule, task.official_seeds[:1])[0, 0])
        assert loss == pytest.approx(found["first_official_loss"], rel=1e-3), task.id


@pytest.mark.parametrize("task_id", plasticbench.task_ids())
def test_every_attack_lives_on_every_task(task_id):
    short = plasticbench.task(task_id).shortened()
    losses = short.losses(list(attacks_on(plasticbench.task(task_id)).values()), [0])
    assert bool(losses.isfinite().all())


@pytest.mark.parametrize("track", ["rate", "spiking"])
def test_the_attacks_are_rules_like_any_other(track):
    for name, rule in attacks(track).items():
        assert rule.kind == track
        text = rule.pathways["*"].to_json()["on_step" if track == "rate" else "on_pre"]
        assert 0 < len(text) < MAX_NODES, name


@pytest.mark.parametrize("track", ["rate", "spiking"])
def test_uninformed_rules_never_relate_the_two_sides_of_a_synapse(track):
    """One side, time and the weight: whatever a class may read."""
    task = next(t for t in map(plasticbench.task, plasticbench.task_ids()) if t.track == track)
    for kind in uninformed_classes(track):
        rule = kind.rule([0.5] * kind.dimension(task), task)
        read = {name for part in rule.pathways.values() for name in part.variables}
        assert not (any(n.endswith("pre") for n in read) and any(n.endswith("post") for n in read)), kind.name
        assert not any(n.endswith("post") for n in read) or track == "rate", kind.name


class Landscape:
    """A task whose loss is a function of a rule's numbers; it keeps what it was asked."""

    id, track, pathways, null_loss = "tests/Landscape-v0", "rate", ("ff",), 1.0
    example_network = SimpleNamespace(plastic_pathways=[SimpleNamespace(name="ff")])
    official_seeds = (1_000_000, 1_000_001)

    def __init__(self):
        self.seeds = set()

    def losses(self, rules, seeds, **options):
        listed = rules if isinstance(rules, list) else [rules]
        at = np.array([rule.pathways["ff"].parameters["a"] for rule in listed])
        return torch.tensor((at[:, None] - 0.3) ** 2 + 0.01 * np.array([s % 7 for s in seeds]))

    def run(self, rules, seeds, conditions=None, metrics=True, threads=None):
        self.seeds |= set(seeds)
        return SimpleNamespace(losses=self.losses(rules, seeds))


EFFORT = Effort(restarts=2, n_design=8, population=6, generations=12)


def test_a_search_finds_the_best_of_a_class_on_training_seeds_only():
    task, constant = Landscape(), uninformed_classes("rate")[0]
    first, second = (search_restart(task, constant, 0, EFFORT) for _ in range(2))
    assert first == second
    other = search_restart(task, constant, 1, EFFORT)
    for found in (first, other):
        rule = constant.rule(found.places, task)
        assert rule.pathways["ff"].parameters["a"] == pytest.approx(0.3, abs=0.02)
    assert abs(first.loss - other.loss) < 1e-3
    assert min(task.seeds) >= TRAINING_SEED_BASE
    assert set(validation_seeds(8)) <= task.seeds


def test_a_search_that_was_stopped_goes_on_where_it_was():
    whole, stopped, saved = {}, {}, []

    def stop():
        saved.append(1)
        if len(saved) == 1:
            raise KeyboardInterrupt

    search_blind_rules(Landscape(), whole, ["constant"], EFFORT)
    with pytest.raises(KeyboardInterrupt):
        search_blind_rules(Landscape(), stopped, ["constant"], EFFORT, save=stop)
    task = Landscape()
    search_blind_rules(task, stopped, ["constant"], EFFORT, save=stop)
    restarts = [[(r["places"], r["loss"]) for r in kept["constant"]["restarts"]] for kept in (whole, stopped)]
    assert restarts[0] == restarts[1]
    assert whole["constant"]["official_loss"] == stopped["constant"]["official_loss"]
    search_blind_rules(task := Landscape(), stopped, ["constant"], EFFORT)
    assert task.seeds == set(), "what is done is not done again"
