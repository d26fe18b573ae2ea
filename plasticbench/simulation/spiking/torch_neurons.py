"""One time step of a population in torch, from its model's equations, differentiable.

Spikes are 0 or 1; their derivative is replaced by a surrogate (SuperSpike, Zenke & Ganguli, Neural Comput.
30:1514, 2018): 1 / (1 + slope |V − threshold|)². Random spikes have no derivative.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from plasticbench.networks.neurons import NeuronModel
from plasticbench.networks.neurons.model import HAZARD_STATE

SLOPE_PER_V = 1000.0


class SurrogateSpike(torch.autograd.Function):
    """1 where not v <= threshold (so where v is not a number, too), else 0; with a surrogate derivative."""

    generate_vmap_rule = True

    @staticmethod
    def forward(v: Tensor, threshold: Tensor) -> Tensor:
        return (~(v <= threshold)).to(v.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        above = inputs[0] - inputs[1]
        ctx.save_for_backward(above)
        ctx.save_for_forward(above)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        (above,) = ctx.saved_tensors
        by_v = gradient / (1.0 + SLOPE_PER_V * above.abs()) ** 2
        return by_v, -by_v

    @staticmethod
    def jvp(ctx, of_v: Tensor, of_threshold: Tensor) -> Tensor:
        (above,) = ctx.saved_tensors
        return (of_v - of_threshold) / (1.0 + SLOPE_PER_V * above.abs()) ** 2


@dataclass(frozen=True)
class TorchNeurons:
    """A population's state; every tensor is (n_rules, n_seeds, n_neurons)."""

    values: dict[str, Tensor]
    ready: Tensor  # int64: first step at which a refractory neuron integrates again

    @classmethod
    def at_start(cls, model: NeuronModel, shape: tuple[int, ...], device, dtype: torch.dtype) -> TorchNeurons:
        """At the start of life."""
        values = {
            name: torch.full(shape, value, device=device, dtype=dtype) for name, value in model.initial_state().items()
        }
        return cls(values, torch.zeros(shape, device=device, dtype=torch.int64))

    def plus(self, state: str, drive: Tensor) -> TorchNeurons:
        """Arrivals added to one state."""
        return replace(self, values={**self.values, state: self.values[state] + drive})


def step_neurons(
    model: NeuronModel,
    neurons: TorchNeurons,
    t: int | Tensor,
    constants: dict[str, Tensor],
    draws: Tensor | None = None,
) -> tuple[TorchNeurons, Tensor]:
    """The population one step later, and its spikes (n_rules, n_seeds, n_neurons).

    t: the clock, (n_seeds, 1) where lives may differ in it. constants: of the model, each (n_seeds, 1): lives may
    differ in them. draws: (n_seeds, n_neurons) float64 in (0, 1), for a model with a hazard.
    """
    equations, held = model.equations, neurons.ready > t
    seen = {**constants, **neurons.values}
    for name, expression in equations.updates:
        seen[name] = _tensor(expression.program.evaluate(seen), neurons.values["v"])
    if equations.held is not None:
        at = _tensor(equations.held.program.evaluate(constants), seen["v"])
        seen["v"] = torch.where(held, at.expand_as(seen["v"]), seen["v"])
    if equations.hazard_hz is not None:
        assert draws is not None
        seen[HAZARD_STATE] = _tensor(equations.hazard_hz.program.evaluate(seen), seen["v"]).expand_as(seen["v"])
        expected = seen[HAZARD_STATE].to(torch.float64) * constants["dt_s"].to(torch.float64)
        spikes = (~(expected <= -torch.log(draws)) & ~held).to(seen["v"].dtype)
    else:
        assert equations.threshold is not None
        threshold = _tensor(equations.threshold.program.evaluate(seen), seen["v"])
        spikes = SurrogateSpike.apply(seen["v"], threshold.expand_as(seen["v"]))
    fired = spikes > 0
    values = {name: seen[name] for name in model.state}
    for name, expression in equations.at_spike.items():
        reset = _tensor(expression.program.evaluate(seen), seen["v"])
        values[name] = torch.where(fired, reset.expand_as(seen["v"]), seen[name])
    values["v"] = torch.where(seen["v"].isnan(), seen["v"], values["v"])  # no spike mends it: the life has blown up
    again = t + 1 + constants["refractory_steps"].to(torch.int64)
    ready = torch.where(fired, again.expand_as(neurons.ready), neurons.ready)
    return TorchNeurons(values, ready if model.refractory else neurons.ready), spikes


def _tensor(value: Tensor | float, like: Tensor) -> Tensor:
    return value if isinstance(value, Tensor) else torch.full_like(like, value)
