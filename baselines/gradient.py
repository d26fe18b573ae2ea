"""Gradient descent on a rule, through the whole simulated lifetime.

Adam (Kingma & Ba, ICLR 2015) on fresh lifetimes at every step; the L1 penalty λ·‖θ‖₁ enters as a proximal step in
Adam's own metric (soft thresholding, Parikh & Boyd 2014), so coefficients that do not pay become exactly zero.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from plasticbench.errors import PlasticbenchError
from plasticbench.learning.options import Option, OptionedLearner

if TYPE_CHECKING:
    from torch import Tensor

    from plasticbench.learning.problem import Problem
    from plasticbench.rules import Rule

_BETAS = (0.9, 0.99)
_EPSILON = 1e-8
_SMALLEST_KEPT = 0.03  # of the largest coefficient: below it, a penalised coefficient is left out of the refit


class Gradient(OptionedLearner):
    """Adam on the gradient of whole simulated lifetimes, with an L1 penalty and a refit of what it spares.

    A step after which more than half of the lifetimes blow up is taken back half way and not counted. A step beyond
    the family's bounds ends on them (projected gradient descent).
    """

    OPTIONS = (
        Option("learning_rate", 0.1, "of Adam, decayed to a tenth by a cosine over the budget", low=0.0, low_open=True),
        Option("lifetimes", 32, "fresh ones for each step", low=1),
        Option("l1", 1e-2, "weight of the penalty ‖θ‖₁", low=0.0),
        Option(
            "refit", 0.2, "last share of the budget, in which the coefficients that the penalty has spared are fitted "
            "without it (relaxed lasso, Meinshausen 2007)", low=0.0, high=1.0, high_open=True,
        ),
        Option("clip", 1.0, "largest gradient norm that is taken at face value", low=0.0, low_open=True),
        Option("conditions", None, "fixed for every training lifetime"),
    )  # fmt: skip
    learning_rate: float
    lifetimes: int
    l1: float
    refit: float
    clip: float
    conditions: dict[str, Any] | None

    def learn(self, problem: Problem) -> Rule:
        from plasticbench.simulation.threads import one_torch_thread

        self._check(problem)
        penalised = problem.family.penalty_mask
        state = problem.resumed_state or self._start(problem.family.initial(problem.seed))
        with one_torch_thread():
            while problem.budget_left >= self.lifetimes:
                spent = problem.lifetimes_spent / problem.budget
                if self.l1 > 0 and spent >= 1.0 - self.refit and state["kept"].all():
                    self._select(state, penalised)
                theta = state["theta"]
                loss, gradient, blown_up = self._gradient(problem, theta)
                if blown_up > 0.5 or not gradient.isfinite().all():
                    state["theta"] = (theta + state["sound"]) / 2
                else:
                    state["sound"] = theta
                    self._descend(state, gradient, penalised, spent)
                    state["theta"] = state["theta"].clamp(*problem.family.bounds.T)
                problem.log(loss=loss, penalty=self.l1 * float(theta[penalised].abs().sum()), blown_up=blown_up)
                problem.checkpoint(state)
        return problem.rule(state["theta"])

    def _check(self, problem: Problem) -> None:
        """Raise PlasticbenchError for what would make every step a waste."""
        import torch

        problem.require(self.lifetimes, "a step")
        if problem.executor.workers:
            raise PlasticbenchError("workers: the gradient is computed in this process; leave --workers out")
        if not torch.is_grad_enabled() or torch.is_inference_mode_enabled():
            raise PlasticbenchError(
                "learner: gradients are switched off here (torch.no_grad or inference_mode); learn outside of it"
            )

    @staticmethod
    def _start(theta: Tensor) -> dict[str, Any]:
        import torch

        return {
            "theta": theta,
            "sound": torch.zeros_like(theta),  # the last θ under which most lifetimes lived to their end
            "mean": torch.zeros_like(theta),
            "square": torch.zeros_like(theta),
            "kept": torch.ones_like(theta, dtype=torch.bool),
            "n_steps": 0,
        }

    def _gradient(self, problem: Problem, theta: Tensor) -> tuple[float, Tensor, float]:
        """Mean loss of fresh lifetimes, its gradient (d,) with bounded norm, and the share that blew up."""
        import torch

        leaf = theta.clone().requires_grad_(True)
        losses = problem.losses(
            leaf.unsqueeze(0),
            problem.training_seeds(self.lifetimes),
            conditions=self.conditions,
        )
        loss = losses.mean()
        gradient = torch.autograd.grad(loss, leaf)[0] if loss.requires_grad else torch.zeros_like(theta)
        blown_up = float((losses >= problem.task.blow_up_losses()[0]).double().mean())
        return (
            float(loss.detach()),
            gradient * min(1.0, self.clip / (float(gradient.norm()) + _EPSILON)),
            blown_up,
        )

    def _descend(self, state: dict[str, Any], gradient: Tensor, penalised: Tensor, spent: float) -> None:
        """One Adam step, then the proximal step of the penalty in the same metric."""
        import torch

        kept, k = state["kept"], state["n_steps"] + 1
        gradient = torch.where(kept, gradient, torch.zeros_like(gradient))
        state["n_steps"] = k
        state["mean"] = _BETAS[0] * state["mean"] + (1 - _BETAS[0]) * gradient
        state["square"] = _BETAS[1] * state["square"] + (1 - _BETAS[1]) * gradient**2
        rate = self.learning_rate * (0.1 + 0.45 * (1.0 + math.cos(math.pi * spent)))
        metric = rate / ((state["square"] / (1 - _BETAS[1] ** k)).sqrt() + _EPSILON)
        theta = state["theta"] - metric * state["mean"] / (1 - _BETAS[0] ** k)
        if kept.all():
            threshold = torch.where(penalised, metric * self.l1, torch.zeros_like(metric))
            theta = theta.sign() * (theta.abs() - threshold).clamp_min(0.0)
        state["theta"] = torch.where(kept, theta, torch.zeros_like(theta))

    @staticmethod
    def _select(state: dict[str, Any], penalised: Tensor) -> None:
        """Leave out the penalised coefficients that are next to nothing."""
        import torch

        size = state["theta"].abs()
        if not penalised.any() or float(size[penalised].max()) == 0.0:
            return
        state["kept"] = ~penalised | (size > _SMALLEST_KEPT * size[penalised].max())
        state["theta"] = torch.where(state["kept"], state["theta"], torch.zeros_like(size))


LEARNER = Gradient
