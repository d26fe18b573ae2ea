"""Neuron models as compiled steps of a population, from their equations.

A step is a function with a C interface, `step(t, seed, n, frame)`: it advances n neurons and returns the number of
spikes, or NOT_A_NUMBER. `frame` is a table of addresses: constants, first step at which a refractory neuron integrates
again, the spikes' indices (out), then each state; its last word is the number of the stream of random spikes.

Arithmetic keeps IEEE order (no contraction, no reassociation), so two machines give the same spikes. Loops over the
population have no branch, so they vectorise; neurons are looked at for a spike in blocks, since few have one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy as np

from plasticbench.language.emission import Dialect, dialect, emit_values
from plasticbench.language.program import Program
from plasticbench.networks.neurons import NeuronModel
from plasticbench.networks.neurons.model import HAZARD_STATE
from plasticbench.simulation.compile import compile_module
from plasticbench.simulation.pointers import BY_KIND

NOT_A_NUMBER = -1
TINY = 1e-30  # decaying states below it are set to 0 now and then: denormal numbers are slow
FLUSH_EVERY = 256  # steps
_BLOCKS = (128, 8)  # neurons looked at together for a spike
_INDENT = "    "


def constants_of(model: NeuronModel, dt_s: float, dtype: type) -> np.ndarray:
    """The numbers that a model's compiled step reads; the last one is the number of refractory steps."""
    known = model.step_constants(dt_s)
    names = (*model.equations.used_constants(model), "refractory_steps")
    return np.array([known[name] for name in names]).astype(dtype)


def population_step(model: NeuronModel, dtype: type, index: type) -> int:
    """The address of a model's compiled step, for states of `dtype` and spikes' indices of type `index`."""
    return _compiled(step_source(model, np.dtype(dtype).name, np.dtype(index).name))


@lru_cache(maxsize=64)
def _compiled(source: str) -> int:
    return compile_module(source).step.address


def step_source(model: NeuronModel, scalar: str, index: str) -> str:
    """The source of a module with a model's compiled step."""
    target = dialect("numba", scalar)
    states, constants = tuple(model.state), model.equations.used_constants(model)
    kind = BY_KIND[scalar]
    head = [
        "_table = i8(_frame)",
        f"_c, _ready, _spikes = {kind}(_table[0]), i4(_table[1]), {BY_KIND[index]}(_table[2])",
        *(f"s_{name} = {kind}(_table[{3 + k}])" for k, name in enumerate(states)),
        *(f"c_{name} = _c[{k}]" for k, name in enumerate(constants)),
        "_now = np.int32(_t)",
        f"_again = np.int32(_now + np.int32(_c[{len(constants)}]) + 1)",
    ]
    lines = [*head, *_update_loop(model, target), *_flush_loop(model, target)]
    lines += _spike_loops(model, target) if model.hazard_hz is None else _random_spikes(model, target)
    return (
        "import math\n\nimport numpy as np\n\n"
        "from plasticbench.simulation.compile import c_callable\n"
        f"from plasticbench.simulation.pointers import {', '.join(sorted({'i4', 'i8', kind, BY_KIND[index]}))}\n"
        + ("" if model.hazard_hz is None else "from plasticbench.simulation.spiking.random_spikes import draw_at\n")
        + "\n\n"
        '@c_callable("int64(int64, int64, int64, int64)")\n'
        "def step(_t, _seed, _n, _frame):\n" + "".join(f"{_INDENT}{line}\n" for line in lines)
    )


def _indented(lines: Iterable[str], depth: int = 1) -> list[str]:
    return [_INDENT * depth + line for line in lines]


def local_names(model: NeuronModel) -> dict[str, str]:
    """Name in a model's equations -> local variable of generated code; the prefixes keep it clear of all others."""
    constants = model.equations.used_constants(model)
    values = (*model.state, *(name for name, _ in model.equations.updates))
    return {name: f"c_{name}" for name in constants} | {name: f"x_{name}" for name in values}


def assign(program: Program, name: str, local: Mapping[str, str], target: Dialect) -> list[str]:
    """Lines that give the local variable `name` the program's value; its names stand for `local` ones."""
    body, values = emit_values(program.renamed(local).lowered, {}, tuple(local.values()), target)
    return [*body, target.assign(name, values[-1])]


