"""Gradient descent on a rule, through the whole simulated lifetime.

Adam (Kingma & Ba, ICLR 2015) on fresh lifetimes at every step; the L1 penalty λ·‖θ‖₁ enters as a proximal step in
Adam's own metric (soft thresholding, Parikh & Boyd 2014), so coefficients that do not pay become exactly zero.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from plasticbench.errors import PlasticbenchError
from plasticbench.learning.problem import Problem
from plasticbench.rules import Rule
from plasticbench.simulation.threads import one_torch_thread

_BETAS = (0.9, 0.99)
_EPSILON = 1e-8
_SMALLEST_KEPT = 0.03  # of the largest coefficient: below it, a penalised coefficient is left out of the refit


class Gradient:
    """Options: `learning_rate` of Adam, decayed to a tenth by a cosine over the budget; `lifetimes` per step;
    `l1`, the weight λ of the penalty; `refit`, the last share of the budget in which the coefficients that the
    penalty has spared are fitted without it (relaxed lasso, Meinshausen 2007); `clip`, the largest gradient norm
    taken at face value; `conditions`, fixed for every training lifetime.

    A step after which more than half of the lifetimes blow up is taken back half way and not counted.
    """

    def __init__(
        self,
        learning_rate: float = 0.1,
        lifetimes: int = 32,
        l1: float = 1e-2,
        refit: float = 0.2,
        clip: float = 1.0,
        conditions: dict[str, Any] | None = None,
    ):
        for name, value, low, high in (
            ("learning_rate", learning_rate, 0.0, math.inf),
            ("clip", clip, 0.0, math.inf),
            ("l1", l1, -1e-300, math.inf),
            ("refit", refit, -1e-300, 1.0),
        ):
            if not isinstance(value, (int, float)) or not low < value < high:
                raise PlasticbenchError(
                    f"option.{name}: {value!r} is not a number above {max(low, 0):g}, below {high:g}"
                )
        if not isinstance(lifetimes, int) or lifetimes < 1:
            raise PlasticbenchError(f"option.lifetimes: {lifetimes!r} is not a positive whole number")
        self.learning_rate, self.lifetimes, self.l1 = float(learning_rate), lifetimes, float(l1)
        self.refit = float(refit) if l1 > 0 else 0.0
        self.clip, self.conditions = float(clip), conditions

    def learn(self, problem: Problem) -> Rule:
        penalised = problem.family.penalty_mask
        state = problem.resumed_state or self._start(problem.family.initial(problem.seed))
        with one_torch_thread():
            while problem.budget_left >= self.lifetimes:
                spent = problem.lifetimes_spent / problem.budget
                if spent >= 1.0 - self.refit and state["kept"].all():
                    self._select(state, penalised)
                theta = state["theta"]
                loss, gradient, blown_up = self._gradient(problem, theta)
                if blown_up > 0.5 or not gradient.isfinite().all():
                    state["theta"] = (theta + state["sound"]) / 2
                else:
                    state["sound"] = theta
                    self._descend(state, gradient, penalised, spent)
                problem.log(loss=loss, penalty=self.l1 * float(theta[penalised].abs().sum()), blown_up=blown_up)
                problem.checkpoint(state)
        return problem.rule(state["theta"])

    @staticmethod
    def _start(theta: Tensor) -> dict[str, Any]:
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
        size = state["theta"].abs()
        if not penalised.any() or float(size[penalised].max()) == 0.0:
            return
        state["kept"] = ~penalised | (size > _SMALLEST_KEPT * size[penalised].max())
        state["theta"] = torch.where(state["kept"], state["theta"], torch.zeros_like(size))


LEARNER = Gradient
