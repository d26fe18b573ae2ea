"""What a rule remembers at a pathway of a rate network, in torch: its traces and states."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from plasticbench.rules import RuleBatch


class SynapticMemory:
    """Of one pathway; each tensor is (n_rules, n_seeds, 1, n_post or 1, n_pre or 1)."""

    def __init__(self, rules: RuleBatch, pathway: int, shape: tuple[int, int, int, int], dt_s: float):
        self.structure = rules.structure.pathways[pathway]
        n_rules, n_seeds, n_post, n_pre = shape
        sizes = {"pre": (1, n_pre), "post": (n_post, 1), "synapse": (n_post, n_pre)}
        like = rules.parameters[pathway]
        where = {state.name: state.scope for state in self.structure.states}
        where |= {trace.name: trace.side for trace in self.structure.traces}
        self.values = {
            name: torch.zeros((n_rules, n_seeds, 1, *sizes[scope]), dtype=like.dtype, device=like.device)
            for name, scope in where.items()
        }
        self._pathway, self._dt_s = pathway, dt_s
        self._changed: dict[str, Tensor] = {}
        self.decay_as(rules)

    def decay_as(self, rules: RuleBatch) -> None:
        """Take the time constants of these rules, of the same structure, from now on."""
        self._decay = {
            name: torch.exp(-self._dt_s / tau_s)[:, None, None, None, None]
            for name, tau_s in rules.time_constants_s(self._pathway).items()
        }

    def variables(self) -> Mapping[str, Tensor]:
        """What the rule reads of it."""
        return self.values

    def forget(self, again: Tensor) -> None:
        """Traces and states begin anew in the lives `again` (n_seeds,)."""
        keep = ~again[None, :, None, None, None]
        self.values = {name: torch.where(keep, x, torch.zeros_like(x)) for name, x in self.values.items()}

    def change(self, name: str, change: Tensor) -> None:
        """Take an event's change of a state, (n_rules, n_seeds, n_post or 1, n_pre or 1), for the end of the step."""
        taken = self._changed.get(name)
        self._changed[name] = change.unsqueeze(2) if taken is None else taken + change.unsqueeze(2)

    def end_step(self, seen: Mapping[str, Tensor], parameters: Tensor) -> None:
        """Traces move towards the mean over presentations of what they filter; states change, then decay."""
        for trace in self.structure.traces:
            assert trace.of is not None
            filtered = trace.of.evaluate_mean({trace.side: seen[trace.side]}, parameters, -3).unsqueeze(2)
            old = self.values[trace.name]
            self._changed[trace.name] = ((filtered - old) * (1.0 - self._decay[trace.name])).expand_as(old)

        for name, change in self._changed.items():
            self.values[name] = self.values[name] + change
        self._changed = {}
        for state in self.structure.states:
            if state.name in self._decay:
                self.values[state.name] = self.values[state.name] * self._decay[state.name]
