"""Compiled derivatives of neuron models and of rules, from their equations (forward mode, float64).

`step(t, n_directions, n, frame)` advances n neurons and the tangents of their state; the frame points to constants,
first steps after refractoriness, spikes (out), each state, each state's tangents (n, n_directions), and the tangents of
this step's spikes. Nothing is differentiated while a neuron is held; a spike's derivative is the torch engine's
surrogate.

`change(values, partials, parameters, result)` computes an event's Δw and its derivatives by what it reads (in the order
of `read_by`) and by the rule's parameters.
"""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType

from plasticbench.language.derivative import emit_partials
from plasticbench.language.emission import dialect, emit_values
from plasticbench.language.program import Program
from plasticbench.networks.neurons import NeuronModel
from plasticbench.rules import PathwayStructure
from plasticbench.simulation.compile import compile_module
from plasticbench.simulation.pointers import BY_KIND
from plasticbench.simulation.spiking.neuron_source import NOT_A_NUMBER, local_names
from plasticbench.simulation.spiking.torch_neurons import SLOPE_PER_V

_TARGET = dialect("numba", "float64")
_INDENT = "    "
_EVENTS = ("on_pre", "on_post")


def _indent(lines: list[str], depth: int = 1) -> list[str]:
    return [_INDENT * depth + line for line in lines]


def _module(body: list[str], name: str, signature: str, arguments: str, kinds: set[str]) -> str:
    return (
        "import math\n\nimport numpy as np\n\nfrom plasticbench.simulation.compile import c_callable\n"
        f"from plasticbench.simulation.pointers import {', '.join(sorted(kinds))}\n\n\n"
        f'@c_callable("{signature}")\ndef {name}({arguments}):\n' + "".join(f"{_INDENT}{line}\n" for line in body)
    )


@lru_cache(maxsize=256)
def _compiled(source: str) -> ModuleType:
    return compile_module(source)


# ---------------------------------------------------------------- neurons


def tangent_step(model: NeuronModel, index: str) -> int:
    """The address of a model's compiled step with tangents."""
    return _compiled(tangent_step_source(model, index)).step.address


def tangent_step_source(model: NeuronModel, index: str) -> str:
    """The source of a module with a model's compiled step and its tangents."""
    states, constants = tuple(model.state), model.equations.used_constants(model)
    n = len(states)
    body = ["_table = i8(_frame)", f"_c, _ready, _spikes = f8(_table[0]), i4(_table[1]), {BY_KIND[index]}(_table[2])"]
    body += [f"s_{name} = f8(_table[{3 + k}])" for k, name in enumerate(states)]
    body += [f"t_{name} = f8(_table[{3 + n + k}])" for k, name in enumerate(states)]
    body += [f"_spike_tangents = f8(_table[{3 + 2 * n}])"]
    body += [f"c_{name} = _c[{k}]" for k, name in enumerate(constants)]
    body += [f"_again = np.int32(_t + np.int64(_c[{len(constants)}]) + 1)", "_found = 0", "for _i in range(_n):"]
    values, tangents = _neuron(model)
    body += _indent([*(f"x_{name} = s_{name}[_i]" for name in states), *values, "for _q in range(_nq):"])
    body += _indent([*(f"d_{name} = t_{name}[_i * _nq + _q]" for name in states), *tangents], 2)
    body += _indent(_stored(model), 1)
    kinds = {"f8", "i4", "i8", BY_KIND[index]}
    return _module([*body, "return _found"], "step", "int64(int64, int64, int64, int64)", "_t, _nq, _n, _frame", kinds)


