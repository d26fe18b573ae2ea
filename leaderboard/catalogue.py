"""What the leaderboard needs from the rest of the package: tasks, rules and a way to run them.

Everything here is looked up in one `Catalogue`, so that tests can give the board tasks of their own and so that
reading a board does not import the simulators.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.tasks.experiment import Experiment
from plasticbench.tasks.rule_map import RuleMap


class TaskLike(Protocol):
    """The part of `plasticbench.task.Task` that the board reads."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def reference(self) -> str: ...
    @property
    def reference_rule(self) -> str: ...
    @property
    def track(self) -> str: ...
    @property
    def pathways(self) -> tuple[str, ...]: ...
    @property
    def weight_bounds(self) -> Mapping[str, float]: ...
    @property
    def spec_hash(self) -> str: ...
    @property
    def official_seeds(self) -> tuple[int, ...]: ...
    @property
    def null_loss(self) -> float: ...
    @property
    def reference_loss(self) -> float: ...
    @property
    def blind_loss(self) -> float | None: ...
    @property
    def not_ranked_because(self) -> str: ...
    @property
    def score_scale(self) -> str: ...
    @property
    def experiment(self) -> Experiment | None: ...
    @property
    def rule_map(self) -> RuleMap | None: ...
    def score(self, mean_loss: float) -> float: ...


@dataclass(frozen=True)
class Measurement:
    """Rules lived through seeds: what verification compares."""

    losses: np.ndarray  # (n_rules, n_seeds) float64, finite
    statuses: np.ndarray  # (n_rules, n_seeds) of "ok" or "blow-up"
    engine: str
    versions: Mapping[str, str]
    hardware: Mapping[str, Any]


@dataclass(frozen=True)
class Catalogue:
    """Tasks by id, and the callables that read, check and run rules."""

    tasks: Mapping[str, TaskLike]
    load_rule: Callable[[str | Path], Any]  # a known name or a file -> Rule
    rule_from_json: Callable[[Any, Path], Any]  # (rule object, folder of its arrays) -> Rule
    check_rule: Callable[[Any, Any], None]  # (rule, task): raises PlasticbenchError if the task cannot run it
    measure: Callable[[Any, Sequence[Any], Sequence[int], str], Measurement]  # (task, rules, seeds, engine)

    def task(self, task_id: str) -> TaskLike:
        """The task; PlasticbenchError if there is none of this id."""
        try:
            return self.tasks[task_id]
        except KeyError:
            raise PlasticbenchError(f"task: there is no {task_id!r}; the tasks are {', '.join(self.tasks)}") from None


@cache
def installed() -> Catalogue:
    """The catalogue of the installed package."""
    import plasticbench
    from plasticbench.rules.codec import rule_from_json

    from .limited import LimitedMeasure

    return Catalogue(
        tasks={task_id: plasticbench.task(task_id) for task_id in plasticbench.task_ids()},
        load_rule=plasticbench.load_rule,
        rule_from_json=rule_from_json,
        check_rule=_check_rule,
        measure=LimitedMeasure(measured),
    )


def _check_rule(rule: Any, task: Any) -> None:
    from plasticbench.rules.check import check_rule

    variables = {name: task.variables(name) for name in task.pathways}
    check_rule(task.part_of(rule), task.pathways, task.events, variables, task.arrays if rule.arrays else None)


def measured(task: Any, rules: Sequence[Any], seeds: Sequence[int], engine: str) -> Measurement:
    """The rules' lifetimes, simulated in this process."""
    from plasticbench.evaluation.result import hardware, versions
    from plasticbench.simulation.engine import verifying_engine

    outcome = task.run(list(rules), seeds, engine=verifying_engine(engine), metrics=False)
    return Measurement(
        losses=outcome.losses.detach().cpu().numpy().astype(np.float64),
        statuses=outcome.statuses,
        engine=outcome.engine,
        versions=versions(),
        hardware=hardware(),
    )
