"""Invariants of every known rule, from the library: no exception by name."""

import re

import numpy as np
import pytest
import torch

from plasticbench.rules import (
    Expression,
    PathwayRule,
    Rule,
    RuleError,
    Structure,
    group_rules,
    known_rules,
    load_rule,
    runs_on,
)
from plasticbench.rules.library import FOLDER
from plasticbench.rules.variables import RATE_EVENTS, SPIKING_EVENTS, TRACES, VARIABLES

RULES = known_rules()
PATHWAYS = ("ff", "lateral", "hidden", "ee", "ei", "ie", "ii")
EVENTS = (*RATE_EVENTS, *SPIKING_EVENTS)
EVERY_VARIABLE = frozenset(VARIABLES)

every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


def observation(rule, library):
    """Random states of every pathway that the rule may name."""
    generator = np.random.default_rng(3)
    shapes = {
        "pre": (1, 4),
        "post": (3, 1),
        "w": (3, 4),
        "m": (1, 1),
        "reconstruction": (3, 4),
        "w_max": (1, 1),
    }
    found = {}
    for pathway in PATHWAYS:
        own = rule.for_pathway(pathway) or PathwayRule.make()
        names = [*VARIABLES, "pre_spike", "post_spike", "modulator", *own.traces, *own.states]
        states = {name: generator.uniform(0.1, 1.0, shapes.get(name, (3, 4))).astype(np.float32) for name in names}
        states["w_max"][:] = 2.0
        for name in ("pre_spike", "post_spike", "modulator"):
            states[name] = (states[name] > 0.5).astype(np.float32)
        found[pathway] = states if library == "numpy" else {k: torch.from_numpy(v) for k, v in states.items()}
    return found


@every_rule
def test_it_says_who_proposed_it_and_has_a_lower_case_name(rule):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.name)
    assert len(rule.reference) > 20
    assert rule.note or not any(part.parameters for part in rule.pathways.values())


@every_rule
def test_saving_and_loading_gives_the_same_rule(rule, tmp_path):
    rule.save(tmp_path / "copy.json")
    copy = load_rule(tmp_path / "copy.json")
    assert copy == rule
    assert copy.to_json() == rule.to_json()


@every_rule
def test_its_track_is_that_of_its_folder(rule):
    (path,) = FOLDER.rglob(f"{rule.name}.json")
    assert rule.kind == {"known": "any"}.get(path.parent.name, path.parent.name)


@every_rule
def test_it_runs_where_its_pathways_events_and_variables_are_offered_and_nowhere_else(rule):
    arrays = {name: array.shape for name, array in rule.arrays.items()}
    named = [key for key in rule.pathways if key != "*"] or ["ff"]
    assert runs_on(rule, named, EVENTS, EVERY_VARIABLE, arrays)
    used = set()
    for part in rule.pathways.values():
        used |= part.variables | {name for name in part.traces if name in TRACES}
        used |= {f"x_{trace.side}" for name, trace in part.traces.items() if name not in TRACES and trace.of is None}
        used |= {"m"} if "on_modulator" in part.events else set()
        for event in set(part.events) - {"on_modulator"}:
            assert not runs_on(rule, named, [other for other in EVENTS if other != event], EVERY_VARIABLE, arrays)
    for variable in used:
        assert not runs_on(rule, named, EVENTS, EVERY_VARIABLE - {variable}, arrays)
    assert runs_on(rule, ["elsewhere"], EVENTS, EVERY_VARIABLE, arrays) == ("*" in rule.pathways)


@every_rule
def test_numpy_and_torch_observations_give_the_same_finite_action(rule):
    ours, theirs = rule(observation(rule, "numpy")), rule(observation(rule, "torch"))
    for pathway in PATHWAYS:
        assert isinstance(ours[pathway], np.ndarray)
        assert ours[pathway].shape == (3, 4)
        assert ours[pathway].dtype == np.float32
        assert np.isfinite(ours[pathway]).all()
        assert torch.equal(torch.from_numpy(ours[pathway]), theirs[pathway])
        if rule.for_pathway(pathway) is None:
            assert not ours[pathway].any()


@every_rule
def test_its_written_equation_computes_what_it_does(rule):
    written = rule.equations(digits=17)
    symbolic = rule.equations(substitute=False, digits=17)
    generator = torch.Generator().manual_seed(0)
    values = {name: torch.rand(5, generator=generator, dtype=torch.float64) for name in VARIABLES}
    for key, part in rule.pathways.items():
        parameters = {name: torch.tensor(value, dtype=torch.float64) for name, value in part.parameters.items()}
        own = {name: torch.rand(5, generator=generator, dtype=torch.float64) for name in (*part.traces, *part.states)}
        given = {**values, **own, **parameters}
        changes = [
            (event, target, part.events[event][target]) for event in part.events for target in part.events[event]
        ]
        assert len(changes) == len(written[key])
        for event, target, change in changes:
            name = event if target == "w" else f"{event}: {target}"
            for text in (written[key][name], symbolic[key][name]):
                again = Expression.parse(text, set(given)).program
                torch.testing.assert_close(again.evaluate(given), change.program.evaluate(given))