def _neuron(model: NeuronModel) -> tuple[list[str], list[str]]:
    """Lines that compute a neuron's values and partial derivatives, and those for one direction's tangents."""
    equations, local = model.equations, local_names(model)
    known, varying = tuple(local.values()), list(model.state)
    values: list[str] = []
    tangents: list[str] = []

    def differentiate(place: str, program: Program, name: str, tangent: str) -> None:
        """`name` = value, and `tangent` = a sum of partials times tangents."""
        body, value, partials = emit_partials(program.renamed(local), {}, known, _TARGET)
        values.extend([*body, f"_value = {value}"])
        terms = []
        for dependence in varying:
            partial = partials.get(local[dependence])
            if partial is not None:
                values.append(f"_p_{place}_{dependence} = {partial}")
                terms.append(f"_p_{place}_{dependence} * d_{dependence}")
        values.append(f"{name} = _value")
        tangents.append(f"{tangent} = {' + '.join(terms) or '0.0'}")

    for k, (name, expression) in enumerate(equations.updates):
        differentiate(str(k), expression.program, f"x_{name}", f"d_{name}")
        if name not in varying:
            varying.append(name)
    if equations.held is not None:
        body, held = emit_values(equations.held.program.renamed(local).lowered, {}, known, _TARGET)
        values += ["_is_held = _ready[_i] > _t", *body, f"x_v = {held[-1]} if _is_held else x_v"]
        tangents.append("d_v = 0.0 if _is_held else d_v")
    values += ["if x_v != x_v:", f"{_INDENT}return {NOT_A_NUMBER}"]
    assert equations.threshold is not None
    differentiate("threshold", equations.threshold.program, "_threshold", "_threshold_tangent")
    values += ["_fired = not x_v <= _threshold"]
    values += [f"_surrogate = 1.0 / (1.0 + {SLOPE_PER_V!r} * abs(x_v - _threshold)) ** 2"]
    tangents.append("_spike_tangents[_i * _nq + _q] = (d_v - _threshold_tangent) * _surrogate")
    for k, (name, expression) in enumerate(equations.at_spike.items()):
        differentiate(f"reset{k}", expression.program, f"r_{name}", f"dr_{name}")
        tangents.append(f"dr_{name} = dr_{name} if _fired else d_{name}")
    after = {name: f"dr_{name}" if name in equations.at_spike else f"d_{name}" for name in model.state}
    tangents += [f"t_{name}[_i * _nq + _q] = {after[name]}" for name in model.state]
    return values, tangents


def _stored(model: NeuronModel) -> list[str]:
    resets = model.equations.at_spike
    lines = [
        f"s_{name}[_i] = r_{name} if _fired else x_{name}" if name in resets else f"s_{name}[_i] = x_{name}"
        for name in model.state
    ]
    held = ["_ready[_i] = _again"] if model.equations.held is not None else []
    return [*lines, "if _fired:", *_indent([*held, "_spikes[_found] = _i", "_found += 1"])]


# ---------------------------------------------------------------- rules


def read_by(structure: PathwayStructure) -> tuple[str, ...]:
    """What a pathway's rule may read, in the order of `values` and of the first partials."""
    return ("w", "w_max", *(trace.name for trace in structure.traces))


def tangent_changes(structure: PathwayStructure) -> dict[str, int]:
    """The address of each event's Δw with its derivatives."""
    return {
        event: _compiled(_change_source(structure, event)).change.address
        for event in _EVENTS
        if structure.targets(event)
    }


def _change_source(structure: PathwayStructure, event: str) -> str:
    change = structure.targets(event)["w"]
    program, columns = change.straight_line()
    read = read_by(structure)
    renamed = program.renamed({name: f"v_{name}" for name in read})
    arguments = [f"v_{name}" for name in read]
    body, value, partials = emit_partials(renamed, columns, arguments, _TARGET)
    places = {argument: k for k, argument in enumerate(arguments)}
    places |= {name: len(arguments) + column for name, column in columns.items() if name not in places}
    written = {places[name]: source for name, source in partials.items()}
    lines = ["values, partials, p, result = f8(_values), f8(_partials), f8(_parameters), f8(_result)"]
    lines += [f"{argument} = values[{k}]" for k, argument in enumerate(arguments)]
    lines += body
    for place in range(len(arguments) + len(structure.parameters)):
        lines.append(f"partials[{place}] = {written.get(place, '0.0')}")
    lines.append(f"result[0] = {value}")
    return _module(
        lines, "change", "void(int64, int64, int64, int64)", "_values, _partials, _parameters, _result", {"f8"}
    )
