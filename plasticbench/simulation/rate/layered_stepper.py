"""Layered networks in torch: activities go forward and errors back at each presentation."""

from __future__ import annotations

import torch
from torch import Tensor

from plasticbench.rules import RuleBatch
from plasticbench.simulation.rate.lives import RateLives
from plasticbench.simulation.rate.torch_engine import RateStepper


class LayeredStepper(RateStepper):
    """See `RateStepper`; one item a step, so n_presented is 1."""

    def __init__(
        self,
        lives: RateLives,
        rules: RuleBatch,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float64,
    ):
        labels = torch.as_tensor(lives.labels, device=device)
        self._right = torch.nn.functional.one_hot(labels, lives.network.n_outputs).to(dtype)  # (n_seeds, n_items, n)
        self._feedback = {
            name: torch.as_tensor(lives.w_init[name], device=device).to(dtype)
            for name in lives.layered_network.feedback_pathways
        }
        super().__init__(lives, rules, device, dtype)

    def observe(self) -> dict[str, dict[str, Tensor]]:
        """What each pathway's synapses see at this step: variable -> tensor."""
        seen = {}
        for layer, name in enumerate(self.network.pathways, start=1):
            seen[name] = {
                "pre": self._activity[layer - 1].unsqueeze(-2),  # (R, S, 1, 1, n_pre)
                "post": self._activity[layer].unsqueeze(-1),  # (R, S, 1, n_post, 1)
                "w": self.weights[name].unsqueeze(2),
                "err": self._errors[layer].unsqueeze(-1),
                "err_pre": self._errors[layer - 1].unsqueeze(-2),
                **self.memory[name].variables(),
            }
        return seen

    def _within(self, pathway: str, change: Tensor) -> Tensor:
        return change

    def _present(self) -> None:
        """Activities and errors of this step's items, from the inputs' to the outputs': (n_rules, n_seeds, 1, n)."""
        self._begin_step()
        network = self.lives.layered_network
        self._activity, drives = [self._x], []
        for name in network.pathways:
            drives.append(self._activity[-1] @ self.weights[name].transpose(-1, -2))
            scaled = network.sharpness * drives[-1]
            self._activity.append(torch.logaddexp(scaled, torch.zeros_like(scaled)) / network.sharpness)
        logits = drives[-1]
        self._activity[-1] = torch.softmax(logits, -1)
        self.readout.append(torch.where(self.alive[..., None], logits.squeeze(2), 0.0))
        self._errors = [self._activity[-1] - self._labelled()]
        for layer in range(network.n_layers - 1, 0, -1):
            back = self._errors[0] @ self._back(layer)
            self._errors.insert(0, back * torch.sigmoid(network.sharpness * drives[layer - 1]))
        self._errors.insert(0, torch.zeros_like(self._x))

    def _labelled(self) -> Tensor:
        """1 for the right output and 0 for others, (n_seeds, 1, n_outputs)."""
        assert self._order is not None
        seed = torch.arange(self.lives.n_seeds, device=self._inputs.device)
        return self._right[seed, self._order[:, self.step]].unsqueeze(1)

    def _back(self, layer: int) -> Tensor:
        """What errors of the layer above are multiplied with to reach this one: (..., n_above, n)."""
        network = self.lives.layered_network
        if network.feedback == "transposed":
            return self.weights[network.pathways[layer]]
        return self._feedback[network.feedback_pathways[layer - 1]].transpose(-1, -2)
