"""Criteria on lives, and how far a life is from holding them: the data that a posterior is conditioned on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.language.vocabulary import on_offer
from plasticbench.tasks.metrics.plausibility import Criterion, PlausibilityBox

from ._descriptors import metric_names

if TYPE_CHECKING:
    from plasticbench.learning.problem import Problem

LOSS = "loss"


def criteria_of(problem: Problem, given: Mapping[str, Any] | None) -> tuple[Criterion, ...]:
    """Those `given` as metric -> [low, high], else the task's box, else a loss no greater than the reference rule's.

    Raises PlasticbenchError, naming the option, for an unknown metric or a bad range.
    """
    if given is None:
        box = getattr(problem.task, "box", None)
        if isinstance(box, PlausibilityBox):
            return box.criteria
        return (Criterion(LOSS, high=problem.task.reference_loss),)
    if not given:
        raise PlasticbenchError("option.criteria: none given; name at least one metric")
    offered = [LOSS, *metric_names(problem)]
    made = []
    for name, ends in given.items():
        if name not in offered:
            raise PlasticbenchError(f"option.criteria.{name}: no such metric; {on_offer(name, offered)}")
        try:
            low, high = (_bound(end, side) for end, side in zip(ends, (-math.inf, math.inf), strict=True))
            made.append(Criterion(name, low, high))
        except PlasticbenchError as error:
            raise PlasticbenchError(f"option.criteria.{name}: {error}") from None
        except (TypeError, ValueError):
            raise PlasticbenchError(f"option.criteria.{name}: {ends!r:.60} is not a range [low, high]") from None
    return tuple(made)


def _bound(end: Any, unbounded: float) -> float:
    if end is None:
        return unbounded
    if isinstance(end, bool) or not isinstance(end, (int, float)) or not math.isfinite(end):
        raise TypeError
    return float(end)


def violations(criteria: Sequence[Criterion], values: Mapping[str, np.ndarray], gone: np.ndarray) -> np.ndarray:
    """(n_rules, n_criteria): 0 where a criterion holds, else how far from it, negative below the range.

    `values` (n_rules,) by metric, `gone` (n_rules,): which blew up. What blew up or is not a number is 1 in all.
    """
    columns = []
    for criterion in criteria:
        sizes = [criterion.violation(value) for value in values[criterion.metric].tolist()]
        below = values[criterion.metric] < criterion.low
        columns.append(np.where(below, -1.0, 1.0) * np.array(sizes))
    found = np.stack(columns, 1)
    lost = gone | np.stack([~np.isfinite(values[criterion.metric]) for criterion in criteria], 1).any(1)
    return np.where(lost[:, None], 1.0, found)