def _update_loop(model: NeuronModel, target: Dialect) -> list[str]:
    equations, local = model.equations, local_names(model)
    body = [f"x_{name} = s_{name}[_i]" for name in model.state]
    for name, expression in equations.updates:
        body += assign(expression.program, f"x_{name}", local, target)
    changed = [name for name in model.state if name in dict(equations.updates)]
    if equations.held is not None:
        body += assign(equations.held.program, "_held", local, target)
        body.append("x_v = x_v if _ready[_i] <= _now else _held")
    body += [f"s_{name}[_i] = x_{name}" for name in changed]
    return ["for _i in range(_n):", *_indented(body)]


def _flush_loop(model: NeuronModel, target: Dialect) -> list[str]:
    if not model.decaying:
        return []
    tiny, zero = target.literal(TINY), target.literal(0.0)
    lines = [f"if _t & {FLUSH_EVERY - 1} == 0:"]
    for name in model.decaying:
        lines += [
            f"{_INDENT}for _i in range(_n):",
            f"{_INDENT * 2}s_{name}[_i] = s_{name}[_i] if not abs(s_{name}[_i]) <= {tiny} else {zero}",
        ]
    return lines


def _spike_loops(model: NeuronModel, target: Dialect) -> list[str]:
    """Find and reset the neurons above their threshold, the blocks without one left out."""
    equations, local = model.equations, local_names(model)
    assert equations.threshold is not None
    program = equations.threshold.program
    read = sorted(program.names & set(model.state))

    def threshold(place: str) -> list[str]:
        loads = [f"x_{name} = s_{name}[{place}]" for name in read]
        return [*loads, *assign(program, "_threshold", local, target)]

    reset = [*threshold("_i"), "if not s_v[_i] <= _threshold:", *_indented(_reset(model, target))]
    lines, start = ["_found = 0", "_from = 0"], "_from"
    for size in _BLOCKS:
        lines += [
            f"_until = _n // {size} * {size}",
            f"for _first in range({start}, _until, {size}):",
            f"{_INDENT}_above = False",
            f"{_INDENT}for _k in range({size}):",  # without a branch and of constant length, so that it vectorises
            *_indented([*threshold("_first + _k"), "_above = _above | (not s_v[_first + _k] <= _threshold)"], 2),
            f"{_INDENT}if _above:",
            f"{_INDENT * 2}for _i in range(_first, _first + {size}):",
            *_indented(reset, 3),
            "_from = _until",
        ]
    return [*lines, "for _i in range(_from, _n):", *_indented(reset), "return _found"]


def _random_spikes(model: NeuronModel, target: Dialect) -> list[str]:
    """Draw for every neuron, and reset those that spike."""
    equations, local = model.equations, local_names(model)
    assert equations.hazard_hz is not None
    program = equations.hazard_hz.program
    spikes = "not np.float64(_hazard) * np.float64(c_dt_s) <= -math.log(draw_at(_seed, _stream, _t, _i))"
    free = "_ready[_i] <= _now and " if equations.held is not None else ""
    body = [f"x_{name} = s_{name}[_i]" for name in sorted(program.names & set(model.state))]
    body += [*assign(program, "_hazard", local, target), f"s_{HAZARD_STATE}[_i] = _hazard"]
    body += ["if s_v[_i] != s_v[_i]:", f"{_INDENT}return {NOT_A_NUMBER}"]
    body += [f"if {free}{spikes}:", *_indented(_reset(model, target))]
    stream = f"_stream = _table[{3 + len(model.state)}]"
    return [stream, "_found = 0", "for _i in range(_n):", *_indented(body), "return _found"]


def _reset(model: NeuronModel, target: Dialect) -> list[str]:
    equations, local = model.equations, local_names(model)
    loads = sorted(frozenset().union(*(e.program.names for e in equations.at_spike.values())) & set(model.state))
    body = ["if s_v[_i] != s_v[_i]:", f"{_INDENT}return {NOT_A_NUMBER}"]
    body += [f"x_{name} = s_{name}[_i]" for name in loads]
    for k, expression in enumerate(equations.at_spike.values()):
        body += assign(expression.program, f"_new_{k}", local, target)
    body += [f"s_{name}[_i] = _new_{k}" for k, name in enumerate(equations.at_spike)]
    if equations.held is not None:
        body.append("_ready[_i] = _again")
    return [*body, "_spikes[_found] = _i", "_found += 1"]
