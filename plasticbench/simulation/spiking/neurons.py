"""One time step of each neuron model, compiled: loops over whole populations without a branch, so they vectorise.

Arithmetic keeps IEEE order (no contraction, no reassociation), so two machines give the same spikes. All state of
a population's neurons is passed as slices; numbers have the state's type.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from plasticbench.networks.neurons import AdaptiveLIF, ConductanceLIF
from plasticbench.networks.spiking import SpikingNetwork
from plasticbench.simulation.compiled import compiled, compiled_inline

CONDUCTANCE_LIF, ADAPTIVE_LIF = 0, 1
NOT_A_NUMBER = -1  # returned instead of a number of spikes when a voltage is NaN
_TINY = 1e-30  # conductances below it are set to 0 now and then: denormal numbers are slow
_BLOCK, _SMALL_BLOCK = 128, 8  # neurons looked at together for a spike: few of them have one

# Columns of the constants of a population.
STEP, REST, THRESHOLD, E_EXC, E_INH, DECAY_EXC, DECAY_INH, REFRACTORY = range(8)
_AMPA, _NMDA, _NMDA_RATE, _JUMP, _DECAY_JUMP, _ADAPTATION, _DECAY_ADAPTATION = range(8, 15)
_V_RATE, _C_EXC_RATE, _C_INH_RATE, _N_CONSTANTS = range(15, 19)


class NeuronState(NamedTuple):
    """Of all neurons, population after population: (n_neurons,) each; those of AdaptiveLIF stay unused without it."""

    v: np.ndarray
    g_exc: np.ndarray
    g_inh: np.ndarray
    ready: np.ndarray  # int32: first step at which a refractory neuron integrates again
    g_nmda: np.ndarray
    excess: np.ndarray  # of the threshold
    g_adaptation: np.ndarray
    v_trace: np.ndarray
    c_exc: np.ndarray
    c_inh: np.ndarray


def neuron_state(network: SpikingNetwork, dtype: type) -> NeuronState:
    """At the start of life."""
    n = sum(population.size for population in network.populations)
    fields: list[Any] = [np.zeros(n, np.int32 if name == "ready" else dtype) for name in NeuronState._fields]
    state = NeuronState(*fields)
    rest = [np.full(p.size, p.neuron.v_rest) for p in network.populations]
    state.v[:] = np.concatenate(rest)
    state.v_trace[:] = state.v
    return state


def neuron_constants(network: SpikingNetwork, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    """Model number (n_populations,) and constants (n_populations, n_constants)."""
    models = [ADAPTIVE_LIF if isinstance(p.neuron, AdaptiveLIF) else CONDUCTANCE_LIF for p in network.populations]
    constants = np.zeros((len(models), _N_CONSTANTS))
    for row, population in zip(constants, network.populations, strict=True):
        neuron, dt = population.neuron, network.dt_s
        row[:7] = (
            dt / neuron.tau_membrane_s, neuron.v_rest, neuron.v_threshold, neuron.e_exc, neuron.e_inh,
            math.exp(-dt / neuron.tau_exc_s), math.exp(-dt / neuron.tau_inh_s),
        )  # fmt: skip
        if isinstance(neuron, ConductanceLIF):
            row[REFRACTORY] = round(neuron.refractory_s / dt)
            continue
        ratio = neuron.ampa_nmda_ratio
        row[_AMPA:] = (
            ratio / (1 + ratio), 1 / (1 + ratio), 1 - math.exp(-dt / neuron.tau_nmda_s), neuron.threshold_jump_v,
            math.exp(-dt / neuron.tau_threshold_s), neuron.adaptation_jump,
            math.exp(-dt / neuron.tau_adaptation_s), dt / neuron.tau_v_trace_s, dt / neuron.tau_c_exc_s,
            dt / neuron.tau_c_inh_s,
        )  # fmt: skip
    return np.array(models, dtype=np.int64), constants.astype(dtype)


@compiled
def step_conductance_lif(t, c, v, g_exc, g_inh, ready, spikes):
    """Advance one population; its spikes' indices into `spikes`; their number, or NOT_A_NUMBER."""
    step, rest, threshold, e_exc, e_inh = c[STEP], c[REST], c[THRESHOLD], c[E_EXC], c[E_INH]
    decay_exc, decay_inh = c[DECAY_EXC], c[DECAY_INH]
    now = np.int32(t)
    for i in range(len(v)):
        u = v[i]
        ge, gi = g_exc[i], g_inh[i]
        u = u + step * ((rest - u) - ge * (u - e_exc) - gi * (u - e_inh))
        v[i] = u if ready[i] <= now else rest
        g_exc[i] = ge * decay_exc
        g_inh[i] = gi * decay_inh
    if t & 255 == 0:
        _flush(g_exc)
        _flush(g_inh)
    n, again = 0, np.int32(now + np.int32(c[REFRACTORY]) + 1)
    whole, most = len(v) // _BLOCK * _BLOCK, len(v) // _SMALL_BLOCK * _SMALL_BLOCK
    n = _reset_blocks(_BLOCK, 0, whole, v, threshold, rest, ready, again, spikes, n)
    n = _reset_blocks(_SMALL_BLOCK, whole, most, v, threshold, rest, ready, again, spikes, n)
    return _reset(most, len(v), v, threshold, rest, ready, again, spikes, n)


