"""Rate lifetimes stepped by hand: what the environments of rate tasks wrap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from plasticbench.errors import PlasticbenchError
from plasticbench.simulation.rate.lives import RateLives
from plasticbench.simulation.rate.torch_engine import RateStepper
from plasticbench.tasks.outcome import Outcome

if TYPE_CHECKING:
    from plasticbench.tasks.rate_task import RateTask


class RateLifetimes:
    """Lifetimes stepped by hand; every tensor has a leading axis of lifetimes."""

    def __init__(
        self,
        task: RateTask,
        lives: RateLives,
        arrays: Mapping[str, Tensor] | None = None,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float64,
    ):
        self.task, self.lives = task, lives
        self._stepper = RateStepper(task.network, lives, 1, arrays, device, dtype)
        self._charged = torch.zeros(lives.n_seeds, dtype=torch.float64, device=device)  # loss so far

    @property
    def weights(self) -> dict[str, Tensor]:
        """pathway -> (n_lifetimes, n_post, n_pre)."""
        return {name: w[0] for name, w in self._stepper.weights.items()}

    @property
    def readout(self) -> Tensor:
        """Logits of the items shown so far, (n_lifetimes, n_shown); of sigmoid networks."""
        return torch.stack(self._stepper.readout, -1)[0]

    @property
    def finished(self) -> bool:
        return self._stepper.finished

    @property
    def over(self) -> Tensor:
        """Which lifetimes have ended, (n_lifetimes,) bool."""
        return ~self._stepper.alive[0] | (self._stepper.step >= self.lives.n_steps)

    def observe(self) -> dict[str, dict[str, Tensor]]:
        """pathway -> variable -> (n_lifetimes, [n_presented or 1,] n_post or 1, n_pre or 1), all of one rank."""
        n, stream = self.lives.n_seeds, self.lives.order is not None
        return {
            pathway: {
                name: full.squeeze(1) if stream else full
                for name, values in variables.items()
                for full in (values.expand(1, n, *values.shape[2:])[0],)
            }
            for pathway, variables in self._stepper.observe().items()
        }

    def advance(self, action: Mapping[str, Tensor]) -> Tensor:
        """Apply Δw and move on a step; this step's part of each lifetime's loss, (n_lifetimes,).

        An action broadcasts against its pathway's observation, or against its weights.
        """
        stepper, step = self._stepper, self._stepper.step
        was_over = self.over
        if self.task.loss_over_steps:
            part = self.task._step_loss(stepper.readout[step], self._targets(), step)[0]
        else:
            part = torch.zeros_like(self._charged)
        stepper.advance({name: self._mean_change(name, delta).unsqueeze(0) for name, delta in action.items()})
        if bool((self.over & ~was_over).any()):
            part = torch.where(self.over, self.outcome().losses[0].to(part) - self._charged, part)
        part = torch.where(was_over, torch.zeros_like(part), part).detach()
        self._charged += part
        return part

    def outcome(self) -> Outcome:
        """Of the lives so far, with n_rules = 1."""
        losses, blown_up, metrics = self.task.outcome_of(self._stepper.recording(), self.lives)
        lived = float(self._stepper.step * self.lives.n_seeds)
        return Outcome(losses, blown_up, metrics, "torch", lived, 0.0, 0.0)

    @property
    def n_steps(self) -> int:
        return self.lives.n_steps

    def snapshot(self) -> dict[str, np.ndarray]:
        """What a picture of the first lifetime needs of this moment."""
        kept: dict[str, Any] = {name: w[0].detach().cpu().numpy().copy() for name, w in self.weights.items()}
        kept["loss"] = np.float64(self.outcome().losses[0, 0])
        return kept

    def _targets(self) -> dict[str, Tensor]:
        return {n: torch.as_tensor(t, device=self._charged.device) for n, t in self.lives.targets.items()}

    def _mean_change(self, pathway: str, delta: Tensor) -> Tensor:
        """An action averaged over its axis of presentations, if it has one: (n_lifetimes, n_post, n_pre)."""
        if pathway not in self._stepper.weights:
            offered = ", ".join(self._stepper.weights)
            raise PlasticbenchError(f"action.{pathway}: no such plastic pathway; {self.task.id} has {offered}")
        w = self._stepper.weights[pathway][0]
        delta = torch.as_tensor(delta).to(w)
        if delta.dim() == 4:
            delta = delta.mean(1)
        try:
            return delta.expand(w.shape)
        except RuntimeError:
            raise PlasticbenchError(
                f"action.{pathway}: shape {tuple(delta.shape[1:])} does not broadcast against {tuple(w.shape[1:])}"
            ) from None
