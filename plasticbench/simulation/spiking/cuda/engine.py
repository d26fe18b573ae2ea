"""The cuda engine: what it can run, and on which card."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from plasticbench.networks.life import Life
from plasticbench.networks.spiking import SpikingNetwork
from plasticbench.rules import RuleBatch
from plasticbench.simulation.engine import EngineOptions, Measure, Measured
from plasticbench.simulation.spiking.cuda.driver import CudaError, Device, card

_KNOWN = {
    "network",
    "seed",
    "n_steps",
    "recordings",
    "conditions",
    "phases",
    "modulator",
    "resets",
    "targets",
    "presentations",
    "w_init",
}  # fmt: skip  (of a life: a further field that is set is one that this engine would ignore)
_MOST_EACH = 32  # neurons of a thread: one bit each says which are refractory
_FEW_NEURONS = 32  # a network of less fills no warp; the cpu engine is faster


class CudaEngine:
    """Spiking networks on one card, a thread block a life; a life's bits depend on no other life, and on no card."""

    name = "cuda"
    verified_by = "cpu-integer"  # the same bits, but for functions such as exp, on any machine

    def unsupported(self, lives: Sequence[Life], rules: Any, options: EngineOptions) -> str | None:
        if not isinstance(rules, RuleBatch):
            return "it runs rules, not Python policies"
        if not isinstance(lives[0].network, SpikingNetwork):
            return "it runs spiking networks; choose --engine torch with --device cuda for rate networks"
        if options.gradients:
            return "no gradients; choose the torch engine, or detach θ"
        if options.threads is not None:
            return "threads are not its own; leave them out, or choose the cpu engine"
        if not _is_card(options.device):
            return f"device {options.device!r} is not its own; leave it out, or name one as cuda or cuda:1"
        for life in lives:
            reason = _unknown(life) or _beyond(life, rules) or _reads_receptors(life, rules)
            if reason is not None:
                return reason
        try:
            return _too_large(lives[0], rules, card(_index(options)))
        except CudaError as error:
            return str(error)

    def held_back(self, lives: Sequence[Life], options: EngineOptions) -> str | None:
        """Why `auto` passes this engine on although it could run this."""
        from plasticbench.simulation.spiking.cuda.verified import has_passed

        if not isinstance(lives[0].network, SpikingNetwork):
            return "it runs spiking networks"
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
        from plasticbench.simulation.spiking.cuda.run import run_cuda
        from plasticbench.simulation.threads import one_torch_thread

        with one_torch_thread():
            return run_cuda(lives, rules, measure, card(_index(options)))


def _is_card(device: str | None) -> bool:
    return re.fullmatch(r"cuda(:\d+)?", device or "cuda") is not None


def _index(options: EngineOptions) -> int:
    return int((options.device or "cuda").partition(":")[2] or 0)


def _unknown(life: Life) -> str | None:
    for field in dataclasses.fields(life):
        if field.name not in _KNOWN and getattr(life, field.name):
            return f"it does not know life.{field.name}; choose the cpu engine"
    return None


def _beyond(life: Life, rules: RuleBatch) -> str | None:
    if any(pathway.w_min for pathway in life.spiking_network.pathways):
        return "its weights are not below 0; choose the cpu engine"
    if any(structure.targets("on_step") for structure in rules.structure.pathways):
        return "it does not know on_step; choose the cpu engine"
    return None


def _reads_receptors(life: Life, rules: RuleBatch) -> str | None:
    """Arrivals reach a receptor's state only with the next step of its neurons."""
    network = life.spiking_network
    for pathway, structure in zip(network.plastic_pathways, rules.structure.pathways, strict=True):
        neuron = network.populations[network.index(pathway.post)].neuron
        for event in structure.events:
            for name in structure.variables_of(event) & set(neuron.reads):
                if neuron.reads[name] in neuron.receptors.values():
                    return f"rules cannot read {name!r}, to which spikes add, on the device; choose the cpu engine"
    return None


def _too_large(life: Life, rules: RuleBatch, device: Device) -> str | None:
    from plasticbench.simulation.spiking.cuda.plan import Plan
    from plasticbench.simulation.spiking.cuda.source import shared_bytes

    plan = Plan.of(life, rules.structure)
    if sum(bank.n_each for bank in plan.banks) > _MOST_EACH:
        return f"{plan.n_neurons} neurons are more than {_MOST_EACH} for each thread; choose the cpu engine"
    if shared_bytes(plan) > device.shared_limit:
        return (
            f"{plan.n_neurons} neurons and their spikes need {shared_bytes(plan) // 1024} KiB of shared memory, and "
            f"{device.name} has {device.shared_limit // 1024}; choose the cpu engine"
        )
    return None
