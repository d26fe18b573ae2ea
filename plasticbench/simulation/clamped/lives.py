"""Lives of clamped networks, as both engines take them. What happens in them depends on the rule alone."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.clamped import ClampedNetwork, Start
from plasticbench.networks.life import Life
from plasticbench.networks.recordings import FinalWeights, InitialWeights, Recordings
from plasticbench.rules import PathwayStructure


def common_network(lives: Sequence[Life]) -> ClampedNetwork:
    """The network of all the lives; PlasticbenchError unless it is the same."""
    network = lives[0].clamped_network
    if any(life.network is not network and life.network != network for life in lives[1:]):
        raise PlasticbenchError(
            "lives: clamped networks of one call must be the same; run others in a call of their own"
        )
    return network


def start_of(network: ClampedNetwork, structure: PathwayStructure) -> Start:
    """Where the synapses of rules of this structure start."""
    return network.pathway.start_for(frozenset().union(*(structure.variables_of(event) for event in structure.events)))


def recordings_of(life: Life, start: Start, weights: Tensor, n_steps_lived: Tensor, blown_up: Tensor) -> Recordings:
    """What lives declare; weights (n_rules, n_lives, n_protocols) at the end, others (n_rules, n_lives)."""
    import torch

    values: dict = {}
    for recording in life.recordings:
        if isinstance(recording, FinalWeights):
            values[recording] = weights
        elif isinstance(recording, InitialWeights):
            values[recording] = torch.full_like(weights, start.weight)
    return Recordings(values, n_steps_lived, blown_up)
