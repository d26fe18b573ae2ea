"""A Python policy as a rule of a task: any callable, observation -> action."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plasticbench.rules import RuleBatch

if TYPE_CHECKING:
    import torch

    from plasticbench.tasks.task import Task


_OTHER_PRECISION = ("same dtype", "scalar type", "should be the same")  # in what torch says of mixed numbers


@dataclass(eq=False)
class TaskPolicy:
    """`brought`: the slow weights, traces and states that its lifetimes have: those of the task's reference rule."""

    task: Task
    policy: Callable[[Any], Any]
    brought: RuleBatch

    def __post_init__(self) -> None:
        self._dtype = _dtype_of(self.policy)  # None: the lifetimes' own

    def act(self, observation: Mapping[str, Mapping[str, Any]]) -> Any:
        """The policy's action. A torch module gets numbers of its own precision, and so does a function around one."""
        if self._dtype is None:
            try:
                return self.policy(observation)
            except RuntimeError as error:
                if not any(words in str(error) for words in _OTHER_PRECISION):
                    raise
            import torch

            self._dtype = torch.get_default_dtype()
        cast = {
            pathway: {name: value.to(self._dtype) for name, value in variables.items()}
            for pathway, variables in observation.items()
        }
        return self.policy(cast)


def _dtype_of(policy: Any) -> torch.dtype | None:
    """The precision of a torch module's parameters."""
    import torch

    if not isinstance(policy, torch.nn.Module):
        return None
    return next((p.dtype for p in policy.parameters() if p.dtype.is_floating_point), None)
