"""What a population of lifetimes came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from plasticbench.simulation.engine import Measured

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Outcome:
    """What a population of lifetimes came to. Losses are finite, blown-up lifetimes included."""

    losses: Tensor  # (n_rules, n_seeds)
    blown_up: Tensor  # (n_rules, n_seeds) bool
    metrics: dict[str, Tensor]  # name -> (n_rules, n_seeds), reported beside the loss
    engine: str
    simulated_s: float  # of all lifetimes together; a presentation to a rate network counts as 1 s
    wall_s: float  # spent simulating
    compile_s: float

    @classmethod
    def of(cls, measured: Measured, engine: str, wall_s: float, compile_s: float) -> Outcome:
        """From what an engine measured."""
        lived_s = float(measured.lived_s.sum())
        return cls(measured.losses, measured.blown_up, measured.metrics, engine, lived_s, wall_s, compile_s)

    @property
    def statuses(self) -> np.ndarray:
        """(n_rules, n_seeds) of "ok" or "blow-up"."""
        return np.where(self.blown_up.cpu().numpy(), "blow-up", "ok")


def merge(parts: list[tuple[list[int], Outcome]]) -> Outcome:
    """One outcome of all rules, in their own order; each part comes with its rules' positions."""
    import torch

    outcomes = [outcome for _, outcome in parts]
    order = torch.as_tensor([i for indices, _ in parts for i in indices]).argsort()

    def joined(parts: list[Tensor]) -> Tensor:
        return torch.cat([part.cpu() for part in parts])[order]

    return Outcome(
        losses=joined([o.losses for o in outcomes]),
        blown_up=joined([o.blown_up for o in outcomes]),
        metrics={name: joined([o.metrics[name] for o in outcomes]) for name in outcomes[0].metrics},
        engine=outcomes[0].engine,
        simulated_s=sum(o.simulated_s for o in outcomes),
        wall_s=sum(o.wall_s for o in outcomes),
        compile_s=sum(o.compile_s for o in outcomes),
    )
