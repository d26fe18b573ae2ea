"""The parser accepts the rule language and nothing else, and never computes what it refuses."""

import math
import time

import pytest
import torch

from plasticbench.language.parse import MAX_NODES
from plasticbench.rules import Expression, RuleError, parse_expression

NAMES = {"w", "pre", "post", "eta"}

HOSTILE = [
    "__import__('os').system('true')",
    "__import__",
    "().__class__",
    "w.__class__",
    "w.real",
    "9**9**9",
    "9**9**9**9**9",
    "(9**9)**9",
    "((9**9)**9)**9",
    "((w**8)**8)**8",
    "2**(10**10)",
    "w**(9**9)",
    "1e999",
    "1e308*10",
    "9" * 4_000,
    "9" * 5_000,
    "1/0",
    "0**-1",
    "(-8)**0.5",
    "exp(1e5)",
    "log(0)",
    "sqrt(-1)",
    "(" * 10_000_000,
    "(" * 9_999 + "w" + ")" * 9_999,
    "-" * 15_000 + "w",
    "w**" * 5_000 + "w",
    "exp(" * 2_000 + "w" + ")" * 2_000,
    "+".join(["w"] * 1_001),
    "w+" * 9_999 + "w",
    "lambda: w",
    "[w for w in w]",
    "(w for w in w)",
    "{w: w}",
    "w[0]",
    "f'{w}'",
    "'w'",
    '"w"',
    "`w`",
    "w if w else w",
    "w and w",
    "not w",
    "~w",
    "w @ w",
    "w // w",
    "w % w",
    "w == w",
    "w < w",
    "w << 2",
    "w := 1",
    "w; w",
    "w = 1",
    "w, w",
    "(w, w)",
    "*w",
    "max(*w)",
    "max(w, key=w)",
    "exp(x=w)",
    "exp",
    "exp()",
    "exp(w, w)",
    "min(w)",
    "eval(w)",
    "open(w)",
    "exec(w)",
    "w(w)",
    "(exp)(w)(w)",
    "True",
    "None",
    "...",
    "1j",
    "nan",
    "inf",
    "unknown",
    "ｗ",
    "𝐰",
    "w\u200b",
    "w\u2212w",
    "wʹ",
    "w\x00",
    "w\n",
    "w#comment",
    "w\\",
    "1or w",
    "0xfor",
    "",
    "   ",
    "w w",
    "w +",
    "await w",
    "yield",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:24].encode("ascii", "backslashreplace").decode())
def test_a_hostile_expression_is_a_short_clean_error_at_once(text):
    start = time.perf_counter()
    with pytest.raises(RuleError) as caught:
        parse_expression(text, NAMES, "pathways.ff.on_step")
    assert time.perf_counter() - start < 1.0
    message = str(caught.value)
    assert message.startswith("pathways.ff.on_step: ")
    assert "\n" not in message
    assert len(message) < 300


@pytest.mark.parametrize("found", [None, 1.0, True, ["w"], {"w": 1}, b"w"])
def test_an_expression_that_is_no_text_is_refused(found):
    with pytest.raises(RuleError, match="expected an expression as text"):
        parse_expression(found, NAMES)


def test_the_node_limit_is_exact():
    half = MAX_NODES // 2
    parse_expression("+".join(["w"] * half), NAMES)  # 2 half - 1 nodes
    parse_expression("-" + "+".join(["w"] * half), NAMES)
    with pytest.raises(RuleError, match="nodes"):
        parse_expression("--" + "+".join(["w"] * half), NAMES)


def test_an_unknown_name_names_the_nearest_and_all_on_offer():
    with pytest.raises(RuleError, match=r"'poste'; did you mean 'post'\? on offer: eta, post, pre, w"):
        parse_expression("eta * poste", NAMES)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2*3", 7.0),
        ("2**3**2 / 2**9", 1.0),
        ("-2**2", -4.0),
        ("+w", 0.3),
        ("-w**2", -0.09),
        ("w - 1 - 1", -1.7),
        ("8 / 2 / 2", 2.0),
        ("w**0", 1.0),
        ("w**1", 0.3),
        ("w**-2", 1 / 0.09),
        ("w**0.5", math.sqrt(0.3)),
        ("w**-0.5", 1 / math.sqrt(0.3)),
        ("w**7", 0.3**7),
        ("w**1.5", 0.3**1.5),
        ("2**w", 2**0.3),
        ("exp(log(w))", 0.3),
        ("sqrt(abs(-w))", math.sqrt(0.3)),
        ("tanh(w)", math.tanh(0.3)),
        ("sigmoid(w)", 1 / (1 + math.exp(-0.3))),
        ("relu(-w) + relu(w)", 0.3),
        ("step(w) + step(-w) + step(0*w)", 1.0),
        ("step(0)", 0.0),
        ("min(w, 1, 0.1)", 0.1),
        ("max(w, -1, 0.1)", 0.3),
        ("max(1, w)", 1.0),
        ("1e-3 + .5 + 1_0", 10.501),
    ],
)
def test_values_are_those_of_arithmetic(text, value):
    result = Expression.parse(text, NAMES).program.evaluate({"w": torch.tensor(0.3, dtype=torch.float64)})
    assert float(result) == pytest.approx(value, rel=1e-12, abs=1e-12)


def test_common_subexpressions_are_computed_once():
    program = Expression.parse("(pre*post)**2 + exp(pre*post) + pre*post", NAMES).program
    assert sum(operation == "mul" for operation, *_ in program.instructions) == 1


def test_equal_expressions_give_equal_programs_whatever_the_spelling():
    spaced, dense = (Expression.parse(text, NAMES).program for text in ("eta * (pre - w)", "eta*((pre)-w)"))
    assert spaced == dense
    assert hash(spaced) == hash(dense)


@pytest.mark.parametrize("function", [torch.minimum, torch.maximum])
def test_extremes_and_relu_let_nan_through(function):
    nan = torch.tensor(float("nan"))
    for text in (f"{function.__name__[:3]}(w, 1)", f"{function.__name__[:3]}(1, w)", "relu(w)"):
        assert Expression.parse(text, NAMES).program.evaluate({"w": nan}).isnan()
