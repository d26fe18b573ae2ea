"""What each instruction of a program does to torch tensors. Apart, so that reading a rule does not import torch."""

from __future__ import annotations

import torch
from torch import Tensor


def _tensor(value: Tensor | float, like: Tensor) -> Tensor:
    return value if isinstance(value, Tensor) else torch.as_tensor(value, dtype=like.dtype, device=like.device)


def _extreme(pairwise):
    """Minimum or maximum of several values, of which at least one is a tensor; lets NaN through."""

    def apply(*values: Tensor | float) -> Tensor:
        like = next(value for value in values if isinstance(value, Tensor))
        result = _tensor(values[0], like)
        for value in values[1:]:
            result = pairwise(result, _tensor(value, like))
        return result

    return apply


OPERATIONS = {
    "neg": lambda a: -a,
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": torch.pow,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "abs": torch.abs,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "step": lambda a: (a > 0).to(a.dtype),
    "min": _extreme(torch.minimum),
    "max": _extreme(torch.maximum),
}
