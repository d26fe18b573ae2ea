"""The EvoTorch learner's run: searches in stages, restarts, a refit, and comparisons on fresh lifetimes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from plasticbench.learning.problem import Problem
from plasticbench.rules import Rule
from plasticbench.simulation.random import Stream
from plasticbench.simulation.threads import one_torch_thread

from ._evotorch_search import Search, SearchEnded, SearchSpace

if TYPE_CHECKING:
    from .evotorch import EvoTorch

_CONVERGED = 1e-6  # of the first draw's spread: the search has nothing more to choose from
_FLAT = 20  # generations in a row whose rules are all equally good
_FINALISTS = 8
_COMPARISON = 0.05  # share of the budget that a comparison of finalists may take
_LONGEST_COMPARISON = 512  # lifetimes per finalist, where the budget is large
_SMALLEST_KEPT = 0.05  # of the largest coefficient: a penalised one below it is left out of the refit
_REFIT_WIDTH = 0.3  # first draw of the refit, as a share of the search's


class Evolution:
    """One run on one problem. `state` is what a checkpoint keeps: numbers and tensors."""

    def __init__(self, options: EvoTorch, problem: Problem):
        self.options, self.problem = options, problem

    def rule(self) -> Rule:
        """Search until the budget is spent; the best rule of the last comparison.

        Raises PlasticbenchError if the budget is too small for a generation and a comparison.
        """
        one_generation = self.options.population * self.options.lifetimes
        if self.problem.resumed_state is None:
            reserve = self._reserve()
            what = f"a generation takes {one_generation} and the last comparison {reserve}, which together"
            self.problem.require(one_generation + reserve, what)
        state = self.problem.resumed_state or self._first_stage()
        with one_torch_thread():
            search = self._search(state)
            search.repeat(state["values"], state["candidates"])
            while self.problem.budget_left >= one_generation + self._reserve():
                if self._refit_is_due(state):
                    state = self._refit_stage(search, state)
                    search = self._search(state)
                elif (reason := self._generation(search, state)) is not None:
                    if not search.values:
                        break  # not even a first generation: another attempt would fare no better
                    state = self._restart_stage(search, state)
                    search = self._search(state)
                    self.problem.log(restart=state["stage"], converged=reason == "converged")
                self.problem.checkpoint(state)
            return self.problem.rule(self._best(search, state))

    # ------------------------------------------------------------ stages: from where, among what

    def _first_stage(self) -> dict[str, Any]:
        start = self.problem.family.initial(self.problem.seed).to(torch.float64)
        return self._stage(0, start, torch.ones_like(start, dtype=torch.bool), self.options.std, self.options.l1)

    def _stage(self, number: int, start: Tensor, kept: Tensor, std: float, l1: float) -> dict[str, Any]:
        return {
            "stage": number,
            "start": start,  # (d,)
            "kept": kept,  # (d,) bool, what is searched; the others are 0
            "std": std,
            "l1": l1,
            "values": torch.zeros((0, self.options.population), dtype=torch.float64),  # by generation
            "candidates": torch.zeros((self.options.population, int(kept.sum())), dtype=torch.float64),  # last
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

    def _refit_is_due(self, state: dict[str, Any]) -> bool:
        """Once, if the comparison before it leaves enough for a generation and the last comparison."""
        affordable = self.problem.budget_left >= self.options.population * self.options.lifetimes + 2 * self._reserve()
        spent = self.problem.lifetimes_spent >= (1 - self.options.refit) * self.problem.budget
        return self.options.refit > 0 and state["l1"] > 0 and spent and affordable

    def _refit_stage(self, search: Search, state: dict[str, Any]) -> dict[str, Any]:
        """From the best rule, without the penalty and the coefficients that are next to nothing under it."""
        best = self._best(search, state)
        penalised = self.problem.family.penalty_mask
        size = best.abs()
        kept = ~penalised
        if penalised.any():
            kept = kept | (size > _SMALLEST_KEPT * size[penalised].max())
        if not kept.any():
            kept = torch.ones_like(kept)
        return self._stage(state["stage"] + 1, torch.where(kept, best, 0.0), kept, _REFIT_WIDTH * self.options.std, 0.0)

    def _search(self, state: dict[str, Any]) -> Search:
        family = self.problem.family
        seed = int(Stream(self.problem.seed, f"evotorch-{state['stage']}").integers(2**31, (1,))[0])
        return Search(
            self.options.algorithm,
            self.options.population,
            SearchSpace(state["start"], state["std"] * family.initial_std, family.bounds, state["kept"]),
            seed,
        )

    # ------------------------------------------------------------ one generation

    def _generation(self, search: Search, state: dict[str, Any]) -> str | None:
        """Judge a generation and learn from it; says why if the search has come to its end."""
        penalised = self.problem.family.penalty_mask

        def judge(thetas: Tensor) -> Tensor:
            seeds = self.problem.training_seeds(self.options.lifetimes)
            with torch.no_grad():
                losses = self.problem.losses(thetas, seeds, conditions=self.options.conditions).mean(1).cpu().double()
            penalties = state["l1"] * thetas[:, penalised].abs().sum(1)
            values = losses + penalties
            best = int(values.argmin())
            self.problem.log(
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

    def _comparison_lifetimes(self) -> int:
        """Of each finalist."""
        affordable = int(_COMPARISON * self.problem.budget / _FINALISTS)
        return max(self.options.lifetimes, min(_LONGEST_COMPARISON, affordable))

    def _reserve(self) -> int:
        """Lifetimes set aside for the last comparison."""
        return _FINALISTS * self._comparison_lifetimes()

    def _best(self, search: Search, state: dict[str, Any]) -> Tensor:
        """θ (d,) of the finalist with the smallest value on fresh lifetimes."""
        centre = [] if search.centre is None else [search.centre[None]]
        finalists = torch.cat([*centre, state["centres"], state["best_thetas"]])[:_FINALISTS]
        if not len(finalists):
            return state["start"]
        seeds = self.problem.training_seeds(self._comparison_lifetimes())
        with torch.no_grad():
            losses = self.problem.losses(finalists, seeds, conditions=self.options.conditions).mean(1).cpu().double()
        penalties = state["l1"] * finalists[:, self.problem.family.penalty_mask].abs().sum(1)
        best = int((losses + penalties).argmin())
        self.problem.log(loss=float(losses[best]), penalty=float(penalties[best]), finalist=best, stage=state["stage"])
        return finalists[best]
