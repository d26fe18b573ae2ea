"""The inference learner's run: rounds of simulations, each drawn from the posterior that the last ones taught.

Simulations of all rounds count together. A rule that was drawn from the mixture of all rounds' densities, the prior
among them, weighs prior/mixture (the balance heuristic, Veach & Guibas, SIGGRAPH 1995): at most the number of rounds,
so that neither a wrong network nor what it draws biases the answer, only how many simulations serve it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from plasticbench.drawing.corner import corner_picture
from plasticbench.errors import PlasticbenchError
from plasticbench.learning.problem import Problem
from plasticbench.learning.rule_set import RuleSet
from plasticbench.simulation.random import Stream
from plasticbench.simulation.threads import one_torch_thread

from ._criteria import LOSS, criteria_of, violations
from ._finalists import FINALISTS, best_first, comparison_lifetimes
from ._posterior import FEWEST, Box, Posterior

if TYPE_CHECKING:
    from .sbi import Sbi

_CALLS = 20  # of a round: a killed one loses no more than one of them
_TOGETHER = 32  # rules of a call, at least
_NEAREST, _FEWEST_NEAREST = 0.5, 400  # share of the simulations, the nearest to holding, that a network learns from
_BINS = 8  # of nearness, in each of which the weights average 1
_LARGEST_WEIGHT = 5.0  # of a simulation that a network learns from: few rare draws would be all that it sees


class Inference:
    """One run on one problem."""

    def __init__(self, options: Sbi, problem: Problem):
        self.options, self.problem = options, problem
        _check_library()
        self.criteria = criteria_of(problem, options.criteria)
        self.box = _prior_box(problem, options.width)
        self.each = comparison_lifetimes(problem.budget, options.lifetimes)

    def rules(self) -> RuleSet:
        """All rounds. Raises PlasticbenchError if the budget does not allow for a rule in each."""
        reserve = FINALISTS * self.each
        per_rule = self.options.lifetimes
        smallest = self.options.rounds * per_rule + reserve
        if self.problem.resumed_state is None:
            self.problem.require(smallest, f"a rule in each of {self.options.rounds} rounds, and the last comparison,")
        n = (self.problem.budget - reserve) // (self.options.rounds * per_rule)
        state = self.problem.resumed_state or {
            "n": n, "drawn": None, "thetas": [], "losses": [], "metrics": [], "gone": [], "posteriors": [],
        }  # fmt: skip
        with one_torch_thread():
            self.posteriors = [None if kept is None else Posterior(self.box, kept) for kept in state["posteriors"]]
            while state["drawn"] is not None or self.problem.budget_left >= state["n"] * per_rule + reserve:
                self._round(state)
            return self._found(state)

    # ------------------------------------------------------------ a round

    def _n_criteria(self, round_: int) -> int:
        """That the draws of this round are already filtered by; in the end all."""
        return min(len(self.criteria), math.ceil(len(self.criteria) * round_ / self.options.rounds))

    def _round(self, state: dict[str, Any]) -> None:
        n, done = state["n"], sum(map(len, state["losses"]))
        round_ = done // n
        if state["drawn"] is None:
            state["drawn"] = self._draws(state, round_)
        batch = max(_TOGETHER, -(-n // _CALLS))
        while (done := sum(map(len, state["losses"]))) < (round_ + 1) * n:
            self._live(state, state["drawn"][done - round_ * n :][:batch])
            if done + batch >= (round_ + 1) * n:
                state["drawn"] = None
            holds = (self._x(state, len(self.criteria), round_ * n) == 0).all(1)
            self.problem.log(
                loss=min(losses.min() for losses in state["losses"]), round=round_ + 1, holding=float(holds.mean())
            )
            self.problem.checkpoint(state)

    def _draws(self, state: dict[str, Any], round_: int) -> Tensor:
        """(n, d): of the prior at first, then of what the simulations so far have taught."""
        if round_ > 0:
            posterior = self._learned(state, round_)
            self.posteriors.append(posterior)
            state["posteriors"].append(None if posterior is None else posterior.state)
            if posterior is not None:
                at_zero = torch.zeros(self._n_criteria(round_))
                return posterior.draw(state["n"], at_zero, self._seed(f"draw-{round_}"))
        if round_ == 0 and self.problem.family.prior is not None:
            return self.problem.family.sample_prior(state["n"], self.problem.seed)
        uniform = Stream(self.problem.seed, f"sbi-prior-{round_}").uniform((state["n"], len(self.box.low)))
        return self.box.low + (self.box.high - self.box.low) * torch.from_numpy(uniform)

    def _learned(self, state: dict[str, Any], round_: int) -> Posterior | None:
        """From the simulations nearest to holding the round's criteria; None if there are too few to learn from."""
        x = torch.from_numpy(self._x(state, self._n_criteria(round_)))
        lived = torch.from_numpy(~np.concatenate(state["gone"])) & (x != 1.0).any(1)
        distance = x.square().sum(1)
        if int(lived.sum()) < FEWEST:
            return None
        n_near = max(min(_FEWEST_NEAREST, int(lived.sum())), int(_NEAREST * lived.sum()))
        near = lived & (distance <= distance[lived].kthvalue(n_near).values)
        thetas = torch.cat(state["thetas"])[near]
        weights = _averaging_1(self._weights(state)[near], distance[near])
        return Posterior.learned(
            self.box, thetas, x[near], weights, self.options.estimator, self.options.ensemble, self.options.epochs,
            self._seed(f"learn-{round_}"),
        )  # fmt: skip

    def _live(self, state: dict[str, Any], thetas: Tensor) -> None:
        seeds = self.problem.training_seeds(self.options.lifetimes)
        with torch.no_grad():
            outcome = self.problem.outcome(thetas, seeds, conditions=self.options.conditions)
        state["thetas"].append(thetas)
        state["losses"].append(outcome.losses.mean(1).double().cpu().numpy())
        state["metrics"].append({n: v.double().mean(1).cpu().numpy() for n, v in outcome.metrics.items()})
        state["gone"].append(outcome.blown_up.any(1).cpu().numpy())

    def _seed(self, name: str) -> int:
        return int(Stream(self.problem.seed, f"sbi-{name}").integers(2**31, (1,))[0])

    # ------------------------------------------------------------ all simulations so far

    def _x(self, state: dict[str, Any], n_criteria: int, since: int = 0) -> np.ndarray:
        """(n_rules, n_criteria): of the first so many criteria, for the rules from `since` on."""
        values = {name: column[since:] for name, column in self._values(state).items()}
        return violations(self.criteria[:n_criteria], values, np.concatenate(state["gone"])[since:])

    @staticmethod
    def _values(state: dict[str, Any]) -> dict[str, np.ndarray]:
        names = state["metrics"][0]
        values = {name: np.concatenate([metrics[name] for metrics in state["metrics"]]) for name in names}
        return values | {LOSS: np.concatenate(state["losses"])}

    def _weights(self, state: dict[str, Any]) -> Tensor:
        """(n_rules,): prior/mixture of the densities that rules were drawn from."""
        thetas, n = torch.cat(state["thetas"]), state["n"]
        counts = [min(n, len(thetas) - k * n) for k in range(-(-len(thetas) // n))]
        mixture = torch.zeros(len(thetas), dtype=torch.float64)
        for k, count in enumerate(counts):
            posterior = self.posteriors[k - 1] if k else None
            share = count / len(thetas)
            if posterior is None:
                mixture += share
            else:
                mixture += share * posterior.log_density(thetas, torch.zeros(self._n_criteria(k))).exp()
        return 1.0 / mixture

    # ------------------------------------------------------------ the end

    def _found(self, state: dict[str, Any]) -> RuleSet:
        values, thetas, n = self._values(state), torch.cat(state["thetas"]), state["n"]
        holds = (self._x(state, len(self.criteria)) == 0).all(1)
        weights = self._weights(state).numpy() * holds
        summary = {f"holding_round_{k + 1}": float(holds[k * n : (k + 1) * n].mean()) for k in range(len(holds) // n)}
        summary |= {"holding": float(holds.sum()), "effective_samples": _effective(weights)}
        if holds.any():
            chosen, counts = _resampled(weights, self.options.samples, self._seed("resample"))
        else:
            chosen = np.arange(len(holds))[-n:][: self.options.samples]
            counts = np.ones(len(chosen))
        order = best_first(self.problem, thetas[chosen], values[LOSS][chosen], self.each, self.options.conditions)
        chosen, counts = chosen[order], counts[order]
        metrics = {name: column[chosen] for name, column in values.items() if name != LOSS}
        metrics |= {"round": chosen // n + 1.0, "holds_all": holds[chosen].astype(float)}
        names = ["learned", *(f"sample-{k}" for k in range(1, len(chosen)))]
        rules = [self.problem.rule(theta, name) for theta, name in zip(thetas[chosen], names, strict=True)]
        ranges = torch.stack([self.box.low, self.box.high], 1).numpy()
        picture = corner_picture(
            thetas[chosen].double().numpy(), counts, ranges, self.problem.family.names,
            f"{self.problem.task.title}: {int(holds.sum())} of {len(holds)} simulated rules hold all criteria",
        )  # fmt: skip
        return RuleSet(
            rules, counts, values[LOSS][chosen], metrics, thetas[chosen], summary=summary, picture=picture,
        )  # fmt: skip


def _averaging_1(weights: Tensor, distance: Tensor) -> Tensor:
    """Weights (n,) divided by their mean over those of about the same distance, and cut; those that hold are one group.

    A factor that depends on what came of a simulation alone leaves the density that is learned as it is. The cut does
    not, but a network only says where to look next; the set is weighted anew.
    """
    quantiles = torch.linspace(0.0, 1.0, _BINS + 1, dtype=torch.float64)[1:-1]
    beyond = distance[distance > 0]
    edges = torch.cat([torch.zeros(1, dtype=torch.float64), torch.quantile(beyond, quantiles)]) if len(beyond) else None
    group = torch.zeros(len(distance), dtype=torch.long) if edges is None else torch.searchsorted(edges, distance)
    total = torch.zeros(_BINS + 1, dtype=torch.float64).index_add(0, group, weights)
    return (weights / (total / torch.bincount(group, minlength=_BINS + 1))[group]).clamp_max(_LARGEST_WEIGHT)


def _resampled(weights: np.ndarray, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which rules, and how much they count: all that weigh anything, or `most` systematic draws from them."""
    chosen = np.flatnonzero(weights)
    if len(chosen) <= most:
        return chosen, weights[chosen]
    steps = np.cumsum(weights[chosen]) / weights.sum() * most
    at = np.arange(most) + Stream(seed, "offset").uniform()
    counts = np.bincount(np.minimum(np.searchsorted(steps, at), len(chosen) - 1), minlength=len(chosen))
    return chosen[counts > 0], counts[counts > 0].astype(float)


def _effective(weights: np.ndarray) -> float:
    """How many rules of equal weight tell as much (Kish)."""
    return float(weights.sum() ** 2 / (weights**2).sum()) if weights.any() else 0.0


def _prior_box(problem: Problem, width: float) -> Box:
    """The family's prior, else a box around its start."""
    family = problem.family
    if family.prior is not None:
        return Box(*family.prior.T)
    start, reach = family.initial(problem.seed), width * family.initial_std
    return Box(*((start + side * reach).clamp(*family.bounds.T) for side in (-1.0, 1.0)))


def _check_library() -> None:
    try:
        import sbi  # noqa: F401
    except ImportError:
        raise PlasticbenchError('learner: sbi is not installed; pip install "plasticbench[sbi]"') from None
