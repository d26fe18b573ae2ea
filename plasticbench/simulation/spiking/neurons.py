"""The state of a network's neurons, in one flat array, and where its compiled steps find it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from plasticbench.networks.spiking import SpikingNetwork
from plasticbench.simulation.spiking.neuron_source import constants_of, population_step
from plasticbench.simulation.spiking.random_spikes import spike_stream
from plasticbench.simulation.spiking.state import Ring, index_type


class NeuronState(NamedTuple):
    """Every state of every population, one after the other."""

    value: np.ndarray  # flat
    first: np.ndarray  # (n_populations, largest number of states) int64: where a state begins in `value`
    ready: np.ndarray  # (n_neurons,) int32: first step at which a refractory neuron integrates again


@dataclass(frozen=True)
class PopulationSteps:
    """The compiled steps of a network's populations, with their tables of addresses."""

    addresses: list[int]
    frames: list[np.ndarray]  # of int64
    constants: list[np.ndarray]


def neuron_state(network: SpikingNetwork, dtype: type) -> NeuronState:
    """At the start of life."""
    states = [p.neuron.initial_state() for p in network.populations]
    first = np.zeros((len(states), max(map(len, states))), np.int64)
    parts, place = [], 0
    for q, (population, initial) in enumerate(zip(network.populations, states, strict=True)):
        for k, value in enumerate(initial.values()):
            parts.append(np.full(population.size, value))
            first[q, k], place = place, place + population.size
    ready = np.zeros(sum(p.size for p in network.populations), np.int32)
    return NeuronState(np.concatenate(parts).astype(dtype), first, ready)


def state_views(network: SpikingNetwork, state: NeuronState, population: int) -> dict[str, np.ndarray]:
    """Each state of a population's neurons, (size,), as views."""
    group = network.populations[population]
    firsts = state.first[population]
    return {name: state.value[firsts[k] : firsts[k] + group.size] for k, name in enumerate(group.neuron.state)}


def receptor_rows(network: SpikingNetwork) -> dict[str, dict[str, int]]:
    """Population -> receptor -> the state that its arrivals add to, counted."""
    return {
        p.name: {receptor: list(p.neuron.state).index(state) for receptor, state in p.neuron.receptors.items()}
        for p in network.populations
    }


def population_steps(network: SpikingNetwork, state: NeuronState, ring: Ring) -> PopulationSteps:
    """Compiled, or loaded; their tables hold addresses within `state` and `ring`, which must outlive them."""
    dtype, index = state.value.dtype.type, index_type(network)
    addresses, frames, constants, first = [], [], [], 0
    for q, population in enumerate(network.populations):
        constants.append(constants_of(population.neuron, network.dt_s, dtype))
        own = [constants[-1], state.ready[first:], ring.out[ring.first[q] :]]
        own += list(state_views(network, state, q).values())
        stream = spike_stream(population.name)
        frames.append(np.array([*(array.ctypes.data for array in own), stream], np.int64))
        addresses.append(population_step(population.neuron, dtype, index))
        first += population.size
    return PopulationSteps(addresses, frames, constants)
