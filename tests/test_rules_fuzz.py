"""Ten thousand rule files of each format, made by breaking good ones at every level from bytes to expressions."""

import builtins
import copy
import json
import math
import random
import subprocess

import pytest

from plasticbench.files import parse_json
from plasticbench.rules import (
    Network,
    NetworkShape,
    PathwayRule,
    Rule,
    RuleError,
    canonical_form,
    known_rules,
    load_rule,
)
from plasticbench.rules.codec import rule_from_json
from plasticbench.rules.rule import FORMAT_1, FORMAT_2
from plasticbench.rules.variables import EVENTS

N_FUZZED = 10_000
# fmt: off
_SNIPPETS = [
    "__import__('os').system('touch PWNED')", "eval('1')", "exec('1')", "open('PWNED','w')", "w.__class__",
    "9**9**9", "(9**9)**9", "lambda: 0", "[x for x in w]", "f'{w}'", "w[0]", "w if w else w", "(" * 300,
    ")" * 30, "w,", "'", "\\", "𝓌", "ｗ", "\u202ew", "1e999", "0x", "**", "exp", "min()", "nope",
    "w.w", "1j", "True", "None", "w;w", "\n", "@", "w:=1",
]
# fmt: on
_VALUES = [None, True, [], {}, "", "x", -1, 0, 1e31, 10**400, [[]], {"a": {}}, "9**9**9", ["w"]]
_NAMES = ["", "eval", "__class__", "on_", "x" * 200, "é", "a\nb", "w", "m", "phi", "on_pre", "tau_s", "\ud835"]
_TOKENS = [
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e999",
    b"\x00",
    b"\xff",
    b'"',
    b"{",
    b"}",
    b"[" * 3_000,
    b",,",
]


def _places(data, path=()):
    yield path
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from _places(value, (*path, key))


def _fuzzed(generator, sources):
    """The bytes of one broken rule file."""
    data = copy.deepcopy(generator.choice(sources))
    way = generator.randrange(6)
    if way == 0:  # break an expression
        path = generator.choice([path for path in _places(data) if _is_expression(path, _at(data, path))])
        place, text, snippet = _at(data, path[:-1]), _at(data, path), generator.choice(_SNIPPETS)
        cut = generator.randrange(len(text) + 1)
        place[path[-1]] = text[:cut] + " " + snippet + " " + text[cut:]
    elif way == 1:  # put a foreign value somewhere
        path = generator.choice([path for path in _places(data) if path])
        place = data
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = generator.choice(_VALUES)
    elif way == 2:  # an unknown field
        places = [path for path in _places(data) if isinstance(_at(data, path), dict) and "parameters" not in path]
        place = _at(data, generator.choice(places))
        place[generator.choice(_NAMES)] = generator.choice(_VALUES)
    elif way == 3:  # a field lost
        path = generator.choice([path for path in _places(data) if path and isinstance(_at(data, path[:-1]), dict)])
        del _at(data, path[:-1])[path[-1]]
    content = json.dumps(data).encode()
    if way == 4:  # cut off
        return content[: generator.randrange(len(content))]
    if way == 5:  # a foreign token in the bytes
        cut = generator.randrange(len(content))
        return content[:cut] + generator.choice(_TOKENS) + content[cut + generator.randrange(3) :]
    return content


def _network_rule():
    """A rule with a network for one pathway and an expression for another."""
    shape = NetworkShape(("pre", "post", "w"), ("on_step",), (2, 1), ("tanh", "identity"))
    network = PathwayRule.make(network=Network.from_layers(shape, [[[1, 2, 3], [4, 5, 6]], [[1, 2]]], [[0, 1], [2]]))
    return Rule("net", {"lateral": network, "ff": PathwayRule.make({"on_step": "pre*post"})})


def _is_expression(path, value):
    """Whether an event's text, a state's change or what a trace is of."""
    at_event = any(part in EVENTS for part in path)
    return isinstance(value, str) and "network" not in path and (at_event or path[-1] == "of")


def _state_rules():
    """Rules that use every part of format @2, besides the known ones."""
    everything = {
        "traces": {"r1": {"of": "pre", "tau_s": "tau"}, "x_post": {"of": "post", "tau_s": 0.1, "spikes": "nearest"}},
        "state": {"e": {"tau_s": "tau"}, "theta": {"scope": "post"}, "n": {"scope": "pre", "tau_s": 3}},
        "on_pre": {"e": "-a * x_post", "n": "1 - n*r1"},
        "on_post": {"e": "a * r1", "theta": "1 - v*x_post", "w": "0.1 * (theta - e) * n"},
        "on_modulator": "m * e * (w_max - w)",
        "parameters": {"tau": 0.02, "a": 0.1},
    }
    filtered = {
        "traces": {"theta": {"of": "k * post**2", "tau_s": "tau"}},
        "state": {"s": {"scope": "pre"}},
        "on_step": {"w": "pre * post * (post - theta) - s", "s": "pre - 0.1*m"},
        "parameters": {"k": 1.0, "tau": 10.0},
    }
    parts = (everything, filtered)
    return [rule_from_json({"format": FORMAT_2, "name": "n", "pathways": {"*": part}}) for part in parts]


def _at(data, path):
    for key in path:
        data = data[key]
    return data


@pytest.mark.parametrize("form", [FORMAT_1, FORMAT_2])
def test_ten_thousand_malformed_files_are_clean_errors_and_execute_nothing(form, tmp_path, monkeypatch):
    executed = []
    for module, name in ((builtins, "eval"), (subprocess, "Popen"), (builtins, "__import__")):
        original = getattr(module, name)

        def watched(*arguments, _original=original, _name=name, **keywords):
            if _name != "__import__" or arguments[0] == "os":
                executed.append((_name, arguments[:1]))
            return _original(*arguments, **keywords)

        monkeypatch.setattr(module, name, watched)
    monkeypatch.chdir(tmp_path)
    sources = [*known_rules().values(), _network_rule(), *_state_rules()]
    sources = [rule.to_json() for rule in sources if rule.kind != "any" and rule.format == form]
    generator = random.Random(20)
    path = tmp_path / "rule.json"
    n_refused = n_drawn = 0
    while n_refused < N_FUZZED:
        n_drawn += 1
        content = _fuzzed(generator, sources)
        try:
            if n_drawn % 10:
                rule = rule_from_json(parse_json(content), tmp_path)
            else:  # as a file; the rest without the file system's share of the time
                path.write_bytes(content)
                rule = load_rule(path)
        except RuleError as error:
            n_refused += 1
            message = str(error)
            assert "\n" not in message, message
            assert 0 < len(message) < 1_000, message
        else:  # some changes leave a sound rule, such as a lost citation
            numbers = [value for part in rule.pathways.values() for value in part.parameters.values()]
            assert all(math.isfinite(value) for value in numbers)
            assert rule_from_json(rule.to_json()).hash == rule.hash
            rule.latex(), canonical_form(rule)
    assert n_drawn < 2 * N_FUZZED
    assert executed == []
    assert list(tmp_path.iterdir()) == [path]
