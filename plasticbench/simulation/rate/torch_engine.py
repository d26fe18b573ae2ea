"""The torch engine of rate networks: the readable reference, differentiable in rule parameters, on any device.

A fused run is a loop over the same `RateStepper` that the environment steps, so both live the same lifetime.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from plasticbench.networks.rate import RateNetwork
from plasticbench.rules import RuleBatch
from plasticbench.simulation.rate.lives import RateLives, RateRecording


class RateStepper:
    """Lifetimes (n_rules x n_seeds) advanced one presentation step at a time.

    Tensors broadcast against (n_rules, n_seeds, n_presented, n_post, n_pre).
    """

    def __init__(
        self,
        network: RateNetwork,
        lives: RateLives,
        n_rules: int = 1,
        arrays: Mapping[str, Tensor] | None = None,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float64,
    ):
        self.network, self.lives = network, lives
        self._inputs = torch.as_tensor(lives.inputs, device=device).to(dtype)  # (n_seeds, n_items, n_inputs)
        self._order = None if lives.order is None else torch.as_tensor(lives.order, device=device)
        self._arrays = {name: array.to(device=device, dtype=dtype) for name, array in (arrays or {}).items()}
        self.weights = {
            name: torch.as_tensor(lives.w_init[name], device=device).to(dtype).expand(n_rules, -1, -1, -1)
            for name in network.pathways
        }
        shape = (n_rules, lives.n_seeds)
        self.alive = torch.ones(shape, dtype=torch.bool, device=device)
        self.n_steps_lived = torch.full(shape, lives.n_steps, dtype=torch.int64, device=device)
        self.step = 0
        self.readout: list[Tensor] = []  # per step (n_rules, n_seeds), of sigmoid networks
        self._zero = torch.zeros((1, 1, 1, 1, 1), dtype=dtype, device=device)
        self._present()

    @property
    def finished(self) -> bool:
        """Whether every lifetime is over."""
        return self.step >= self.lives.n_steps or not bool(self.alive.any())

    def observe(self) -> dict[str, dict[str, Tensor]]:
        """What each pathway's synapses see at this step: variable -> tensor."""
        x, y = self._x.unsqueeze(-2), self._y.unsqueeze(-1)  # (1, S, P, 1, I), (R, S, P, O, 1)
        w = {name: weight.unsqueeze(2) for name, weight in self.weights.items()}
        net = self.network
        seen = {net.feedforward: {"pre": x, "post": y, "w": w[net.feedforward], "m": self._zero}}
        if net.offers_reconstruction:
            seen[net.feedforward]["reconstruction"] = (y * w[net.feedforward]).cumsum(-2)
        if net.lateral is not None:
            seen[net.lateral] = {
                "pre": self._y.unsqueeze(-2),
                "post": y,
                "w": w[net.lateral],
                "m": self._zero,
            }
        return seen

    def advance(self, delta: Mapping[str, Tensor]) -> None:
        """Add Δw (n_rules, n_seeds, n_post, n_pre), or what broadcasts to it; end lifetimes that blow up."""
        updated, sound = {}, self.alive
        for name, weight in self.weights.items():
            if name not in delta:
                continue
            change = delta[name]
            if name == self.network.lateral:
                change = change.expand(*change.shape[:2], *weight.shape[2:]).tril(-1)
            updated[name] = weight + change
            norm = torch.linalg.vector_norm(updated[name].detach(), dim=-1).amax(-1)
            sound = sound & (norm <= self.network.max_weight_norm)  # False for NaN, too
        keep = sound[..., None, None]
        for name, weight in updated.items():
            self.weights[name] = torch.where(keep, weight, self.weights[name])
        self.n_steps_lived[self.alive & ~sound] = self.step
        self.alive = sound
        self.step += 1
        if self.step < self.lives.n_steps:
            self._present()

    def recording(self) -> RateRecording:
        """Of the lives so far."""
        readout = None
        if self.readout:
            missing = self.lives.n_steps - len(self.readout)
            readout = torch.nn.functional.pad(torch.stack(self.readout, -1), (0, missing))
        return RateRecording(dict(self.weights), readout, self.n_steps_lived, ~self.alive)

    def _present(self) -> None:
        """Compute the outputs `_y` (n_rules, n_seeds, n_presented, n_outputs) for this step's items."""
        if self._order is None:
            x = self._inputs
        else:
            seed = torch.arange(self.lives.n_seeds, device=self._inputs.device)
            x = self._inputs[seed, self._order[:, self.step]].unsqueeze(1)
        self._x = x.unsqueeze(0)  # (1, n_seeds, n_presented, n_inputs)
        w = self.weights[self.network.feedforward]
        if self.network.activation == "linear":
            self._y = self._lateral(self._x @ w.transpose(-1, -2))
            return
        a = self._arrays
        drive = self._x @ (w + a["W1"].unsqueeze(1)).transpose(-1, -2)
        self._y = torch.sigmoid(drive + a["b1"][:, None, None, :])
        logit = (self._y * a["w2"][:, None, None, :]).sum(-1) + a["b2"][:, :, None]
        self.readout.append(torch.where(self.alive, logit.squeeze(-1), torch.zeros_like(logit.squeeze(-1))))

    def _lateral(self, drive: Tensor) -> Tensor:
        """Add the lateral input in order of the outputs; drive (n_rules, n_seeds, n_presented, n_outputs)."""
        if self.network.lateral is None:
            return drive
        u = self.weights[self.network.lateral]
        outputs = [drive[..., 0]]
        for i in range(1, self.network.n_outputs):
            lower = torch.stack(outputs, -1)  # (R, S, P, i)
            outputs.append(drive[..., i] + (lower * u[:, :, None, i, :i]).sum(-1))
        return torch.stack(outputs, -1)


def run_torch(
    network: RateNetwork,
    lives: RateLives,
    rules: RuleBatch,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float64,
) -> RateRecording:
    """Every lifetime under every rule; differentiable in `rules.parameters` and `rules.arrays`."""
    stepper = RateStepper(network, lives, rules.n_rules, rules.arrays, device, dtype)
    parameters = [p.to(device=device, dtype=dtype) for p in rules.parameters]
    events = {
        name: (rule.targets("on_step")["w"], values)
        for name, rule, values in zip(network.pathways, rules.structure.pathways, parameters, strict=True)
        if "w" in rule.targets("on_step")
    }
    while not stepper.finished:
        seen = stepper.observe()
        stepper.advance({name: event.evaluate_mean(seen[name], values, -3) for name, (event, values) in events.items()})
        if not events and stepper.network.activation == "linear":
            break  # nothing changes and nothing is recorded on the way
    return stepper.recording()
