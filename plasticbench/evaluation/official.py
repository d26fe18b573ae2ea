"""The official evaluation of a rule on a task: its frozen specification, its official seeds, nothing altered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.evaluation.result import Result, hardware, versions
from plasticbench.rules import Rule, load_rule
from plasticbench.tasks.outcome import Outcome
from plasticbench.tasks.registry import task as find_task
from plasticbench.tasks.task import Task

Progress = Callable[[int, int], None]  # lifetimes done, lifetimes in all


def evaluate(
    rule: Rule | str,
    task_id: str,
    seeds: int | Sequence[int] | None = None,
    conditions: Sequence[Mapping[str, Any]] | None = None,
    engine: str = "auto",
    device: str | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    learned: dict[str, Any] | None = None,
) -> Result:
    """Run a rule on a task's official lifetimes.

    `seeds`: a number takes the first so many official seeds (default all); a list takes those seeds instead.
    `conditions`: one object per lifetime, fixing that lifetime's conditions; the rest is drawn from its seed.
    `learned`: how the rule was found (learner, cost, training tasks), kept with the result.
    Raises PlasticbenchError for input that does not fit.
    """
    task = find_task(task_id)
    rule = load_rule(rule) if isinstance(rule, str) else rule
    chosen = _seeds(task, seeds, conditions)
    size = task.lifetimes_per_report or len(chosen)
    outcomes = []
    for first in range(0, len(chosen), size):
        part = chosen[first : first + size]
        fixed = None if conditions is None else list(conditions)[first : first + size]
        outcomes.append(task.run(rule, part, engine, conditions=fixed, device=device, threads=threads))
        if progress is not None:
            progress(first + len(part), len(chosen))
    return _result(task, rule, chosen, conditions, outcomes, learned or {})


def _seeds(task: Task, seeds: int | Sequence[int] | None, conditions: Sequence[Any] | None) -> tuple[int, ...]:
    n_wanted = None if conditions is None else len(conditions)
    if n_wanted == 0:
        raise PlasticbenchError("conditions: the list is empty; give one object per lifetime")
    if seeds is None:
        first = task.official_seeds[0]
        chosen = task.official_seeds if n_wanted is None else tuple(range(first, first + n_wanted))
    elif isinstance(seeds, int):
        if not 1 <= seeds <= task.n_official:
            raise PlasticbenchError(f"seeds: {task.id} has 1 to {task.n_official} official lifetimes, not {seeds}")
        chosen = task.official_seeds[:seeds]
    else:
        chosen = tuple(seeds)
    if n_wanted is not None and n_wanted != len(chosen):
        raise PlasticbenchError(f"conditions: {n_wanted} given for {len(chosen)} lifetimes; give one object each")
    return chosen


def _result(
    task: Task,
    rule: Rule,
    seeds: tuple[int, ...],
    conditions: Sequence[Mapping[str, Any]] | None,
    outcomes: list[Outcome],
    learned: dict[str, Any],
) -> Result:
    return Result(
        task=task.id,
        task_hash=task.spec_hash,
        rule=rule,
        engine=outcomes[0].engine,
        seeds=seeds,
        conditions=None if conditions is None else tuple(dict(c) for c in conditions),
        losses=tuple(float(x) for o in outcomes for x in o.losses[0]),
        statuses=tuple(str(s) for o in outcomes for s in o.statuses[0]),
        metrics={name: tuple(float(x) for o in outcomes for x in o.metrics[name][0]) for name in outcomes[0].metrics},
        simulated_s=float(np.sum([o.simulated_s for o in outcomes])),
        wall_s=float(np.sum([o.wall_s for o in outcomes])),
        compile_s=float(np.sum([o.compile_s for o in outcomes])),
        versions=versions(),
        hardware=hardware(),
        learned=learned,
    )
