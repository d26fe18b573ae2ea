"""Neuron models of spiking networks, as data. SI units; conductances in units of the leak conductance."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from plasticbench.errors import PlasticbenchError


def _check_positive(model: Any, allow_zero: tuple[str, ...] = ()) -> None:
    for field in fields(model):
        value = getattr(model, field.name)
        if not abs(value) < float("inf"):
            raise PlasticbenchError(f"{field.name}: {value!r} is not a finite number")
        if field.name.endswith("_s") and not (value > 0 or (value == 0 and field.name in allow_zero)):
            raise PlasticbenchError(f"{field.name}: {value!r} s is not a positive time constant")


@dataclass(frozen=True)
class ConductanceLIF:
    """Leaky integrate-and-fire neuron with conductance synapses (Vogels et al., Science 334:1569, 2011).

    tau_membrane dV/dt = (v_rest - V) - g_exc (V - e_exc) - g_inh (V - e_inh). Above `v_threshold` it spikes and
    is held at `v_rest` for `refractory_s`. Conductances jump by a synapse's weight and decay exponentially.
    """

    tau_membrane_s: float = 0.02
    v_rest: float = -0.06
    v_threshold: float = -0.05
    e_exc: float = 0.0
    e_inh: float = -0.08
    tau_exc_s: float = 0.005
    tau_inh_s: float = 0.01
    refractory_s: float = 0.005

    def __post_init__(self) -> None:
        _check_positive(self, allow_zero=("refractory_s",))

    @property
    def variables(self) -> frozenset[str]:
        """What a rule may read of such a postsynaptic neuron, beyond weights and traces."""
        return frozenset()


@dataclass(frozen=True)
class AdaptiveLIF:
    """Integrate-and-fire neuron with a moving threshold, AMPA and NMDA, and spike-triggered adaptation.

    After Zenke, Agnes & Gerstner (Nat Commun 6:6922, 2015), as used by Confavreux et al. (NeurIPS 2023).
    The threshold's excess is set to `threshold_jump_v` by a spike and decays; there is no hard refractory period.
    Adaptation acts through `e_inh`; `adaptation_jump` 0 leaves it out. V is kept within [e_inh, e_exc].
    Low-pass filtered copies of the voltage (V) and of both synaptic currents (V) are there for rules to read.
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

    def __post_init__(self) -> None:
        _check_positive(self)

    @property
    def variables(self) -> frozenset[str]:
        """What a rule may read of such a postsynaptic neuron, beyond weights and traces."""
        return frozenset({"v", "c_exc", "c_inh"})


NeuronModel = ConductanceLIF | AdaptiveLIF
