"""Changes of static weights during a spiking life, as a part of its protocol: an experimenter's hand, not a rule's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.excursions import Excursion
from plasticbench.networks.spiking import SpikingNetwork


@dataclass(frozen=True)
class WeightChange:
    """From `step` on, before it, every synapse of the static pathway `pathway` has the weight `weight`.

    To change a part of a pathway, declare that part as a pathway of its own: a `Block` of it, of weight 0 before, adds
    to what the synapse has.
    """

    pathway: str
    step: int
    weight: float


def check_weight_changes(
    changes: Sequence[WeightChange], network: object, n_steps: int, excursions: Sequence[Excursion]
) -> None:
    """PlasticbenchError unless each is of a static pathway, within the life and in no excursion of it."""
    if changes and not isinstance(network, SpikingNetwork):
        raise PlasticbenchError("life.weight_changes: only a spiking network has static pathways; leave them out")
    for k, change in enumerate(changes):
        where = f"life.weight_changes[{k}]"
        assert isinstance(network, SpikingNetwork)
        static = [pathway.name for pathway in network.pathways if not pathway.plastic]
        if change.pathway not in static:
            raise PlasticbenchError(f"{where}.pathway: {change.pathway!r} is none of the static {', '.join(static)}")
        if not 0 <= change.step < n_steps:
            raise PlasticbenchError(f"{where}.step: {change.step!r} is not from 0 to {n_steps - 1}")
        if not 0 <= change.weight < float("inf"):
            raise PlasticbenchError(f"{where}.weight: {change.weight!r} is not a finite number of at least 0")
        if any(excursion.start <= change.step < excursion.stop for excursion in excursions):
            raise PlasticbenchError(
                f"{where}.step: {change.step} lies in an excursion, which life comes back from; choose another"
            )
