"""The parts of a spiking network's time step that no rule touches, compiled once: emission, arrival, traces, records.

Event-driven where spikes are: a spike walks its row of synapses.
"""

from __future__ import annotations

from plasticbench.simulation.compiled import compiled, compiled_inline
from plasticbench.simulation.prefetch import prefetch
from plasticbench.simulation.spiking import neurons
from plasticbench.simulation.spiking.inputs import draw_process

PRE, POST, INHIBITORY, DELAY, PLASTIC, FIRST_WEIGHT, N_PRE, N_POST = range(8)  # columns of Layout.pathway
X_PRE, X_POST, X_PRE2, X_POST2 = range(4)
ALIVE, LEFT_BAND, NOT_FINITE = 0, 1, 2  # statuses
_SMALLEST_UNIT = 1e-20  # a trace's unit is renewed before numbers stored in it overflow a float32
_TINY = 1e-30


@compiled
def arrive_static(spikes, row_start, target, weight, g):
    """g (n_post,) of one receptor += the weight of each arriving spike's neuron, at all its targets."""
    for j in spikes:
        w = weight[j]
        for i in target[row_start[j] : row_start[j + 1]]:
            g[i] += w


@compiled
def arrive_plastic(spikes, row_start, target, gain, w, g):
    """As `arrive_static`, each synapse with its own weight."""
    base = row_start[0]
    for j in spikes:
        first, last = row_start[j], row_start[j + 1]
        targets, weights = target[first:last], w[first - base : last - base]
        for k in range(len(targets)):
            g[targets[k]] += gain * weights[k]


@compiled
def advance_trace(spikes, stored, unit, decay, k, x):
    """Trace x of plastic pathway k counts these spikes, then decays; a trace that no rule reads has decay -1."""
    factor = decay[k, x]
    if factor < 0.0:
        return
    for j in spikes:
        stored[j] += 1.0 / unit[k, x]
    unit[k, x] *= factor
    if unit[k, x] < _SMALLEST_UNIT:
        for i in range(len(stored)):
            value = stored[i] * unit[k, x]
            stored[i] = value if value > _TINY else 0.0
        unit[k, x] = 1.0


@compiled
def advance_traces(k, arrivals, fired, plastic):
    """The four traces of plastic pathway k."""
    first = plastic.first[k]
    for x in range(4):
        stored = plastic.trace[first[x] : first[x + 1]]
        if x in (X_PRE, X_PRE2):
            advance_trace(arrivals, stored, plastic.unit, plastic.decay, k, x)
        else:
            advance_trace(fired, stored, plastic.unit, plastic.decay, k, x)


@compiled_inline
def slot_of(t, ring):
    """Where the ring keeps step t, also a negative one; a division would be slow."""
    return t & (len(ring.n_spikes) - 1)


@compiled_inline
def spikes_of(t, group, ring):
    """Indices of the neurons or afferents of a group that spiked at step t, within the group."""
    slot = slot_of(t, ring)
    a = ring.first[group]
    return ring.spikes[slot, a : a + ring.n_spikes[slot, group]]


@compiled_inline
def emit_inputs(t, seed, layout, processes, inputs, ring):
    """Sources spike."""
    slot = slot_of(t, ring)
    for q in range(len(layout.model), len(layout.first) - 1):
        ring.n_spikes[slot, q] = 0
    for k in range(len(processes.first)):
        q = processes.source[k]
        spikes = ring.spikes[slot, ring.first[q] : ring.first[q + 1]]
        ring.n_spikes[slot, q] = draw_process(seed, t, k, processes, inputs, spikes, ring.n_spikes[slot, q])


@compiled_inline
def emit(t, seed, layout, processes, n, inputs, ring):
    """Neurons and sources spike; False when a voltage is NaN. n: NeuronState."""
    slot = slot_of(t, ring)
    for q in range(len(layout.model)):
        a, b = layout.first[q], layout.first[q + 1]
        spikes = ring.spikes[slot, ring.first[q] : ring.first[q + 1]]
        c = layout.constants[q]
        if layout.model[q] == neurons.CONDUCTANCE_LIF:
            found = neurons.step_conductance_lif(t, c, n.v[a:b], n.g_exc[a:b], n.g_inh[a:b], n.ready[a:b], spikes)
        else:
            found = neurons.step_adaptive_lif(
                t, c, n.v[a:b], n.g_exc[a:b], n.g_inh[a:b], n.g_nmda[a:b], n.excess[a:b], n.g_adaptation[a:b],
                n.v_trace[a:b], n.c_exc[a:b], n.c_inh[a:b], spikes,
            )  # fmt: skip
        if found == neurons.NOT_A_NUMBER:
            return False
        ring.n_spikes[slot, q] = found
    emit_inputs(t, seed, layout, processes, inputs, ring)
    return True


@compiled
def fetch_rows(t, layout, wiring, plastic, ring):
    """Begin to load the synapses of the spikes that will arrive at step t."""
    for pathway in range(len(layout.pathway)):
        row = layout.pathway[pathway]
        first_row = wiring.row_first[pathway]
        k = row[PLASTIC]
        for j in spikes_of(t - row[DELAY], row[PRE], ring):
            first, last = wiring.row_start[first_row + j], wiring.row_start[first_row + j + 1]
            for s in range(first, last + 31, 32):
                prefetch(wiring.target, min(s, last))
            if k >= 0:
                base = wiring.plastic_first[k] - wiring.row_start[first_row]
                for s in range(first, last + 7, 8):
                    prefetch(plastic.w, base + min(s, last))


@compiled
def fetch_columns(t, layout, wiring, ring):
    """Begin to load where the incoming plastic synapses of the neurons lie that have just spiked."""
    for pathway in range(len(layout.pathway)):
        row = layout.pathway[pathway]
        k = row[PLASTIC]
        if k >= 0:
            for i in spikes_of(t, row[POST], ring):
                first_column = wiring.column_first[k] + i
                first, last = wiring.column_start[first_column], wiring.column_start[first_column + 1]
                for s in range(first, last + 15, 16):
                    prefetch(wiring.column_synapse, min(s, last))
                for s in range(first, last + 31, 32):
                    prefetch(wiring.column_source, min(s, last))


@compiled_inline
def record(t, layout, ring, log):
    """Update the watched population's rate and the spike log; the status."""
    found = ring.n_spikes[slot_of(t, ring), log.watched]
    log.rate_hz[0] = log.rate_hz[0] * log.decay + found * log.hz_per_spike
    log.rates[t], log.spikes[t] = log.rate_hz[0], found
    for q in range(len(layout.first) - 1):
        a = layout.first[q]
        for j in spikes_of(t, q, ring):
            log.spike_count[a + j] += 1
            if t >= log.start and t < log.stop and log.logged[a + j]:
                if log.n_logged[0] < len(log.spike_step):
                    log.spike_step[log.n_logged[0]] = t
                    log.spike_neuron[log.n_logged[0]] = a + j
                log.n_logged[0] += 1
    return ALIVE if log.rate_hz[0] > log.low and log.rate_hz[0] < log.high else LEFT_BAND
