"""What a policy gives: Δw by pathway, checked before a step is lived."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plasticbench.errors import PlasticbenchError


def checked_action(action: Any, shapes: Mapping[str, tuple[int, ...]], task_id: str) -> dict[str, Tensor]:
    """Δw of each pathway as it was given, as tensors. `shapes`: of each plastic pathway's weights.

    Raises PlasticbenchError, naming the shape, for what is no mapping from plastic pathways to numbers.
    """
    if not isinstance(action, Mapping):
        told = ", ".join(f"{name!r}: Δw of shape {shape}" for name, shape in shapes.items())
        raise PlasticbenchError(f"action: {_described(action)}; give an object by pathway, {{{told}}}")
    for name in action:
        if name not in shapes:
            raise PlasticbenchError(f"action.{name}: no such plastic pathway; {task_id} has {', '.join(shapes)}")
    return {name: _numbers(name, value, shapes[name]) for name, value in action.items()}


def without_gradient(action: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same, detached. Raises PlasticbenchError where a gradient would be lost silently."""
    for name, value in action.items():
        if value.requires_grad and torch.is_grad_enabled():
            raise PlasticbenchError(
                f"action.{name}: a tensor of shape {tuple(value.shape)} that carries a gradient, which this env "
                "does not pass on; give it detach()ed, or take the vector environment of a rate task, which does"
            )
    return {name: value.detach() if value.requires_grad else value for name, value in action.items()}


def _numbers(name: str, value: Any, shape: tuple[int, ...]) -> Tensor:
    if isinstance(value, Tensor):
        if not value.is_complex():
            return value
    else:
        try:
            array = np.asarray(value)
        except (TypeError, ValueError, RuntimeError):  # ragged; a list of tensors that carry gradients
            array = np.asarray(None)
        if array.dtype.kind in "biuf":
            return torch.from_numpy(array.astype(np.float64, copy=not array.flags.writeable))
    raise PlasticbenchError(f"action.{name}: {_described(value)}; give real numbers that broadcast against {shape}")


def _described(value: Any) -> str:
    """In a few words; arrays by their shape."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}" + (" and complex numbers" if value.is_complex() else "")
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}" + ("" if value.dtype.kind in "biuf" else f" and type {value.dtype}")
    return f"{type(value).__name__} {value!r:.60}".replace("\n", " ")
