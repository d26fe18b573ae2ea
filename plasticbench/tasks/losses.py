"""Standardized losses: pure functions of recordings, in torch, differentiable where the mathematics is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from plasticbench.networks.life import Life

if TYPE_CHECKING:
    from torch import Tensor


def targets_of(lives: Sequence[Life], name: str, like: Tensor) -> Tensor:
    """A target of each life, (n_lives, ...), on the device of `like`."""
    import torch

    return torch.as_tensor(np.stack([life.targets[name] for life in lives]), device=like.device)


def distance_to_axis(w: Tensor, axis: Tensor) -> Tensor:
    """min(‖w − axis‖, ‖w + axis‖) over the last dimension: the sign of a principal component is free."""
    import torch

    return torch.minimum(torch.linalg.vector_norm(w - axis, dim=-1), torch.linalg.vector_norm(w + axis, dim=-1))


def angle_to_axis_deg(w: Tensor, axis: Tensor) -> Tensor:
    """Angle in degrees, 0 to 90, between the line through w and the axis; 90 for w = 0."""
    import torch

    norm = torch.linalg.vector_norm(w, dim=-1) * torch.linalg.vector_norm(axis, dim=-1)
    cosine = (w * axis).sum(-1).abs() / torch.where(norm > 0, norm, torch.ones_like(norm))
    return torch.rad2deg(torch.arccos(cosine.clamp(0.0, 1.0)))


def direction_distance(w: Tensor, axis: Tensor) -> Tensor:
    """sqrt(2 − 2|cos|) over the last dimension: the distance of w and the axis as unit vectors, the sign being free.

    0 on the axis, sqrt(2) at a right angle and for w = 0; differentiable except at w = 0.
    """
    import torch

    norm = torch.linalg.vector_norm(w, dim=-1) * torch.linalg.vector_norm(axis, dim=-1)
    cosine = (w * axis).sum(-1).abs() / torch.where(norm > 0, norm, torch.ones_like(norm))
    return (2.0 - 2.0 * cosine).clamp_min(1e-12).sqrt()


def subspace_distance(w: Tensor, basis: Tensor) -> Tensor:
    """Distance between the row spaces of w and of the orthonormal basis (..., k, n), 0 to 1.

    sqrt(1 − tr(P_w P_basis)/k) with the orthogonal projections P; the ridge makes it defined, and differentiable,
    for weights that do not span k dimensions (what is missing counts as orthogonal to the basis).
    """
    import torch

    k = basis.shape[-2]
    gram = w @ w.transpose(-1, -2) + 1e-9 * torch.eye(w.shape[-2], dtype=w.dtype, device=w.device)
    overlap = w @ basis.transpose(-1, -2)  # (..., outputs, k)
    shared = (overlap * torch.linalg.solve(gram, overlap)).sum((-1, -2))
    return (1.0 - shared / k).clamp_min(1e-12).sqrt()


def binary_cross_entropy(logit: Tensor, label: Tensor, largest_logit: float = 10.0) -> Tensor:
    """Per item, in nats; the logit is clipped so that one confident error costs at most `largest_logit` nats."""
    import torch

    clipped = logit.clamp(-largest_logit, largest_logit)
    return torch.nn.functional.binary_cross_entropy_with_logits(clipped, label.expand_as(clipped), reduction="none")


def cross_entropy(logits: Tensor, labels: Tensor, most: float = 10.0) -> Tensor:
    """Per item, in nats, at most `most`: of a softmax of logits (..., n_items, n_classes) and labels (..., n_items)."""
    import torch

    right = labels.expand(logits.shape[:-1]).unsqueeze(-1)
    return (torch.logsumexp(logits, -1) - logits.gather(-1, right).squeeze(-1)).clamp_max(most)


def rate_deviation(rate_hz: Tensor, target_hz: float) -> Tensor:
    """(r − r*)² / (r + 2 Hz), elementwise, in Hz: quadratic near the target, linear far above it.

    Confavreux et al., PLOS Comput. Biol. 21:e1012910 (2025).
    """
    return (rate_hz - target_hz) ** 2 / (rate_hz + 2.0)


def familiarity(familiar_hz: Tensor, novel_hz: Tensor, least_hz: float, most_hz: float, ceiling_hz: float) -> Tensor:
    """Mean over two windows of equal length of how far a rate is from telling them apart: 0 at best, at most 1.

    Of the familiar window max(0, 1 − r/least_hz); of the novel one max(0, (r − most_hz)/(ceiling_hz − most_hz)).
    Rates (..., n_steps) in Hz; the mean is over the last axis.
    Confavreux et al., PLOS Comput. Biol. 21:e1012910 (2025).
    """
    missing = (1.0 - familiar_hz / least_hz).clamp_min(0.0)
    excess = ((novel_hz - most_hz) / (ceiling_hz - most_hz)).clamp_min(0.0)
    return (missing.mean(-1) + excess.mean(-1)) / 2.0


def best_scale(change: Tensor, mean: Tensor, sem: Tensor, counted: Tensor) -> Tensor:
    """The s >= 0 with which s·change is nearest to `mean` in units of `sem`, over what is `counted` (bool).

    change (..., n), others broadcast to it; s (...). 0 where nothing changes, or changes the wrong way.
    """
    import torch

    size = change.detach().abs().amax(-1, keepdim=True)
    size = torch.where(size > 0, size, torch.ones_like(size))  # squares of any size stay finite
    unit, weight = change / size, counted / sem**2
    along = (weight * mean * unit).sum(-1)
    return (along / (weight * unit**2).sum(-1).clamp(min=1e-300)).clamp(min=0.0) / size.squeeze(-1)


def misfit(change: Tensor, mean: Tensor, sem: Tensor, counted: Tensor) -> Tensor:
    """Mean of ((mean - change)/sem)² over what is `counted` (bool); NaN where nothing is. (..., n) -> (...)."""
    import torch

    square = torch.where(counted, (mean - change) / sem, torch.zeros_like(change)) ** 2
    return square.sum(-1) / counted.sum(-1)
