"""Compiled derivatives of rules are those of torch's autograd, at ties and edges too."""

import importlib.util
import sys
import types

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from rule_cases import ALL_FUNCTIONS, ARGUMENTS, PARAMETERS, all_arguments, every_event, expressions, parsed

from plasticbench.rules import Expression
from plasticbench.rules.event import ExpressionEvent

N_POINTS = 12
# The emitted source, run as plain Python on numpy's numbers: no compilation to wait for, and inf instead of errors.
MATH = types.SimpleNamespace(exp=np.exp, log=np.log, sqrt=np.sqrt, fabs=np.abs, tanh=np.tanh)


def function_of(event, arguments, n_parameters, folder):
    path = folder / "emitted.py"
    path.write_text(event.emit_derivative("f", arguments, n_parameters))
    spec = importlib.util.spec_from_file_location("emitted", path)
    module = importlib.util.module_from_spec(spec)
    module.np, module.math = np, MATH
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode  # else a file of equal size and second is stale
    spec.loader.exec_module(module)
    sys.dont_write_bytecode = before
    return module.f


def ours(event, arguments, x, p, folder):
    """(value (n_points,), derivatives (n_points, n_arguments + n_parameters))."""
    f, partials = function_of(event, arguments, p.shape[1], folder), np.full((len(x), x.shape[1] + p.shape[1]), np.nan)
    with np.errstate(all="ignore"):
        values = [f(*point, into, numbers) for point, into, numbers in zip(x, partials, p, strict=True)]
    return np.array(values), partials


def autograd(event, arguments, x, p):
    """The same by torch; every point has parameters of its own."""
    leaves = [torch.tensor(x[:, k : k + 1], requires_grad=True) for k in range(x.shape[1])]
    numbers = torch.tensor(p, requires_grad=True)
    value = event.evaluate(dict(zip(arguments, leaves, strict=True)), numbers).expand(len(x), 1)
    if not value.requires_grad:
        return value[:, 0].numpy(), np.zeros((len(x), x.shape[1] + p.shape[1]))
    found = torch.autograd.grad(value.sum(), [*leaves, numbers], allow_unused=True, materialize_grads=True)
    return value[:, 0].detach().numpy(), torch.cat(found, 1).numpy()


def points(seed, n_arguments, n_parameters):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(N_POINTS, n_arguments))
    x[:3] = np.array([[0.0], [1.0], [-1.0]])
    return x, generator.normal(size=(N_POINTS, n_parameters))


def agree(event, arguments, x, p, folder):
    value, partials = ours(event, arguments, x, p, folder)
    expected_value, expected = autograd(event, arguments, x, p)
    _, nudged = autograd(event, arguments, x * (1 + 1e-13), p * (1 - 1e-13))
    _, pushed = autograd(event, arguments, x * (1 - 1e-13), p * (1 + 1e-13))
    np.testing.assert_allclose(value, expected_value, rtol=1e-9, atol=1e-300)
    at_edge = (x == np.round(x)).all(1)[:, None]  # there, a nudge changes a tie, which has to be decided as torch does
    with np.errstate(invalid="ignore"):
        spread = np.where(at_edge, 0.0, np.abs(nudged - expected) + np.abs(pushed - expected))
    sure = np.isfinite(expected) & np.isfinite(spread) & (np.abs(expected) < 1e100)
    allowed = 100 * spread + 1e-7 * np.abs(expected) + 1e-12
    assert (np.abs(partials[sure] - expected[sure]) <= allowed[sure]).all(), event.program


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(text=expressions)
def test_derivatives_of_any_expression_are_those_of_autograd(tmp_path, text):
    found = parsed(text)
    if found is not None:
        agree(ExpressionEvent(found.program, PARAMETERS), ARGUMENTS, *points(len(text), len(ARGUMENTS), 2), tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        ALL_FUNCTIONS,
        "min(w, pre, 0.5, w)",
        "max(w, post, 0) * min(w, w)",
        "relu(w) + abs(w) + step(w) * pre",
        "relu(-w) * abs(w - 1)",
        "abs(w)**alpha",
        "abs(w)**0.3 * w",
        "2**(w - pre)",
        "abs(w)**(alpha - alpha)",
    ],
)
def test_edges_and_ties_are_decided_as_torch_decides_them(text, tmp_path):
    event = ExpressionEvent(Expression.parse(text, {*ARGUMENTS, *PARAMETERS}).program, PARAMETERS)
    x, p = points(0, len(ARGUMENTS), len(PARAMETERS))
    agree(event, ARGUMENTS, x, p, tmp_path)
    agree(event, ARGUMENTS, np.round(x), p, tmp_path)


def test_every_known_rule_family_and_network(tmp_path):
    events = list(every_event())
    arguments = all_arguments(events)
    for label, event, numbers in events:
        x, _ = points(1, len(arguments), 0)
        p = np.broadcast_to(np.array(numbers, float), (N_POINTS, len(numbers))).copy()
        value, partials = ours(event, arguments, x, p, tmp_path)
        expected_value, expected = autograd(event, arguments, x, p)
        np.testing.assert_allclose(value, expected_value, rtol=1e-12, atol=1e-14, err_msg=label)
        np.testing.assert_allclose(partials, expected, rtol=1e-9, atol=1e-12, err_msg=label)
