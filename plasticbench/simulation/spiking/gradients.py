"""Losses of spiking lifetimes on the cpu engine that carry gradients, where compiled derivatives exist."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from plasticbench.networks.life import Life
from plasticbench.networks.recordings import FinalWeights, PopulationRate, PopulationSpikes, Recording, Recordings
from plasticbench.rules import RuleBatch
from plasticbench.simulation.engine import Measure, Measured, joined
from plasticbench.simulation.spiking.cpu_engine import recordings_of, run_lifetimes
from plasticbench.simulation.spiking.sensitivity import SensitiveLifetime
from plasticbench.simulation.spiking.wiring import Wiring


def run_with_losses(
    lives: Sequence[Life], rules: RuleBatch, measure: Measure, threads: int | None
) -> tuple[Measured, float]:
    """As the cpu engine's `run_cpu`; losses are once differentiable in `rules.parameters`.

    Those of lives that blew up have gradient 0. These lives are in double precision, as the torch engine's: without
    gradients the cpu engine's are in single precision, so over a long life the two losses of a rule differ by a few
    spikes.
    """

    def begin(life: Life, wiring: Wiring, rule: int) -> SensitiveLifetime:
        return SensitiveLifetime(life, wiring, rules, rule)

    def run(lifetime: SensitiveLifetime) -> tuple[Measured, np.ndarray]:
        lifetime.run()
        return _with_gradient(lifetime, measure)

    rows, compile_s = run_lifetimes(lives, rules.n_rules, begin, run, threads)
    measured = joined([joined([one for one, _ in row], 1) for row in rows], 0)
    gradients = torch.from_numpy(np.array([[gradient for _, gradient in row] for row in rows]))
    losses = _Losses.apply(measured.losses, gradients, *rules.parameters)
    return Measured(losses, measured.blown_up, measured.metrics, measured.lived_s), compile_s


def _with_gradient(lifetime: SensitiveLifetime, measure: Measure) -> tuple[Measured, np.ndarray]:
    plain = recordings_of(lifetime)
    kinds = PopulationRate | PopulationSpikes | FinalWeights
    leaves: dict[Recording, Tensor] = {
        r: x.clone().requires_grad_() for r, x in plain.values.items() if isinstance(r, kinds)
    }
    with torch.enable_grad():
        measured = measure(Recordings({**plain.values, **leaves}, plain.n_steps_lived, plain.blown_up), [lifetime.life])
    loss, names = measured.losses, list(leaves)
    total = np.zeros(lifetime.tangents.w.shape[1])
    if loss.requires_grad and not bool(measured.blown_up):
        found = torch.autograd.grad(loss.sum(), list(leaves.values()), allow_unused=True, materialize_grads=True)
        total = lifetime.gradient({r: x[0, 0].numpy() for r, x in zip(names, found, strict=True)})
    return Measured(loss.detach(), measured.blown_up, measured.metrics, measured.lived_s), total


class _Losses(torch.autograd.Function):
    """Losses (n_rules, n_lives) whose gradients (n_rules, n_lives, n_directions) were computed beside them."""

    @staticmethod
    def forward(ctx, losses: Tensor, gradients: Tensor, *parameters: Tensor) -> Tensor:
        ctx.save_for_backward(gradients, *parameters)
        return losses.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx, incoming: Tensor):
        gradients, *parameters = ctx.saved_tensors
        total = (incoming.unsqueeze(-1) * gradients).sum(1)  # (n_rules, n_directions)
        parts = total.split([p.shape[1] for p in parameters], dim=1)
        return None, None, *(part.sum_to_size(p.shape).to(p) for part, p in zip(parts, parameters, strict=True))