@every_rule
def test_its_latex_is_balanced_and_has_no_program_names_left(rule):
    for events in rule.latex().values():
        for text in events.values():
            assert text.count("{") == text.count("}")
            assert text.count(r"\left") == text.count(r"\right")
            assert not re.search(r"x_pre|x_post|\*|c_exc", text)


def test_rules_of_one_structure_share_a_batch():
    searches = [rule for rule in RULES.values() if set(rule.pathways) == {"ie"} and "stdp" not in rule.name]
    batches = group_rules(searches, ("ie",), SPIKING_EVENTS, EVERY_VARIABLE)
    assert len(batches) < len(searches)
    assert sorted(position for positions, _ in batches for position in positions) == list(range(len(searches)))
    for positions, batch in batches:
        assert batch.n_rules == len(positions)
        for row, position in enumerate(positions):
            part = searches[position].for_pathway("ie")
            for trace, taus in batch.time_constants_s(0).items():
                assert float(taus[row]) == part.time_constant_s(trace)


def test_a_pathway_without_a_rule_is_frozen():
    ((_, batch),) = group_rules([RULES["oja"]], ("ff", "lateral"), RATE_EVENTS, EVERY_VARIABLE)
    assert batch.structure.pathways[1].events == {}
    assert batch.parameters[1].shape == (1, 0)
    assert isinstance(hash(batch.structure), int)
    assert isinstance(batch.structure, Structure)


@pytest.mark.parametrize(
    ("rule", "pathways", "events", "variables", "message"),
    [
        ("oja", ("ie",), RATE_EVENTS, EVERY_VARIABLE, "unknown pathway 'ff'; on offer: ie"),
        (
            "hebb",
            ("ie",),
            SPIKING_EVENTS,
            EVERY_VARIABLE,
            "unknown event 'on_step'.*on offer: on_post, on_pre",
        ),
        (
            "sanger",
            ("ff",),
            RATE_EVENTS,
            frozenset({"pre", "post", "w"}),
            "unknown variable 'reconstruction'; on offer",
        ),
        ("vogels-2011", ("ie",), SPIKING_EVENTS, frozenset({"w"}), "unknown trace 'x_"),
    ],
)
def test_a_rule_on_the_wrong_task_is_told_what_is_on_offer(rule, pathways, events, variables, message):
    with pytest.raises(RuleError, match=message):
        group_rules([RULES[rule]], pathways, events, variables)


def test_variables_may_differ_between_pathways():
    offered = {"ff": frozenset({"pre", "post", "w"}), "lateral": frozenset({"pre", "post"})}
    assert runs_on(RULES["oja-anti-hebb"], ("ff", "lateral"), RATE_EVENTS, offered)
    swapped = {"ff": offered["lateral"], "lateral": offered["ff"]}
    assert not runs_on(RULES["oja-anti-hebb"], ("ff", "lateral"), RATE_EVENTS, swapped)


def test_arrays_must_be_those_the_task_takes():
    rule = RULES["hebb"]
    with pytest.raises(RuleError, match="does not bring the array 'W1'; the task takes: W1"):
        group_rules([rule], ("hidden",), RATE_EVENTS, EVERY_VARIABLE, {"W1": (3, 3)})


def test_vogels_drift_vanishes_at_its_target_rate():
    part = RULES["vogels-2011"].for_pathway("ie")
    tau, alpha = part.time_constant_s("x_post"), part.parameters["alpha"]
    # Independent Poisson trains: mean trace = rate * tau; pre and post events balance where 2 r tau = alpha.
    assert alpha / (2 * tau) == pytest.approx(10.0)


@pytest.mark.parametrize("text", ["+".join(f"{k}*w" for k in range(1, 400)), "pre" + "*(w+1)**2" * 300, "-w" * 600])
def test_the_longest_expressions_are_still_written_and_typeset(text):
    rule = Rule("long", {"*": PathwayRule.make({"on_step": text})})
    assert rule.equations()["*"]["on_step"]
    assert rule.latex()["*"]["on_step"]


@pytest.mark.parametrize("name", ["", " x", "../x", "a" * 101, "a\nb", "<b>", 3])
def test_a_rule_has_a_plain_name(name):
    with pytest.raises(RuleError, match="name: found"):
        Rule(name, RULES["null"].pathways)
