"""One tree, several engines: torch, numba and CUDA source (compiled as C++) agree to rounding."""

import ctypes
import importlib.util
import math
import shutil
import subprocess

import numba
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rule_cases import ALL_FUNCTIONS, ARGUMENTS, PARAMETERS, all_arguments, every_event, expressions, parsed

from plasticbench.language.torch_operations import OPERATIONS
from plasticbench.rules import Expression
from plasticbench.rules.event import ExpressionEvent

N_POINTS = 40


def noisy(program, values, eps, generator):
    """The program with each instruction's result off by a few roundings: how far engines may differ."""
    done = []
    for operation, *operands in program.lowered.instructions:
        if operation == "number":
            done.append(operands[0])
        elif operation == "name":
            done.append(values[operands[0]])
        else:
            exact = OPERATIONS[operation](*(done[i] for i in operands))
            done.append(exact * (1 + eps * torch.randn(exact.shape, generator=generator, dtype=exact.dtype)))
    return torch.as_tensor(done[-1], dtype=values["w"].dtype).expand(N_POINTS)


def compiled(tmp_path, events, scalar):
    """All events as one numba function (points, parameters) -> (n_events, n_points)."""
    lines = ["import math", "import numba", "import numpy as np", ""]
    for k, event in enumerate(events):
        lines += ["@numba.njit(error_model='numpy')", event.emit(f"f{k}", ARGUMENTS, "numba", scalar)]
    lines += ["@numba.njit(error_model='numpy')", "def run(x, p, out):", "    for i in range(x.shape[1]):"]
    lines += [f"        out[{k}, i] = f{k}(x[0, i], x[1, i], x[2, i], p)" for k in range(len(events))]
    path = tmp_path / "emitted.py"
    path.write_text("\n".join(lines) + "\n")
    spec = importlib.util.spec_from_file_location("emitted", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def points(seed, dtype):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(3, N_POINTS)) * generator.choice([0.1, 1.0, 10.0], size=(3, N_POINTS))
    x[:, :3] = np.array([[0.0, 1.0, -1.0]])
    x[:, 3] = np.nan
    return x.astype(dtype), generator.normal(size=len(PARAMETERS)).astype(dtype)


@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(texts=st.lists(expressions, min_size=12, max_size=12), seed=st.integers(0, 2**31), single=st.booleans())
def test_torch_and_numba_agree_on_any_expression_nan_included(tmp_path, texts, seed, single):
    scalar = "float32" if single else "float64"
    programs = [found.program for found in map(parsed, texts) if found is not None]
    events = [ExpressionEvent(program, PARAMETERS) for program in programs]
    if not events:
        return
    x, p = points(seed, scalar)
    out = np.empty((len(events), N_POINTS), scalar)
    compiled(tmp_path, events, scalar).run(x, p, out)
    variables = {name: torch.from_numpy(x[k : k + 1]) for k, name in enumerate(ARGUMENTS)}
    values = {name: value[0] for name, value in variables.items()}
    values.update({name: torch.tensor(p[k]) for k, name in enumerate(PARAMETERS)})
    generator = torch.Generator().manual_seed(seed)
    eps = 8 * float(np.finfo(scalar).eps)
    for event, ours in zip(events, out, strict=True):
        reference = event.evaluate(variables, torch.from_numpy(p[None])).expand(1, N_POINTS)[0].double().numpy()
        draws = np.stack(
            [noisy(event.program, values, eps, generator).double().numpy() for _ in range(6)] + [reference]
        )
        sure = np.isfinite(draws).all(0) | np.isnan(draws).all(0)  # a rounding decides nothing here
        assert (np.isnan(ours) == np.isnan(reference))[sure].all()
        finite = np.isfinite(draws).all(0)
        allowed = 20 * np.ptp(draws[:, finite], axis=0) + 1e-6 * np.abs(reference[finite]) + 1e-37
        assert (np.abs(ours.astype(float)[finite] - reference[finite]) <= allowed).all(), event.program


def test_single_precision_stays_single_in_numba(tmp_path):
    event = ExpressionEvent(Expression.parse(ALL_FUNCTIONS, {*ARGUMENTS, *PARAMETERS}).program, PARAMETERS)
    module = compiled(tmp_path, [event], "float32")
    module.f0(np.float32(1), np.float32(2), np.float32(3), np.ones(2, np.float32))
    assert module.f0.nopython_signatures[0].return_type == numba.types.float32
    # Literals are cast and folded by the compiler; the one conversion left hands the result back to Python.
    code = next(iter(module.f0.inspect_llvm().values()))
    assert "fmul float" in code
    assert "fmul double" not in code
    assert code.count("fpext") == 1


EVERY_EVENT = list(every_event())
ALL_ARGUMENTS = all_arguments(EVERY_EVENT)


def _torch_values(x):
    """(n_events, n_points) by torch, float64."""
    rows = []
    for _, event, numbers in EVERY_EVENT:
        variables = {name: torch.from_numpy(x[k : k + 1]) for k, name in enumerate(ALL_ARGUMENTS)}
        parameters = torch.tensor([numbers], dtype=torch.float64).reshape(1, -1)
        rows.append(event.evaluate(variables, parameters).expand(1, x.shape[1])[0].numpy())
    return np.stack(rows)


@pytest.fixture(scope="module")
def states():
    return np.random.default_rng(1).normal(size=(len(ALL_ARGUMENTS), 7))


