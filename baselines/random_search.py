"""Random search: draw rules around the family's start, keep the best. How short a learner is."""

from __future__ import annotations

import torch

from plasticbench.learning.problem import Problem
from plasticbench.rules import Rule


class RandomSearch:
    """Candidates are normal around the start, `spread` times the family's initial spread wide."""

    def __init__(self, population: int = 32, spread: float = 1.0):
        self.population, self.spread = population, spread

    def learn(self, problem: Problem) -> Rule:
        family = problem.family
        start = family.initial(problem.seed)
        generator = torch.Generator().manual_seed(problem.seed)
        seeds = problem.training_seeds()  # the same for every candidate: a fair comparison
        best, best_loss = start, float("inf")
        while problem.budget_left >= self.population * len(seeds):
            noise = torch.randn((self.population, family.dimension), generator=generator, dtype=start.dtype)
            thetas = start + self.spread * family.initial_std * noise
            losses = problem.losses(thetas, seeds).mean(1)
            if losses.min() < best_loss:
                best, best_loss = thetas[losses.argmin()], float(losses.min())
            problem.log(loss=best_loss)
        return problem.rule(best)


LEARNER = RandomSearch
