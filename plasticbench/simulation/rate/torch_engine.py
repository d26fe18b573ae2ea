"""The torch engine of rate networks: the readable reference, differentiable in rule parameters, on any device.

A fused run is a loop over the same `RateStepper` that the environment steps, so both live the same lifetime.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from plasticbench.networks.life import Life
from plasticbench.networks.rate import RateNetwork
from plasticbench.networks.recordings import Recordings, Weights
from plasticbench.rules import RuleBatch
from plasticbench.simulation.engine import Measure, Measured, joined
from plasticbench.simulation.rate.lives import (
    MEMORY,
    MEMORY_AND_WEIGHTS,
    RateLives,
    recordings_of,
    sample_steps,
    with_slow_arrays,
)
from plasticbench.simulation.rate.torch_memory import SynapticMemory

_MOST_ELEMENTS = 2_000_000  # of one intermediate tensor; a larger population is run in parts


class RateStepper:
    """Lifetimes (n_rules x n_seeds) advanced one presentation step at a time.

    Tensors broadcast against (n_rules, n_seeds, n_presented, n_post, n_pre). `rules`: whose slow weights, traces and
    states the lifetimes have.
    """

    def __init__(
        self,
        lives: RateLives,
        rules: RuleBatch,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float64,
    ):
        self.network, self.lives = lives.network, lives
        rules = with_slow_arrays(self.network, rules).to(device, dtype)
        self._inputs = torch.as_tensor(lives.inputs, device=device).to(dtype)  # (n_seeds, n_items, n_inputs)
        self._order = None if lives.order is None else torch.as_tensor(lives.order, device=device)
        self._arrays = rules.arrays
        self.weights = {
            name: torch.as_tensor(lives.w_init[name], device=device).to(dtype).expand(rules.n_rules, -1, -1, -1)
            for name in self.network.pathways
        }
        self.shape = (rules.n_rules, lives.n_seeds)
        self.memory = {
            name: SynapticMemory(rules, k, (*self.shape, *self.network.shape(name)), self.network.dt_s)
            for k, name in enumerate(self.network.pathways)
        }
        self.alive = torch.ones(self.shape, dtype=torch.bool, device=device)
        self.n_steps_lived = torch.full(self.shape, lives.n_steps, dtype=torch.int64, device=device)
        self.step = 0
        self.readout: list[Tensor] = []  # per step (n_rules, n_seeds[, n_outputs]), of networks that have one
        self.modulation: list[Tensor] = []  # per delivery (n_rules, n_seeds[, n_outputs])
        self.samples: dict[Weights, list[Tensor]] = {r: [] for r in lives.lives[0].recordings if isinstance(r, Weights)}
        self._start = dict(self.weights)
        self._resets = {step for life in lives.lives for step in (*life.resets, *life.renewals)}
        self._zero = torch.zeros((1, 1, 1, 1, 1), dtype=dtype, device=device)
        self._present()

    def take(self, rules: RuleBatch) -> None:
        """Live on under other rules of the same structure, from the next presentation."""
        rules = with_slow_arrays(self.network, rules).to(self._inputs.device, self._inputs.dtype)
        self._arrays = rules.arrays
        for memory in self.memory.values():
            memory.decay_as(rules)

    @property
    def finished(self) -> bool:
        """Whether every lifetime is over."""
        return self.step >= self.lives.n_steps or not bool(self.alive.any())

    @property
    def delivers(self) -> bool:
        """Whether the modulator is delivered at this step."""
        modulator = self.lives.lives[0].modulator
        return modulator is not None and self.step in modulator.steps

    def acts(self, pathway: str) -> bool:
        """Whether this pathway's rule acts at this step."""
        return bool(self.lives.acting[self.step, self.network.pathways.index(pathway)])

    def events(self, pathway: str) -> tuple[str, ...]:
        """What happens at this pathway's synapses at this step."""
        if not self.acts(pathway):
            return ()
        return ("on_step", "on_modulator") if self.delivers else ("on_step",)

    def observe(self) -> dict[str, dict[str, Tensor]]:
        """What each pathway's synapses see at this step: variable -> tensor."""
        x, y = self._x.unsqueeze(-2), self._y.unsqueeze(-1)  # (1, S, P, 1, I), (R, S, P, O, 1)
        w = {name: weight.unsqueeze(2) for name, weight in self.weights.items()}
        net = self.lives.rate_network
        seen = {net.feedforward: {"pre": x, "post": y, "w": w[net.feedforward]}}
        if net.offers_reconstruction:
            seen[net.feedforward]["reconstruction"] = (y * w[net.feedforward]).cumsum(-2)
        if net.lateral is not None:
            seen[net.lateral] = {"pre": self._y.unsqueeze(-2), "post": y, "w": w[net.lateral]}
        for name, variables in seen.items():
            if self.lives.lives[0].modulator is not None:
                variables["m"] = self._m
            variables.update(self.memory[name].variables())
        return seen

    def advance(self, delta: Mapping[str, Tensor]) -> None:
        """Add Δw (n_rules, n_seeds, n_post, n_pre), or what broadcasts to it; end lifetimes that blow up."""
        updated, sound = {}, self.alive
        for name, weight in self.weights.items():
            if name not in delta:
                continue
            updated[name] = weight + self._within(name, delta[name])
            norm = torch.linalg.vector_norm(updated[name].detach(), dim=-1).amax(-1)
            sound = sound & (norm <= self.network.max_weight_norm)  # False for NaN, too
        keep = sound[..., None, None]
        for name, weight in updated.items():
            self.weights[name] = torch.where(keep, weight, self.weights[name])
        self.n_steps_lived[self.alive & ~sound] = self.step
        self.alive = sound

    def _within(self, pathway: str, change: Tensor) -> Tensor:
        """The part of a change that is at synapses: lateral ones lie below the diagonal."""
        if pathway != self.lives.rate_network.lateral:
            return change
        return change.expand(*change.shape[:2], *self.weights[pathway].shape[2:]).tril(-1)

    def end_step(self) -> None:
        """Move on to the next presentation."""
        self.step += 1
        if self.step < self.lives.n_steps:
            self._present()
        else:
            self._sample()

    def recordings(self) -> Recordings:
        """Of the lives so far."""
        readout = self._padded(self.readout, self.lives.n_steps)
        modulator = self.lives.lives[0].modulator
        modulation = self._padded(self.modulation, len(modulator.steps)) if modulator else None
        sampled = {}
        for recording, kept in self.samples.items():
            n_times = len(sample_steps(self.lives.lives[0], recording))
            like = self.weights[recording.pathway]
            sampled[recording] = torch.stack([*kept, *[torch.zeros_like(like)] * (n_times - len(kept))], 2)
        return recordings_of(
            self.lives.lives[0], dict(self.weights), readout, modulation, sampled, self.n_steps_lived, ~self.alive
        )

    def _padded(self, kept: list[Tensor], length: int) -> Tensor | None:
        if not kept:
            return None
        found = torch.nn.functional.pad(torch.stack(kept, -1), (0, length - len(kept)))
        return found.movedim(2, 3) if found.dim() == 4 else found  # where each output has its own

    def _sample(self) -> None:
        for recording, kept in self.samples.items():
            if self.step in sample_steps(self.lives.lives[0], recording):
                keep = self.alive[..., None, None]
                w = self.weights[recording.pathway]
                kept.append(torch.where(keep, w, torch.zeros_like(w)))

    def _begin_step(self) -> None:
        """What is due before the rule's step, and its items: `_x` (1, n_seeds, n_presented, n_inputs)."""
        if self.step in self._resets:
            again = torch.from_numpy(self.lives.anew[:, self.step]).to(self.alive.device)
            for memory in self.memory.values():
                memory.forget(again >= MEMORY)
            renewed = (again == MEMORY_AND_WEIGHTS)[None, :, None, None] & self.alive[..., None, None]
            self.weights = {name: torch.where(renewed, self._start[name], w) for name, w in self.weights.items()}
        self._sample()
        if self._order is None:
            x = self._inputs
        else:
            seed = torch.arange(self.lives.n_seeds, device=self._inputs.device)
            x = self._inputs[seed, self._order[:, self.step]].unsqueeze(1)
        self._x = x.unsqueeze(0)

    def _present(self) -> None:
        """Compute the outputs `_y` (n_rules, n_seeds, n_presented, n_outputs) for this step's items."""
        self._begin_step()
        w = self.weights[self.lives.rate_network.feedforward]
        if self.lives.rate_network.activation != "sigmoid":
            self._y = self._outputs(self._x @ w.transpose(-1, -2))
        else:
            a = self._arrays
            drive = self._x @ (w + a["W1"].unsqueeze(1)).transpose(-1, -2)
            self._y = torch.sigmoid(drive + a["b1"][:, None, None, :])
            logit = ((self._y * a["w2"][:, None, None, :]).sum(-1) + a["b2"][:, :, None]).squeeze(-1)
            self.readout.append(torch.where(self.alive, logit, torch.zeros_like(logit)))
        self._m = self._zero
        if self.delivers:
            self._m = self._deliver()

    def _deliver(self) -> Tensor:
        """The modulator's value, (n_rules, n_seeds, 1, n_outputs or 1, 1)."""
        modulator = self.lives.lives[0].modulator
        assert modulator is not None
        delivery = modulator.steps.index(self.step)
        signals = [life.modulator.signal(delivery) for life in self.lives.lives]  # type: ignore[union-attr]
        activity = self._y.mean(2)  # (n_rules, n_seeds, n_outputs)
        found = modulator.expression.program.evaluate(
            {
                "signal": torch.tensor(signals, dtype=torch.float64).to(activity)[None, :, None],
                "total": activity.sum(-1, keepdim=True),
                "activity": activity,
            }
        )
        n_values = activity.shape[-1] if modulator.per_neuron else 1
        value = torch.as_tensor(found).to(activity).expand(*self.shape, n_values)
        self.modulation.append(value if modulator.per_neuron else value.squeeze(-1))
        return value[:, :, None, :, None]

    def _outputs(self, drive: Tensor) -> Tensor:
        """Outputs in order, each with its lateral input; drive (n_rules, n_seeds, n_presented, n_outputs)."""
        network = self.lives.rate_network
        squashed = network.activation == "tanh"
        if network.lateral is None:
            return torch.tanh(drive) if squashed else drive
        u = self.weights[network.lateral]
        outputs: list[Tensor] = []
        for i in range(network.n_outputs):
            total = drive[..., i]
            if outputs:
                total = total + (torch.stack(outputs, -1) * u[:, :, None, i, :i]).sum(-1)
            outputs.append(torch.tanh(total) if squashed else total)
        return torch.stack(outputs, -1)


