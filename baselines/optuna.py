"""Bayesian optimisation with Optuna, for tasks of which a few hundred lifetimes are all that can be had.

Tree-structured Parzen estimators (Bergstra et al., NeurIPS 2011) or a Gaussian process, as Optuna has them (Akiba et
al., KDD 2019, arXiv:1907.10902). A trial is one rule in a few lifetimes; each next trial is chosen from all before it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from plasticbench.errors import PlasticbenchError
from plasticbench.learning.options import Option, OptionedLearner
from plasticbench.simulation.random import Stream

if TYPE_CHECKING:
    from torch import Tensor

    from plasticbench.learning.problem import Problem
    from plasticbench.rules import Rule

_FINALISTS = 5
_COMPARISON = 0.2  # share of the budget set aside for comparing the best on fresh lifetimes


class Optuna(OptionedLearner):
    """Bayesian optimisation (Optuna): each rule is chosen from what all earlier ones came to.

    For expensive tasks, up to some 500 lifetimes: choosing takes longer with every rule tried. All rules live
    through the same lifetimes, so that they can be compared; at the end the best of them meet on fresh ones.
    """

    OPTIONS = (
        Option("sampler", "tpe", "how the next rule is chosen", choices=("tpe", "gp")),
        Option("lifetimes", 4, "of each rule, the same for all", low=1),
        Option("startup", 10, "rules drawn blindly at first, the family's start among them", low=1),
        Option(
            "width", 3.0, "of the box searched, to each side of the family's start, in units of its first draw; cut at "
            "the family's bounds", low=0.0, low_open=True,
        ),
        Option("conditions", None, "fixed for every training lifetime"),
    )  # fmt: skip
    sampler: str
    lifetimes: int
    startup: int
    width: float
    conditions: dict[str, Any] | None

    def learn(self, problem: Problem) -> Rule:
        import torch

        optuna = _library()
        each = max(self.lifetimes, int(_COMPARISON * problem.budget / _FINALISTS))
        reserve = _FINALISTS * each
        state = problem.resumed_state
        if state is None:
            problem.require(
                self.lifetimes + reserve, f"a rule takes {self.lifetimes} and the last comparison {reserve}: it"
            )
            empty = torch.zeros((0, problem.family.dimension), dtype=torch.float64)
            seeds = problem.training_seeds(self.lifetimes)
            state = {"seeds": seeds, "thetas": empty, "losses": torch.zeros(0, dtype=torch.float64)}
        with _quiet(optuna):
            study = self._study(optuna, problem, state)
            while problem.budget_left >= self.lifetimes + reserve:
                theta, trial = self._next(optuna, study, problem)
                loss = problem.losses(theta[None], state["seeds"], conditions=self.conditions).mean().detach().cpu()
                study.tell(trial, float(loss))
                state["thetas"] = torch.cat([state["thetas"], theta[None]])
                state["losses"] = torch.cat([state["losses"], loss.double()[None]])
                problem.log(loss=float(loss), best=float(state["losses"].min()))
                problem.checkpoint(state)
        return problem.rule(self._best(problem, state, each))

    def _study(self, optuna: Any, problem: Problem, state: dict[str, Any]) -> Any:
        """With the trials so far. The first of all is the family's start."""
        study, space = optuna.create_study(), self._space(optuna, problem)
        for theta, loss in zip(state["thetas"].tolist(), state["losses"].tolist(), strict=True):
            params = dict(zip(space, theta, strict=True))
            study.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=loss))
        if not study.trials:
            study.enqueue_trial(self._within(problem.family.initial(problem.seed), space))
        return study

    def _next(self, optuna: Any, study: Any, problem: Problem) -> tuple[Tensor, Any]:
        """θ (d,) of the next rule, and its trial: they follow from the trials before it and the run's seed alone."""
        import torch

        # A sampler's own random numbers could not be kept with a checkpoint: each trial has a fresh one.
        seed = int(Stream(problem.seed, f"optuna-{len(study.trials)}").integers(2**31, (1,))[0])
        if self.sampler == "gp":
            study.sampler = optuna.samplers.GPSampler(seed=seed, n_startup_trials=self.startup)
        else:
            study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=self.startup, multivariate=True)
        trial = study.ask(self._space(optuna, problem))
        values = [trial.params[name] for name in problem.family.names]
        return torch.tensor(values, dtype=torch.float64), trial

    def _space(self, optuna: Any, problem: Problem) -> dict[str, Any]:
        """Name of each coordinate -> the range that is searched."""
        family = problem.family
        start, reach = family.initial(problem.seed), self.width * family.initial_std
        low, high = ((start + side * reach).clamp(*family.bounds.T) for side in (-1.0, 1.0))
        box = zip(family.names, low.tolist(), high.tolist(), strict=True)
        return {name: optuna.distributions.FloatDistribution(*ends) for name, *ends in box}

    @staticmethod
    def _within(theta: Tensor, space: dict[str, Any]) -> dict[str, float]:
        ranges = zip(space.items(), theta.tolist(), strict=True)
        return {name: min(max(value, range_.low), range_.high) for (name, range_), value in ranges}

    def _best(self, problem: Problem, state: dict[str, Any], each: int) -> Tensor:
        """θ (d,) of the best of the finalists, on fresh lifetimes that they share."""
        finalists = state["thetas"][state["losses"].argsort(stable=True)[:_FINALISTS]]
        losses = problem.losses(finalists, problem.training_seeds(each), conditions=self.conditions).mean(1)
        best = int(losses.argmin())
        problem.log(loss=float(losses[best]), best=float(state["losses"].min()))
        return finalists[best]


def _library() -> Any:
    try:
        import optuna
    except ImportError:
        raise PlasticbenchError('learner: optuna is not installed; pip install "plasticbench[optuna]"') from None
    return optuna


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Without Optuna's notices, for this run only."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


LEARNER = Optuna
