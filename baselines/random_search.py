"""Random search: draw rules around the family's start, keep the best. How short a learner is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plasticbench.learning.options import Option, OptionedLearner

if TYPE_CHECKING:
    from plasticbench.learning.problem import Problem
    from plasticbench.rules import Rule


class RandomSearch(OptionedLearner):
    """Rules drawn from a normal distribution around the family's start; all live through the same lifetimes.

    What is drawn beyond the family's bounds is moved onto them.
    """

    OPTIONS = (
        Option("population", 32, "rules drawn at a time", low=1),
        Option("spread", 1.0, "width of the draw, in units of the family's", low=0.0, low_open=True),
    )
    population: int
    spread: float

    def learn(self, problem: Problem) -> Rule:
        import torch

        family = problem.family
        start = family.initial(problem.seed)
        generator = torch.Generator().manual_seed(problem.seed)
        if (state := problem.resumed_state) is None:
            problem.require(self.population * 8, "a draw")
            state = {"seeds": problem.training_seeds(8), "best": start, "loss": float("inf")}
        else:
            generator.set_state(state["generator"])
        while problem.budget_left >= self.population * len(state["seeds"]):
            noise = torch.randn((self.population, family.dimension), generator=generator, dtype=start.dtype)
            thetas = (start + self.spread * family.initial_std * noise).clamp(*family.bounds.T)
            losses = problem.losses(thetas, state["seeds"]).mean(1)  # on the same lives: a fair comparison
            if losses.min() < state["loss"]:
                state |= {"best": thetas[losses.argmin()], "loss": float(losses.min())}
            problem.log(loss=state["loss"])
            problem.checkpoint(state | {"generator": generator.get_state()})
        return problem.rule(state["best"])


LEARNER = RandomSearch
