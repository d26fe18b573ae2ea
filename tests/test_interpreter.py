"""Interpreted rules have the bits of compiled ones, and whatever is left to the compiler is."""

import random

import pytest
import torch

import plasticbench
from plasticbench.errors import PlasticbenchError, RuleError
from plasticbench.language.program import Expression
from plasticbench.rules import PathwayRule, Rule, known_rules, load_rule
from plasticbench.rules.batch import structure_of
from plasticbench.simulation import choice
from plasticbench.simulation.bytecode import Assembler, NotInterpretedError
from plasticbench.simulation.rate.programs import rate_program

RATE = "OjaMini-v0"
SPIKING = "StabilityIEMini-v0"
BOTH_PATHWAYS = "PrincipalComponentsMini-v0"
FUNCTIONS = ("exp", "log", "sqrt", "abs", "tanh", "sigmoid", "relu", "step")


def random_text(draw, names, depth=4):
    """An expression of these names; every operation of the language may come."""
    if depth == 0 or draw.random() < 0.15:
        return draw.choice([*names, f"{draw.uniform(-2, 2):.2f}"])
    kind, one = draw.random(), random_text(draw, names, depth - 1)
    if kind < 0.6:
        return f"({one} {draw.choice('+-*/')} {random_text(draw, names, depth - 1)})"
    if kind < 0.7:
        return f"({one})**{draw.choice(['2', '3', '-1', '0.5', '1.5', draw.choice(names)])}"
    if kind < 0.9:
        return f"{draw.choice(FUNCTIONS)}({one})"
    return f"{draw.choice(['min', 'max'])}({one}, {random_text(draw, names, depth - 1)}, {draw.choice(names)})"


def valid_text(draw, names, depth=4):
    """One whose constant parts have finite values."""
    while True:
        text = random_text(draw, names, depth)
        try:
            Expression.parse(text, names)
        except RuleError:
            continue
        return text


def random_rule(seed, rate, n_states=6):
    """A rule of many expressions: each event changes the weight and states of every scope, which the others read."""
    draw = random.Random(seed)
    scopes = [draw.choice(["synapse", "pre", "post"]) for _ in range(n_states)]
    states = {f"s{k}": {"scope": scope, **({"tau_s": 0.05} if k % 2 else {})} for k, scope in enumerate(scopes)}
    at_synapse = [name for name, state in states.items() if state["scope"] == "synapse"]

    def names(side):
        seen = {"pre": ["pre"] if rate else ["x_pre"], "post": ["post"] if rate else ["x_post", "v_slow"]}
        of_side = {s: [*seen[s], *(n for n, state in states.items() if state["scope"] == s)] for s in seen}
        return [*of_side["pre"], *of_side["post"], *at_synapse, "w"] if side == "synapse" else of_side[side]

    def changes(event):
        own = {"on_pre": ("synapse", "pre"), "on_post": ("synapse", "post"), "on_step": ("synapse", "pre", "post")}
        targets = {name: state["scope"] for name, state in states.items() if state["scope"] in own[event]}
        texts = {name: f"0.01 * ({valid_text(draw, names(side))})" for name, side in targets.items()}
        return {"w": f"1e-4 * ({valid_text(draw, names('synapse'))})", **texts}

    if rate:
        return PathwayRule.make({"on_step": changes("on_step")}, states=states)
    traces = {"x_pre": 0.02, "x_post": 0.02, "v_slow": {"of": "post", "tau_s": 0.1, "spikes": "nearest"}}
    return PathwayRule.make({event: changes(event) for event in ("on_pre", "on_post")}, {}, traces, states=states)


def outcomes(monkeypatch, task, rule, seeds=(0,)):
    """Losses and metrics, compiled and interpreted."""
    found = []
    for how in ("compiled", "interpreted"):
        monkeypatch.setenv(choice.VARIABLE, how)
        outcome = task.run(rule, seeds, "cpu", threads=1)
        found.append(torch.stack([outcome.losses, *outcome.metrics.values()]))
    return found


def suited(task):
    """The known rules that may live on a task."""
    for name, rule in known_rules().items():
        try:
            task.group(rule)
        except PlasticbenchError:
            continue
        yield name


def assert_same_bits(monkeypatch, task, rule, seeds=(0,)):
    compiled, interpreted = outcomes(monkeypatch, task, rule, seeds)
    assert torch.equal(compiled.nan_to_num(1e9), interpreted.nan_to_num(1e9))


@pytest.mark.parametrize(("task_id", "name"), [(RATE, "bcm-sliding"), (SPIKING, "vogels-2011"), (BOTH_PATHWAYS, None)])
def test_known_rules_have_the_same_bits(monkeypatch, task_id, name):
    task = plasticbench.task(task_id).shortened()
    assert_same_bits(monkeypatch, task, load_rule(name or task.reference_rule), range(2))


