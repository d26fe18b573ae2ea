"""Ten thousand rule files, made by breaking good ones at every level from bytes to expressions."""

import builtins
import copy
import json
import math
import random
import subprocess

from plasticbench.files import parse_json
from plasticbench.rules import Network, NetworkShape, PathwayRule, Rule, RuleError, known_rules, load_rule
from plasticbench.rules.codec import rule_from_json

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
        pathway = generator.choice([part for part in data["pathways"].values() if set(part) & set(_EXPRESSIONS)])
        event = generator.choice([name for name in _EXPRESSIONS if name in pathway])
        text, snippet = pathway[event], generator.choice(_SNIPPETS)
        cut = generator.randrange(len(text) + 1)
        pathway[event] = text[:cut] + " " + snippet + " " + text[cut:]
    elif way == 1:  # put a foreign value somewhere
        path = generator.choice([path for path in _places(data) if path])
        place = data
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = generator.choice(_VALUES)
    elif way == 2:  # an unknown field
        places = [path for path in _places(data) if isinstance(_at(data, path), dict) and "parameters" not in path]
        place = _at(data, generator.choice(places))
        place[generator.choice(["", "eval", "__class__", "on_", "x" * 200, "é"])] = generator.choice(_VALUES)
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


_EXPRESSIONS = ("on_step", "on_pre", "on_post")


def _at(data, path):
    for key in path:
        data = data[key]
    return data


def test_ten_thousand_malformed_files_are_clean_errors_and_execute_nothing(tmp_path, monkeypatch):
    executed = []
    for module, name in ((builtins, "eval"), (subprocess, "Popen"), (builtins, "__import__")):
        original = getattr(module, name)

        def watched(*arguments, _original=original, _name=name, **keywords):
            if _name != "__import__" or arguments[0] == "os":
                executed.append((_name, arguments[:1]))
            return _original(*arguments, **keywords)

        monkeypatch.setattr(module, name, watched)
    monkeypatch.chdir(tmp_path)
    sources = [rule.to_json() for rule in known_rules().values() if rule.kind != "any"]
    sources.append(_network_rule().to_json())
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
    assert n_drawn < 2 * N_FUZZED
    assert executed == []
    assert list(tmp_path.iterdir()) == [path]
