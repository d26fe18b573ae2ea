"""Lives of spiking networks with the derivatives of their losses by the rules' parameters, compiled (forward mode).

The torch engine's gradient, surrogate derivative included, at the cost of a few lives: the state carries a tangent
for each parameter, and a life's whole history need not be kept. For networks whose synapses all come from sources, so
that a rule changes no presynaptic spike, and rules without states. State is float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from plasticbench.networks.life import Life
from plasticbench.networks.recordings import FinalWeights, PopulationRate, PopulationSpikes, Recording
from plasticbench.networks.spiking import SpikingNetwork
from plasticbench.rules import RuleBatch, Structure
from plasticbench.simulation.spiking import sensitivity_kernel
from plasticbench.simulation.spiking.lifetime import Lifetime, numbers_of
from plasticbench.simulation.spiking.log import make_log
from plasticbench.simulation.spiking.neurons import state_views
from plasticbench.simulation.spiking.state import index_type
from plasticbench.simulation.spiking.tangent_source import read_by, tangent_changes, tangent_step
from plasticbench.simulation.spiking.wiring import Wiring

_EVENTS = ("on_pre", "on_post")


class Directions(NamedTuple):
    """The parameters of all plastic pathways, one after the other: what tangents are kept for."""

    first: np.ndarray  # (n_plastic + 1,) int64: a pathway's first direction
    time_constant: np.ndarray  # (n_filters,) int64: the direction of each trace's time constant
    slope: np.ndarray  # (n_filters,): d ln(decay) / dτ = dt/τ², per s


class Tangents(NamedTuple):
    """Derivatives of the state; the last axis are the directions, but for `moment` and what follows `spikes`."""

    state: np.ndarray  # as NeuronState.value, (n, n_directions)
    spike: np.ndarray  # (n_neurons, n_directions): of this step's spikes
    w: np.ndarray  # (n_plastic_synapses, n_directions)
    post: np.ndarray  # as PlasticState.value, (n, n_directions): of postsynaptic traces
    moment: np.ndarray  # as PlasticState.value: of presynaptic traces, the steps of the spikes that they hold
    spikes: np.ndarray  # (n_recordings, n_steps, n_directions): of recorded populations' spikes
    values: np.ndarray  # what a rule reads
    partials: np.ndarray  # of the last change, by what it read and by the parameters
    result: np.ndarray  # (1,): the last change


def unsupported(lives: Sequence[Life], structure: Structure) -> str | None:
    """Why lives cannot be run with their derivatives under rules of this structure; None if they can."""
    network = lives[0].spiking_network
    assert isinstance(network, SpikingNetwork)
    sources = {source.name for source in network.sources}
    if any(p.pre not in sources for p in network.pathways):
        return "no gradients where neurons drive neurons; choose torch, or detach θ"
    if any(p.w_min for p in network.pathways):
        return "no gradients of weights below 0; choose torch, or detach θ"
    if any(population.neuron.hazard_hz is not None for population in network.populations):
        return "no gradients through random spikes; choose neurons with a threshold, or detach θ"
    if any(life.modulator is not None or life.resets or life.excursions or life.weight_changes for life in lives):
        return "no gradients through a modulator, resets, excursions or changes of weights; choose torch, or detach θ"
    for pathway in structure.pathways:
        if set(pathway.events) - set(_EVENTS):
            return "no gradients of rules with on_step or on_modulator; choose torch, or detach θ"
        read = frozenset().union(*(pathway.variables_of(event) for event in _EVENTS))
        if pathway.states or read - set(read_by(pathway)):
            return "no gradients of rules with states or that read the neuron; choose torch, or detach θ"
    return None


class SensitiveLifetime(Lifetime):
    """A lifetime that carries its derivatives, and keeps its rates in double precision."""

    def __init__(self, life: Life, wiring: Wiring, rules: RuleBatch, rule: int):
        super().__init__(life, wiring, rules.structure, numbers_of(rules, rule), np.float64)
        structures = rules.structure.pathways
        self.directions = self._directions()
        n_directions = int(self.directions.first[-1])
        n_read = max([2, *(len(read_by(p)) for p in structures)])
        self._recorded: list[PopulationRate | PopulationSpikes] = [
            *life.recordings_of(PopulationRate), *life.recordings_of(PopulationSpikes)
        ]  # fmt: skip

        def zeros(*shape: int) -> np.ndarray:
            return np.zeros((*shape, n_directions))

        self.tangents = Tangents(
            zeros(len(self.neurons.value)), zeros(len(self.neurons.ready)), zeros(len(self.plastic.w)),
            zeros(len(self.plastic.value)), np.zeros(len(self.plastic.value)),
            zeros(len(self._recorded), life.n_steps), np.zeros(n_read), np.zeros(n_read + n_directions), np.zeros(1),
        )  # fmt: skip
        found = [tangent_changes(p) for p in structures]
        self.functions = np.array([[each.get(e, 0) for e in _EVENTS] for each in found], np.int64).reshape(-1, 2)
        self._bind_steps()

    def _new_log(self):
        return make_log(self.life, np.float64)

    def _bind_steps(self) -> None:
        """Each population's compiled step with tangents, in the place of the plain one."""
        network = self.life.spiking_network
        first, self._tangent_frames = 0, []
        for q, population in enumerate(network.populations):
            names = list(population.neuron.state)
            states = state_views(network, self.neurons, q)
            places = self.neurons.first[q]
            own = [self._steps.constants[q], self.neurons.ready[first:], self.ring.out[self.ring.first[q] :]]
            own += [states[name] for name in names]
            own += [self.tangents.state[places[k] :] for k in range(len(names))]
            own.append(self.tangents.spike[first:])
            self._tangent_frames.append(np.array([array.ctypes.data for array in own], np.int64))
            self.layout.model[q] = tangent_step(population.neuron, np.dtype(index_type(network)).name)
            self.layout.frame[q] = self._tangent_frames[-1].ctypes.data
            first += population.size

    def _directions(self) -> Directions:
        counts = [len(p.parameters) for p in self.structure.pathways]
        first = np.cumsum([0, *counts], dtype=np.int64)
        columns, slopes = [], []
        for k, pathway in enumerate(self.structure.pathways):
            for trace in pathway.traces:
                tau_s = self.taus_s[k][trace.name]
                columns.append(first[k] + trace.tau)
                slopes.append(self.life.dt_s / tau_s / tau_s)
        return Directions(first, np.array(columns, np.int64), np.array(slopes))

    def _live(self, until: int, learning: np.ndarray) -> tuple[int, int]:
        return sensitivity_kernel.live(
            self.step, until, learning, self.layout, self.processes, self.wiring, self.neurons, self.inputs,
            self.plastic, self.ring, self.log, self.life.seed, self.tangents, self.directions, self.functions,
            self._padded_parameters(),
        )  # fmt: skip

    def _padded_parameters(self) -> np.ndarray:
        most = max([1, *(len(row) for row in self.parameters)])
        padded = np.zeros((len(self.parameters), most))
        for k, row in enumerate(self.parameters):
            padded[k, : len(row)] = row
        return padded

    def gradient(self, by_recording: Mapping[Recording, np.ndarray]) -> np.ndarray:
        """(n_directions,) of a loss, from its derivatives by what was recorded."""
        total = np.zeros(self.tangents.w.shape[1])
        for r, recording in enumerate(self._recorded):
            start = self.life.phase(recording.phase).start
            of_values, spikes = by_recording[recording], self.tangents.spikes[r]
            if isinstance(recording, PopulationRate):
                sensitivity_kernel.add_through_rate(
                    of_values, start, self.log.rate_decay[r], self.log.hz_per_spike[r], spikes, total
                )
            else:
                total += of_values @ spikes[start : start + len(of_values)]
        names = [p.name for p in self.life.spiking_network.plastic_pathways]
        for final in self.life.recordings_of(FinalWeights):
            k = names.index(final.pathway)
            a, b = self.wiring.plastic_first[k], self.wiring.plastic_first[k + 1]
            total += by_recording[final] @ self.tangents.w[a:b]
        return total