@compiled_inline
def _reset_blocks(block, start, stop, v, threshold, rest, ready, again, spikes, n):
    """`_reset`, only of the blocks in which a neuron is above the threshold, or NaN."""
    for first in range(start, stop, block):
        above = False
        for k in range(block):  # without a branch and of constant length, so that it vectorises
            above = above | (not v[first + k] <= threshold)
        if above:
            n = _reset(first, first + block, v, threshold, rest, ready, again, spikes, n)
    return n


@compiled
def _reset(first, last, v, threshold, rest, ready, again, spikes, n):
    """Reset neurons first..last-1 that are above the threshold; the new number of spikes. NOT_A_NUMBER stays."""
    if n == NOT_A_NUMBER:
        return n
    for i in range(first, last):
        if not v[i] <= threshold:
            if v[i] != v[i]:
                return NOT_A_NUMBER
            v[i] = rest
            ready[i] = again
            spikes[n] = i
            n += 1
    return n


@compiled
def _flush(x):
    tiny, zero = x.dtype.type(_TINY), x.dtype.type(0)
    for i in range(len(x)):
        x[i] = x[i] if x[i] > tiny else zero


@compiled
def step_adaptive_lif(t, c, v, g_exc, g_inh, g_nmda, excess, g_adaptation, v_trace, c_exc, c_inh, spikes):
    """Advance one population; its spikes' indices into `spikes`; their number, or NOT_A_NUMBER."""
    step, rest, threshold, e_exc, e_inh = c[STEP], c[REST], c[THRESHOLD], c[E_EXC], c[E_INH]
    decay_exc, decay_inh, decay_excess = c[DECAY_EXC], c[DECAY_INH], c[_DECAY_JUMP]
    ampa, nmda, nmda_rate, decay_adaptation = c[_AMPA], c[_NMDA], c[_NMDA_RATE], c[_DECAY_ADAPTATION]
    v_rate, exc_rate, inh_rate = c[_V_RATE], c[_C_EXC_RATE], c[_C_INH_RATE]
    one = v.dtype.type(1)
    for i in range(len(v)):
        u = v[i]
        i_exc = (ampa * g_exc[i] + nmda * g_nmda[i]) * (e_exc - u)
        i_inh = (g_inh[i] + g_adaptation[i]) * (u - e_inh)
        u = u + step * ((rest - u) + i_exc - i_inh)
        u = u if u > e_inh else (e_inh if u <= e_inh else u)  # NaN stays
        u = e_exc if u > e_exc else u
        g_nmda[i] = (g_nmda[i] + nmda_rate * g_exc[i]) * (one - nmda_rate)
        g_exc[i] *= decay_exc
        g_inh[i] *= decay_inh
        g_adaptation[i] *= decay_adaptation
        excess[i] *= decay_excess
        v_trace[i] = (v_trace[i] + v_rate * u) * (one - v_rate)
        c_exc[i] = (c_exc[i] + exc_rate * i_exc) * (one - exc_rate)
        c_inh[i] = (c_inh[i] + inh_rate * i_inh) * (one - inh_rate)
        v[i] = u
    if t & 255 == 0:
        for x in (g_exc, g_inh, g_nmda, g_adaptation, excess):
            _flush(x)
    n = 0
    for i in range(len(v)):
        if not v[i] <= threshold + excess[i]:
            if v[i] != v[i]:
                return NOT_A_NUMBER
            v[i] = rest
            excess[i] = c[_JUMP]
            g_adaptation[i] += c[_ADAPTATION]
            spikes[n] = i
            n += 1
    return n
