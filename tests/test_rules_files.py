"""A rule file is data: whatever is wrong with it is one clean line, and nothing in it is ever executed."""

import copy
import json

import numpy as np
import pytest
import safetensors.numpy

from plasticbench.errors import PlasticbenchError
from plasticbench.files import parse_json
from plasticbench.rules import Network, NetworkShape, PathwayRule, Rule, RuleError, known_rules, load_rule
from plasticbench.rules.codec import MAX_FILE_BYTES, rule_from_json

EXAMPLE = {
    "format": "plasticbench/rule@1",
    "name": "example",
    "reference": "somebody (2026)",
    "pathways": {
        "ie": {
            "traces": {"x_pre": "tau_s", "x_post": 0.02},
            "on_pre": "eta * (x_post - alpha)",
            "on_post": "eta * x_pre",
            "parameters": {"eta": 0.01, "alpha": 0.4, "tau_s": 0.02},
        }
    },
}
NETWORK = {
    "inputs": ["pre", "post", "w"],
    "outputs": ["on_step"],
    "layers": [2, 1],
    "activations": ["tanh", "identity"],
    "weights": [[[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], [[1.0, -1.0]]],
    "biases": [[0.0, 0.1], [0.2]],
}


def changed(path, value):
    """The example with the entry at `path` replaced; `...` as value removes it."""
    data = copy.deepcopy(EXAMPLE)
    place = data
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return data


IE = ("pathways", "ie")
PARAMETERS = (*IE, "parameters")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "rule: found .*expected object"),
        (changed(("format",), "plasticbench/rule@3"), "format: found .*expected 'plasticbench/rule@1' or .*@2"),
        (changed(("format",), ...), "'format' is missing"),
        (changed(("name",), ...), "'name' is missing"),
        (changed(("name",), 3), "name: found 3, expected string"),
        (changed(("name",), "../evil"), "name: '../evil' does not have the form"),
        (changed(("pathways",), {}), "pathways: .*is empty"),
        (changed(("pathways",), {"i e": {}}), "pathways: 'i e' is no pathway's name"),
        (changed(("surprise",), 1), "rule: unknown field 'surprise'; known: format"),
        (changed((*IE, "on_spike"), "w"), "pathways.ie: unknown field 'on_spike'"),
        (changed((*IE, "on_pre"), 3), "pathways.ie.on_pre: found 3, expected string or object"),
        (
            changed((*IE, "on_pre"), "eta * x_poste"),
            "pathways.ie.on_pre: unknown name 'x_poste'; did you mean",
        ),
        (changed((*IE, "on_step"), "eta * w"), "format: found 'plasticbench/rule@1'; what pathways.ie says needs"),
        (changed((*IE, "traces"), ...), "pathways.ie: x_post is used without a time constant"),
        (changed((*IE, "traces", "x_pre3"), 0.1), "pathways.ie.traces: unknown trace 'x_pre3'; did you mean"),
        (
            changed((*IE, "traces", "x_pre"), "tau"),
            "pathways.ie.traces.x_pre: 'tau' is no parameter; .*'tau_s'",
        ),
        (changed((*IE, "traces", "x_pre"), 0), "pathways.ie.traces.x_pre: time constant 0 s; .*above 0"),
        (changed((*IE, "traces", "x_pre"), -0.1), "pathways.ie.traces.x_pre: time constant"),
        (changed((*IE, "traces", "x_pre"), True), "pathways.ie.traces.x_pre: found True"),
        (changed((*PARAMETERS, "tau_s"), 0.0), "pathways.ie.parameters.tau_s: time constant 0.0 s"),
        (changed((*PARAMETERS, "eta"), "0.1"), "pathways.ie.parameters.eta: found '0.1', expected number"),
        (changed((*PARAMETERS, "eta"), True), "pathways.ie.parameters.eta: found True"),
        (changed((*PARAMETERS, "eta"), 1e31), "pathways.ie.parameters.eta: found 1e"),
        (changed((*PARAMETERS, "eta"), 10**39), "pathways.ie.parameters.eta: found 1000"),
        (changed((*PARAMETERS, "w"), 1.0), "pathways.ie.parameters.w: the name is taken"),
        (changed((*PARAMETERS, "exp"), 1.0), "pathways.ie.parameters.exp: the name is taken"),
        (changed((*PARAMETERS, "on_pre"), 1.0), "pathways.ie.parameters.on_pre: the name is taken"),
        (changed((*PARAMETERS, "lambda"), 1.0), "pathways.ie.parameters: 'lambda' is no name"),
        (changed((*PARAMETERS, "__import__"), 1.0), "pathways.ie.parameters: '__import__' is no name"),
        (changed((*PARAMETERS, "η"), 1.0), "pathways.ie.parameters: 'η' is no name"),
        (changed(("arrays",), "../x.safetensors"), "arrays: .*"),
        (changed(("arrays",), "/etc/x.safetensors"), "arrays: .*"),
        (changed(("arrays",), "x.pkl"), "arrays: .*"),
        (changed(("arrays",), {"W": {"shape": [2], "float32": "AAAA"}}), "arrays.W: 3 bytes, .*needs 8"),
        (changed(("arrays",), {"W": {"shape": [1], "float32": "AADAfw=="}}), "arrays.W: not all .*finite"),
        (
            changed(("arrays",), {"W-": {"shape": [1], "float32": "AAAAAA=="}}),
            "arrays: 'W-' is no identifier",
        ),
    ],
)
def test_a_wrong_field_is_named(data, message):
    with pytest.raises(RuleError, match=message) as caught:
        rule_from_json(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": ["pre", "poste", "w"]}, "network.inputs: unknown variable 'poste'; did you mean 'post'"),
        ({"inputs": ["pre", "pre", "w"]}, "network.inputs: .*each once"),
        ({"outputs": ["on_stop"]}, "network.outputs: unknown event 'on_stop'"),
        ({"activations": ["tanh", "swish"]}, "network.activations: unknown 'swish'"),
        ({"activations": ["tanh"]}, "network.activations: 1 for 2 layers"),
        ({"layers": [2, 3]}, "network.layers: .*the last one 1"),
        ({"layers": [4096, 1]}, "network: 20481 weights and biases; at most 4096"),
        ({"weights": [[[1, 2, 3]], [[1, 2]]]}, r"network.weights\[0\]: shape \(1, 3\), expected \(2, 3\)"),
        ({"weights": [[[1, 2, 3], [1]], [[1, 2]]]}, r"network.weights\[0\]: not an array of numbers"),
        ({"weights": [[[1, 2, "3"], [1, 2, 3]], [[1, None]]]}, r"network.weights\[\d\]"),
        ({"weights": [[[1, 2, 3], [1, 2, 1e31]], [[1, 2]]]}, r"network.weights\[0\]: a number is not finite"),
        ({"biases": [[0, 0]]}, "network.biases: 1 layers, expected 2"),
        ({"file": "x.safetensors"}, "network: .*exactly one"),
        ({"weights": ...}, "network: .*exactly one"),
    ],
)
def test_a_wrong_network_is_named(change, message):
    network = {key: value for key, value in {**NETWORK, **change}.items() if value is not ...}
    with pytest.raises(RuleError, match=f"pathways.ff.{message}"):
        rule_from_json({"format": "plasticbench/rule@1", "name": "net", "pathways": {"ff": {"network": network}}})


