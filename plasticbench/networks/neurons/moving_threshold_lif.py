"""Integrate-and-fire neuron with AMPA, NMDA and a moving threshold.

Confavreux, Ramesh, Gonçalves, Macke & Vogels, NeurIPS 36 (2023), after Zenke, Agnes & Gerstner, Nat. Commun. 6:6922
(2015), doi:10.1038/ncomms7922.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from plasticbench.networks.neurons.model import NeuronModel


@dataclass(frozen=True)
class MovingThresholdLIF(NeuronModel):
    """Currents come from the conductances of the last step; NMDA follows AMPA; then all conductances decay.

    A spike sets the threshold's excess to `threshold_jump_v`, which decays; there is no hard refractory period. V is
    kept within [e_inh, e_exc].
    """

    tau_membrane_s: float = 0.02
    v_rest: float = -0.07
    v_threshold: float = -0.05
    e_exc: float = 0.0
    e_inh: float = -0.08
    tau_exc_s: float = 0.005
    tau_inh_s: float = 0.01
    tau_nmda_s: float = 0.1
    ampa_nmda_ratio: float = 0.3
    threshold_jump_v: float = 0.1
    tau_threshold_s: float = 0.005

    state: ClassVar = {"v": "v_rest", "g_exc": "0", "g_inh": "0", "g_nmda": "0", "excess": "0"}
    derived: ClassVar = {
        "step": "dt_s / tau_membrane_s",
        "ampa": "ampa_nmda_ratio / (1 + ampa_nmda_ratio)",
        "nmda": "1 / (1 + ampa_nmda_ratio)",
        "nmda_rate": "1 - exp(-dt_s / tau_nmda_s)",
        "decay_exc": "exp(-dt_s / tau_exc_s)",
        "decay_inh": "exp(-dt_s / tau_inh_s)",
        "decay_excess": "exp(-dt_s / tau_threshold_s)",
    }
    updates: ClassVar = (
        ("i_exc", "(ampa * g_exc + nmda * g_nmda) * (e_exc - v)"),
        ("i_inh", "g_inh * (v - e_inh)"),
        ("v", "min(max(v + step * ((v_rest - v) + i_exc - i_inh), e_inh), e_exc)"),
        ("g_nmda", "(g_nmda + nmda_rate * g_exc) * (1 - nmda_rate)"),
        ("g_exc", "g_exc * decay_exc"),
        ("g_inh", "g_inh * decay_inh"),
        ("excess", "excess * decay_excess"),
    )
    threshold: ClassVar = "v_threshold + excess"
    at_spike: ClassVar = {"v": "v_rest", "excess": "threshold_jump_v"}
    receptors: ClassVar = {"exc": "g_exc", "inh": "g_inh"}
    decaying: ClassVar = ("g_exc", "g_inh", "g_nmda", "excess")
