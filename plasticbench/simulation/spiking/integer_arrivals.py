"""Arrivals as integers: sums that do not depend on the order in which spikes arrive.

A spike adds rint(gain x weight x scale) to an int32 of its receptor; before the neurons' next step the sum, divided by
the scale, is added to the receptor's state. The scale is a power of two, of each kind of receptor of a network, so
large that no step can overflow. So a device on which thousands of threads add in any order gives the same bits as one
thread on the cpu; the resolution is about 1e-9 of the largest possible sum of a step.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from plasticbench.networks.connections import RandomConnections
from plasticbench.networks.neurons import NeuronModel
from plasticbench.networks.sources import PoissonSource
from plasticbench.networks.spiking import SpikingNetwork, SpikingPathway
from plasticbench.simulation.spiking.state import Layout

_BITS = 30  # of an int32, for the largest sum of a step
_FINEST = 60


class IntegerArrivals(NamedTuple):
    """Everything empty where arrivals are added as they are."""

    sums: np.ndarray  # int32, as NeuronState.value: what has arrived since the neurons' last step
    weight: np.ndarray  # int32, as Layout.weight, scaled
    gain: np.ndarray  # (n_plastic,) float64: gain x scale
    first: np.ndarray  # (n_receptors,) int64: where a receptor's neurons begin in `sums`
    size: np.ndarray  # (n_receptors,) int64
    unit: np.ndarray  # (n_receptors,), of the neurons' type: 1 / scale
    not_finite: np.ndarray  # (1,) int64: 1 once a weight that is not a number has been passed on


Receptor = tuple[NeuronModel, str]  # of which model's neurons, and the state that arrivals add to


def arrival_scales(network: SpikingNetwork) -> dict[Receptor, float]:
    """The power of two of each kind of receptor; populations of equal neurons share it."""
    largest: dict[Receptor, float] = {}
    for population in network.populations:
        for state in dict.fromkeys(population.neuron.receptors.values()):
            kind = (population.neuron, state)
            largest[kind] = max(largest.get(kind, 0.0), _largest_sum(network, population.name, state))
    return {kind: 2.0 ** min(_BITS - math.ceil(math.log2(max(x, 1e-9))), _FINEST) for kind, x in largest.items()}


def scale_of(network: SpikingNetwork, pathway: SpikingPathway, scales: dict[Receptor, float]) -> float:
    """The scale of a pathway's receptor."""
    neuron = network.populations[network.index(pathway.post)].neuron
    return scales[neuron, neuron.receptors[pathway.receptor]]


def scaled_weights(network: SpikingNetwork, layout: Layout, scales: dict[Receptor, float]) -> np.ndarray:
    """Layout.weight as int32; what lies before the first static pathway's is 0."""
    found = np.zeros(len(layout.weight), np.int32)
    place = 1
    for pathway in network.pathways:
        if not pathway.plastic:
            part = slice(place, place + network.size(pathway.pre))
            scaled = layout.weight[part].astype(np.float64) * scale_of(network, pathway, scales)
            found[part] = np.rint(scaled).astype(np.int32)
            place = part.stop
    return found


def scaled_gains(network: SpikingNetwork, dtype: type, scales: dict[Receptor, float]) -> np.ndarray:
    """(n_plastic,) float64."""
    found = [float(dtype(p.gain)) * scale_of(network, p, scales) for p in network.plastic_pathways]
    return np.array(found, np.float64)


def integer_arrivals(network: SpikingNetwork, layout: Layout, state_first: np.ndarray, dtype: type) -> IntegerArrivals:
    """At the start of life; state_first: NeuronState.first."""
    scales = arrival_scales(network)
    first, size, unit, n_values = [], [], [], 0
    for q, population in enumerate(network.populations):
        names = list(population.neuron.state)
        for state in dict.fromkeys(population.neuron.receptors.values()):
            first.append(state_first[q, names.index(state)])
            size.append(population.size)
            unit.append(1.0 / scales[population.neuron, state])
        n_values += len(names) * population.size
    return IntegerArrivals(
        np.zeros(n_values, np.int32),
        scaled_weights(network, layout, scales),
        scaled_gains(network, dtype, scales),
        np.array(first, np.int64),
        np.array(size, np.int64),
        np.array(unit, dtype),
        np.zeros(1, np.int64),
    )


def no_integer_arrivals(dtype: type) -> IntegerArrivals:
    """Of an engine that adds arrivals as they are."""
    kinds = (np.int32, np.int32, np.float64, np.int64, np.int64, dtype, np.int64)
    return IntegerArrivals(*(np.zeros(0, kind) for kind in kinds))


def _largest_sum(network: SpikingNetwork, population: str, state: str) -> float:
    """What can arrive at most at one neuron in one step, should every presynaptic neuron spike."""
    neuron = network.populations[network.index(population)].neuron
    total = 0.0
    for pathway in network.pathways:
        if pathway.post == population and neuron.receptors[pathway.receptor] == state:
            weight = max(pathway.w_max, -pathway.w_min) if pathway.plastic else float(np.max(pathway.weight))
            total += abs(pathway.gain) * weight * _most_synapses(network, pathway) * _most_copies(network, pathway)
    return total


def _most_synapses(network: SpikingNetwork, pathway: SpikingPathway) -> int:
    """Of one postsynaptic neuron: for random connections a number that no draw reaches (12 standard deviations)."""
    n_pre = network.size(pathway.pre)
    if isinstance(pathway.connections, RandomConnections):
        p = pathway.connections.probability
        return min(n_pre, math.ceil(n_pre * p + 12 * math.sqrt(n_pre * p * (1 - p)) + 12))
    return pathway.connections.capacity(n_pre, 1)


def _most_copies(network: SpikingNetwork, pathway: SpikingPathway) -> int:
    """How often one afferent may spike in one step."""
    source = network.groups[network.index(pathway.pre)]
    return max(1, len(source.processes)) if isinstance(source, PoissonSource) else 1
