"""Two rules are one where they do the same, and two where they do not."""

import numpy as np
import pytest

from plasticbench.rules import (
    Network,
    NetworkShape,
    PathwayRule,
    Rule,
    canonical_form,
    known_rules,
    load_rule,
    same_rule,
)


def made(events, parameters=None, traces=None, states=None, key="ff"):
    return Rule("made", {key: PathwayRule.make(events, parameters, traces, states=states)})


OJA = made({"on_step": "eta * (pre*post - post**2*w)"}, {"eta": 0.1})


@pytest.mark.parametrize(
    "other",
    [
        made({"on_step": "eta * post * (pre - post*w)"}, {"eta": 0.1}),
        made({"on_step": "0.1*pre*post - w*post*post*0.1"}),
        made({"on_step": "rate * (post*pre - w*post**2)"}, {"rate": 0.1, "unused": 3.0}),
        made({"on_step": "a*b*post*pre - 0.1*w*post**2"}, {"a": 0.3, "b": 1 / 3}),
        made({"on_step": "eta * (pre*post - post**2*w)"}, {"eta": 0.1}, key="*"),
        made({"on_step": "eta * (pre*post - post**2*w) + 0*sqrt(abs(w)) + tanh(w) - tanh(w)"}, {"eta": 0.1}),
        made({"on_step": "post * (pre - post*w) / c"}, {"c": 10.0}),
    ],
)
def test_another_spelling_is_the_same_rule(other):
    assert same_rule(OJA, other)


@pytest.mark.parametrize(
    "other",
    [
        made({"on_step": "eta * (pre*post - post**2*w)"}, {"eta": 0.1001}),
        made({"on_step": "eta * (pre*post - post*w)"}, {"eta": 0.1}),
        made({"on_step": "eta * (pre*post - post**2*w)"}, {"eta": 0.1}, key="lateral"),
        made({"on_step": "eta * (pre*post - post**2*w) + 1e-6*tanh(w)"}, {"eta": 0.1}),
    ],
)
def test_another_change_is_another_rule(other):
    assert not same_rule(OJA, other)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("exp(-(pre + w))", "exp(-w - pre)", True),
        ("pre/(2*w + 2*post)", "0.5*pre/(post + w)", True),
        ("max(pre, w, post)", "max(post, pre, w)", True),
        ("relu(w - pre)", "max(0, w - pre)", True),
        ("sqrt(w)", "w**0.5", True),
        ("w*w**-1*pre", "pre", True),
        ("(pre + post)**2", "pre**2 + 2*pre*post + post**2", True),
        ("tanh(pre*(w + post))", "tanh(w*pre + post*pre)", True),
        ("sqrt(w**2)", "w", False),
        ("step(w - 0.5)", "step(10*w - 5)", True),
        ("step(w - 0.5)", "step(0.5 - w)", False),
        ("relu(2*w - 1)", "2*max(0, w - 0.5)", True),
        ("relu(w)", "-relu(-w)", False),
        ("abs(1 - 2*w)", "2*abs(w - 0.5)", True),
        ("sigmoid(w - pre)", "1/(1 + exp(pre - w))", True),
        ("tanh(w)", "2/(1 + exp(-2*w)) - 1", True),
        ("tanh(-w)", "-tanh(w)", True),
        ("tanh(w)", "tanh(2*w)", False),
        ("exp(w + 1)", "2.718281828459045*exp(w)", True),
        ("exp(w)", "exp(2*w)", False),
        ("max(0, 0)", "relu(w - w)", True),
        ("step(w - 0.05)", "step(w - 0.051)", False),
        ("exp(pre)", "exp(post)", False),
        ("(pre + post)**60", "(post + pre)**60", True),
        ("(pre + post)**60", "(post + pre)**61", False),
        ("min(pre, w)", "max(pre, w)", False),
        ("(1e-30*w + pre)**-64", "(1e-30*w + pre)**-63", False),
    ],
)
def test_functions_are_compared_by_the_normal_form_of_what_is_in_them(first, second, same):
    assert same_rule(made({"on_step": first}), made({"on_step": second})) is same


def eligible(trace="r", state="e", twin=False, tau=1.0):
    states = {state: {"tau_s": tau}, **({f"{state}2": {"tau_s": tau}} if twin else {})}
    changed = dict.fromkeys(states, f"a * {trace}")
    read = f"0.5*({state} + {state}2)" if twin else state
    events = {"on_post": changed, "on_modulator": f"m * {read}"}
    return made(events, {"a": 0.2}, {trace: {"of": "pre", "tau_s": 0.02}}, states)


def test_traces_and_states_are_known_by_what_they_are():
    assert same_rule(eligible(), eligible("x", "eligibility"))
    assert same_rule(eligible(), eligible(twin=True))
    assert not same_rule(eligible(), eligible(tau=2.0))
    idle = made(
        {"on_post": {"e": "a * r", "idle": "r"}, "on_modulator": "m * e"},
        {"a": 0.2},
        {"r": {"of": "pre", "tau_s": 0.02}, "unread": {"of": "post", "tau_s": 1}},
        {"e": {"tau_s": 1.0}, "idle": {}},
    )
    assert same_rule(eligible(), idle)


def test_known_rules_are_all_different_and_each_is_itself():
    forms = {
        name: canonical_form(rule, ["ff", "lateral"] if rule.kind == "rate" else ["ee", "ei", "ie", "ii"])
        for name, rule in known_rules().items()
    }
    same = {}
    for name, form in forms.items():
        same.setdefault(form, []).append(name)
    assert [names for names in same.values() if len(names) > 1] == []
    assert same_rule(load_rule("oja"), load_rule("oja"))


def test_networks_are_compared_without_the_order_of_their_hidden_units():
    shape = NetworkShape(("pre", "w"), ("on_step",), (2, 1), ("tanh", "identity"))

    def net(order):
        hidden, out = np.array([[1.0, 2.0], [3.0, 4.0]])[order], np.array([[0.5, -0.5]])[:, order]
        return Rule("net", {"ff": PathwayRule.make(network=Network.from_layers(shape, [hidden, out], [[0, 0], [1]]))})

    assert same_rule(net([0, 1]), net([1, 0]))
    assert not same_rule(net([0, 1]), net([0, 0]))
