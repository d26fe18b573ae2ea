"""A picture of one lifetime under a rule, as the task draws it."""

from __future__ import annotations

import io

from plasticbench.drawing.lives import LifeHistory
from plasticbench.rules import Rule
from plasticbench.stepping.lifetimes import lifetimes
from plasticbench.tasks.task import Task


def life_picture(rule: Rule, task: Task, seed: int | None = None) -> bytes:
    """PNG of the lifetime of a seed (default: the first official one), stepped to its end.

    Raises RuleError for a rule that does not suit the task.
    """
    import torch

    life = lifetimes(task, [task.official_seeds[0] if seed is None else seed], rule=rule)
    history, own = LifeHistory(life), task.part_of(rule)
    with torch.no_grad():
        while not life.finished:
            life.advance(own(life.observe()))
            history.record()
    file = io.BytesIO()
    history.figure().savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