def run_torch(
    lives: Sequence[Life], rules: RuleBatch, measure: Measure, device: str = "cpu", gradients: bool = False
) -> Measured:
    """Every life under every rule; differentiable in `rules.parameters` and `rules.arrays`."""
    side_by_side = RateLives.of(lives)
    parts = _parts(rules, side_by_side, gradients)
    return joined([measure(_run(side_by_side, part, device), lives) for part in parts], 0)


def stepper_of(lives: RateLives) -> type[RateStepper]:
    """The class that steps such lives."""
    if isinstance(lives.network, RateNetwork):
        return RateStepper
    from plasticbench.simulation.rate.layered_stepper import LayeredStepper

    return LayeredStepper


def _parts(rules: RuleBatch, lives: RateLives, whole: bool) -> Iterator[RuleBatch]:
    """The population in pieces that fit in memory; whole where gradients are wanted."""
    per_rule = lives.n_seeds * lives.n_presented * math.prod(lives.network.shape(lives.network.pathways[0]))
    size = max(1, _MOST_ELEMENTS // per_rule)
    if whole or rules.n_rules <= size:
        yield rules
        return
    for first in range(0, rules.n_rules, size):
        yield rules.select(slice(first, first + size))


def learn_step(stepper: RateStepper, rules: RuleBatch) -> None:
    """What these rules, of the lives' device and type, change at this presentation. `end_step` goes on to the next."""
    structures = zip(stepper.network.pathways, rules.structure.pathways, rules.parameters, strict=True)
    seen = stepper.observe()
    deltas: dict[str, Tensor] = {}
    for name, structure, values in structures:
        for event in stepper.events(name):
            for target, change in structure.targets(event).items():
                mean = change.evaluate_mean(seen[name], values, -3)
                if target == "w":
                    deltas[name] = deltas[name] + mean if name in deltas else mean
                else:
                    stepper.memory[name].change(target, mean)
        stepper.memory[name].end_step(seen[name], values)
    stepper.advance(deltas)


def _run(lives: RateLives, rules: RuleBatch, device: str) -> Recordings:
    stepper = stepper_of(lives)(lives, rules, device)
    rules = rules.to(device, torch.float64)
    nothing_changes = not any(s.event_items or s.traces for s in rules.structure.pathways)
    while not stepper.finished:
        learn_step(stepper, rules)
        stepper.end_step()
        if nothing_changes and not stepper.network.has_readout and not stepper.samples and not stepper.modulation:
            break  # nothing changes and nothing is recorded on the way
    return stepper.recordings()
