"""One population stepped by each engine under the same random arrivals, and neuron models that the tests define."""

from dataclasses import dataclass
from typing import ClassVar

import numba
import numpy as np
import torch

from plasticbench.networks.neurons import AdaptiveLIF, ConductanceLIF, DrivenLIF, MovingThresholdLIF, NeuronModel
from plasticbench.networks.spiking import Population, SpikingNetwork
from plasticbench.simulation.pointers import call_step
from plasticbench.simulation.spiking.neurons import neuron_state, population_steps, state_views
from plasticbench.simulation.spiking.state import make_ring
from plasticbench.simulation.spiking.torch_neurons import TorchNeurons, step_neurons

DT_S = 1e-4


@dataclass(frozen=True)
class ExponentialIF(NeuronModel):
    """A user's own model: tau dV/dt = (v_rest - V) + slope exp((V - knee)/slope) + I (Fourcaud-Trocmé et al. 2003)."""

    tau_membrane_s: float = 0.02
    v_rest: float = -0.065
    v_knee: float = -0.055
    slope_v: float = 0.002
    v_peak: float = -0.03
    tau_syn_s: float = 0.005
    refractory_s: float = 0.002

    state: ClassVar = {"v": "v_rest", "i_exc": "0", "i_inh": "0"}
    derived: ClassVar = {"step": "dt_s / tau_membrane_s", "decay": "exp(-dt_s / tau_syn_s)"}
    updates: ClassVar = (
        ("upstroke", "slope_v * exp((v - v_knee) / slope_v)"),
        ("v", "min(v + step * ((v_rest - v) + upstroke + i_exc - i_inh), 0.0)"),
        ("i_exc", "i_exc * decay"),
        ("i_inh", "i_inh * decay"),
    )
    threshold: ClassVar = "v_peak"
    at_spike: ClassVar = {"v": "v_rest"}
    refractory: ClassVar = "refractory_s"
    receptors: ClassVar = {"exc": "i_exc", "inh": "i_inh"}
    decaying: ClassVar = ("i_exc", "i_inh")


# Each model with the mean arrivals (exc, inh) that make it fire some tens of times a second.
DRIVEN = [
    (ConductanceLIF(), 1.0), (DrivenLIF(), 1.0), (MovingThresholdLIF(), 3.0), (AdaptiveLIF(), 3.0),
    (ExponentialIF(), 0.03),
]  # fmt: skip


@numba.njit
def call(address, t, seed, n, frame):
    return call_step(address, t, seed, n, frame)


def arrivals_of(model, size, n_steps, jump, seed=0):
    """Step, receptor -> (size,): a jump at two percent of the neurons, the inhibitory ones half as large."""
    draws = np.random.default_rng(seed)
    scale = {"exc": jump, "inh": jump / 2}
    shape = (n_steps, len(model.receptors), size)
    found = (draws.random(shape) < 0.02) * draws.random(shape)
    return found * np.array([scale[name] for name in model.receptors])[:, None]


class Compiled:
    """A population advanced by its compiled step."""

    def __init__(self, model, size, dtype, name="e"):
        self.network = SpikingNetwork((Population(name, size, model),), (), ())
        self.model, self.size = model, size
        self.state, self.ring = neuron_state(self.network, dtype), make_ring(self.network)
        self.steps = population_steps(self.network, self.state, self.ring)
        self.values = state_views(self.network, self.state, 0)

    def step(self, t, seed=0):
        """Indices of the neurons that spike, or a negative number."""
        found = call(self.steps.addresses[0], t, seed, self.size, self.steps.frames[0].ctypes.data)
        return found if found < 0 else self.ring.out[:found].copy()

    def add(self, arrivals):
        for row, state in zip(arrivals, self.model.receptors.values(), strict=True):
            self.values[state] += row.astype(self.values[state].dtype)


class InTorch:
    """The same, advanced by the torch engine's step; one life under one rule."""

    def __init__(self, model, size):
        self.model = model
        self.neurons = TorchNeurons.at_start(model, (1, 1, size), "cpu", torch.float64)
        known = model.step_constants(DT_S)
        self.constants = {name: torch.tensor([[value]], dtype=torch.float64) for name, value in known.items()}

    @property
    def values(self):
        return {name: x[0, 0].numpy() for name, x in self.neurons.values.items()}

    def step(self, t, **given):
        self.neurons, spikes = step_neurons(self.model, self.neurons, t, self.constants, **given)
        return np.flatnonzero(spikes[0, 0].numpy())

    def add(self, arrivals):
        for row, state in zip(arrivals, self.model.receptors.values(), strict=True):
            self.neurons = self.neurons.plus(state, torch.from_numpy(row))
