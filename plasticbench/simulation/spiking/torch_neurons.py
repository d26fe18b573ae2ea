"""One time step of each neuron model in torch: the arithmetic of `spiking_neurons`, differentiable.

Spikes are 0 or 1; their derivative is replaced by a surrogate (SuperSpike, Zenke & Ganguli, Neural Comput.
30:1514, 2018): 1 / (1 + slope |V − threshold|)².
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from plasticbench.networks.neurons import AdaptiveLIF, ConductanceLIF, NeuronModel

SLOPE_PER_V = 1000.0


class SurrogateSpike(torch.autograd.Function):
    """1 where x > 0, else 0; with a surrogate derivative, in reverse and in forward mode."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return (x > 0).to(x.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        (x,) = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradient / (1.0 + SLOPE_PER_V * x.abs()) ** 2

    @staticmethod
    def jvp(ctx, tangent: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return tangent / (1.0 + SLOPE_PER_V * x.abs()) ** 2


@dataclass(frozen=True)
class TorchNeurons:
    """A population's state; every tensor is (n_rules, n_seeds, n_neurons)."""

    v: Tensor
    g_exc: Tensor
    g_inh: Tensor
    ready: Tensor  # int64: first step at which a refractory neuron integrates again
    g_nmda: Tensor
    excess: Tensor
    g_adaptation: Tensor
    v_trace: Tensor
    c_exc: Tensor
    c_inh: Tensor

    @classmethod
    def at_rest(cls, model: NeuronModel, shape: tuple[int, ...], device, dtype: torch.dtype) -> TorchNeurons:
        zero = torch.zeros(shape, device=device, dtype=dtype)
        rest = zero + model.v_rest
        return cls(
            rest, zero, zero, torch.zeros(shape, device=device, dtype=torch.int64), zero, zero, zero, rest, zero, zero
        )


def step_neurons(model: NeuronModel, state: TorchNeurons, t: int, dt_s: float) -> tuple[TorchNeurons, Tensor]:
    """The population one step later, and its spikes (n_rules, n_seeds, n_neurons)."""
    if isinstance(model, ConductanceLIF):
        return _step_conductance_lif(model, state, t, dt_s)
    return _step_adaptive_lif(model, state, dt_s)


def _step_conductance_lif(model: ConductanceLIF, s: TorchNeurons, t: int, dt_s: float):
    drive = (model.v_rest - s.v) - s.g_exc * (s.v - model.e_exc) - s.g_inh * (s.v - model.e_inh)
    free = s.v + dt_s / model.tau_membrane_s * drive
    v = torch.where(s.ready <= t, free, torch.full_like(free, model.v_rest))
    spikes = SurrogateSpike.apply(v - model.v_threshold)
    fired = spikes > 0
    after = t + 1 + round(model.refractory_s / dt_s)
    state = replace(
        s,
        v=torch.where(fired, torch.full_like(v, model.v_rest), v),
        g_exc=s.g_exc * math.exp(-dt_s / model.tau_exc_s),
        g_inh=s.g_inh * math.exp(-dt_s / model.tau_inh_s),
        ready=torch.where(fired, torch.full_like(s.ready, after), s.ready),
    )
    return state, spikes


def _step_adaptive_lif(model: AdaptiveLIF, s: TorchNeurons, dt_s: float):
    ampa = model.ampa_nmda_ratio / (1 + model.ampa_nmda_ratio)
    nmda = 1 / (1 + model.ampa_nmda_ratio)
    nmda_rate = 1 - math.exp(-dt_s / model.tau_nmda_s)
    i_exc = (ampa * s.g_exc + nmda * s.g_nmda) * (model.e_exc - s.v)
    i_inh = (s.g_inh + s.g_adaptation) * (s.v - model.e_inh)
    free = s.v + dt_s / model.tau_membrane_s * ((model.v_rest - s.v) + i_exc - i_inh)
    v = free.clamp(model.e_inh, model.e_exc)
    excess = s.excess * math.exp(-dt_s / model.tau_threshold_s)
    spikes = SurrogateSpike.apply(v - (model.v_threshold + excess))
    fired = spikes > 0

    def filtered(x: Tensor, u: Tensor, tau_s: float) -> Tensor:
        return (x + dt_s / tau_s * u) * (1 - dt_s / tau_s)

    adaptation = s.g_adaptation * math.exp(-dt_s / model.tau_adaptation_s)
    state = replace(
        s,
        v=torch.where(fired, torch.full_like(v, model.v_rest), v),
        g_nmda=(s.g_nmda + nmda_rate * s.g_exc) * (1 - nmda_rate),
        g_exc=s.g_exc * math.exp(-dt_s / model.tau_exc_s),
        g_inh=s.g_inh * math.exp(-dt_s / model.tau_inh_s),
        excess=torch.where(fired, torch.full_like(excess, model.threshold_jump_v), excess),
        g_adaptation=adaptation + model.adaptation_jump * spikes,
        v_trace=filtered(s.v_trace, v, model.tau_v_trace_s),
        c_exc=filtered(s.c_exc, i_exc, model.tau_c_exc_s),
        c_inh=filtered(s.c_inh, i_inh, model.tau_c_inh_s),
    )
    return state, spikes
