"""Which neurons and synapses belong to a pattern of inputs: by receptive fields, as the engines wire them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from plasticbench.networks.life import Life

if TYPE_CHECKING:
    from torch import Tensor


def synapses(life: Life, pathway: str) -> tuple[np.ndarray, np.ndarray]:
    """(presynaptic, postsynaptic) neuron of each synapse, both (n_synapses,), in the order of recorded weights."""
    from plasticbench.simulation.spiking.wiring import synapses_of  # it compiles; declaring a task does not need it

    return synapses_of(life.spiking_network, pathway, life.seed)


def field_rows(life: Life, inputs: str, side: int) -> np.ndarray:
    """(n_neurons,): the mean row, on a sheet `side` wide, of the afferents of each neuron by pathway `inputs`."""
    afferent, neuron = synapses(life, inputs)
    size = _n_post(life, inputs)
    return np.bincount(neuron, afferent // side, size) / np.maximum(np.bincount(neuron, minlength=size), 1)


def assemblies(life: Life, inputs: str, patterns: Sequence[range], share: float) -> np.ndarray:
    """(n_patterns, n_neurons) bool: whose afferents by pathway `inputs` are to at least this share in a pattern."""
    afferent, neuron = synapses(life, inputs)
    size = _n_post(life, inputs)
    heard = np.bincount(neuron, minlength=size)
    own = [
        np.bincount(neuron[(afferent >= p.start) & (afferent < p.stop)], minlength=size) >= share * heard
        for p in patterns
    ]
    return np.stack(own) & (heard > 0)


def synapses_within(life: Life, pathway: str, patterns: Sequence[range], share: float) -> np.ndarray:
    """(n_synapses,) bool: which join two neurons of one pattern's `assemblies`.

    The inputs of population X are those of the pathway `input_X`.
    """
    declared = next(p for p in life.spiking_network.pathways if p.name == pathway)
    own = {name: assemblies(life, f"input_{name}", patterns, share) for name in {declared.pre, declared.post}}
    pre, post = synapses(life, pathway)
    return (own[declared.pre][:, pre] & own[declared.post][:, post]).any(0)


def mean_over(w: Tensor, picked: np.ndarray) -> Tensor:
    """(n_rules, n_lives): mean of w (n_rules, n_lives, n_synapses) over picked (n_lives, n_synapses); NaN of none."""
    import torch

    mask = torch.from_numpy(picked).to(w.device, w.dtype)
    return (w * mask).sum(-1) / mask.sum(-1)


def _n_post(life: Life, pathway: str) -> int:
    network = life.spiking_network
    return network.size(next(p.post for p in network.pathways if p.name == pathway))
