"""A Python policy as a rule of a task: any callable, observation -> action."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from plasticbench.rules import RuleBatch

if TYPE_CHECKING:
    import torch

    from plasticbench.tasks.task import Task


@dataclass(frozen=True, eq=False)
class TaskPolicy:
    """`brought`: the slow weights, traces and states that its lifetimes have: those of the task's reference rule."""

    task: Task
    policy: Callable[[Any], Any]
    brought: RuleBatch

    def act(self, observation: Mapping[str, Mapping[str, Any]]) -> Any:
        """The policy's action; a torch module gets numbers of its own precision."""
        if self._dtype is None:
            return self.policy(observation)
        cast = {
            pathway: {name: value.to(self._dtype) for name, value in variables.items()}
            for pathway, variables in observation.items()
        }
        return self.policy(cast)

    @cached_property
    def _dtype(self) -> torch.dtype | None:
        import torch

        if not isinstance(self.policy, torch.nn.Module):
            return None
        return next((p.dtype for p in self.policy.parameters() if p.dtype.is_floating_point), None)
