"""A plastic pathway of a spiking network in torch: dense weights, traces and states, and the rule's events."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from plasticbench.networks.spiking import SpikingPathway
from plasticbench.rules import RuleBatch


class TorchPathway:
    """Tensors are (n_rules, n_seeds, n_post, n_pre); traces and states of neurons have a 1 where they do not differ."""

    def __init__(
        self,
        declared: Sequence[SpikingPathway],
        rules: RuleBatch,
        index: int,
        mask: Tensor,
        initial: Tensor,
        dt_s: float,
    ):
        self.structure, self.mask = rules.structure.pathways[index], mask
        dense = initial * mask
        self.w = dense.expand(rules.n_rules, *dense.shape)
        like = self.w
        self._parameters = rules.parameters[index].to(like)

        def per_life(values: list[float]) -> Tensor:
            return torch.tensor(values, device=like.device, dtype=like.dtype)[None, :, None, None]

        self.w_max = per_life([p.w_max for p in declared])
        self._w_min = per_life([p.w_min for p in declared]) if any(p.w_min for p in declared) else None
        self._gain = per_life([p.gain for p in declared])[..., 0]
        self._sides: dict[str, str] = {trace.name: trace.side for trace in self.structure.traces}
        self._sides |= {state.name: state.scope for state in self.structure.states}
        sizes = {"pre": (1, mask.shape[2]), "post": (mask.shape[1], 1), "synapse": mask.shape[1:]}
        self.memory = {
            name: torch.zeros((*self.w.shape[:2], *sizes[side]), device=like.device, dtype=like.dtype)
            for name, side in self._sides.items()
        }
        self._decay = {
            name: torch.exp(-dt_s / tau_s.to(like))[:, None, None, None]
            for name, tau_s in rules.time_constants_s(index).items()
        }
        self._zero = torch.zeros((1, 1, 1, 1), device=like.device, dtype=like.dtype)
        self._later: dict[str, Tensor] = {}  # what this step adds to states of neurons
        self.is_finite = True  # False once a weight was NaN

    def drive(self, arrived: Tensor) -> Tensor:
        """What arriving spikes (n_rules, n_seeds, n_pre) add to the postsynaptic neurons."""
        if self.is_finite:
            return self._gain * (self.w @ arrived.unsqueeze(-1)).squeeze(-1)
        crossed = arrived.unsqueeze(-2)  # 0 x NaN is NaN: only synapses that a spike crosses may pass theirs on
        return self._gain * torch.where(crossed > 0, self.w * crossed, torch.zeros_like(self.w)).sum(-1)

    def learn(self, arrived: Tensor, fired: Tensor, acting: Tensor, seen: dict[str, Tensor]) -> None:
        """`on_pre` where a spike arrives, `on_post` where the neuron spikes, `on_step`; states of neurons wait."""
        later = self._later
        for event, spikes in (("on_pre", arrived.unsqueeze(-2)), ("on_post", fired.unsqueeze(-1))):
            if self.structure.targets(event) and bool((spikes.detach() > 0).any()):
                later |= self._happen(event, (spikes.detach() > 0) & acting[..., None, None], seen)
        if self.structure.targets("on_step"):
            self._everywhere("on_step", acting, seen)
        self._spikes = (arrived, fired)

    def end_step(self) -> None:
        """Traces count this step's spikes, states of neurons take their changes; then both decay."""
        arrived, fired = self._spikes
        later, self._later = self._later, {}
        for trace in self.structure.traces:
            spikes = arrived.unsqueeze(-2) if trace.side == "pre" else fired.unsqueeze(-1)
            old = self.memory[trace.name]
            grown = torch.where(spikes.detach() > 0, spikes.expand_as(old), old) if trace.nearest else old + spikes
            self.memory[trace.name] = grown * self._decay[trace.name]
        for state in self.structure.states:
            value = self.memory[state.name] + later.get(state.name, 0.0)
            self.memory[state.name] = value * self._decay[state.name] if state.name in self._decay else value

    def modulate(self, acting: Tensor, seen: dict[str, Tensor]) -> None:
        """`on_modulator` at all synapses."""
        if self.structure.targets("on_modulator"):
            self._everywhere("on_modulator", acting, seen)

    def _everywhere(self, event: str, acting: Tensor, seen: dict[str, Tensor]) -> None:
        """An event of all synapses and of all neurons, whose states change at once."""
        for name, change in self._happen(event, acting[..., None, None], seen).items():
            self.memory[name] = self.memory[name] + change

    def forget(self, again: Tensor) -> None:
        """Traces and states begin anew in the lives `again` (n_seeds,)."""
        keep = ~again[None, :, None, None]
        self.memory = {name: torch.where(keep, x, torch.zeros_like(x)) for name, x in self.memory.items()}

    def _happen(self, event: str, where: Tensor, seen: dict[str, Tensor]) -> dict[str, Tensor]:
        """Change weights and synaptic states where an event is; the changes of neurons' states, for later."""
        values = {"w": self.w, "w_max": self.w_max, "m": self._zero, **seen, **self.memory}
        changes = {
            name: change.evaluate(values, self._parameters) for name, change in self.structure.targets(event).items()
        }
        synapses, later = where & self.mask, {}
        for name, change in changes.items():
            if name == "w":
                changed = self.w + change
                above = changed.clamp(min=0.0) if self._w_min is None else torch.maximum(changed, self._w_min)
                self.w = torch.where(synapses, torch.minimum(above, self.w_max), self.w)
                self.is_finite = self.is_finite and not bool(torch.isnan(self.w).any())
            elif self._sides[name] == "synapse":
                self.memory[name] = torch.where(synapses, self.memory[name] + change, self.memory[name])
            else:
                old = self.memory[name]
                later[name] = torch.where(where, change.expand_as(old), torch.zeros_like(old))
        return later
