"""Learners and the problem they are given: a task, a search space of rules, and a budget of lifetimes.

A learner is any class with `learn(problem)`. The problem counts what is spent, hands out training seeds that are never
the official ones, runs the lifetimes, and keeps the run directory, so that a learner is only its mathematics.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from plasticbench.errors import BudgetExceeded, PlasticbenchError
from plasticbench.evaluation.plain_data import whole_number
from plasticbench.learning.callbacks import Told
from plasticbench.learning.executors import Executor, InProcess
from plasticbench.learning.rule_set import RuleSet
from plasticbench.learning.run_directory import Cost, RunDirectory
from plasticbench.learning.unrolled import Unrolled, check_unrolled
from plasticbench.rules import Family, Rule
from plasticbench.rules.size import check_size
from plasticbench.simulation.random import Stream, check_seed
from plasticbench.tasks.activity import RecordedActivity
from plasticbench.tasks.outcome import Outcome
from plasticbench.tasks.task import EVALUATION_SEED_BASE, TRAINING_SEED_BASE, Task

if TYPE_CHECKING:
    from torch import Tensor

LIFETIMES_PER_RULE = 8  # of one call that names no seeds

Conditions = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class Learner(Protocol):
    """What finds a rule, or several. Options reach the constructor as keywords."""

    def learn(self, problem: Problem) -> Rule | RuleSet:
        """The rule found within the problem's budget, or rules with weights, the best first."""
        ...


