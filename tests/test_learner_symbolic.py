"""Symbolic: formulas are written and read as they are, the budget is kept, Oja's rule is found."""

import random

import numpy as np
import pytest

pytest.importorskip("deap")

import plasticbench
from plasticbench.baselines import _formulas, _genetic
from plasticbench.baselines.symbolic import FUNCTIONS, Symbolic
from plasticbench.drawing.front import draw_front
from plasticbench.errors import PlasticbenchError
from plasticbench.language.program import Expression
from plasticbench.learning import Problem, RuleSet, learn
from plasticbench.rules import Rule, load_rule
from plasticbench.rules.equivalence import same_rule

TASK = plasticbench.task("OjaMini-v0").shortened()
SMALL = {"population": 8, "lifetimes": 2, "front": 2, "validation": 2}


def problem(task=TASK, budget=60, seed=0):
    return Problem(task, task.make_family(), budget, seed, threads=1)


def values(text, seen):
    return Expression.parse(text, seen).program.number(seen)


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        (["mul", "post", "sub", "pre", "mul", "w", "post"], "post*(pre - w*post)"),
        (["sub", "pre", "sub", "post", "w"], "pre - (post - w)"),
        (["sub", "sub", "pre", "post", "w"], "pre - post - w"),
        (["div", "pre", "mul", "post", "w"], "pre/(post*w)"),
        (["mul", -0.5, "tanh", "add", "pre", 1.0], "(-0.5)*tanh(pre + 1.0)"),
        (["min", "pre", "max", "w", 2.0], "min(pre, max(w, 2.0))"),
        ("w", "w"),
    ],
)
def test_formulas_are_written_with_the_brackets_that_they_need(formula, text):
    assert _formulas.text_of(list(formula)) == text


def test_a_formula_is_the_same_after_a_checkpoint_and_means_what_its_tree_means():
    (slot,) = _formulas.slots_of(TASK, Symbolic(), FUNCTIONS["all"])
    search = _genetic.Search(Symbolic(functions="all"), problem(budget=400))
    with search._own_random():
        trees = [search._varied()[0] for _ in range(200)]
    seen = {"pre": 0.3, "post": -0.7, "w": 0.2}
    apply = {
        "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "min": min, "max": max,
    }  # fmt: skip
    checked = 0
    for tree in trees:
        formula = _formulas.formula_of(tree)
        assert _formulas.formula_of(slot.tree(formula)) == formula
        if {word for word in formula if isinstance(word, str)} <= {*seen, *apply}:
            done = []
            for word in reversed(formula):
                known = seen.get(word, word) if isinstance(word, str) else word
                done.append(apply[word](done.pop(), done.pop()) if word in apply else known)
            assert values(_formulas.text_of(formula), seen) == pytest.approx(done[0], rel=1e-12)
            checked += 1
    assert checked > 50


def test_the_search_leaves_pythons_generator_alone_and_does_not_depend_on_it():
    found = []
    for seed in (1, 2):
        random.seed(seed)
        before = random.getstate()
        found.append(Symbolic(**SMALL).learn(problem()))
        assert random.getstate() == before
    assert [rule.hash for rule in found[0].rules] == [rule.hash for rule in found[1].rules]


@pytest.mark.parametrize("budget", [20, 47, 100])
def test_the_budget_is_spent_to_less_than_a_rule_and_never_exceeded(budget):
    p = problem(budget=budget)
    found = Symbolic(**SMALL).learn(p)
    assert budget - (4 - 2) - 4 < p.lifetimes_spent <= budget  # a front of one rule leaves two lifetimes
    assert isinstance(found, RuleSet)


def test_no_rule_lives_twice_in_a_run(monkeypatch):
    lived = []
    monkeypatch.setattr(_genetic.Search, "_lived", lambda self, new: lived.extend(new) or [1.0] * len(new))
    p = problem(budget=60)
    monkeypatch.setattr(_genetic.Search, "_affordable", lambda self: 8 if len(lived) < 60 else 0)
    _genetic.Search(Symbolic(**SMALL), p).run()
    assert len({candidate.form for candidate in lived}) == len(lived) >= 60


def test_the_set_is_a_front_with_the_best_first():
    found = Symbolic(**{**SMALL, "front": 6}).learn(problem(budget=300))
    complexity, order = found.metrics["complexity"], np.argsort(found.metrics["complexity"])
    assert len(set(complexity.tolist())) == len(found)
    assert (np.diff(found.losses[order]) < 0).all()
    figure = draw_front(complexity, found.losses, [rule.name for rule in found.rules], marks={"oja": 0.01})
    assert len(figure.axes[0].texts) == len(found) + 1


def test_the_simplest_of_equals_is_the_best_unless_the_loss_alone_counts():
    losses = np.array([[1.0, 1.2, 0.8], [0.99, 1.25, 0.75], [3.0, 3.1, 2.9]])
    assert _genetic._best([7, 9, 1], losses, "simplest") == 0
    assert _genetic._best([7, 9, 1], losses, "loss") == 1


def test_spiking_rules_have_a_formula_for_each_event_with_traces_of_their_own():
    task = plasticbench.task("SliceL5-v0")
    p = Problem(task, task.make_family(), 60, 0, threads=1)
    found = Symbolic(**SMALL, events={"ee": "on_post"}, variables={"ee": "x_pre,x_post2"}).learn(p)
    for rule in found.rules:
        part = rule.pathways["ee"]
        assert set(part.events) == {"on_post"}
        assert set(part.traces) <= {"x_pre", "x_post2"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"events": {"gg": "on_step"}}, "option.events: no plastic pathway 'gg'; ff"),
        ({"events": {"ff": "on_pre"}}, "option.events.ff: .* is no text of some of on_step"),
        ({"variables": {"ff": ""}}, "option.variables.ff: .* is no text of some of post,pre,w"),
    ],
)
def test_what_the_task_does_not_have_is_an_error(options, message):
    with pytest.raises(PlasticbenchError, match=message):
        Symbolic(**SMALL, **options).learn(problem())


def test_a_family_is_refused_since_formulas_are_searched(tmp_path):
    with pytest.raises(PlasticbenchError, match="family: 'symbolic' searches formulas of its own"):
        learn(TASK, "symbolic", tmp_path / "run", family="polynomial", budget=60, options=SMALL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_ojas_rule_is_found(tmp_path):
    p = Problem(plasticbench.task("OjaMini-v0"), TASK.make_family(), 30_000, 0)
    found = Symbolic().learn(p)
    oja = Rule("oja", {"ff": load_rule("oja").pathways["ff"]})
    assert any(same_rule(rule, oja, ("ff",)) for rule in found.rules)
