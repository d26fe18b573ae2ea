"""The parts of a time step with derivatives that no rule touches, compiled once: as those of `spiking_steps`.

Every number that depends on the rules' parameters carries a tangent for each of them, its direction.
"""

from __future__ import annotations

from plasticbench.simulation.compiled import compiled, compiled_inline
from plasticbench.simulation.spiking import neurons, steps
from plasticbench.simulation.spiking.steps import X_POST, X_POST2, X_PRE, X_PRE2
from plasticbench.simulation.spiking.torch_neurons import SLOPE_PER_V

_TINY = 1e-30  # tangents below it are set to 0 now and then: denormal numbers are slow


@compiled
def flush(x):
    """Set what is tiny in x (n, n_directions) to 0."""
    for i in range(len(x)):
        for q in range(x.shape[1]):
            x[i, q] = x[i, q] if abs(x[i, q]) > _TINY else 0.0


@compiled
def step_neurons(t, c, a, b, n, spikes, tangents):
    """Advance the ConductanceLIF population of neurons a..b-1; as `spiking_neurons.step_conductance_lif`.

    Nothing is differentiated through a reset, nor while a neuron is held at rest.
    """
    step, rest, threshold = c[neurons.STEP], c[neurons.REST], c[neurons.THRESHOLD]
    e_exc, e_inh, decay_exc, decay_inh = c[neurons.E_EXC], c[neurons.E_INH], c[neurons.DECAY_EXC], c[neurons.DECAY_INH]
    found = 0
    for i in range(a, b):
        u, ge, gi, held = n.v[i], n.g_exc[i], n.g_inh[i], n.ready[i] > t
        v = rest if held else u + step * ((rest - u) - ge * (u - e_exc) - gi * (u - e_inh))
        if v != v:
            return neurons.NOT_A_NUMBER
        fired = v > threshold
        surrogate = 1.0 / (1.0 + SLOPE_PER_V * abs(v - threshold)) ** 2
        of_u, of_ge, of_gi = 1.0 - step * (1.0 + ge + gi), step * (u - e_exc), step * (u - e_inh)
        for q in range(tangents.v.shape[1]):
            d = tangents.v[i, q] * of_u - tangents.g_exc[i, q] * of_ge - tangents.g_inh[i, q] * of_gi
            d = 0.0 if held else d
            tangents.spike[i, q] = d * surrogate
            tangents.v[i, q] = 0.0 if fired else d
            tangents.g_exc[i, q] *= decay_exc
            tangents.g_inh[i, q] *= decay_inh
        n.v[i], n.g_exc[i], n.g_inh[i] = v, ge * decay_exc, gi * decay_inh
        if fired:
            n.v[i] = rest
            n.ready[i] = t + int(c[neurons.REFRACTORY]) + 1
            spikes[found] = i - a
            found += 1
    return found


@compiled_inline
def emit(t, seed, layout, processes, n, inputs, ring, tangents):
    """As `spiking_steps.emit`."""
    slot = steps.slot_of(t, ring)
    for q in range(len(layout.model)):
        spikes = ring.spikes[slot, ring.first[q] : ring.first[q + 1]]
        found = step_neurons(t, layout.constants[q], layout.first[q], layout.first[q + 1], n, spikes, tangents)
        if found == neurons.NOT_A_NUMBER:
            return False
        ring.n_spikes[slot, q] = found
    steps.emit_inputs(t, seed, layout, processes, inputs, ring)
    return True


@compiled
def advance_traces(t, k, a, arrivals, fired, plastic, tangents, directions):
    """As `spiking_steps.advance_traces`; a is the postsynaptic population's first neuron.

    x = Σ decay^(age of a spike), so dx/dτ = dt/τ² Σ age decay^age: what a presynaptic trace needs for it is the sum
    of its spikes' steps, weighted as the trace weights them (`moment`).
    """
    for x in (X_PRE, X_PRE2):
        if plastic.decay[k, x] >= 0.0:
            places = slice(plastic.first[k, x], plastic.first[k, x + 1])
            stored, moment = plastic.trace[places], tangents.moment[places]
            for j in arrivals:
                moment[j] += t / plastic.unit[k, x]
            unit = plastic.unit[k, x] * plastic.decay[k, x]
            steps.advance_trace(arrivals, stored, plastic.unit, plastic.decay, k, x)
            if plastic.unit[k, x] != unit:  # the trace is now in a new unit
                for j in range(len(moment)):
                    moment[j] = moment[j] * unit if stored[j] > 0.0 else 0.0
    for x in (X_POST, X_POST2):
        if plastic.decay[k, x] >= 0.0:
            stored = plastic.trace[plastic.first[k, x] : plastic.first[k, x + 1]]
            steps.advance_trace(fired, stored, plastic.unit, plastic.decay, k, x)
            trace = tangents.post if x == X_POST else tangents.post2
            for i in range(len(stored)):
                d, spike = trace[k, a + i], tangents.spike[a + i]
                for q in range(len(d)):
                    d[q] = (d[q] + spike[q]) * plastic.decay[k, x]
                d[directions.time_constant[k, x]] += directions.slope[k, x] * stored[i] * plastic.unit[k, x]


@compiled
def gradient(of_rates, of_spikes, log, spikes, total):
    """Add to `total` (n_directions,) the derivative of a loss through a life's recordings.

    of_rates, of_spikes: (n_steps,) derivatives of the loss by each step's rate and number of spikes.
    """
    carried = 0.0  # of the rate after a step, through all that follows
    for t in range(len(of_spikes) - 1, -1, -1):
        carried = carried * log.decay + of_rates[t]
        by_spike = of_spikes[t] + carried * log.hz_per_spike
        for q in range(len(total)):
            total[q] += by_spike * spikes[t, q]
