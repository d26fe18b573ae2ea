"""Rewards and ends of a vector environment: torch tensors that Gymnasium's own wrappers may do arithmetic with."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


class Signal(Tensor):
    """A tensor, (num_envs,), that numpy takes for an array: detached, on the host, and without its own wrapping.

    numpy leaves `array += tensor` to torch, which does not know it, and wraps `logical_or` of two tensors into bytes.
    Torch's own functions give plain tensors.
    """

    __array_priority__ = -1
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.detach().cpu().as_subclass(Tensor).numpy(), dtype)

    def __array_wrap__(self, array: np.ndarray, context: Any = None, return_scalar: bool = False) -> Any:  # type: ignore[override]
        return array[()] if return_scalar else array

    def __getitem__(self, index: Any) -> Tensor:
        return super().__getitem__(index).as_subclass(Signal)


def signal(tensor: Tensor) -> Tensor:
    """The tensor as a `Signal`; its gradient goes along."""
    return tensor.as_subclass(Signal)
