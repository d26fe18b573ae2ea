"""Neuron models as C++ functions for a device, from the equations that the compiled steps have.

Compiled without contraction of multiplications and additions, such a function has the bits of the compiled step.
"""

from __future__ import annotations

from plasticbench.language.emission import Dialect, dialect
from plasticbench.networks.neurons import NeuronModel
from plasticbench.networks.neurons.model import HAZARD_STATE
from plasticbench.simulation.spiking.neuron_source import FLUSH_EVERY, TINY, assign, local_names

_INDENT = "    "


def device_step_source(model: NeuronModel, scalar: str) -> str:
    """The source of `step_neuron`, one time step of one neuron in "float32" or "float64".

    `bool step_neuron(const T* c, int t, int& ready, T& s_<state>, ...)`: c are the constants of `constants_of`; ready
    is the first step at which a refractory neuron integrates again; the states follow in the model's order. A model
    that spikes at random takes `double u`, its draw, after `ready`. True where the neuron spikes. A neuron whose
    voltage is not a number keeps it: the caller looks.
    """
    equations = model.equations
    target, local = dialect("cuda", scalar), local_names(model)
    kind, constants = target.c_type, equations.used_constants(model)
    states = ", ".join(f"{kind}& s_{name}" for name in model.state)
    draw = "" if equations.hazard_hz is None else "double u, "
    temporaries = dict.fromkeys(name for name, _ in equations.updates if name not in model.state)
    lines = [f"const {kind} c_{name} = c[{k}];" for k, name in enumerate(constants)]
    lines += [f"{kind} x_{name} = s_{name};" for name in model.state]
    lines += [f"{kind} x_{name};" for name in temporaries]
    for name, expression in equations.updates:
        lines += _scoped(assign(expression.program, f"x_{name}", local, target), f"x_{name}", target)
    if equations.held is not None:
        held = assign(equations.held.program, "x_v", local, target)
        lines += ["if (ready > t)", *_scoped(held, "x_v", target)]
    if model.decaying:
        tiny, zero = target.literal(TINY), target.literal(0.0)
        flush = [f"x_{n} = {target.call('fabs', f'x_{n}')} <= {tiny} ? {zero} : x_{n};" for n in model.decaying]
        lines += [f"if ((t & {FLUSH_EVERY - 1}) == 0) {{", *(_INDENT + line for line in flush), "}"]
    lines += _spikes(model, target)
    lines += ["if (fired && x_v == x_v) {", *(_INDENT + line for line in _reset(model, target))]
    lines += ["}", *(f"s_{name} = x_{name};" for name in model.state), "return fired;"]
    return (
        f"__device__ __forceinline__ bool step_neuron(const {kind}* c, int t, int& ready, {draw}{states}) {{\n"
        + "".join(f"{_INDENT}{line}\n" for line in lines)
        + "}\n"
    )


def _spikes(model: NeuronModel, target: Dialect) -> list[str]:
    """Whether the neuron spikes, as `fired`."""
    equations, local = model.equations, local_names(model)
    if equations.threshold is not None:
        value = _scoped(assign(equations.threshold.program, "threshold", local, target), "threshold", target)
        return [f"{target.c_type} threshold;", *value, "const bool fired = !(x_v <= threshold);"]
    assert equations.hazard_hz is not None
    name = f"x_{HAZARD_STATE}"
    free = "ready <= t && " if equations.held is not None else ""
    return [
        *_scoped(assign(equations.hazard_hz.program, name, local, target), name, target),
        f"const bool fired = x_v == x_v && {free}!((double){name} * (double)c_dt_s <= -log(u));",
    ]


def _scoped(lines: list[str], name: str, target: Dialect) -> list[str]:
    """The lines in a block of their own, so that their intermediate values are; the last assigns to `name` outside."""
    *body, last = lines
    return ["{", *(_INDENT + line for line in body), _INDENT + last.removeprefix(f"const {target.c_type} "), "}"]


def _reset(model: NeuronModel, target: Dialect) -> list[str]:
    equations, local = model.equations, local_names(model)
    lines = []
    for k, expression in enumerate(equations.at_spike.values()):
        lines += [f"{target.c_type} new_{k};"]
        lines += _scoped(assign(expression.program, f"new_{k}", local, target), f"new_{k}", target)
    lines += [f"x_{name} = new_{k};" for k, name in enumerate(equations.at_spike)]
    constants = equations.used_constants(model)
    return [*lines, f"ready = t + (int)c[{len(constants)}] + 1;"] if equations.held is not None else lines
