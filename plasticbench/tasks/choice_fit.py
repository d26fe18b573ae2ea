"""Choices predicted from weights: a logistic readout fitted on some subjects and judged on others.

log-odds = g z + b, z the difference of two weights over its standard deviation. g and b are the slow numbers that a
rule does not give; they maximise the likelihood of the training choices, less RIDGE/2 (g² + b²), which matters only
where choices are few.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

RIDGE = 0.1
_ROUNDS, _LARGEST_STEP, _SETTLED = 60, 2.0, 1e-11


@dataclass(frozen=True)
class HeldOut:
    """Of one rule in one life; every choice is predicted with numbers that its own subject had no part in."""

    nll: Tensor  # (): mean negative log-likelihood per choice, nats; differentiable in the difference of weights
    log_odds: Tensor  # (n_choices,)
    slope: float  # mean of g over the folds, in units of 1 / weight
    bias: float


def held_out(difference: Tensor, chosen: np.ndarray, fold: np.ndarray) -> HeldOut:
    """difference (n_choices,) of weights, chosen (n_choices,) 0 or 1, fold (n_choices,) int64 from 0 on."""
    import torch

    spread = float(difference.detach().std(correction=0))
    z = difference * 0.0 if spread == 0.0 else difference / difference.std(correction=0)
    y = np.asarray(chosen, np.float64)
    fitted = _fits(z.detach().cpu().numpy(), y, fold)
    numbers = torch.from_numpy(fitted).to(z)  # (n_folds, 2)
    if z.requires_grad:
        numbers = _with_gradient(z, torch.from_numpy(y).to(z), fold, numbers)
    own = numbers[torch.from_numpy(fold)]
    log_odds = own[:, 0] * z + own[:, 1]
    sign = torch.from_numpy(1.0 - 2.0 * y).to(z)
    nll = torch.nn.functional.softplus(sign * log_odds).mean()
    return HeldOut(nll, log_odds.detach(), float(fitted[:, 0].mean()) / (spread or 1.0), float(fitted[:, 1].mean()))


def _fits(z: np.ndarray, y: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """(n_folds, 2): g and b of the choices outside each fold, by Newton's method from the fit of all."""
    start = _newton(z, y, np.zeros(2))
    return np.array([_newton(z[fold != k], y[fold != k], start) for k in range(int(fold.max()) + 1)])


def _newton(z: np.ndarray, y: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    for _ in range(_ROUNDS):
        p = 1.0 / (1.0 + np.exp(-(numbers[0] * z + numbers[1])))
        wrong, v = y - p, p * (1.0 - p)
        vz = v * z
        gradient = np.array([(wrong * z).sum(), wrong.sum()]) - RIDGE * numbers
        curvature = np.array([[(vz * z).sum(), vz.sum()], [vz.sum(), v.sum()]]) + RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        length = float(np.hypot(*step))
        numbers = numbers + step * min(1.0, _LARGEST_STEP / max(length, _SETTLED))
        if length < _SETTLED:
            break
    return numbers


def _with_gradient(z: Tensor, y: Tensor, fold: np.ndarray, fitted: Tensor) -> Tensor:
    """The same numbers, with their derivative by z: one more step of Newton's method, whose curvature is held."""
    import torch

    rows = []
    for k in range(len(fitted)):
        kept = torch.from_numpy(fold != k)
        x, g, b = z[kept], fitted[k, 0], fitted[k, 1]
        p = torch.sigmoid(g * x + b)
        gradient = torch.stack([((y[kept] - p) * x).sum(), (y[kept] - p).sum()]) - RIDGE * fitted[k]
        with torch.no_grad():
            v = p * (1.0 - p)
            off = (v * x).sum()
            curvature = torch.stack([torch.stack([(v * x * x).sum(), off]), torch.stack([off, v.sum()])])
            curvature = curvature + RIDGE * torch.eye(2).to(x)
        rows.append(fitted[k] + torch.linalg.solve(curvature, gradient))
    return torch.stack(rows)
