"""What the cuda engine of spiking networks cannot run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from plasticbench.networks.life import Life
from plasticbench.rules import RuleBatch
from plasticbench.simulation.cuda.driver import Device

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


def not_known(lives: Sequence[Life], rules: RuleBatch) -> str | None:
    """What of these lives and rules it does not do on any card; None if it does all."""
    reasons = (_unknown(life) or _beyond(life, rules) or _reads_receptors(life, rules) for life in lives)
    return next((reason for reason in reasons if reason is not None), None)


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


def too_large(life: Life, rules: RuleBatch, device: Device) -> str | None:
    """Why this card has no room for the network; None if it has."""
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
