"""Persistent evolution strategies: learning within a lifetime, for lifetimes too long to wait for their end.

Vicol, Metz & Sohl-Dickstein (ICML 2021, arXiv:2112.13835): each particle lives on under a rule that is perturbed anew
in every stretch; the gradient of what a stretch adds to the loss is estimated from all perturbations that the particle
has had so far, so that what an early change does much later is not lost, as it is in truncated searches.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from plasticbench.errors import PlasticbenchError
from plasticbench.learning.options import Option, OptionedLearner
from plasticbench.learning.unrolled import check_unrolled

if TYPE_CHECKING:
    from torch import Tensor

    from plasticbench.learning.problem import Problem
    from plasticbench.learning.unrolled import Unrolled
    from plasticbench.rules import Rule

_BETAS = (0.9, 0.99)
_EPSILON = 1e-8


class PersistentES(OptionedLearner):
    """Persistent evolution strategies: steps of Adam every few presentations, while the lifetimes go on.

    For rate networks with long lives, on the torch engine. Particles come in pairs with opposite perturbations; all
    live through the same lifetimes. When these end, others begin.
    """

    OPTIONS = (
        Option("particles", 32, "rules side by side; an even number", low=2),
        Option("lifetimes", 2, "of each particle at a time", low=1),
        Option("stretch", 20, "presentations between two steps of learning", low=1),
        Option("std", 0.3, "width of the perturbations, in units of the family's first draw", low=0.0, low_open=True),
        Option(
            "learning_rate", 0.3, "of Adam, in the same units, decayed to a tenth by a cosine over the budget", low=0.0,
            low_open=True,
        ),
        Option("conditions", None, "fixed for every training lifetime"),
    )  # fmt: skip
    particles: int
    lifetimes: int
    stretch: int
    std: float
    learning_rate: float
    conditions: dict[str, Any] | None

    def __init__(self, *values: Any, **options: Any):
        super().__init__(*values, **options)
        if self.particles % 2:
            raise PlasticbenchError(f"option.particles: {self.particles} is odd; they come in pairs")

    def learn(self, problem: Problem) -> Rule:
        import torch

        check_unrolled(problem.task, problem.engine, problem.executor.workers)
        each = self.particles * self.lifetimes
        problem.require(each, "a round of lifetimes")
        generator = torch.Generator().manual_seed(problem.seed)
        if (state := problem.resumed_state) is None:
            theta = problem.family.initial(problem.seed).to(torch.float64)
            nothing = torch.zeros_like(theta)
            state = {"theta": theta, "mean": nothing, "square": nothing, "n_steps": 0}
        else:
            generator.set_state(state["generator"])
        while problem.budget_left >= each:
            lives = problem.unrolled(self.particles, problem.training_seeds(self.lifetimes), self.conditions)
            loss = self._live(problem, lives, state, generator)
            problem.log(loss=loss)
            problem.checkpoint(state | {"generator": generator.get_state()})
        return problem.rule(state["theta"])

    def _live(self, problem: Problem, lives: Unrolled, state: dict[str, Any], generator: Any) -> float:
        """One round of lifetimes, learning on the way; the particles' mean loss."""
        import torch

        family = problem.family
        width = self.std * family.initial_std
        persistent = torch.zeros((self.particles, family.dimension), dtype=torch.float64)
        total = 0.0
        while not lives.finished:
            half = torch.randn((self.particles // 2, family.dimension), generator=generator, dtype=torch.float64)
            thetas = (state["theta"] + width * torch.cat([half, -half])).clamp(*family.bounds.T)
            persistent = persistent + (thetas - state["theta"]) / width  # as lived: at a bound it is one-sided
            added = lives.advance(thetas, self.stretch).mean(1).cpu().double()
            total += float(added.mean())
            excess = added - added.mean()
            gradient = (excess[:, None] * persistent).mean(0) / self.std  # in units of the family's first draw
            self._descend(state, gradient, problem)
        return total

    def _descend(self, state: dict[str, Any], gradient: Tensor, problem: Problem) -> None:
        """One step of Adam, within the family's bounds."""
        k = state["n_steps"] + 1
        state["n_steps"] = k
        state["mean"] = _BETAS[0] * state["mean"] + (1 - _BETAS[0]) * gradient
        state["square"] = _BETAS[1] * state["square"] + (1 - _BETAS[1]) * gradient**2
        spent = problem.lifetimes_spent / problem.budget
        rate = self.learning_rate * (0.1 + 0.45 * (1.0 + math.cos(math.pi * spent)))
        mean = state["mean"] / (1 - _BETAS[0] ** k)
        root = (state["square"] / (1 - _BETAS[1] ** k)).sqrt()
        step = rate * problem.family.initial_std * mean / (root + _EPSILON)
        state["theta"] = (state["theta"] - step).clamp(*problem.family.bounds.T)


LEARNER = PersistentES