def test_numba_agrees_with_torch_on_every_known_rule_and_family(tmp_path, states):
    lines = ["import math", "import numba", "import numpy as np", ""]
    for k, (_, event, _) in enumerate(EVERY_EVENT):
        lines += ["@numba.njit(error_model='numpy')", event.emit(f"f{k}", ALL_ARGUMENTS)]
    path = tmp_path / "every.py"
    path.write_text("\n".join(lines))
    spec = importlib.util.spec_from_file_location("every", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    expected = _torch_values(states)
    for k, (label, _, numbers) in enumerate(EVERY_EVENT):
        function = getattr(module, f"f{k}").py_func  # the same source as plain Python: no compilation to wait for
        ours = [function(*column, np.array(numbers)) for column in states.T]
        np.testing.assert_allclose(ours, expected[k], rtol=1e-12, atol=1e-14, err_msg=label)


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
@pytest.mark.parametrize(("scalar", "rtol"), [("float64", 1e-12), ("float32", 2e-5)])
def test_cuda_source_compiled_as_cpp_agrees_with_torch(tmp_path, states, scalar, rtol):
    c_type = "double" if scalar == "float64" else "float"
    lines = ["#include <cmath>", "#define __device__", "#define __forceinline__ inline"]
    all_functions = ExpressionEvent(Expression.parse(ALL_FUNCTIONS, {*ARGUMENTS, *PARAMETERS}).program, PARAMETERS)
    extra = ("all-functions", all_functions, [0.3, 0.7])
    for k, (_, event, _) in enumerate([*EVERY_EVENT, extra]):
        lines.append(event.emit(f"f{k}", ALL_ARGUMENTS, "cuda", scalar))
        passed = ", ".join(f"x[{j}]" for j in range(len(ALL_ARGUMENTS)))
        lines.append(f'extern "C" {c_type} g{k}(const {c_type}* x, const {c_type}* p) {{ return f{k}({passed}, p); }}')
    source, library = tmp_path / "every.cpp", tmp_path / "every.so"
    source.write_text("\n".join(lines))
    subprocess.run(["g++", "-O0", "-ffp-contract=off", "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
    loaded = ctypes.CDLL(str(library))
    expected = _torch_values(states)
    variables = {name: torch.from_numpy(states[k : k + 1]) for k, name in enumerate(ALL_ARGUMENTS)}
    last = all_functions.evaluate(variables, torch.tensor([extra[2]], dtype=torch.float64))[0].numpy()
    for k, (label, _, numbers) in enumerate([*EVERY_EVENT, extra]):
        function = getattr(loaded, f"g{k}")
        function.restype = ctypes.c_double if scalar == "float64" else ctypes.c_float
        p = np.array(numbers or [0.0], scalar)
        ours = []
        for column in states.T:
            x = np.ascontiguousarray(column, scalar)
            ours.append(function(ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(p.ctypes.data)))
        wanted = last if label == "all-functions" else expected[k]
        with np.errstate(over="ignore"):
            wanted = wanted.astype(scalar)  # beyond the largest float32 is infinite
        np.testing.assert_allclose(ours, wanted, rtol=rtol, atol=rtol * 10, err_msg=label)


def test_constant_expressions_have_a_value_on_every_engine(tmp_path):
    event = ExpressionEvent(Expression.parse("0.25", set()).program, ())
    assert event.evaluate({"w": torch.zeros(4, 2, 3)}, torch.zeros(4, 0)).expand(4, 2, 3).unique().tolist() == [0.25]
    assert compiled(tmp_path, [event], "float32").f0(1.0, 1.0, 1.0, np.zeros(1)) == 0.25


def test_gradients_equal_finite_differences():
    event = ExpressionEvent(Expression.parse(ALL_FUNCTIONS, {*ARGUMENTS, *PARAMETERS}).program, PARAMETERS)
    x = torch.tensor([[0.31, 0.62, 0.93]], dtype=torch.float64, requires_grad=True)
    p = torch.tensor([[0.4, 0.7]], dtype=torch.float64, requires_grad=True)

    def change(x, p):
        return event.evaluate({name: x[:, k] for k, name in enumerate(ARGUMENTS)}, p)

    assert torch.autograd.gradcheck(change, (x, p))


def test_parameters_broadcast_over_rules_and_states():
    event = ExpressionEvent(Expression.parse("eta*pre*post - alpha*w", {*ARGUMENTS, *PARAMETERS}).program, PARAMETERS)
    pre, post, w = torch.rand(1, 5, 9, 1, 3), torch.rand(4, 5, 9, 2, 1), torch.rand(4, 5, 1, 2, 3)
    p = torch.rand(4, 2, dtype=torch.float64)
    result = event.evaluate({"pre": pre, "post": post, "w": w}, p)
    assert result.shape == (4, 5, 9, 2, 3)
    assert result.dtype == torch.float32
    alone = event.evaluate({"pre": pre, "post": post[2:3], "w": w[2:3]}, p[2:3])
    assert torch.equal(result[2:3], alone)


def test_division_by_zero_is_infinite_not_an_exception(tmp_path):
    event = ExpressionEvent(Expression.parse("1/w", {"w"}).program, ())
    module = compiled(tmp_path, [event], "float64")
    out = np.empty((1, 1))
    module.run(np.zeros((3, 1)), np.zeros(0), out)
    assert out[0, 0] == math.inf
    assert event.evaluate({"w": torch.zeros(1, 1)}, torch.zeros(1, 0)).item() == math.inf
