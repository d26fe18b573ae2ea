"""What the generic tests iterate over: every task, shortened, and for each every known rule that suits it."""

import functools

import plasticbench
from plasticbench.rules import Rule, known_rules, runs_on
from plasticbench.tasks.task import Task

TASKS = plasticbench.task_ids()


@functools.cache
def shortened(task_id: str) -> Task:
    """The task with a life short enough for a check."""
    return plasticbench.task(task_id).shortened()


@functools.cache
def suited_rules(task_id: str) -> tuple[Rule, ...]:
    """The known rules that a task can run."""
    task = shortened(task_id)
    variables = {name: task.variables(name) for name in task.pathways}
    return tuple(
        rule
        for rule in known_rules().values()
        if runs_on(task.part_of(rule), task.pathways, task.events, variables, task.arrays if rule.arrays else None)
    )
