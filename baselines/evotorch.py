"""Evolution strategies on a rule: a population lives through the same lifetimes, and the better teach.

CMA-ES (Hansen & Ostermeier, Evol. Comput. 9:159, 2001) and the other algorithms of EvoTorch (Toklu et al.,
arXiv:2302.12600), as in the searches of Confavreux et al., NeurIPS 2020 and 2025. No gradient is needed, so
spiking networks and blow-ups are no obstacle.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from plasticbench.errors import PlasticbenchError
from plasticbench.learning.problem import Problem
from plasticbench.rules import Rule
from plasticbench.simulation.random import Stream
from plasticbench.simulation.threads import one_torch_thread

from ._evotorch_search import ALGORITHMS, Search, SearchEnded, SearchSpace

_CONVERGED = 1e-6  # of the first draw's spread: the search has nothing more to choose from
_FLAT = 20  # generations in a row whose rules are all equally good
_FINALISTS = 8
_COMPARISON = 0.05  # share of the budget that a comparison of finalists may take
_LONGEST_COMPARISON = 512  # lifetimes per finalist, where the budget is large
_SMALLEST_KEPT = 0.05  # of the largest coefficient: a penalised one below it is left out of the refit
_REFIT_WIDTH = 0.3  # first draw of the refit, as a share of the search's


class EvoTorch:
    """Options: `algorithm` (cma-es, xnes, snes, pgpe, cem, ga); `population`, rules in a generation; `std`,
    the first draw's width in units of the family's; `lifetimes` per rule and generation; `l1`, the weight of
    ‖θ‖₁ beside the loss; `refit`, the last share of the budget, in which the coefficients that the penalty
    has spared are searched without it (relaxed lasso, Meinshausen 2007); `conditions`, fixed for every
    training lifetime; `workers`, Ray actors that share a generation (0: none; the bits are the same).

    The rules of a generation share their lifetimes, drawn anew for each generation. A search that has
    converged, is flat or is no longer finite ends, and another starts from the same point with fresh random
    numbers. At the end (and before the refit) the distribution's centre is compared with the centres of
    earlier searches and with the best rules seen, on fresh lifetimes that all share; the budget for it is set
    aside from the start.
    """

    def __init__(
        self,
        algorithm: str = "cma-es",
        population: int = 24,
        std: float = 1.0,
        lifetimes: int = 4,
        l1: float = 1e-2,
        refit: float = 0.2,
        conditions: dict[str, Any] | None = None,
        workers: int = 0,
    ):
        if algorithm not in ALGORITHMS:
            raise PlasticbenchError(f"option.algorithm: {algorithm!r} is none of {', '.join(ALGORITHMS)}")
        for name, whole, smallest in (
            ("population", population, 4),
            ("lifetimes", lifetimes, 1),
            ("workers", workers, 0),
        ):
            if not isinstance(whole, int) or isinstance(whole, bool) or whole < smallest:
                raise PlasticbenchError(f"option.{name}: {whole!r} is not a whole number from {smallest} up")
        for name, number, allowed, sound in (
            ("std", std, "a number above 0", lambda x: 0 < x < math.inf),
            ("l1", l1, "a number from 0 up", lambda x: 0 <= x < math.inf),
            ("refit", refit, "a number from 0 to below 1", lambda x: 0 <= x < 1),
        ):
            if not isinstance(number, (int, float)) or isinstance(number, bool) or not sound(number):
                raise PlasticbenchError(f"option.{name}: {number!r} is not {allowed}")
        if algorithm in ("pgpe", "ga") and population % 2:
            raise PlasticbenchError(f"option.population: {population} is odd; {algorithm} draws rules in pairs")
        self.algorithm, self.population, self.std = algorithm, population, float(std)
        self.lifetimes, self.l1, self.conditions, self.workers = lifetimes, float(l1), conditions, workers
        self.refit = float(refit) if l1 > 0 else 0.0

    def learn(self, problem: Problem) -> Rule:
        one_generation = self.population * self.lifetimes
        if problem.resumed_state is None and problem.budget - self._reserve(problem) < one_generation:
            raise PlasticbenchError(
                f"budget: {problem.budget} lifetimes; a generation takes {one_generation} and the last "
                f"comparison {self._reserve(problem)}; give more, or a smaller population or fewer lifetimes"
            )
        state = problem.resumed_state or self._first_stage(problem)
        with one_torch_thread(), self._simulating(problem):
            search = self._search(problem, state)
            search.repeat(state["values"], state["candidates"])
            while problem.budget_left >= one_generation + self._reserve(problem):
                if self._refit_is_due(problem, state):
                    state = self._refit_stage(problem, search, state)
                    search = self._search(problem, state)
                elif (reason := self._generation(problem, search, state)) is not None:
                    if not search.values:
                        break  # not even a first generation: another attempt would fare no better
                    state = self._restart_stage(search, state)
                    search = self._search(problem, state)
                    problem.log(restart=state["stage"], converged=reason == "converged")
                problem.checkpoint(state)
            return problem.rule(self._best(problem, search, state))

    # ------------------------------------------------------------ stages: from where, among what

    def _first_stage(self, problem: Problem) -> dict[str, Any]:
        start = problem.family.initial(problem.seed).to(torch.float64)
        return self._stage(0, start, torch.ones_like(start, dtype=torch.bool), self.std, self.l1)

    def _stage(self, number: int, start: Tensor, kept: Tensor, std: float, l1: float) -> dict[str, Any]:
        return {
            "stage": number,
            "start": start,  # (d,)
            "kept": kept,  # (d,) bool, what is searched; the others are 0
            "std": std,
            "l1": l1,
            "values": torch.zeros((0, self.population), dtype=torch.float64),  # by generation
            "candidates": torch.zeros((self.population, int(kept.sum())), dtype=torch.float64),  # last
            "best_thetas": torch.zeros((0, len(start)), dtype=torch.float64),  # best of past generations
            "best_values": torch.zeros(0, dtype=torch.float64),
            "centres": torch.zeros((0, len(start)), dtype=torch.float64),  # of earlier searches, newest first
        }

    def _restart_stage(self, search: Search, state: dict[str, Any]) -> dict[str, Any]:
        """The same search with fresh random numbers; what was found so far stays in the comparison."""
        fresh = self._stage(state["stage"] + 1, state["start"], state["kept"], state["std"], state["l1"])
        centres = [state["centres"]] if search.centre is None else [search.centre[None], state["centres"]]
        kept = {name: state[name] for name in ("best_thetas", "best_values")}
        return fresh | kept | {"centres": torch.cat(centres)[: _FINALISTS // 2]}

    def _refit_is_due(self, problem: Problem, state: dict[str, Any]) -> bool:
        """Once, if the comparison before it leaves enough for a generation and the last comparison."""
        affordable = problem.budget_left >= self.population * self.lifetimes + 2 * self._reserve(problem)
        spent = problem.lifetimes_spent >= (1 - self.refit) * problem.budget
        return self.refit > 0 and state["l1"] > 0 and spent and affordable

    def _refit_stage(self, problem: Problem, search: Search, state: dict[str, Any]) -> dict[str, Any]:
        """From the best rule, without the penalty and the coefficients that are next to nothing under it."""
        best = self._best(problem, search, state)
        penalised = problem.family.penalty_mask
        size = best.abs()
        kept = ~penalised
        if penalised.any():
            kept = kept | (size > _SMALLEST_KEPT * size[penalised].max())
        if not kept.any():
            kept = torch.ones_like(kept)
        return self._stage(state["stage"] + 1, torch.where(kept, best, 0.0), kept, _REFIT_WIDTH * self.std, 0.0)

    def _search(self, problem: Problem, state: dict[str, Any]) -> Search:
        family = problem.family
        seed = int(Stream(problem.seed, f"evotorch-{state['stage']}").integers(2**31, (1,))[0])
        return Search(
            self.algorithm,
            self.population,
            SearchSpace(state["start"], state["std"] * family.initial_std, family.bounds, state["kept"]),
            seed,
        )

    # ------------------------------------------------------------ one generation

    def _generation(self, problem: Problem, search: Search, state: dict[str, Any]) -> str | None:
        """Judge a generation and learn from it; says why if the search has come to its end."""
        penalised = problem.family.penalty_mask

        def judge(thetas: Tensor) -> Tensor:
            seeds = problem.training_seeds(self.lifetimes)
            with torch.no_grad():
                losses = problem.losses(thetas, seeds, conditions=self.conditions).mean(1).cpu().double()
            penalties = state["l1"] * thetas[:, penalised].abs().sum(1)
            values = losses + penalties
            best = int(values.argmin())
            problem.log(
                loss=float(losses[best]), loss_median=float(losses.median()), penalty=float(penalties[best]),
                spread=search.spread, stage=state["stage"],
            )  # fmt: skip
            self._remember(state, thetas[best], values[best])
            return values

        try:
            search.generation(judge)
        except SearchEnded as ending:
            return str(ending)
        state["values"], state["candidates"] = torch.stack(search.values), search.candidates
        if search.spread < _CONVERGED:
            return "converged"
        if len(search.values) >= _FLAT and bool((state["values"][-_FLAT:].std(1) == 0).all()):
            return "flat"
        return None

    @staticmethod
    def _remember(state: dict[str, Any], theta: Tensor, value: Tensor) -> None:
        thetas = torch.cat([state["best_thetas"], theta[None]])
        values = torch.cat([state["best_values"], value[None]])
        order = values.argsort(stable=True)[:_FINALISTS]
        state["best_thetas"], state["best_values"] = thetas[order], values[order]

    # ------------------------------------------------------------ the comparison

    def _comparison_lifetimes(self, problem: Problem) -> int:
        """Of each finalist."""
        affordable = int(_COMPARISON * problem.budget / _FINALISTS)
        return max(self.lifetimes, min(_LONGEST_COMPARISON, affordable))

    def _reserve(self, problem: Problem) -> int:
        """Lifetimes set aside for the last comparison."""
        return _FINALISTS * self._comparison_lifetimes(problem)

    def _best(self, problem: Problem, search: Search, state: dict[str, Any]) -> Tensor:
        """θ (d,) of the finalist with the smallest value on fresh lifetimes."""
        centre = [] if search.centre is None else [search.centre[None]]
        finalists = torch.cat([*centre, state["centres"], state["best_thetas"]])[:_FINALISTS]
        if not len(finalists):
            return state["start"]
        seeds = problem.training_seeds(self._comparison_lifetimes(problem))
        with torch.no_grad():
            losses = problem.losses(finalists, seeds, conditions=self.conditions).mean(1).cpu().double()
        penalties = state["l1"] * finalists[:, problem.family.penalty_mask].abs().sum(1)
        best = int((losses + penalties).argmin())
        problem.log(loss=float(losses[best]), penalty=float(penalties[best]), finalist=best, stage=state["stage"])
        return finalists[best]

    def _simulating(self, problem: Problem) -> AbstractContextManager[Any]:
        """The problem's lifetimes run on the workers while this is open."""
        if not self.workers:
            return nullcontext()
        from ._ray_workers import RayWorkers

        return RayWorkers(problem, self.workers)


LEARNER = EvoTorch
