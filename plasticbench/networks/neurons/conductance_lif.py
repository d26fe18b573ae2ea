"""Leaky integrate-and-fire neuron with conductance synapses (Vogels et al., Science 334:1569, 2011)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from plasticbench.networks.neurons.model import NeuronModel


@dataclass(frozen=True)
class ConductanceLIF(NeuronModel):
    """tau_membrane dV/dt = (v_rest - V) - g_exc (V - e_exc) - g_inh (V - e_inh).

    Above `v_threshold` it spikes and is held at `v_rest` for `refractory_s`. Conductances jump by a synapse's weight
    and decay exponentially.
    """

    tau_membrane_s: float = 0.02
    v_rest: float = -0.06
    v_threshold: float = -0.05
    e_exc: float = 0.0
    e_inh: float = -0.08
    tau_exc_s: float = 0.005
    tau_inh_s: float = 0.01
    refractory_s: float = 0.005

    state: ClassVar = {"v": "v_rest", "g_exc": "0", "g_inh": "0"}
    derived: ClassVar = {
        "step": "dt_s / tau_membrane_s",
        "decay_exc": "exp(-dt_s / tau_exc_s)",
        "decay_inh": "exp(-dt_s / tau_inh_s)",
    }
    updates: ClassVar = (
        ("v", "v + step * ((v_rest - v) - g_exc * (v - e_exc) - g_inh * (v - e_inh))"),
        ("g_exc", "g_exc * decay_exc"),
        ("g_inh", "g_inh * decay_inh"),
    )
    threshold: ClassVar = "v_threshold"
    at_spike: ClassVar = {"v": "v_rest"}
    refractory: ClassVar = "refractory_s"
    receptors: ClassVar = {"exc": "g_exc", "inh": "g_inh"}
    decaying: ClassVar = ("g_exc", "g_inh")
    may_be_zero: ClassVar = ("refractory_s",)
