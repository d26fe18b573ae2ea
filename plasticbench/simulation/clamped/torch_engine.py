"""The torch engine of clamped networks: one moment of all protocols at a time, differentiable in the rules' numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from plasticbench.networks.clamped import POST_SPIKE, PRE_SPIKE, ClampedNetwork
from plasticbench.networks.life import Life
from plasticbench.networks.spiking import TRACES
from plasticbench.rules import RuleBatch
from plasticbench.simulation.clamped.lives import common_network, recordings_of, start_of
from plasticbench.simulation.engine import Measure, Measured

_EVENTS = (("on_pre", PRE_SPIKE), ("on_post", POST_SPIKE))


class ClampedStepper:
    """Synapses (n_rules, n_lives, n_protocols) advanced from moment to moment; stepping by hand uses it, too.

    `rules`: whose traces and states the synapses have, and whose start.
    """

    def __init__(
        self,
        network: ClampedNetwork,
        rules: RuleBatch,
        n_lives: int,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float64,
    ):
        self.network, self.structure = network, rules.structure.pathways[0]
        rules = rules.to(device, dtype)
        self._parameters = rules.parameters[0]
        self._taus_s = {name: tau[:, None, None] for name, tau in rules.time_constants_s(0).items()}
        self._kinds = torch.as_tensor(network.kinds, device=device)
        self._elapsed_s = torch.as_tensor(network.elapsed_ns * 1e-9, device=device).to(dtype)
        self.start = start_of(network, self.structure)
        shape = (rules.n_rules, n_lives, network.n_protocols)
        self.w = torch.full(shape, self.start.weight, device=device, dtype=dtype)
        self._zero = torch.zeros((1, 1, 1), device=device, dtype=dtype)
        self._sides: dict[str, str] = {trace.name: trace.side for trace in self.structure.traces}
        self._sides |= {state.name: state.scope for state in self.structure.states}
        self.memory = {name: torch.zeros(shape, device=device, dtype=dtype) for name in self._sides}
        self._later: dict[str, Tensor] = {}  # what this moment adds to states of neurons
        self.alive = torch.ones(shape[:2], dtype=torch.bool, device=device)
        self.n_steps_lived = torch.full(shape[:2], network.n_steps, dtype=torch.int64, device=device)
        self.step = 0

    def spiking(self, side: int) -> Tensor:
        """(n_protocols,) bool: whether the neurons of a side spike at this moment; none after the last."""
        if self.step >= self.network.n_steps:
            return torch.zeros_like(self._kinds[:, 0], dtype=torch.bool)
        return (self._kinds[:, self.step] & side) > 0

    def observe(self) -> dict[str, Tensor]:
        """What the synapses see: variable -> tensor that broadcasts against the weights."""
        bound = torch.full_like(self._zero, self.start.w_max)
        unkept = dict.fromkeys(TRACES, self._zero)
        return {"w": self.w, "w_max": bound, **unkept, **self.memory}

    def learn(self) -> None:
        """The rule's own events at this moment."""
        for event, side in _EVENTS:
            found = self._changes(event)
            where = self.spiking(side)
            self._remember(event, found, where)
            if "w" in found:
                self._clip(found["w"], where)

    def change(self, delta: Tensor) -> None:
        """Somebody else's change of the weights; the rule's traces and states go on as on the engines."""
        for event, side in _EVENTS:
            self._remember(event, self._changes(event), self.spiking(side))
        self._clip(delta, self.spiking(PRE_SPIKE | POST_SPIKE))

    def _changes(self, event: str) -> dict[str, Tensor]:
        seen = self.observe()
        return {name: c.evaluate(seen, self._parameters) for name, c in self.structure.targets(event).items()}

    def _clip(self, change: Tensor, where: Tensor) -> None:
        self.w = torch.where(where, (self.w + change).clamp(0.0, self.start.w_max), self.w)

    def _remember(self, event: str, changes: dict[str, Tensor], where: Tensor) -> None:
        for name, change in changes.items():
            if name == "w":
                continue
            if self._sides[name] == "synapse":
                self.memory[name] = torch.where(where, self.memory[name] + change, self.memory[name])
            else:
                self._later[name] = torch.where(where, change.expand_as(self.w), self._zero)

    def end_step(self) -> None:
        """Traces count this moment's spikes, states of neurons take their changes; then all decay to the next one."""
        sound = torch.isfinite(self.w.detach()).all(-1)
        self.n_steps_lived[self.alive & ~sound] = self.step
        self.alive = self.alive & sound
        spikes = {"pre": self.spiking(PRE_SPIKE), "post": self.spiking(POST_SPIKE)}
        for trace in self.structure.traces:
            old = self.memory[trace.name]
            grown = torch.ones_like(old) if trace.nearest else old + 1.0
            self.memory[trace.name] = torch.where(spikes[trace.side], grown, old)
        later, self._later = self._later, {}
        for name, change in later.items():
            self.memory[name] = self.memory[name] + change
        self.step += 1
        if self.step < self.network.n_steps:
            for name, tau_s in self._taus_s.items():
                self.memory[name] = self.memory[name] * torch.exp(-self._elapsed_s[:, self.step] / tau_s)


def run_torch(lives: Sequence[Life], rules: RuleBatch, measure: Measure, device: str) -> Measured:
    """Every life under every rule."""
    stepper = ClampedStepper(common_network(lives), rules, 1, device)
    while stepper.step < stepper.network.n_steps:
        stepper.learn()
        stepper.end_step()
    shape = (rules.n_rules, len(lives))
    found = recordings_of(
        lives[0], stepper.start, stepper.w.expand(*shape, -1), stepper.n_steps_lived.expand(shape),
        ~stepper.alive.expand(shape),
    )  # fmt: skip
    return measure(found, lives)
