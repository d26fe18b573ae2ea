"""The official evaluation of a rule on a task: its frozen specification, its official seeds, nothing altered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.evaluation.plain_data import plain, whole_number
from plasticbench.evaluation.result import Result, hardware, versions
from plasticbench.rules import Rule, load_rule
from plasticbench.simulation.random import check_seed
from plasticbench.tasks.outcome import Outcome
from plasticbench.tasks.registry import task as find_task
from plasticbench.tasks.registry import task_ids
from plasticbench.tasks.task import Task

Progress = Callable[[int, int], None]  # lifetimes done, lifetimes in all


def evaluate(
    rule: Rule | str | Callable[[Any], Any],
    task_id: str | Task,
    seeds: int | Sequence[int] | None = None,
    conditions: Sequence[Mapping[str, Any]] | None = None,
    engine: str = "auto",
    device: str | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    learned: dict[str, Any] | None = None,
) -> Result:
    """Run a rule on a task's official lifetimes.

    `rule`: a rule, its name or file, or a Python policy (whose result cannot be saved). `task_id`: a task, or its id.
    `seeds`: a number takes the first so many official seeds (default all); a list takes those seeds instead.
    `conditions`: one object per lifetime, fixing that lifetime's conditions; the rest is drawn from its seed.
    `learned`: how the rule was found (learner, cost, training tasks), kept with the result.
    Raises PlasticbenchError for input that does not fit.
    """
    task = as_task(task_id)
    learned = plain(learned or {}, "learned")
    conditions = None if conditions is None else plain(list(conditions), "conditions")
    chosen = _seeds(task, seeds, conditions)
    rule = load_rule(rule) if isinstance(rule, str) else rule
    size = task.lifetimes_per_report or len(chosen)
    outcomes = []
    for first in range(0, len(chosen), size):
        part = chosen[first : first + size]
        fixed = None if conditions is None else conditions[first : first + size]
        outcomes.append(task.run(rule, part, engine, conditions=fixed, device=device, threads=threads))
        if progress is not None:
            progress(first + len(part), len(chosen))
    return _result(task, rule, chosen, conditions, outcomes, learned, device)


def as_task(task_or_id: Task | str) -> Task:
    """The task itself, or the registered one of this id."""
    return task_or_id if isinstance(task_or_id, Task) else find_task(task_or_id)


def unless_registered(task: Task) -> Task | None:
    """The task, if its id does not lead to it: the id is registered for another task, or for none."""
    return None if task.id in task_ids() and find_task(task.id).spec_hash == task.spec_hash else task


def _seeds(task: Task, seeds: int | Sequence[int] | None, conditions: Sequence[Any] | None) -> tuple[int, ...]:
    n_wanted = None if conditions is None else len(conditions)
    if n_wanted == 0:
        raise PlasticbenchError("conditions: the list is empty; give one object per lifetime")
    if seeds is None:
        first = task.official_seeds[0]
        chosen = task.official_seeds if n_wanted is None else tuple(range(first, first + n_wanted))
    elif isinstance(seeds, Iterable):
        chosen = tuple(check_seed(seed) for seed in seeds)
    else:
        wanted = whole_number(seeds, "seeds", 1)
        if wanted > task.n_official:
            raise PlasticbenchError(f"seeds: {task.id} has 1 to {task.n_official} official lifetimes, not {wanted}")
        chosen = task.official_seeds[:wanted]
    if not chosen:
        raise PlasticbenchError("seeds: none; give one for each lifetime")
    if n_wanted is not None and n_wanted != len(chosen):
        raise PlasticbenchError(f"conditions: {n_wanted} given for {len(chosen)} lifetimes; give one object each")
    return chosen


def _result(
    task: Task,
    rule: Any,  # a rule, or a Python policy
    seeds: tuple[int, ...],
    conditions: Sequence[Mapping[str, Any]] | None,
    outcomes: list[Outcome],
    learned: dict[str, Any],
    device: str | None,
) -> Result:
    measured = {name: tuple(float(x) for o in outcomes for x in o.metrics[name][0]) for name in outcomes[0].metrics}
    of_rule = task.rule_metrics(rule) if isinstance(rule, Rule) else {}
    return Result(
        task=task.id,
        task_hash=task.spec_hash,
        rule=rule,
        engine=outcomes[0].engine,
        seeds=seeds,
        conditions=None if conditions is None else tuple(dict(c) for c in conditions),
        losses=tuple(float(x) for o in outcomes for x in o.losses[0]),
        statuses=tuple(str(s) for o in outcomes for s in o.statuses[0]),
        metrics=measured | {name: (value,) * len(seeds) for name, value in of_rule.items()},
        simulated_s=float(np.sum([o.simulated_s for o in outcomes])),
        wall_s=float(np.sum([o.wall_s for o in outcomes])),
        compile_s=float(np.sum([o.compile_s for o in outcomes])),
        versions=versions(),
        hardware=hardware(outcomes[0].engine, device),
        learned=learned,
        unregistered=unless_registered(task),
    )
