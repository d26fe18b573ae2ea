"""Learners and the problem they are given: a task, a search space of rules, and a budget of lifetimes.

A learner is any class with `learn(problem) -> Rule`. The problem counts what is spent, hands out training seeds
that are never the official ones, and keeps the run directory, so that a learner is only its mathematics.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from plasticbench.errors import BudgetExceeded, PlasticbenchError
from plasticbench.learning.run_directory import RunDirectory
from plasticbench.rules import Family, Rule
from plasticbench.simulation.random import Stream, check_seed
from plasticbench.tasks.outcome import Outcome
from plasticbench.tasks.task import TRAINING_SEED_BASE, Task

LIFETIMES_PER_RULE = 8  # of one call of `losses` that names no seeds


class Learner(Protocol):
    """What finds a rule. Options reach the constructor as keywords."""

    def learn(self, problem: Problem) -> Rule:
        """The rule found within the problem's budget."""
        ...


class Problem:
    """A task and a family to search, for one learner run.

    `budget` is in lifetimes. Every random number of a run follows from `seed`. With a run directory, `log`,
    `checkpoint` and `resumed_state` are kept there, and a resumed run repeats the bits of an uninterrupted one.
    """

    def __init__(
        self,
        task: Task,
        family: Family,
        budget: int,
        seed: int = 0,
        run: RunDirectory | None = None,
        engine: str = "auto",
        device: str | None = None,
        threads: int | None = None,
    ):
        if budget < 1:
            raise PlasticbenchError(f"budget: {budget} lifetimes; give a positive number")
        self.task, self.family, self.seed, self.budget = task, family, check_seed(seed), budget
        self.engine, self.device, self.threads = engine, device, threads
        self.execute: Callable[..., Outcome] = task.run  # a learner may put workers here that do the same
        self.lifetimes_spent = 0
        self.simulated_s = 0.0
        self.resumed_state: Any = None
        self._n_draws = 0
        self._run = run
        self._seconds_before = 0.0
        self._started = time.perf_counter()
        if run is not None and run.checkpoint is not None:
            self._restore(run.checkpoint)

    @property
    def budget_left(self) -> int:
        """Lifetimes that may still be spent."""
        return self.budget - self.lifetimes_spent

    @property
    def seconds(self) -> float:
        """Wall-clock time of this run, interruptions left out."""
        return self._seconds_before + time.perf_counter() - self._started

    def training_seeds(self, n: int = LIFETIMES_PER_RULE) -> tuple[int, ...]:
        """The next n fresh seeds of this run; none is official, none comes twice."""
        drawn = Stream(self.seed, f"training-seeds-{self._n_draws}").integers(2**61 - TRAINING_SEED_BASE, (n,))
        self._n_draws += 1
        return tuple(TRAINING_SEED_BASE + int(s) for s in drawn)

    def losses(
        self,
        thetas: Tensor,
        seeds: Sequence[int] | None = None,
        engine: str | None = None,
        conditions: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> Tensor:
        """Finite losses (n_rules, n_lifetimes) of θ (n_rules, d), charged to the budget.

        Fresh training seeds are drawn unless `seeds` are given. On the engine `task.gradient_engine` they are
        differentiable in θ, as they are on "torch".
        `conditions` fix lifetimes' conditions by name, for all or one object each.
        Raises BudgetExceeded, and runs nothing, when fewer lifetimes are left than the call needs.
        """
        thetas = torch.as_tensor(thetas)
        if thetas.dim() != 2 or thetas.shape[1] != self.family.dimension:
            raise PlasticbenchError(f"thetas: shape {tuple(thetas.shape)}; expected (n_rules, {self.family.dimension})")
        n_lifetimes = LIFETIMES_PER_RULE if seeds is None else len(seeds)
        needed = thetas.shape[0] * n_lifetimes
        if needed > self.budget_left:
            raise BudgetExceeded(
                f"budget: this call needs {needed} lifetimes, {self.budget_left} of {self.budget} are left"
            )
        chosen = self.training_seeds(n_lifetimes) if seeds is None else tuple(seeds)
        official = set(chosen) & set(self.task.official_seeds)
        if official:
            raise PlasticbenchError(f"seeds: {min(official)} is an official seed; learners may not train on it")
        outcome = self.execute(
            (self.family, thetas), chosen, engine or self.engine, device=self.device, threads=self.threads,
            conditions=conditions, metrics=False,
        )  # fmt: skip
        self.lifetimes_spent += needed
        self.simulated_s += outcome.simulated_s
        return outcome.losses

    def rule(self, theta: Tensor, name: str = "learned") -> Rule:
        """The rule of one θ (d,)."""
        return self.family.rule(torch.as_tensor(theta).detach().cpu(), name=name)

    def log(self, **scalars: float) -> None:
        """Add a row to the run's history, beside the lifetimes and seconds spent so far."""
        if self._run is not None:
            self._run.append_history(
                {"lifetimes": self.lifetimes_spent, "seconds": round(self.seconds, 3)}
                | {name: float(value) for name, value in scalars.items()}
            )

    def checkpoint(self, state: Any) -> None:
        """Keep `state` (tensors, numbers, strings, lists, dicts) so that a killed run goes on from here."""
        if self._run is not None:
            self._run.save_checkpoint(
                {
                    "state": state,
                    "lifetimes_spent": self.lifetimes_spent,
                    "simulated_s": self.simulated_s,
                    "n_draws": self._n_draws,
                    "seconds": self.seconds,
                }
            )

    def _restore(self, saved: dict[str, Any]) -> None:
        self.resumed_state = saved["state"]
        self.lifetimes_spent = saved["lifetimes_spent"]
        self.simulated_s = saved["simulated_s"]
        self._n_draws = saved["n_draws"]
        self._seconds_before = saved["seconds"]
