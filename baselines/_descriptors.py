"""Axes of an archive: numbers by which rules are told apart, measured in their lives or read off the rules.

A name is a metric of the task, a coordinate of the family (`ff.A_110`), or a place on the task's theory map
(`map.share`, `map.x`, `map.y`, `map.predicted`; see `plasticbench.tasks.rule_map`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.language.vocabulary import on_offer

if TYPE_CHECKING:
    from torch import Tensor

    from plasticbench.learning.problem import Problem

_MAP = "map."
_ON_THE_MAP = ("share", "x", "y", "predicted")
_FIRST_DRAW = 3.0  # widths of the family's first draw to each side of its start, where nobody says a range


@dataclass(frozen=True)
class Descriptor:
    """One axis: a rule lies on it where its number is within [low, high]."""

    name: str
    low: float
    high: float


def descriptors_of(problem: Problem, given: Mapping[str, Any] | None) -> tuple[Descriptor, ...]:
    """One or two axes: those `given` as name -> [low, high], else the task's theory, else the first coordinates.

    Raises PlasticbenchError, naming the option, for an unknown name, a bad range or too many.
    """
    if given is None:
        return _default(problem)
    if not 1 <= len(given) <= 2:
        raise PlasticbenchError(f"option.descriptors: {len(given)} given; an archive has one or two axes")
    offered = _offered(problem)
    for name, ends in given.items():
        if name not in offered:
            raise PlasticbenchError(f"option.descriptors.{name}: no such number; {on_offer(name, offered)}")
        numbers = [end for end in ends if _is_number(end)] if isinstance(ends, Sequence) else []
        if len(numbers) != 2 or len(ends) != 2 or not numbers[0] < numbers[1]:
            raise PlasticbenchError(f"option.descriptors.{name}: {ends!r:.60} is not a range [low, high]")
    return tuple(Descriptor(name, float(low), float(high)) for name, (low, high) in given.items())


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _default(problem: Problem) -> tuple[Descriptor, ...]:
    theory = problem.task.rule_map
    if theory is not None and (shown := [name for name in theory.metrics if name.endswith("_correlation")]):
        return Descriptor(shown[-1], 0.0, 1.0), Descriptor(f"{_MAP}share", 0.0, 1.0)
    family = problem.family
    start, reach = family.initial(problem.seed), _FIRST_DRAW * family.initial_std
    low, high = ((start + side * reach).clamp(*family.bounds.T).tolist() for side in (-1.0, 1.0))
    return tuple(Descriptor(*axis) for axis in list(zip(family.names, low, high, strict=True))[:2])


def _offered(problem: Problem) -> list[str]:
    places = [f"{_MAP}{name}" for name in _ON_THE_MAP] if problem.task.rule_map is not None else []
    return [*metric_names(problem), *places, *problem.family.names]


def metric_names(problem: Problem) -> list[str]:
    """What the task reports beside the loss: from a shortened life, which is not charged."""
    family, task = problem.family, problem.task.shortened()
    return list(task.run((family, family.initial(0)[None]), task.official_seeds[:1]).metrics)


def places_of(
    descriptors: Sequence[Descriptor], problem: Problem, thetas: Tensor, metrics: Mapping[str, np.ndarray]
) -> np.ndarray:
    """(n_rules, n_descriptors); NaN where undefined. `metrics`: means over lifetimes, (n_rules,) each."""
    columns = []
    for descriptor in descriptors:
        name = descriptor.name
        if name in metrics:
            columns.append(np.asarray(metrics[name], float))
        elif name in problem.family.names:
            columns.append(thetas[:, problem.family.names.index(name)].double().numpy())
        else:
            columns.append(_on_the_map(problem, thetas, name.removeprefix(_MAP)))
    return np.stack(columns, 1)


def _on_the_map(problem: Problem, thetas: Tensor, name: str) -> np.ndarray:
    theory = problem.task.rule_map
    assert theory is not None
    points = [theory.place(problem.rule(theta)) for theta in thetas]
    numbers = [None if point is None else getattr(point, name) for point in points]
    return np.array([math.nan if number is None else number for number in numbers])
