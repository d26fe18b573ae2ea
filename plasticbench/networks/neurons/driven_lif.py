"""ConductanceLIF with a constant current: it fires without any input (Kania, Confavreux & Vogels, 2026)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from plasticbench.networks.neurons.conductance_lif import ConductanceLIF


@dataclass(frozen=True)
class DrivenLIF(ConductanceLIF):
    """tau_membrane dV/dt = (v_rest - V) + drive_v - g_exc (V - e_exc) - g_inh (V - e_inh); else as ConductanceLIF.

    `drive_v` (V) is the current divided by the leak conductance: 200 pA through 10 nS are 20 mV.
    """

    drive_v: float = 0.02

    updates: ClassVar = (
        ("v", "v + step * ((v_rest - v) + drive_v - g_exc * (v - e_exc) - g_inh * (v - e_inh))"),
        *ConductanceLIF.updates[1:],
    )