def network_rule(**part):
    return {"format": "plasticbench/rule@1", "name": "net", "pathways": {"ff": {"network": part}}}


def test_network_weights_may_lie_in_a_safetensors_file(tmp_path):
    tensors = {f"weight_{k}": np.array(value, np.float32) for k, value in enumerate(NETWORK["weights"])}
    tensors.update({f"bias_{k}": np.array(value, np.float32) for k, value in enumerate(NETWORK["biases"])})
    (tmp_path / "net.safetensors").write_bytes(safetensors.numpy.save(tensors))
    shape = {key: NETWORK[key] for key in ("inputs", "outputs", "layers", "activations")}
    path = tmp_path / "net.json"
    path.write_text(json.dumps(network_rule(**shape, file="net.safetensors")))
    rule, inline = load_rule(path), rule_from_json(network_rule(**NETWORK))
    states = {"ff": {"pre": np.ones((1, 3)), "post": np.ones((2, 1)), "w": np.ones((2, 3))}}
    np.testing.assert_allclose(rule(states)["ff"], inline(states)["ff"], rtol=1e-6)
    hidden = np.tanh(np.array(NETWORK["weights"][0]).sum(1) + NETWORK["biases"][0])
    assert inline(states)["ff"][0, 0] == pytest.approx(hidden[0] - hidden[1] + 0.2)
    assert rule_from_json(rule.to_json()) == rule
    del tensors["bias_1"]
    (tmp_path / "net.safetensors").write_bytes(safetensors.numpy.save(tensors))
    with pytest.raises(RuleError, match=r"network\.file: holds .*expected weight_0, bias_0, weight_1, bias_1"):
        load_rule(path)


