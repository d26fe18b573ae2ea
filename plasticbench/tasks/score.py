"""The score of a mean loss: a task's marks put it between the null rule's (0) and the reference rule's (1)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plasticbench.tasks.task import Task

_BLIND_SLOPE = 0.01  # of the score between `blind_loss` and the null rule's, relative to elsewhere; or less, so that
_BLIND_SHARE = 0.03  # all of it is worth at most this share of what lies below, where that is little


def score_of(task: Task, mean_loss: float) -> float:
    """0 for the null rule's official loss, 1 for the reference rule's; unclipped."""
    null, best = _on_scale(task, task.null_loss), _on_scale(task, task.reference_loss)
    return (null - _on_scale(task, mean_loss)) / (null - best)


def _on_scale(task: Task, loss: float) -> float:
    """The loss or its logarithm; from `blind_loss` to the null rule's, where less is no sign of learning, flat."""
    x = _linear_or_log(task, loss)
    if task.blind_loss is None or loss <= task.blind_loss:
        return x
    blind, null = _linear_or_log(task, task.blind_loss), _linear_or_log(task, task.null_loss)
    below = blind - _linear_or_log(task, task.reference_loss)
    slope = min(_BLIND_SLOPE, _BLIND_SHARE * below / (null - blind)) if null > blind else _BLIND_SLOPE
    return x - (1.0 - slope) * (min(x, null) - blind)


def _linear_or_log(task: Task, loss: float) -> float:
    return math.log(max(loss, task.loss_floor)) if task.score_scale == "log" else loss