class Problem:
    """A task and a family to search, for one learner run.

    `budget` is in lifetimes. Every random number of a run follows from `seed`. With a run directory, `log`,
    `checkpoint` and `resumed_state` are kept there, and a resumed run repeats the bits of an uninterrupted one.
    `progress` is called with the lifetimes spent and the budget, `told` with every logged row.
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
        executor: Executor | None = None,
        progress: Callable[[int, int], None] | None = None,
        told: Told | None = None,
    ):
        check_size(family.rule(family.initial(0)), task.pathways)
        self.task, self.family = task, family
        self.seed, self.budget = check_seed(seed), whole_number(budget, "budget", 1)
        self.engine, self.device, self.threads = engine, device, threads
        self.executor: Executor = executor or InProcess(task)
        self.execute: Callable[..., Outcome] = self.executor
        self.lifetimes_spent = 0
        self.simulated_s = self.compile_s = 0.0
        self.resumed_state: Any = None
        self._n_draws = 0
        self._run, self._progress, self._told = run, progress, told or Told()
        self._seconds_before = 0.0
        self._started = time.perf_counter()
        if run is not None and run.checkpoint is not None:
            self._restore(run.checkpoint)

    @property
    def data(self) -> RecordedActivity | None:
        """What the task gives to learners beside losses: recordings to infer a rule from. None: nothing.

        The losses of training lifetimes are then the misfit to these recordings; what official lifetimes are scored
        on stays out of both.
        """
        return self.task.learner_data

    @property
    def budget_left(self) -> int:
        """Lifetimes that may still be spent."""
        return self.budget - self.lifetimes_spent

    @property
    def seconds(self) -> float:
        """Wall-clock time of this run, interruptions left out."""
        return self._seconds_before + time.perf_counter() - self._started

    @property
    def cost(self) -> Cost:
        """What was spent so far."""
        return Cost(self.lifetimes_spent, round(self.simulated_s, 6), round(self.seconds, 3), round(self.compile_s, 3))

    def require(self, lifetimes: int, what: str) -> None:
        """Raise PlasticbenchError unless the whole budget allows for this: for a learner's start, before it spends."""
        if self.budget < lifetimes:
            raise PlasticbenchError(f"budget: {self.budget} lifetimes; {what} takes {lifetimes}; give more")

    def training_seeds(self, n: int = LIFETIMES_PER_RULE) -> tuple[int, ...]:
        """The next n fresh seeds of this run; none is official, none comes twice."""
        n_seeds = EVALUATION_SEED_BASE - TRAINING_SEED_BASE
        drawn = Stream(self.seed, f"training-seeds-{self._n_draws}").integers(n_seeds, (n,))
        self._n_draws += 1
        return tuple(TRAINING_SEED_BASE + int(s) for s in drawn)

    def losses(
        self,
        thetas: Tensor,
        seeds: Iterable[int] | None = None,
        engine: str | None = None,
        conditions: Conditions | None = None,
    ) -> Tensor:
        """Finite losses (n_rules, n_lifetimes) of θ (n_rules, d), charged to the budget.

        Fresh training seeds are drawn unless `seeds` are given. Where θ requires gradients, the losses are
        differentiable in it. `conditions` fix lifetimes' conditions by name, for all or one object each.
        Raises BudgetExceeded, and runs nothing, when fewer lifetimes are left than the call needs.
        """
        return self._spend(self._population(thetas), seeds, engine, conditions, metrics=False).losses

    def outcome(
        self,
        thetas: Tensor,
        seeds: Iterable[int] | None = None,
        engine: str | None = None,
        conditions: Conditions | None = None,
    ) -> Outcome:
        """As `losses`, with statuses and every metric of the task, (n_rules, n_lifetimes) each; charged the same."""
        return self._spend(self._population(thetas), seeds, engine, conditions, metrics=True)

    def losses_of(
        self,
        rules: Rule | str | Sequence[Rule | str],
        seeds: Iterable[int] | None = None,
        engine: str | None = None,
        conditions: Conditions | None = None,
    ) -> Tensor:
        """As `losses`, of rules of any structure, which need not be in the family; charged the same."""
        return self._spend(_listed(rules), seeds, engine, conditions, metrics=False).losses

    def outcome_of(
        self,
        rules: Rule | str | Sequence[Rule | str],
        seeds: Iterable[int] | None = None,
        engine: str | None = None,
        conditions: Conditions | None = None,
    ) -> Outcome:
        """As `outcome`, of rules of any structure."""
        return self._spend(_listed(rules), seeds, engine, conditions, metrics=True)

    def unrolled(
        self, n_rules: int, seeds: Iterable[int] | None = None, conditions: Conditions | None = None
    ) -> Unrolled:
        """Lifetimes that are lived a stretch at a time, charged as a whole when they begin: see `Unrolled`.

        Raises PlasticbenchError where the lifetimes of the task cannot be stopped on the way.
        """
        check_unrolled(self.task, self.engine, self.executor.workers)
        chosen = None if seeds is None else tuple(check_seed(seed) for seed in seeds)
        needed = self._affordable(n_rules, chosen)
        if self._run is not None:
            self._run.begin()
        lives = self.task.draw(self.training_seeds() if chosen is None else chosen, conditions)
        self._charge(needed, n_rules * sum(life.n_steps * life.dt_s for life in lives))
        return Unrolled(self.task, self.family, n_rules, lives, self.device or "cpu")

    def rule(self, theta: Tensor, name: str = "learned") -> Rule:
        """The rule of one θ (d,)."""
        import torch

        return self.family.rule(torch.as_tensor(theta).detach().cpu(), name=name)

    def log(self, **scalars: float) -> None:
        """Add a row to the run's history, beside the lifetimes and seconds spent so far."""
        row = {"lifetimes": self.lifetimes_spent, "seconds": round(self.seconds, 3)}
        row |= {name: float(value) for name, value in scalars.items()}
        if self._run is not None:
            self._run.append_history(row)
        self._told.log(row)

    def checkpoint(self, state: Any) -> None:
        """Keep `state` so that a killed run goes on from here.

        It may hold numbers, text, tensors, numpy's arrays and numbers, paths, and the usual containers of them; they
        are read back as they were. Raises PlasticbenchError, naming the type and its place, for anything else.
        """
        if self._run is not None:
            self._run.save_checkpoint(
                {
                    "state": state,
                    "lifetimes_spent": self.lifetimes_spent,
                    "simulated_s": self.simulated_s,
                    "n_draws": self._n_draws,
                    "seconds": self.seconds,
                    "compile_s": self.compile_s,
                }
            )

    def _population(self, thetas: Any) -> tuple[Family, Tensor]:
        import torch

        thetas = torch.as_tensor(thetas)
        if thetas.dim() != 2 or thetas.shape[1] != self.family.dimension:
            raise PlasticbenchError(f"thetas: shape {tuple(thetas.shape)}; expected (n_rules, {self.family.dimension})")
        if self.executor.workers and thetas.requires_grad and torch.is_grad_enabled():
            raise PlasticbenchError("workers: none compute losses that carry gradients; leave --workers out")
        return self.family, thetas

    def _spend(self, rules: Any, seeds: Any, engine: str | None, conditions: Any, metrics: bool) -> Outcome:
        chosen = None if seeds is None else tuple(check_seed(seed) for seed in seeds)
        n_rules = len(rules[1]) if isinstance(rules, tuple) else len(rules)
        needed = self._affordable(n_rules, chosen)
        self.executor.start()
        if self._run is not None:
            self._run.begin()
        outcome = self.execute(
            rules, self.training_seeds() if chosen is None else chosen, engine or self.engine, device=self.device,
            threads=self.threads, conditions=conditions, metrics=metrics,
        )  # fmt: skip
        self._charge(needed, outcome.simulated_s, outcome.compile_s)
        return outcome

    def _affordable(self, n_rules: int, chosen: Sequence[int] | None) -> int:
        """Lifetimes that a call takes. Raises for none, for too many, and for official seeds."""
        needed = n_rules * (LIFETIMES_PER_RULE if chosen is None else len(chosen))
        if needed == 0:
            raise PlasticbenchError(f"{'seeds' if n_rules else 'rules'}: none given; a call takes at least one")
        if needed > self.budget_left:
            raise BudgetExceeded(
                f"budget: this call needs {needed} lifetimes, {self.budget_left} of {self.budget} are left"
            )
        official = set(chosen or ()) & set(self.task.official_seeds)
        if official:
            raise PlasticbenchError(f"seeds: {min(official)} is an official seed; learners may not train on it")
        if max(chosen or (0,)) >= EVALUATION_SEED_BASE:
            raise PlasticbenchError(f"seeds: {max(chosen or ())} is kept for verification; give one below 2**61")
        return needed

    def _charge(self, lifetimes: int, simulated_s: float, compile_s: float = 0.0) -> None:
        self.lifetimes_spent += lifetimes
        self.simulated_s += simulated_s
        self.compile_s += compile_s
        if self._progress is not None:
            self._progress(self.lifetimes_spent, self.budget)

    def _restore(self, saved: dict[str, Any]) -> None:
        self.resumed_state = saved["state"]
        self.lifetimes_spent = saved["lifetimes_spent"]
        self.simulated_s = saved["simulated_s"]
        self._n_draws = saved["n_draws"]
        self._seconds_before = saved["seconds"]
        self.compile_s = saved.get("compile_s", 0.0)


def _listed(rules: Any) -> list[Any]:
    return [rules] if isinstance(rules, (Rule, str)) else list(rules)
