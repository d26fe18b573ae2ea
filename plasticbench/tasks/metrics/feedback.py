"""Of layered networks: which answers are right, and how forward weights have turned to the feedback."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from plasticbench.networks.layered import LayeredNetwork
from plasticbench.networks.life import LabelledPresentations, Life
from plasticbench.networks.recordings import FinalWeights, Readout, Recordings

if TYPE_CHECKING:
    from torch import Tensor


def shown_labels(lives: Sequence[Life], like: Tensor) -> Tensor:
    """The right answer at each step, (n_lives, n_steps) int64, on the device of `like`."""
    import torch

    rows = []
    for life in lives:
        assert isinstance(life.presentations, LabelledPresentations)
        rows.append(life.presentations.labels[life.presentations.order])
    return torch.as_tensor(np.stack(rows), device=like.device)


def accuracy(logits: Tensor, lives: Sequence[Life]) -> Tensor:
    """1 where the largest of the logits (n_rules, n_lives, n_steps, n_outputs) is the right answer's, else 0."""
    return (logits.argmax(-1) == shown_labels(lives, logits)).to(logits.dtype)


def angle_deg(a: Tensor, b: Tensor) -> Tensor:
    """Between matrices as vectors of all their entries, (..., n, m) -> (...), 0 to 180 degrees."""
    import torch

    a, b = a.flatten(-2), b.flatten(-2)
    return torch.rad2deg(torch.arccos(torch.nn.functional.cosine_similarity(a, b, dim=-1).clamp(-1.0, 1.0)))


def feedback_angle_deg(recordings: Recordings, lives: Sequence[Life]) -> Tensor:
    """Between the weights to each layer above a hidden one, transposed, and the feedback to it: (..., n_hidden).

    0 where the feedback is the forward weights transposed.
    """
    import torch

    network = lives[0].network
    assert isinstance(network, LayeredNetwork)
    if network.feedback == "transposed":
        return torch.zeros_like(recordings[Readout()][..., : network.n_layers - 1, 0])
    angles = []
    for forward, back in zip(network.pathways[1:], network.feedback_pathways, strict=True):
        w = recordings[FinalWeights(forward)].transpose(-1, -2)
        feedback = torch.as_tensor(np.stack([life.w_init[back] for life in lives]), device=w.device).to(w)
        angles.append(angle_deg(w, feedback))
    return torch.stack(angles, -1)
