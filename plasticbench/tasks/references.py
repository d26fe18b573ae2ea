"""Measure a new task's reference losses, which its author then declares."""

from __future__ import annotations

from plasticbench.rules import load_rule
from plasticbench.tasks.null_attacks import attacks
from plasticbench.tasks.task import Task


def measure_references(task: Task, engine: str = "auto") -> dict[str, float | None]:
    """Official means `null_loss`, `reference_loss`, `blind_loss` of a task (registered or not), to be declared with it.

    `blind_loss` is that of the best of the rules that know nothing (`null_attacks`), None where none of them beats the
    null rule. Raises PlasticbenchError or RuleError where the reference rule does not suit the task.
    """
    rules = [load_rule("null"), load_rule(task.reference_rule), *attacks(task.track).values()]
    null, reference, *blind = task.losses(rules, task.official_seeds, engine).mean(1).tolist()
    best = min(blind)
    return {"null_loss": null, "reference_loss": reference, "blind_loss": best if best < null else None}
