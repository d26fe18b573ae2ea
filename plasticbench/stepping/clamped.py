"""Lifetimes of clamped networks stepped by hand; one step is one moment of every protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.clamped import POST_SPIKE, PRE_SPIKE
from plasticbench.networks.life import Life
from plasticbench.networks.recordings import Recordings
from plasticbench.rules import RuleBatch
from plasticbench.simulation.clamped.lives import common_network, recordings_of
from plasticbench.simulation.clamped.torch_engine import ClampedStepper
from plasticbench.simulation.engine import Measured
from plasticbench.stepping.actions import checked_action

if TYPE_CHECKING:
    from plasticbench.tasks.task import Task


class ClampedLifetimes:
    """See `Lifetimes`; tensors are (n_lifetimes, n_protocols). Δw is not added where neither neuron spikes."""

    def __init__(
        self,
        task: Task,
        lives: tuple[Life, ...],
        brought: RuleBatch,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float64,
    ):
        self.task, self.lives = task, lives
        self._stepper = ClampedStepper(common_network(lives), brought, len(lives), device, dtype)
        self._name = self._stepper.network.pathway.name

    @property
    def first(self) -> Life:
        return self.lives[0]

    @property
    def n_steps(self) -> int:
        return self._stepper.network.n_steps

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {self._name: (self._stepper.network.n_protocols,)}

    @property
    def weights(self) -> dict[str, Tensor]:
        return {self._name: self._stepper.w[0]}

    @property
    def over(self) -> Tensor:
        return ~self._stepper.alive[0] | (self._stepper.step >= self.n_steps)

    @property
    def finished(self) -> bool:
        return bool(self.over.all())

    def observe(self) -> dict[str, dict[str, Tensor]]:
        stepper = self._stepper
        spikes = {"pre_spike": stepper.spiking(PRE_SPIKE), "post_spike": stepper.spiking(POST_SPIKE)}
        seen = {**stepper.observe(), **{name: found.to(stepper.w) for name, found in spikes.items()}}
        return {self._name: {name: values.expand_as(stepper.w)[0].clone() for name, values in seen.items()}}

    def advance(self, action: Mapping[str, Tensor]) -> Tensor:
        """See `Lifetimes`. The loss comes with the last step."""
        stepper, was_over = self._stepper, self.over
        zero = torch.zeros_like(stepper.w[0])
        given = checked_action(action, self.shapes, self.task.id).get(self._name, zero)
        try:
            delta = given.to(zero).expand(zero.shape)
        except RuntimeError:
            found, wanted = tuple(given.shape[1:]), tuple(zero.shape[1:])
            raise PlasticbenchError(f"action.{self._name}: shape {found} does not broadcast against {wanted}") from None
        stepper.change(torch.where(was_over[:, None], zero, delta).unsqueeze(0))
        stepper.end_step()
        ended = self.over & ~was_over
        part = torch.zeros(len(self.lives), dtype=torch.float64, device=stepper.w.device)
        if bool(ended.any()):
            ((recordings, lives),) = self.recordings()
            part = torch.where(ended, self.task.measure_loss(recordings, lives).losses[0].to(part), part)
        return part

    def abandon(self, lifetime: int) -> None:
        self._stepper.alive[0, lifetime] = False

    def recordings(self) -> list[tuple[Recordings, list[Life]]]:
        stepper = self._stepper
        found = recordings_of(self.first, stepper.start, stepper.w, stepper.n_steps_lived, ~stepper.alive)
        return [(found, list(self.lives))]

    def outcome(self) -> Measured:
        ((recordings, lives),) = self.recordings()
        return self.task.measure(recordings, lives)

    def snapshot(self) -> dict[str, np.ndarray]:
        w = self._stepper.w[0, 0].detach().cpu().numpy()
        return {"change": w / self._stepper.start.weight - 1.0}