def test_a_network_and_an_expression_cannot_share_an_event():
    network = Network(NetworkShape(("w",), ("on_step",), (1,), ("identity",)), np.zeros(2))
    with pytest.raises(RuleError, match="on_step: both an expression and an output"):
        PathwayRule.make({"on_step": "w"}, network=network)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON: .*line 1"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b"\x80\x04\x95", "not UTF-8|not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a": NaN}', "NaN is not a number here"),
        (b'{"a": -Infinity}', "-Infinity is not a number here"),
        (b'{"a": 1e400}', "too large"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "too large"),
        (b'{"a": 1, "a": 2}', "the key 'a' stands twice"),
        (b" " * (MAX_FILE_BYTES + 1), "larger than 1,000,000 bytes"),
        (b'"' + b"(" * 10_000_000 + b'"', "larger than 1,000,000 bytes"),
    ],
)
def test_a_file_that_is_no_rule_is_one_clean_line(tmp_path, content, message):
    path = tmp_path / "rule.json"
    path.write_bytes(content)
    with pytest.raises(RuleError, match=message) as caught:
        load_rule(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file_suggests_known_rules(tmp_path):
    with pytest.raises(RuleError, match=r"did you mean oja\b"):
        load_rule("ojja")
    with pytest.raises(RuleError, match="neither a rule file nor a known rule"):
        load_rule(tmp_path / "none.json")
    with pytest.raises(RuleError, match="not a file"):
        load_rule(tmp_path)
    with pytest.raises(RuleError):
        load_rule("a\x00b")
    with pytest.raises(RuleError):
        load_rule("a" * 5_000)


def test_a_link_out_of_the_rules_folder_is_refused(tmp_path):
    folder = tmp_path / "inside"
    folder.mkdir()
    (tmp_path / "secret.safetensors").write_bytes(safetensors.numpy.save({"W": np.zeros(2, np.float32)}))
    (folder / "x.safetensors").symlink_to(tmp_path / "secret.safetensors")
    (folder / "rule.json").write_text(json.dumps(changed(("arrays",), "x.safetensors")))
    with pytest.raises(RuleError, match=r"arrays: no file 'x\.safetensors' beside the rule"):
        load_rule(folder / "rule.json")


def test_a_broken_or_mistyped_array_file_is_refused(tmp_path):
    path = tmp_path / "rule.json"
    path.write_text(json.dumps(changed(("arrays",), "x.safetensors")))
    for content in (b"", b"\xff" * 40, safetensors.numpy.save({"W": np.zeros(2, np.int64)})):
        (tmp_path / "x.safetensors").write_bytes(content)
        with pytest.raises(RuleError, match=r"arrays: 'x\.safetensors'"):
            load_rule(path)


def test_arrays_survive_both_forms(tmp_path):
    arrays = {"W": np.arange(6, dtype=np.float32).reshape(2, 3), "s": np.array(0.5, np.float32)}
    rule = Rule("slow", {"*": PathwayRule.make({"on_step": "pre*post"})}, arrays=arrays)
    rule.save(tmp_path / "slow.json")
    for copied in (load_rule(tmp_path / "slow.json"), rule_from_json(parse_json(json.dumps(rule.to_json())))):
        assert copied.hash == rule.hash
        assert all(np.array_equal(copied.arrays[name], array) for name, array in arrays.items())
    other = Rule("slow", rule.pathways, arrays={**arrays, "s": np.array(0.6, np.float32)})
    assert other.hash != rule.hash


def test_saving_into_a_folder_that_is_not_there_writes_nothing(tmp_path):
    with pytest.raises(PlasticbenchError, match="cannot be written"):
        known_rules()["oja"].save(tmp_path / "none" / "oja.json")
    assert not list(tmp_path.iterdir())


def test_the_hash_is_of_what_a_rule_does_not_of_its_spelling_or_name():
    first, second = (
        Rule(name, {"ff": PathwayRule.make({"on_step": text}, {"eta": 0.1, "beta": 2.0})})
        for name, text in (("a", "eta*(pre - w)"), ("b", "eta * (pre-w)"))
    )
    assert first.hash == second.hash
    assert first != second
    changed_value = Rule("a", {"ff": PathwayRule.make({"on_step": "eta*(pre - w)"}, {"eta": 0.2, "beta": 2.0})})
    assert changed_value.hash != first.hash


def test_variables_of_a_users_own_task_are_named_at_loading(tmp_path):
    data = {"format": "plasticbench/rule@1", "name": "own", "pathways": {"*": {"on_step": "dopamine*w"}}}
    path = tmp_path / "own.json"
    path.write_text(json.dumps(data))
    with pytest.raises(RuleError, match="unknown name 'dopamine'"):
        load_rule(path)
    assert load_rule(path, variables=["dopamine"]).pathways["*"].variables == {"dopamine", "w"}
