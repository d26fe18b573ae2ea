"""Format @2: traces of any name, states, events that change several things, on_modulator; and @1 beside it."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from plasticbench.errors import RuleWarning
from plasticbench.rules import (
    Coordinate,
    PathwayRule,
    Rule,
    RuleError,
    TemplateFamily,
    group_rules,
    known_rules,
    load_rule,
)
from plasticbench.rules.codec import rule_from_json
from plasticbench.rules.equations import memories
from plasticbench.rules.policy import changes
from plasticbench.rules.variables import SPIKING_EVENTS, VARIABLES

FROZEN = json.loads((Path(__file__).parent / "data" / "rule_hashes.json").read_text(encoding="utf-8"))

SPIKING = {
    "traces": {"r1": {"of": "pre", "tau_s": "tau_plus"}, "o2": {"of": "post", "tau_s": 0.1, "spikes": "nearest"}},
    "state": {"e": {"tau_s": "tau_e"}, "theta": {"scope": "post", "tau_s": 10}},
    "on_pre": {"e": "-a * o2"},
    "on_post": {"e": "a * r1", "theta": "1 - v*o2", "w": "0.1 * (theta - e)"},
    "on_modulator": "eta * m * e",
    "parameters": {"tau_plus": 0.02, "tau_e": 1.0, "a": 0.1, "eta": 0.5},
}
RATE = {
    "traces": {"theta": {"of": "k * post**2", "tau_s": "tau"}, "slow": {"of": "pre", "tau_s": 5}},
    "state": {"s": {"scope": "pre"}},
    "on_step": {"w": "pre * post * (post - theta) - slow*s", "s": "pre - 0.1*slow*m"},
    "parameters": {"k": 1.0, "tau": 10.0},
}


def rule(part, form="plasticbench/rule@2", **text):
    return rule_from_json({"format": form, "name": "own", **text, "pathways": {"ie": part}})


@pytest.mark.parametrize("name", FROZEN)
def test_the_hash_of_a_known_rule_of_format_1_stays_to_the_bit(name):
    found = known_rules()[name]
    assert found.hash == FROZEN[name]
    assert found.format == "plasticbench/rule@1" == found.to_json()["format"]


@pytest.mark.parametrize("part", [SPIKING, RATE])
def test_a_rule_of_format_2_survives_saving(part, tmp_path):
    first = rule(part)
    assert first.format == "plasticbench/rule@2"
    first.save(tmp_path / "own.json")
    again = load_rule(tmp_path / "own.json")
    assert again.hash == first.hash
    assert again.to_json() == first.to_json()
    assert again.to_json()["pathways"]["ie"] == part
    with pytest.raises(RuleError, match=r"format: found 'plasticbench/rule@1'; what pathways\.ie says needs .*@2"):
        rule(part, "plasticbench/rule@1")


def test_what_format_1_can_say_is_written_in_format_1():
    part = {"traces": {"x_pre": {"of": "pre", "tau_s": 0.02, "spikes": "all"}}, "on_post": {"w": "x_pre"}}
    bare = {"traces": {"x_pre": 0.02}, "on_post": "x_pre"}
    assert rule(part).to_json() == rule(bare).to_json() == rule(bare, "plasticbench/rule@1").to_json()
    assert rule(part).hash == rule(bare).hash
    assert rule(part).format == "plasticbench/rule@1"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("traces", "r1", "of"), "post"),
        (("traces", "r1", "tau_s"), 0.02),
        (("traces", "r1", "spikes"), "nearest"),
        (("state", "e"), {}),
        (("state", "e"), {"tau_s": "tau_e", "scope": "pre"}),
        (("on_modulator",), "eta * m"),
        (("on_pre", "e"), "a * o2"),
    ],
)
def test_the_hash_knows_everything_that_a_rule_does(path, value):
    part = json.loads(json.dumps(SPIKING))
    if value == {"tau_s": "tau_e", "scope": "pre"}:
        part["on_post"].pop("e")
        part["on_pre"]["e"] = "-a"
    place, first = part, rule(part)
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert rule(part).hash != first.hash


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"traces": {"r1": 0.02}}, "traces: unknown trace 'r1'; .*'of' and 'tau_s'"),
        ({"traces": {"r1": {"of": "pre"}}}, "traces.r1: the field 'tau_s' is missing"),
        ({"traces": {"r1": {"of": "w", "tau_s": 1}}}, r"traces.r1.of: found 'w'; in a spiking rule 'pre' or 'post'"),
        ({"traces": {"r1": {"of": "pre**2", "tau_s": 1}}}, "traces.r1.of: found .*'pre' or 'post'"),
        ({"traces": {"r1": {"of": "pre", "tau_s": 0}}}, "traces.r1: time constant 0 s"),
        ({"traces": {"r1": {"of": "pre", "tau_s": "tau"}}}, "traces.r1: 'tau' is no parameter; did you mean 'tau_"),
        (
            {"traces": {"r1": {"of": "pre", "tau_s": 1, "spikes": "some"}}},
            "traces.r1.spikes: found 'some', expected 'all'",
        ),
        ({"traces": {"w": {"of": "pre", "tau_s": 1}}}, "traces.w: the name is taken by a variable"),
        ({"traces": {"phi": {"of": "pre", "tau_s": 1}}}, "traces.phi: the name is taken by a variable"),
        ({"traces": {"exp": {"of": "pre", "tau_s": 1}}}, "traces.exp: the name is taken"),
        ({"traces": {"eta": {"of": "pre", "tau_s": 1}}}, "traces.eta: a parameter has this name"),
        ({"traces": {"e": {"of": "pre", "tau_s": 1}}}, "traces.e: the name is taken"),
        ({"traces": {"a b": {"of": "pre", "tau_s": 1}}}, "traces: 'a b' is no name"),
        ({"traces": {"x_pre": {"of": "post", "tau_s": 1}}}, "traces.x_pre.of: x_pre is a trace of pre"),
        ({"traces": {f"r{k}": {"of": "pre", "tau_s": 1} for k in range(17)}}, "traces: .*more than 16"),
        ({"state": {"x_pre": {}}}, "state.x_pre: the name is taken"),
        ({"state": {"on_pre": {}}}, "state.on_pre: the name is taken"),
        ({"state": {"e": 1.0}}, "state.e: found 1.0, expected object"),
        ({"state": {"e": {"scope": "neuron"}}}, "state.e.scope: found 'neuron', expected 'synapse' or"),
        ({"state": {"e": {"tau_s": -1}}}, "state.e: time constant -1 s"),
        ({"state": {"e": {"tau": 1}}}, "state.e: unknown field 'tau'; known: tau_s, scope"),
        ({"on_pre": {}}, "on_pre: .*is empty"),
        ({"on_pre": {"f": "1"}}, "on_pre: changes 'f'; on offer: e, theta, w"),
        ({"on_pre": {"e": "m"}}, "on_pre: reads m, which spiking networks have only in on_modulator"),
        ({"on_pre": "m"}, "on_pre: reads m, which spiking"),
        ({"on_pre": {"theta": "1"}}, "on_pre.theta: theta is a state of the postsynaptic neuron, .*on_post or on_mod"),
        ({"on_post": {"theta": "w"}}, "on_post.theta: reads 'w', which the postsynaptic neuron.*on offer: c_exc, .*v$"),
        ({"on_post": {"theta": "r1"}}, "on_post.theta: reads 'r1'"),
        ({"on_post": {"theta": "e"}}, "on_post.theta: reads 'e'"),
        ({"on_modulator": {"theta": "err_pre*m"}}, "on_modulator.theta: reads 'err_pre'"),
        ({"parameters": {**SPIKING["parameters"], "phi": 1.0}}, "parameters.phi: the name is taken"),
    ],
)
def test_a_wrong_field_of_format_2_is_named(change, message):
    with pytest.raises(RuleError, match=rf"pathways\.ie.{message}") as caught:
        rule({**SPIKING, **change})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"traces": {"theta": {"of": "pre*post", "tau_s": 1}}},
            "theta.of: reads post and pre; a trace is of",
        ),
        ({"traces": {"theta": {"of": "k", "tau_s": 1}}}, "theta.of: reads no rate"),
        ({"traces": {"theta": {"of": "w", "tau_s": 1}}}, "theta.of: unknown name 'w'"),
        ({"traces": {"theta": {"of": "post", "tau_s": 1, "spikes": "all"}}}, "theta.spikes: rate networks have no"),
        ({"traces": {"x_post": 1.0}}, ": rate networks have no spike traces"),
    ],
)
def test_a_wrong_trace_of_a_rate_rule_is_named(change, message):
    with pytest.raises(RuleError, match=rf"pathways\.ie\.traces\.?{message}"):
        rule({**RATE, "on_step": "pre", "state": {}, **change})


def test_the_track_is_told_by_the_events_or_by_what_the_traces_are_of():
    filtered, spikes = {"theta": {"of": "post**2", "tau_s": 1}}, {"r": {"of": "post", "tau_s": 1}}
    assert PathwayRule.make({"on_modulator": "m*theta"}, {}, filtered).kind == "rate"
    assert PathwayRule.make({"on_modulator": "m*r"}, {}, spikes).kind == "spiking"
    assert PathwayRule.make({"on_step": "r"}, {}, spikes).traces["r"].of is not None
    assert PathwayRule.make({"on_modulator": "m*w"}).kind == "any"


def test_a_rule_file_that_names_a_parameter_like_a_newer_variable_still_means_the_parameter():
    data = {"on_step": "u * pre", "parameters": {"u": 2.0}}
    found = rule(data, "plasticbench/rule@1")
    assert found.for_pathway("ie").variables == {"pre"}
    assert float(found({"ie": {"pre": [[3.0]], "w": [[0.0]], "u": [[100.0]]}})["ie"][0, 0]) == 6.0
    ((_, batch),) = group_rules([found], ["ie"], ["on_step"], frozenset({"pre", "u"}))
    source = batch.structure.pathways[0].targets("on_step")["w"].emit("f", ("pre", "u"))
    assert "p[0]" in source
    assert " u" not in source.partition("\n")[2]


def test_a_modulator_must_be_on_offer():
    reads = Rule("reads", {"*": PathwayRule.make({"on_step": "m*pre"})})
    waits = Rule("waits", {"*": PathwayRule.make({"on_modulator": "-w"})})
    offered = frozenset({"pre", "post", "w"})
    for found in (reads, waits):
        with pytest.raises(RuleError, match="delivers no modulator") as caught:
            group_rules([found], ["ff"], ["on_step"], offered)
        assert "on offer: post, pre, w" in str(caught.value)
        group_rules([found], ["ff"], ["on_step"], offered | {"m"})


def test_a_structure_says_all_that_an_engine_needs():
    ((_, batch),) = group_rules([rule(SPIKING)], ["ie"], SPIKING_EVENTS, frozenset(VARIABLES))
    (found,) = batch.structure.pathways
    assert [(trace.name, trace.side, trace.nearest, trace.of) for trace in found.traces] == [
        ("o2", "post", True, None),
        ("r1", "pre", False, None),
    ]
    assert [(state.name, state.scope) for state in found.states] == [("e", "synapse"), ("theta", "post")]
    assert {name: float(tau) for name, tau in batch.time_constants_s(0).items()} == {
        "o2": 0.1, "r1": 0.02, "e": 1.0, "theta": 10.0,
    }  # fmt: skip
    assert set(found.targets("on_post")) == {"e", "theta", "w"}
    assert found.variables_of("on_post") == {"r1", "v", "o2", "theta", "e"}
    assert found.targets("on_step") == {}
    assert found.variables_of("on_step") == frozenset()
    ((_, batch),) = group_rules([rule(RATE)], ["ie"], ["on_step"], frozenset(VARIABLES))
    (slow, theta) = batch.structure.pathways[0].traces
    assert (slow.side, theta.side) == ("pre", "post")
    assert theta.of.variables == {"post"}
    assert batch.structure.pathways[0].states[0].tau is None


def test_a_policy_applies_the_events_of_a_step_in_order():
    seen = {
        "w": [0.5, 0.5, 0.5, 0.5], "w_max": 1.0, "v": 0.0, "m": 1.0, "r1": 0.2, "o2": 0.3, "e": 1.0, "theta": 2.0,
        "pre_spike": [0, 1, 0, 1], "post_spike": [0, 0, 1, 1], "modulator": [0, 0, 0, 1],
    }  # fmt: skip
    given = {name: np.array(value, dtype=float) for name, value in seen.items()}
    found = changes(rule(SPIKING), {"ie": given})["ie"]
    after_pre = 1.0 - 0.1 * 0.3
    assert found["e"] == pytest.approx([0.0, -0.03, 0.02, -0.03 + 0.02])
    at_post = [0.1 * (2.0 - 1.0), 0.1 * (2.0 - after_pre)]
    both = min(1.0, 0.5 + at_post[1] + 0.5 * (after_pre + 0.02)) - 0.5
    assert found["w"] == pytest.approx([0.0, 0.0, at_post[0], both])
    assert found["theta"] == pytest.approx([0.0, 0.0, 1.0, 1.0])
    del given["modulator"]
    with pytest.raises(RuleError, match="the observation of ie lacks modulator"):
        rule(SPIKING)({"ie": given})
    del given["e"]
    with pytest.raises(RuleError, match="unknown variable 'e'; on offer"):
        rule(SPIKING)({"ie": given})


def test_seconds_that_were_meant_as_milliseconds_are_questioned(tmp_path):
    path = tmp_path / "slow.json"

    def load(**traces):
        data = {"format": "plasticbench/rule@2", "name": "slow", "pathways": {"ie": {"traces": traces, "on_post": "1"}}}
        path.write_text(json.dumps(data), encoding="utf-8")
        return load_rule(path)

    with pytest.warns(RuleWarning, match=r"slow\.json': pathways\.ie\.traces\.x_pre: 20 seconds; did you mean 0\.02\?"):
        load(x_pre=20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(x_pre=2.0, slow={"of": "post", "tau_s": 20})


@pytest.mark.parametrize("field", ["reference", "note"])
@pytest.mark.parametrize("text", ["half a pair: \ud835", "\x1b[31mred", "a\x00b", "\u202egpj.exe", "\x85"])
def test_text_is_visible_characters(field, text):
    with pytest.raises(RuleError, match=f"{field}: holds .*no visible character; remove it") as caught:
        rule(SPIKING, **{field: text})
    str(caught.value).encode()
    assert rule(SPIKING, **{field: "Sjöström, τ 𝓌\n\tline"})


def test_traces_and_states_are_described_in_words_and_as_equations():
    found = {memory.name: memory for memory in memories(rule(SPIKING).for_pathway("ie"), substitute=False)}
    assert found["r1"].text == "grows by 1 at each presynaptic spike, decays with 20 ms"
    assert found["o2"].text.startswith("is set to 1 at each postsynaptic spike")
    assert found["e"].latex.startswith(r"\tau_{\mathrm{e}} \frac{de}{dt} = -e, \quad e \leftarrow e - a \, o_")
    assert found["theta"].text == "one for each postsynaptic neuron, decays with 1e+04 ms"
    rate = {memory.name: memory for memory in memories(rule(RATE).for_pathway("ie"), substitute=False)}
    assert rate["theta"].latex == r"\tau \frac{d\theta}{dt} = k \, {x_{\mathrm{post}}}^{2} - \theta"
    assert rate["s"].latex.startswith(r"\frac{ds}{dt} = 0, \quad s \leftarrow s + ")
    assert rate["s"].text == "one for each presynaptic neuron, keeps its value"


class Threshold(TemplateFamily):
    name = "threshold"

    def template(self, pathway):
        return rule(RATE).for_pathway("ie")

    def coordinates(self, pathway):
        return [Coordinate("k"), Coordinate("tau", -5.0, 5.0, logarithmic=True)]


def test_a_family_searches_the_time_constants_of_a_template_of_format_2():
    family = Threshold(("ie",))
    found = family.rule([0.5, 1.0])
    part = found.for_pathway("ie")
    assert part.parameters["k"] == 0.5
    assert part.time_constant_s("theta") == pytest.approx(2.718281828)
    assert family.theta(found).tolist() == pytest.approx([0.5, 1.0])
    assert found.format == "plasticbench/rule@2"
    with pytest.raises(RuleError, match="has another form"):
        family.theta(Rule("other", {"ie": PathwayRule.make({"on_step": "pre"}, {"k": 1.0, "tau": 1.0})}))
