"""Integrate-and-fire neuron with escape noise and a current synapse, for rules that read its escape rate.

Urbanczik & Senn, Nat. Neurosci. 12:250 (2009), doi:10.1038/nn.2264, in the numbers of Jordan et al., eLife 10:e66273
(2021), doi:10.7554/eLife.66273.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from plasticbench.networks.neurons.model import NeuronModel


@dataclass(frozen=True)
class EscapeLIF(NeuronModel):
    """tau_membrane dV/dt = (v_rest - V) + I / g_leak, g_leak = capacitance / tau_membrane; SI units throughout.

    Weights are currents in A: a synapse's weight adds to I at once and decays with `tau_syn_s`; `inh` subtracts. The
    neuron spikes at random at the rate phi = rate_at_threshold_hz exp((V - v_threshold) / width_v), in Hz, and is then
    held at `v_rest` for `refractory_s`.
    """

    tau_membrane_s: float = 0.01
    capacitance_f: float = 250e-12
    v_rest: float = -0.07
    v_threshold: float = -0.055
    width_v: float = 0.0002
    rate_at_threshold_hz: float = 0.01
    tau_syn_s: float = 0.002
    refractory_s: float = 0.002

    state: ClassVar = {"v": "v_rest", "i_exc": "0", "i_inh": "0", "phi": "0"}
    derived: ClassVar = {
        "step": "dt_s / tau_membrane_s",
        "v_per_a": "dt_s / capacitance_f",
        "decay": "exp(-dt_s / tau_syn_s)",
    }
    updates: ClassVar = (
        ("v", "v + step * (v_rest - v) + v_per_a * (i_exc - i_inh)"),
        ("i_exc", "i_exc * decay"),
        ("i_inh", "i_inh * decay"),
    )
    hazard_hz: ClassVar = "rate_at_threshold_hz * exp((v - v_threshold) / width_v)"
    at_spike: ClassVar = {"v": "v_rest"}
    refractory: ClassVar = "refractory_s"
    receptors: ClassVar = {"exc": "i_exc", "inh": "i_inh"}
    decaying: ClassVar = ("i_exc", "i_inh")
    may_be_zero: ClassVar = ("refractory_s",)
