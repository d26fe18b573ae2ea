"""Python policies as rules of whole lives: stepped by hand. Any callable, observation -> action."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plasticbench.networks.life import Life
from plasticbench.networks.spiking import SpikingNetwork
from plasticbench.rules import RuleBatch
from plasticbench.simulation.engine import EngineOptions, Measure, Measured, check_device, joined
from plasticbench.simulation.threads import one_torch_thread


class SteppingEngine:
    """One life after the other for spiking networks, side by side for others."""

    name = "stepping"

    def unsupported(self, lives: Sequence[Life], rules: Any, options: EngineOptions) -> str | None:
        if isinstance(rules, RuleBatch):
            return "it runs Python policies; rules run on the cpu and torch engines"
        if options.threads is not None:
            return "threads are not its own; leave them out"
        return check_device(options.device)

    def run(
        self, lives: Sequence[Life], rules: Any, measure: Measure, options: EngineOptions
    ) -> tuple[Measured, float]:
        """`rules`: a policy with the task it is for, as `Task.group` gives it."""
        policy, device = rules, options.device or "cpu"
        with one_torch_thread():
            if isinstance(lives[0].network, SpikingNetwork):
                parts = [self._live(policy, (life,), measure, device) for life in lives]
                return joined(parts, 1), 0.0
            return self._live(policy, tuple(lives), measure, device), 0.0

    @staticmethod
    def _live(policy: Any, lives: tuple[Life, ...], measure: Measure, device: str) -> Measured:
        import torch

        from plasticbench.stepping.lifetimes import lifetimes_of

        life = lifetimes_of(lives[0].network)(policy.task, lives, policy.brought, device, torch.float64)
        while not life.finished:
            life.advance(policy.act(life.observe()))
        return joined([measure(recordings, list(part)) for recordings, part in life.recordings()], 1)
