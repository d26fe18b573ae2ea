"""A neuron model of one's own: quadratic integrate-and-fire with conductance synapses."""

from dataclasses import dataclass
from typing import ClassVar

from plasticbench.networks.neurons import NeuronModel


@dataclass(frozen=True)
class QuadraticLIF(NeuronModel):
    """tau dV/dt = (V - v_rest)(V - v_critical) / scale_v - g_exc (V - e_exc) - g_inh (V - e_inh)."""

    tau_membrane_s: float = 0.02
    v_rest: float = -0.06
    v_critical: float = -0.05
    scale_v: float = 0.01
    v_threshold: float = -0.03
    e_exc: float = 0.0
    e_inh: float = -0.08
    tau_exc_s: float = 0.005
    tau_inh_s: float = 0.01
    refractory_s: float = 0.002

    state: ClassVar = {"v": "v_rest", "g_exc": "0", "g_inh": "0"}
    derived: ClassVar = {"decay_exc": "exp(-dt_s / tau_exc_s)", "decay_inh": "exp(-dt_s / tau_inh_s)"}
    updates: ClassVar = (
        ("leak", "(v - v_rest) * (v - v_critical) / scale_v"),
        ("v", "v + dt_s / tau_membrane_s * (leak - g_exc * (v - e_exc) - g_inh * (v - e_inh))"),
        ("g_exc", "g_exc * decay_exc"),
        ("g_inh", "g_inh * decay_inh"),
    )
    threshold: ClassVar = "v_threshold"
    at_spike: ClassVar = {"v": "v_rest"}
    refractory: ClassVar = "refractory_s"
    receptors: ClassVar = {"exc": "g_exc", "inh": "g_inh"}
    decaying: ClassVar = ("g_exc", "g_inh")
