"""Losses of spiking lifetimes on the cpu engine that carry gradients, where compiled derivatives exist."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from plasticbench.rules import RuleBatch
from plasticbench.simulation.spiking.lives import SpikingLife, SpikingRecord
from plasticbench.simulation.spiking.sensitivity import Gradient, is_supported, run_with_gradients


def wants_gradients(rules: RuleBatch, lives: Sequence[SpikingLife]) -> bool:
    """Whether losses on the cpu engine are to carry gradients, and can."""
    asked = torch.is_grad_enabled() and any(p.requires_grad for p in rules.parameters)
    return asked and all(is_supported(life.network) for life in lives)


def live_with_gradients(
    task: Any, lives: Sequence[SpikingLife], rules: RuleBatch, metrics: bool, threads: int | None
) -> tuple[list[list[tuple]], Tensor, float]:
    """`task.score_record` of every life under every rule, losses (n_rules, n_lives), and seconds compiling.

    The losses are once differentiable in `rules.parameters`, as those of the torch engine are; those of lives that
    blew up have gradient 0. These lives are in double precision, as the torch engine's: without gradients the cpu
    engine's are in single precision, so over a long life the two losses of a rule differ by a few spikes.
    """

    def reduce(s: int, record: SpikingRecord, gradient: Gradient) -> tuple[tuple, np.ndarray]:
        scored = task.score_record(record, lives[s], metrics)
        of_rates, of_spikes = _by_recordings(task, record, lives[s])
        total = gradient(of_rates, of_spikes)
        return scored, total if record.status == "ok" else np.zeros_like(total)

    rows, compile_s = run_with_gradients(lives, rules, reduce, task._probe if metrics else None, threads)
    scored = [[one for one, _ in row] for row in rows]
    losses = torch.tensor([[loss for loss, *_ in row] for row in scored], dtype=torch.float64)
    gradients = torch.from_numpy(np.array([[total for _, total in row] for row in rows]))
    return scored, _Losses.apply(losses, gradients, *rules.parameters), compile_s


def _by_recordings(task: Any, record: SpikingRecord, life: SpikingLife) -> tuple[np.ndarray, np.ndarray]:
    """The derivatives of a life's loss by its rates and its numbers of spikes, each (n_steps_lived,)."""
    recordings = [torch.from_numpy(x.astype(np.float64)).requires_grad_() for x in (record.rates_hz, record.spikes)]
    if record.status != "ok":
        return tuple(np.zeros(len(x)) for x in recordings)  # type: ignore[return-value]
    with torch.enable_grad():
        loss = task._loss(*recordings, life)
    found = torch.autograd.grad(loss, recordings, allow_unused=True, materialize_grads=True)
    return found[0].numpy(), found[1].numpy()


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
