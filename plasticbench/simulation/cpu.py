"""The cpu engine: compiled loops over whole lives, one life a thread. For every kind of network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plasticbench.networks.clamped import ClampedNetwork
from plasticbench.networks.layered import LayeredNetwork
from plasticbench.networks.life import Life
from plasticbench.networks.spiking import SpikingNetwork
from plasticbench.rules import RuleBatch
from plasticbench.simulation.engine import EngineOptions, Measure, Measured
from plasticbench.simulation.threads import one_torch_thread


class CPUEngine:
    """Rules that differ only in numbers share one compiled kernel; a life's bits depend on no other life."""

    name = "cpu"

    def unsupported(self, lives: Sequence[Life], rules: Any, options: EngineOptions) -> str | None:
        if not isinstance(rules, RuleBatch):
            return "it runs rules, not Python policies"
        if options.device not in (None, "cpu"):
            return f"device {options.device!r} is not its own; choose --engine torch, or leave the device out"
        if not options.gradients:
            return None
        if not isinstance(lives[0].network, SpikingNetwork):
            return "gradients of spiking networks alone; choose torch, or detach θ"
        from plasticbench.simulation.spiking.sensitivity import unsupported

        return unsupported(lives, rules.structure)

    def run(
        self, lives: Sequence[Life], rules: RuleBatch, measure: Measure, options: EngineOptions
    ) -> tuple[Measured, float]:
        with one_torch_thread():
            if isinstance(lives[0].network, ClampedNetwork):
                from plasticbench.simulation.clamped.cpu_engine import run_cpu as run_clamped

                return run_clamped(lives, rules, measure, options.threads)
            if not isinstance(lives[0].network, SpikingNetwork):
                if isinstance(lives[0].network, LayeredNetwork):
                    from plasticbench.simulation.rate.layered_engine import run_cpu as run_layered

                    return run_layered(lives, rules, measure, options.threads)
                from plasticbench.simulation.rate.cpu_engine import run_cpu as run_rate

                return run_rate(lives, rules, measure, options.threads)
            if options.gradients:
                from plasticbench.simulation.spiking.gradients import run_with_losses

                return run_with_losses(lives, rules, measure, options.threads)
            from plasticbench.simulation.spiking.cpu_engine import run_cpu as run_spiking

            return run_spiking(lives, rules, measure, options.threads)


class IntegerCPUEngine(CPUEngine):
    """Spiking networks with arrivals as integers: the bits of the cuda engine, by name only.

    Rate networks have no arrivals, and the same bits on both cpu engines.
    """

    name = "cpu-integer"

    def unsupported(self, lives: Sequence[Life], rules: Any, options: EngineOptions) -> str | None:
        if isinstance(lives[0].network, ClampedNetwork):
            return "it runs what the cuda engine runs; choose the cpu engine"
        if any(life.weight_changes for life in lives):
            return "no changes of static weights; choose the cpu engine"
        if options.gradients:
            return "no gradients; choose the cpu engine, or detach θ"
        return super().unsupported(lives, rules, options)

    def held_back(self, lives: Sequence[Life], options: EngineOptions) -> str | None:
        """Why `auto` never chooses it."""
        return "it is there to check the cuda engine"

    def run(
        self, lives: Sequence[Life], rules: RuleBatch, measure: Measure, options: EngineOptions
    ) -> tuple[Measured, float]:
        from plasticbench.simulation.spiking.cpu_engine import run_cpu

        if not isinstance(lives[0].network, SpikingNetwork):
            return super().run(lives, rules, measure, options)
        with one_torch_thread():
            return run_cpu(lives, rules, measure, options.threads, in_integers=True)
