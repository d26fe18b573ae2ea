"""Excursions of lives on the torch engine: the state of a life is kept, and put back, differentiable as the rest is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from plasticbench.simulation.spiking.inputs import InputState
from plasticbench.simulation.spiking.torch_neurons import TorchNeurons

if TYPE_CHECKING:
    from plasticbench.simulation.spiking.torch_engine import TorchLives


@dataclass(frozen=True)
class Kept:
    """The state of all lives at a step, of which one life's is put back. Steps never write into tensors."""

    neurons: list[TorchNeurons]
    past: list[dict[str, Tensor]]
    weights: dict[str, Tensor]
    memory: dict[str, dict[str, Tensor]]
    rates: list[Tensor]
    since: dict[str, Tensor]
    inputs: InputState  # of the one life

    @classmethod
    def of(cls, batch: TorchLives, s: int) -> Kept:
        """At this moment, for life s."""
        return cls(
            list(batch.neurons),
            list(batch.past),
            {name: one.w for name, one in batch.learned.items()},
            {name: dict(one.memory) for name, one in batch.learned.items()},
            list(batch.records.rate),
            dict(batch.records.since),
            batch.inputs.kept(s),
        )

    def put_back(self, batch: TorchLives, s: int) -> None:
        """Life s is again what it was; the others stay."""
        chosen = torch.zeros(len(batch.lives), dtype=torch.bool, device=batch.device)
        chosen[s] = True
        batch.inputs.put_back(s, self.inputs)
        for q, old in enumerate(self.neurons):
            now = batch.neurons[q]
            values = {name: _mixed(chosen, old.values[name], x) for name, x in now.values.items()}
            batch.neurons[q] = TorchNeurons(values, _mixed(chosen, old.ready, now.ready))
        batch.past = [self._past(batch, chosen, k - len(batch.past)) for k in range(len(batch.past))]
        for name, learned in batch.learned.items():
            learned.w = _mixed(chosen, self.weights[name], learned.w)
            learned.memory = {key: _mixed(chosen, self.memory[name][key], x) for key, x in learned.memory.items()}
        records = batch.records
        records.rate = [_mixed(chosen, old, x) for old, x in zip(self.rates, records.rate, strict=True)]
        records.since = {name: _mixed(chosen, self.since[name], x) for name, x in records.since.items()}

    def _past(self, batch: TorchLives, chosen: Tensor, k: int) -> dict[str, Tensor]:
        """The spikes of the k-th last step, k < 0: none before life began."""
        now = batch.past[k]
        if -k > len(self.past):
            return {name: _mixed(chosen, torch.zeros_like(x), x) for name, x in now.items()}
        return {name: _mixed(chosen, self.past[k][name], x) for name, x in now.items()}


def _mixed(chosen: Tensor, old: Tensor, now: Tensor) -> Tensor:
    """`old` in the chosen lives (n_seeds,), `now` in others; tensors lead with (n_rules, n_seeds)."""
    return torch.where(chosen.reshape(1, -1, *[1] * (now.ndim - 2)), old, now)