@pytest.mark.parametrize("rate", [True, False])
def test_random_rules_with_states_have_the_same_bits(monkeypatch, rate):
    task = plasticbench.task(RATE if rate else SPIKING).shortened()
    for seed in range(2):
        rule = Rule("random", {task.pathways[0]: random_rule(seed, rate)})
        assert_same_bits(monkeypatch, task, rule)


def test_rules_on_slices_have_the_same_bits(monkeypatch):
    task = plasticbench.task("SliceL5-v0")
    for name in ("minimal-triplet-l4", "pair-stdp-nearest"):
        assert_same_bits(monkeypatch, task, load_rule(name))


def test_a_population_of_many_structures_has_the_bits_of_each_alone(monkeypatch):
    monkeypatch.setenv(choice.VARIABLE, "interpreted")
    task, draw = plasticbench.task(RATE).shortened(), random.Random(5)
    texts = [f"0.1 * ({valid_text(draw, ['pre', 'post', 'w'], 3)})" for _ in range(40)]
    rules = [Rule(f"r{k}", {"ff": PathwayRule.make({"on_step": text})}) for k, text in enumerate(texts)]
    together = task.losses(rules, range(2), "cpu")
    alone = torch.cat([task.losses(rule, range(2), "cpu", threads=1) for rule in rules])
    assert torch.equal(together, alone)
    assert len(set(together[:, 0].tolist())) > 10


def test_what_the_compiler_changes_and_what_is_too_large_is_left_to_it(monkeypatch):
    def structure(text):
        return structure_of("ff", PathwayRule.make({"on_step": text}))[0]

    with pytest.raises(NotInterpretedError, match="power of a number"):
        rate_program(structure("2**w * pre"), 1)
    rate_program(structure("w**1.5 * pre"), 1)
    with pytest.raises(NotInterpretedError, match="numbers at a time"):
        rate_program(structure(" + ".join(f"{k}.5 * w**{k % 7}" for k in range(300))), 1)
    rule = Rule("power", {"ff": PathwayRule.make({"on_step": "0.1 * 2**w * pre"})})
    assert_same_bits(monkeypatch, plasticbench.task(RATE).shortened(), rule)


def test_registers_are_used_again_and_never_as_operand_and_result():
    structure, _ = structure_of(
        "ff", PathwayRule.make({"on_step": "((pre*w + post)*w + pre)*w + (pre - w)*(post - w)"})
    )
    assembler = Assembler({"pre", "post", "w"})
    code = assembler.code([structure.targets("on_step")["w"]])
    assert all(result not in operands for _, result, *operands in code.instructions)
    assert assembler.n_registers <= 3 + 4
    assert len(code.instructions) == 9


def test_a_structure_is_compiled_when_its_use_would_have_paid_for_it(monkeypatch):
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    monkeypatch.setattr(choice, "_FEW", 0)
    ((_, batch),) = plasticbench.task(RATE).group(Rule("new", {"ff": PathwayRule.make({"on_step": "0.1234567*pre"})}))
    assert choice.interpreted(batch.structure, 1e6, "rate")
    assert not choice.interpreted(batch.structure, 1e12, "rate")
    assert not choice.interpreted(batch.structure, 1.0, "rate")


def test_an_unknown_choice_is_an_error(monkeypatch):
    monkeypatch.setenv(choice.VARIABLE, "sometimes")
    with pytest.raises(PlasticbenchError, match="PLASTICBENCH_RULES: 'sometimes' is none of auto"):
        plasticbench.task(RATE).shortened().losses("oja", [0], "cpu")


@pytest.mark.slow
def test_every_known_rule_has_the_same_bits_on_every_small_task(monkeypatch):
    from plasticbench.tasks.registry import task_ids

    for task_id in task_ids():
        task = plasticbench.task(task_id)
        if "Mini" in task_id or task.track == "slice":
            task = task if task.track == "slice" else task.shortened()
            for name in suited(task):
                assert_same_bits(monkeypatch, task, load_rule(name))


@pytest.mark.slow
@pytest.mark.parametrize("rate", [True, False])
def test_hundreds_of_random_expressions_have_the_same_bits(monkeypatch, rate):
    task = plasticbench.task(RATE if rate else SPIKING).shortened()
    for seed in range(20):  # of about fifteen expressions each
        rule = Rule("random", {task.pathways[0]: random_rule(100 + seed, rate, 14)})
        assert_same_bits(monkeypatch, task, rule)
