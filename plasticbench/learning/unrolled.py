"""Lifetimes lived a stretch at a time, under rules that may change on the way: for learning within a life."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.life import Life
from plasticbench.rules import Family
from plasticbench.simulation.threads import one_torch_thread
from plasticbench.tasks.task import Task

if TYPE_CHECKING:
    from torch import Tensor


def check_unrolled(task: Task, engine: str = "auto", workers: int = 0) -> None:
    """Raise PlasticbenchError unless lifetimes of this task can be lived a stretch at a time."""
    if task.track != "rate":
        raise PlasticbenchError(
            f"task: lifetimes of {task.id} are lived in one piece; stretches are for rate networks, on the torch engine"
        )
    if engine not in ("auto", "torch"):
        raise PlasticbenchError(f"engine: lifetimes are stopped on the way on torch, not {engine!r}; leave it out")
    if workers:
        raise PlasticbenchError("workers: lifetimes that stop on the way are this process's own; leave --workers out")


class Unrolled:
    """Lifetimes (n_rules x n_lives) of a rate network on the torch engine, in float64.

    What the stretches add to a lifetime's loss sums up to the loss of the whole: its part of the loss in tasks whose
    loss is one over steps, elsewhere how the loss changes of a life that would end there.
    """

    def __init__(self, task: Task, family: Family, n_rules: int, lives: Sequence[Life], device: str = "cpu"):
        self.task, self.family, self.n_rules, self.lives = task, family, n_rules, tuple(lives)
        self._device = device
        self._stepper: Any = None
        self._so_far: Tensor | None = None

    @property
    def n_steps(self) -> int:
        """Of a whole lifetime."""
        return self.lives[0].n_steps

    @property
    def finished(self) -> bool:
        return self._stepper is not None and self._stepper.finished

    def advance(self, thetas: Tensor, n_steps: int) -> Tensor:
        """Live `n_steps` more presentations, or what is left, under θ (n_rules, d): what they add, (n_rules, n_lives).

        Raises PlasticbenchError for lifetimes that have ended or θ of another shape.
        """
        import torch

        if self.finished:
            raise PlasticbenchError("unrolled: these lifetimes have ended; ask the problem for others")
        if tuple(thetas.shape) != (self.n_rules, self.family.dimension):
            raise PlasticbenchError(
                f"thetas: shape {tuple(thetas.shape)}; expected ({self.n_rules}, {self.family.dimension})"
            )
        with one_torch_thread(), torch.no_grad():
            self._live(thetas.to(torch.float64), n_steps)
            before, now = self._so_far, self._loss_so_far()
            self._so_far = now
            return now if before is None else now - before

    def _live(self, thetas: Tensor, n_steps: int) -> None:
        import torch

        from plasticbench.simulation.rate.lives import RateLives
        from plasticbench.simulation.rate.torch_engine import learn_step, stepper_of

        ((_, rules),) = self.task.group((self.family, thetas))
        rules = rules.to(self._device, torch.float64)
        if self._stepper is None:
            side_by_side = RateLives.of(self.lives)
            self._stepper = stepper_of(side_by_side)(side_by_side, rules, self._device)
        else:
            self._stepper.take(rules)
            self._stepper.end_step()  # left from the last stretch: what is presented next is these rules' concern
        for last in (*[False] * (min(n_steps, self.n_steps - self._stepper.step) - 1), True):
            learn_step(self._stepper, rules)
            if not last or self._stepper.step == self.n_steps - 1 or not bool(self._stepper.alive.any()):
                self._stepper.end_step()
            if self._stepper.finished:
                return

    def _loss_so_far(self) -> Tensor:
        import torch

        recordings = self._stepper.recordings()
        whole = self.task.measure_loss(recordings, self.lives).losses
        parts = None if self.finished else self.task.step_losses(recordings, self.lives)
        if parts is None:
            return whole
        return torch.where(self._stepper.alive, parts[..., : self._stepper.step + 1].sum(-1).to(whole), whole)
