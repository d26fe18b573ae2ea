"""Search each class of uninformed rules for the one that loses least, on training seeds.

Every restart draws a design of points of its own, starts CMA-ES (pycma: Hansen, Akimoto & Baudis,
doi:10.5281/zenodo.2559634) at the best of them, or ever finer grids where there is one number to find, and is judged on
validation seeds that no restart searched on. How far the restarts' results lie apart says how far the search can be
from the end: where independent searches agree, a better rule of the class would have to be one that none of them came
near.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from plasticbench.rules import Rule
from plasticbench.simulation.random import Stream
from plasticbench.tasks.task import TRAINING_SEED_BASE, Task
from plasticbench.tasks.uninformed import UninformedClass

_FIRST_STEP = 0.15  # of CMA-ES, in a unit cube


@dataclass(frozen=True)
class Effort:
    """How hard one class is searched; lives are counted for each candidate."""

    restarts: int = 2
    n_design: int = 12
    design_lives: int = 2
    population: int = 6
    generations: int = 5
    lives: int = 4
    validation_lives: int = 8
    conditions: Mapping[str, float] = field(default_factory=dict)  # fixed while searching (shorter lives), by name

    @staticmethod
    def of(task: Task) -> Effort:
        """What an hour of one core bears: rate lives are quick, spiking ones are not."""
        if task.track == "rate":
            return Effort(4, 64, 8, 12, 25, 16, 64)
        return Effort()


@dataclass(frozen=True)
class Restart:
    """What one restart came to: a point of the class's unit cube, and its mean loss on the validation seeds."""

    places: tuple[float, ...]
    loss: float


def search_restart(
    task: Task, kind: UninformedClass, number: int, effort: Effort, start: Sequence[float] | None = None
) -> Restart:
    """One independent restart of the search of a class; the same number, the same result.

    `start`: begin CMA-ES at this point (one that was found on a smaller task) instead of at the best of a design.
    """
    stream = Stream(number, f"blind search {kind.name}")
    loss_on = _losses_of(task, kind, effort.conditions)
    seeds = [TRAINING_SEED_BASE + int(s) for s in stream.integers(2**60, (effort.lives,))]
    d = kind.dimension(task)
    if start is None:
        design = _latin_hypercube(stream, effort.n_design, d)
        losses = loss_on(design, seeds[: effort.design_lives])
        first = design[int(losses.argmin())]
    else:
        first = np.asarray(start, dtype=float)
    search = _zoom if d == 1 else _cma_es
    found = [first, *search(lambda u: loss_on(u, seeds), first, effort, number)]
    judged = _losses_of(task, kind, {})(np.stack(found), validation_seeds(effort.validation_lives))
    best = int(judged.argmin())
    return Restart(tuple(float(x) for x in found[best]), float(judged[best]))


def validation_seeds(n: int) -> list[int]:
    """The seeds that restarts and classes are compared on; none searches on them, and none is official."""
    return [TRAINING_SEED_BASE + int(s) for s in Stream(0, "blind search validation").integers(2**60, (n,))]


def _losses_of(
    task: Task, kind: UninformedClass, conditions: Mapping[str, float]
) -> Callable[[np.ndarray, Sequence[int]], np.ndarray]:
    def losses(points: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
        rules: list[Rule] = [kind.rule(point, task) for point in points]
        lived = task.run(rules, seeds, conditions=conditions or None, metrics=False)
        return lived.losses.mean(dim=1).numpy()

    return losses


def _latin_hypercube(stream: Stream, n: int, d: int) -> np.ndarray:  # (n, d)
    columns = [(stream.permutation(n) + stream.uniform((n,))) / n for _ in range(d)]
    return np.stack(columns, axis=1)


def _zoom(judge: Callable[[np.ndarray], np.ndarray], start: np.ndarray, effort: Effort, seed: int) -> list[Any]:
    """The best point of ever finer grids around the best so far: in one dimension that is sooner there than CMA-ES."""
    best, loss, half_width = start, math.inf, 1.5 / effort.n_design
    for _ in range(effort.generations):
        steps = np.linspace(-1.0, 1.0, effort.population + 2)[1:-1, None]
        points = (best + half_width * steps).clip(0.0, 1.0)
        losses = judge(points)
        if losses.min() < loss:
            best, loss = points[int(losses.argmin())], float(losses.min())
        half_width *= 2.0 / (effort.population + 1)
    return [best]


def _cma_es(judge: Callable[[np.ndarray], np.ndarray], start: np.ndarray, effort: Effort, seed: int) -> list[Any]:
    """The best point that CMA-ES lived through, and the mean that it ended at."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pycma's own, of numpy
        import cma

    options = {
        "bounds": [0.0, 1.0], "popsize": effort.population, "verbose": -9,
        "randn": np.random.RandomState(seed).randn, "seed": None,  # not the global generator
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = cma.CMAEvolutionStrategy(start.clip(0.01, 0.99), _FIRST_STEP, options)
        for _ in range(effort.generations):
            if search.stop():
                break
            points = np.array(search.ask())
            search.tell(list(points), judge(points).tolist())
        best, mean = np.asarray(search.result.xbest), np.asarray(search.result.xfavorite)
    return [best.clip(0.0, 1.0), mean.clip(0.0, 1.0)]
