"""The last comparison of a learner that found many rules: the best of them on fresh lifetimes that all share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from plasticbench.learning.problem import Problem

FINALISTS = 8
_COMPARISON = 0.1  # share of the budget
_LONGEST = 256  # lifetimes of a finalist, where the budget is large


def comparison_lifetimes(budget: int, lifetimes: int) -> int:
    """Of each finalist."""
    return max(lifetimes, min(_LONGEST, int(_COMPARISON * budget / FINALISTS)))


def best_first(problem: Problem, thetas: Tensor, losses: np.ndarray, each: int, conditions: Any) -> np.ndarray:
    """(n,): an order of the rules (n, d) by their losses (n,), the winner among the first FINALISTS in front.

    Costs at most FINALISTS x `each` lifetimes.
    """
    order = np.argsort(losses, kind="stable")
    finalists = order[:FINALISTS]
    with torch.no_grad():
        fresh = problem.losses(thetas[finalists], problem.training_seeds(each), conditions=conditions).mean(1)
    winner = int(fresh.argmin())
    problem.log(loss=float(fresh[winner]), finalist=winner)
    return np.concatenate([finalists[winner : winner + 1], np.delete(order, winner)])
