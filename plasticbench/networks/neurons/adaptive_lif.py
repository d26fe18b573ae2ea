"""Integrate-and-fire neuron with a moving threshold, AMPA and NMDA, adaptation, and filters that rules may read.

Confavreux et al., PLOS Comput. Biol. 21:e1012910 (2025), after Zenke, Agnes & Gerstner, Nat. Commun. 6:6922 (2015),
doi:10.1038/ncomms7922.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from plasticbench.networks.neurons.model import NeuronModel


@dataclass(frozen=True)
class AdaptiveLIF(NeuronModel):
    """Conductances decay first, then NMDA follows AMPA (at dt/tau_nmda, its first order), then currents flow.

    A spike sets the threshold's excess to `threshold_jump_v` and adds `adaptation_jump` to a conductance that acts
    through `e_inh`. V is kept within [e_inh, e_exc]. Low-pass filtered copies of the voltage (V) and of both synaptic
    currents (V; the inhibitory one includes adaptation) are there for rules to read.
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
    adaptation_jump: float = 0.1
    tau_adaptation_s: float = 0.1
    tau_v_trace_s: float = 0.1
    tau_c_exc_s: float = 0.01
    tau_c_inh_s: float = 0.1

    state: ClassVar = {
        "v": "v_rest", "g_exc": "0", "g_inh": "0", "g_nmda": "0", "excess": "0", "g_adaptation": "0",
        "v_trace": "v_rest", "c_exc": "0", "c_inh": "0",
    }  # fmt: skip
    derived: ClassVar = {
        "step": "dt_s / tau_membrane_s",
        "ampa": "ampa_nmda_ratio / (1 + ampa_nmda_ratio)",
        "nmda": "1 / (1 + ampa_nmda_ratio)",
        "nmda_rate": "dt_s / tau_nmda_s",
        "decay_exc": "exp(-dt_s / tau_exc_s)",
        "decay_inh": "exp(-dt_s / tau_inh_s)",
        "decay_adaptation": "exp(-dt_s / tau_adaptation_s)",
        "decay_excess": "exp(-dt_s / tau_threshold_s)",
        "v_rate": "dt_s / tau_v_trace_s",
        "c_exc_rate": "dt_s / tau_c_exc_s",
        "c_inh_rate": "dt_s / tau_c_inh_s",
    }
    updates: ClassVar = (
        ("g_exc", "g_exc * decay_exc"),
        ("g_inh", "g_inh * decay_inh"),
        ("g_adaptation", "g_adaptation * decay_adaptation"),
        ("g_nmda", "(g_nmda + nmda_rate * g_exc) * (1 - nmda_rate)"),
        ("i_exc", "(ampa * g_exc + nmda * g_nmda) * (e_exc - v)"),
        ("i_inh", "(g_inh + g_adaptation) * (v - e_inh)"),
        ("excess", "excess * decay_excess"),
        ("v", "min(max(v + step * ((v_rest - v) + i_exc - i_inh), e_inh), e_exc)"),
        ("v_trace", "(v_trace + v_rate * v) * (1 - v_rate)"),
        ("c_exc", "(c_exc + c_exc_rate * i_exc) * (1 - c_exc_rate)"),
        ("c_inh", "(c_inh + c_inh_rate * i_inh) * (1 - c_inh_rate)"),
    )
    threshold: ClassVar = "v_threshold + excess"
    at_spike: ClassVar = {
        "v": "v_rest", "excess": "threshold_jump_v", "g_adaptation": "g_adaptation + adaptation_jump"
    }  # fmt: skip
    receptors: ClassVar = {"exc": "g_exc", "inh": "g_inh"}
    readable: ClassVar = {"v": "v_trace", "c_exc": "c_exc", "c_inh": "c_inh"}
    decaying: ClassVar = ("g_exc", "g_inh", "g_nmda", "excess", "g_adaptation", "v_trace", "c_exc", "c_inh")
