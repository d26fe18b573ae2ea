"""The torch engine: the readable reference, differentiable in the rules' numbers, on any device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plasticbench.networks.clamped import ClampedNetwork
from plasticbench.networks.life import Life
from plasticbench.networks.spiking import SpikingNetwork
from plasticbench.rules import RuleBatch
from plasticbench.simulation.engine import EngineOptions, Measure, Measured, check_device
from plasticbench.simulation.threads import one_torch_thread


class TorchEngine:
    """Tensors of a whole population, one step at a time."""

    name = "torch"

    def unsupported(self, lives: Sequence[Life], rules: Any, options: EngineOptions) -> str | None:
        if not isinstance(rules, RuleBatch):
            return "it runs rules, not Python policies"
        if options.threads is not None:
            return "threads are not its own; leave them out, or choose the cpu engine"
        network = lives[0].network
        populations = network.populations if isinstance(network, SpikingNetwork) else ()
        if options.gradients and any(population.neuron.hazard_hz is not None for population in populations):
            return "no gradients through random spikes; choose neurons with a threshold, or detach θ"
        return check_device(options.device)

    def run(
        self, lives: Sequence[Life], rules: RuleBatch, measure: Measure, options: EngineOptions
    ) -> tuple[Measured, float]:
        device = options.device or "cpu"
        with one_torch_thread():
            if isinstance(lives[0].network, SpikingNetwork):
                from plasticbench.simulation.spiking.torch_engine import run_torch as run_spiking

                return run_spiking(lives, rules, measure, device), 0.0
            if isinstance(lives[0].network, ClampedNetwork):
                from plasticbench.simulation.clamped.torch_engine import run_torch as run_clamped

                return run_clamped(lives, rules, measure, device), 0.0
            from plasticbench.simulation.rate.torch_engine import run_torch as run_rate

            return run_rate(lives, rules, measure, device, options.gradients), 0.0
