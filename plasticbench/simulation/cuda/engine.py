"""The cuda engine: what it can run, and on which card."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from plasticbench.networks.life import Life
from plasticbench.networks.rate import RateNetwork
from plasticbench.networks.spiking import SpikingNetwork
from plasticbench.rules import RuleBatch
from plasticbench.simulation.cuda.driver import CudaError, card
from plasticbench.simulation.engine import EngineOptions, Measure, Measured

_FEW_NEURONS = 32  # a network of less fills no warp; the cpu engine is faster


class CudaEngine:
    """Networks on one card, a thread block a life; a life's bits depend on no other life, and on no card."""

    name = "cuda"
    verified_by = "cpu-integer"  # the same bits, but for functions such as exp, on any machine

    def unsupported(self, lives: Sequence[Life], rules: Any, options: EngineOptions) -> str | None:
        network = lives[0].network
        if not isinstance(rules, RuleBatch):
            return "it runs rules, not Python policies"
        if not isinstance(network, (SpikingNetwork, RateNetwork)):
            return "it runs spiking networks and rate networks of one layer; choose the cpu engine"
        if options.gradients:
            return "no gradients; choose the torch engine, or detach θ"
        if options.threads is not None:
            return "threads are not its own; leave them out, or choose the cpu engine"
        if not _is_card(options.device):
            return f"device {options.device!r} is not its own; leave it out, or name one as cuda or cuda:1"
        if isinstance(network, SpikingNetwork):
            from plasticbench.simulation.spiking.cuda.limits import not_known

            if (reason := not_known(lives, rules)) is not None:
                return reason
        try:
            device = card(_index(options))
        except CudaError as error:
            return str(error)
        if isinstance(network, RateNetwork):
            return None
        from plasticbench.simulation.spiking.cuda.limits import too_large

        return too_large(lives[0], rules, device)

    def held_back(self, lives: Sequence[Life], options: EngineOptions) -> str | None:
        """Why `auto` passes this engine on although it could run this."""
        from plasticbench.simulation.spiking.cuda.verified import has_passed

        if not isinstance(lives[0].network, SpikingNetwork):
            return "the cpu engine starts sooner; name this one for many thousand lives"
        if not _is_card(options.device):
            return "another device is asked for"
        if sum(p.size for p in lives[0].network.populations) < _FEW_NEURONS:
            return "the cpu engine is faster for so few neurons"
        if not has_passed(_index(options)):
            return "not yet verified on this card; run plasticbench bench --engine cuda"
        return None

    def run(
        self, lives: Sequence[Life], rules: RuleBatch, measure: Measure, options: EngineOptions
    ) -> tuple[Measured, float]:
        from plasticbench.simulation.threads import one_torch_thread

        with one_torch_thread():
            if isinstance(lives[0].network, RateNetwork):
                from plasticbench.simulation.rate.cuda.run import run_cuda as run_rate

                return run_rate(lives, rules, measure, card(_index(options)))
            from plasticbench.simulation.spiking.cuda.run import run_cuda as run_spiking

            return run_spiking(lives, rules, measure, card(_index(options)))


def _is_card(device: str | None) -> bool:
    return re.fullmatch(r"cuda(:\d+)?", device or "cuda") is not None


def _index(options: EngineOptions) -> int:
    return int((options.device or "cuda").partition(":")[2] or 0)
