"""Rate lifetimes stepped by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.life import Life
from plasticbench.networks.recordings import Recordings
from plasticbench.rules import RuleBatch
from plasticbench.simulation.engine import Measured
from plasticbench.simulation.rate.lives import RateLives
from plasticbench.simulation.rate.torch_engine import stepper_of
from plasticbench.stepping.actions import checked_action

if TYPE_CHECKING:
    from plasticbench.tasks.task import Task


class RateLifetimes:
    """See `Lifetimes`; observations broadcast, so `w` is (n_lifetimes, [1,] n_post, n_pre)."""

    def __init__(
        self,
        task: Task,
        lives: tuple[Life, ...],
        brought: RuleBatch,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float64,
    ):
        self.task, self.lives = task, lives
        self._side_by_side = RateLives.of(lives)
        self._brought = brought.to(device, dtype)
        self._stepper = stepper_of(self._side_by_side)(self._side_by_side, brought, device, dtype)
        self._structures = dict(zip(self._stepper.network.pathways, brought.structure.pathways, strict=True))
        self._charged = torch.zeros(len(lives), dtype=torch.float64, device=device)  # loss so far

    @property
    def first(self) -> Life:
        return self.lives[0]

    @property
    def n_steps(self) -> int:
        return self._side_by_side.n_steps

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: self._stepper.network.shape(name) for name in self._stepper.network.pathways}

    @property
    def weights(self) -> dict[str, Tensor]:
        return {name: w[0] for name, w in self._stepper.weights.items()}

    @property
    def readout(self) -> Tensor:
        """Logits of the items shown so far, (n_lifetimes[, n_outputs], n_shown); of networks that have a readout."""
        return torch.stack(self._stepper.readout, -1)[0]

    @property
    def finished(self) -> bool:
        return self._stepper.finished

    @property
    def over(self) -> Tensor:
        return ~self._stepper.alive[0] | (self._stepper.step >= self.n_steps)

    def observe(self) -> dict[str, dict[str, Tensor]]:
        n, stream = len(self.lives), self._side_by_side.order is not None
        found = {
            pathway: {
                name: full.squeeze(1) if stream else full
                for name, values in variables.items()
                for full in (values.expand(1, n, *values.shape[2:])[0],)
            }
            for pathway, variables in self._stepper.observe().items()
        }
        if self.first.modulator is not None:
            for variables in found.values():
                like = variables["m"]
                variables["modulator"] = torch.full_like(like, float(self._stepper.delivers))
        return found

    def advance(self, action: Mapping[str, Tensor]) -> Tensor:
        """See `Lifetimes`. An action broadcasts against its pathway's observation, or against its weights."""
        stepper, step, was_over = self._stepper, self._stepper.step, self.over
        given = checked_action(action, self.shapes, self.task.id)
        changes = {name: self._mean_change(name, delta).unsqueeze(0) for name, delta in given.items()}
        deltas = {name: change for name, change in changes.items() if stepper.acts(name)}
        self._remember()
        stepper.advance(deltas)
        part = self._part_of_loss(step)
        stepper.end_step()
        ended = self.over & ~was_over
        if bool(ended.any()):
            part = torch.where(ended, self.outcome().losses[0].to(part) - self._charged, part)
        part = torch.where(was_over, torch.zeros_like(part), part)
        self._charged = self._charged + part.detach()
        return part

    def _remember(self) -> None:
        """Traces and states of the rule that the lifetimes were given move on, as on the engines."""
        seen = self._stepper.observe()
        for (name, structure), values in zip(self._structures.items(), self._brought.parameters, strict=True):
            for event in self._stepper.events(name):
                for target, change in structure.targets(event).items():
                    if target != "w":
                        self._stepper.memory[name].change(target, change.evaluate_mean(seen[name], values, -3))
            self._stepper.memory[name].end_step(seen[name], values)

    def _part_of_loss(self, step: int) -> Tensor:
        parts = self.task.step_losses(self._stepper.recordings(), self.lives)
        return torch.zeros_like(self._charged) if parts is None else parts[0, :, step].to(self._charged)

    def abandon(self, lifetime: int) -> None:
        self._stepper.alive[0, lifetime] = False

    def recordings(self) -> list[tuple[Recordings, list[Life]]]:
        return [(self._stepper.recordings(), list(self.lives))]

    def outcome(self) -> Measured:
        return self.task.measure(self._stepper.recordings(), self.lives)

    def snapshot(self) -> dict[str, np.ndarray]:
        kept: dict[str, Any] = {name: w[0].detach().cpu().numpy().copy() for name, w in self.weights.items()}
        kept["loss"] = np.float64(self.outcome().losses[0, 0].detach().cpu())
        return kept

    def _mean_change(self, pathway: str, delta: Tensor) -> Tensor:
        """An action averaged over its axis of presentations, if it has one: (n_lifetimes, n_post, n_pre)."""
        w = self._stepper.weights[pathway][0]
        delta = delta.to(w)
        if delta.dim() == 4:
            delta = delta.mean(1)
        try:
            return delta.expand(w.shape)
        except RuntimeError:
            raise PlasticbenchError(
                f"action.{pathway}: shape {tuple(delta.shape[1:])} does not broadcast against {tuple(w.shape[1:])}"
            ) from None
