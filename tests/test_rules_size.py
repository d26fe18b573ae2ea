"""Compiling a rule is bounded: no expression that is permitted explodes, and together they are limited."""

import pytest
from rule_cases import ARGUMENTS

import plasticbench
from plasticbench.errors import RuleError
from plasticbench.language.parse import parse_expression
from plasticbench.language.vocabulary import FUNCTIONS
from plasticbench.rules import Expression, Network, NetworkShape, PathwayRule, Rule, check_rule, known_rules
from plasticbench.rules.event import ExpressionEvent
from plasticbench.rules.size import MAX_OPERATIONS, check_size, n_operations

NAMES = ("pre", "post", "w")


def made(events, states=None, key="ff"):
    return Rule("made", {key: PathwayRule.make(events, states=states)})


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_function_becomes_a_branch(function):
    """numba takes the square of the number of branches, and recurses as deep: 500 of them cannot be compiled."""
    program = Expression.parse(f"{function}({'w' if FUNCTIONS[function] else 'w, pre, post'})", NAMES).program
    source = ExpressionEvent(program, ()).emit("f", ARGUMENTS)
    assert " if " not in source
    assert " or " not in source


def test_a_permitted_expression_of_2000_nodes_with_500_comparisons_is_compiled():
    extremes = f"max({', '.join(('w', 'pre', 'post')[k % 3] for k in range(500))})"
    text = f"1e-9*({extremes}{' + w' * 748})"
    parse_expression(text, NAMES)
    with pytest.raises(RuleError, match="nodes"):
        parse_expression(f"{text} + w", NAMES)
    losses = plasticbench.task("plasticbench/OjaMini-v0").losses([made({"on_step": text})], [1], engine="cpu")
    assert losses.shape == (1, 1)


def large(n_targets):
    expression = " + ".join(f"step(w - {k})" for k in range(300))
    states = {f"s{k}": {} for k in range(n_targets - 1)}
    return made({"on_step": {"w": expression, **dict.fromkeys(states, expression)}}, states)


def test_the_size_of_a_rule_is_limited_over_its_changes_and_pathways():
    offered = frozenset(NAMES)
    size = n_operations(large(1).pathways["ff"])
    assert 1000 < size < 1300
    check_rule(large(3), ["ff"], ["on_step"], offered)
    for rule, pathways in ((large(4), ["ff"]), (Rule("made", {"*": large(1).pathways["ff"]}), ["a", "b", "c", "d"])):
        with pytest.raises(RuleError, match=rf"operations .*, at most {MAX_OPERATIONS:,} are compiled") as caught:
            check_rule(rule, pathways, ["on_step"], offered)
        assert "\n" not in str(caught.value)


def test_too_large_a_rule_is_refused_before_the_work():
    with pytest.raises(RuleError, match="are compiled for one rule"):
        plasticbench.evaluate(large(17), "plasticbench/OjaMini-v0")


def test_a_minimum_of_n_counts_for_n_minus_1_and_powers_for_their_products():
    assert n_operations(PathwayRule.make({"on_step": "max(w, pre, post, 1)"})) == 4 + 3
    assert n_operations(PathwayRule.make({"on_step": "w**8"})) == 1 + 3


def test_filtered_traces_and_networks_count():
    squared = PathwayRule.make({"on_step": "theta"}, {}, {"theta": {"of": "post**2", "tau_s": 10}})
    assert n_operations(squared) == 1 + 2
    shape = NetworkShape(("pre", "w"), ("on_step",), (8, 1), ("relu", "identity"))
    network = Network.from_layers(shape, [[[0, 0]] * 8, [[0] * 8]], [[0] * 8, [0]])
    assert 0 < n_operations(PathwayRule.make(network=network)) <= shape.n_numbers


def test_every_known_rule_passes_with_room():
    for rule in known_rules().values():
        pathways = [key for key in rule.pathways if key != "*"] or ["ee", "ei", "ie", "ii"]
        check_size(rule, pathways * 10)
