"""The compiled life of a spiking network. `spiking_cpu` puts generated definitions in place of those above the marker.

Event-driven where spikes are: a spike walks its row of synapses (arrival, `on_pre`) or its column (`on_post`).
Presynaptic traces decay for all neurons at once: a trace is stored in a growing unit, so that decay is one number
per trace and step, and `trace = stored * unit`.
"""

import math

import numba
import numpy as np

from plasticbench.simulation import spiking_neurons as neurons
from plasticbench.simulation.prefetch import prefetch
from plasticbench.simulation.spiking_inputs import draw_process


def arrive_with_rule(k, *arguments):
    """Arrivals at plastic pathway k, under its rule."""


def fire_with_rule(k, *arguments):
    """Postsynaptic spikes at plastic pathway k, under its rule."""


# --- generated code ends here ---

PRE, POST, INHIBITORY, DELAY, PLASTIC, FIRST_WEIGHT, N_PRE, N_POST = range(8)  # columns of Layout.pathway
X_PRE, X_POST, X_PRE2, X_POST2 = range(4)
ALIVE, LEFT_BAND, NOT_FINITE = 0, 1, 2  # statuses
_SMALLEST_UNIT = 1e-20  # a trace's unit is renewed before numbers stored in it overflow a float32
_TINY = 1e-30


@numba.njit(nogil=True, cache=True, error_model="numpy", _nrt=False, inline="always")
def clip(w, w_max):
    """w within [0, w_max]; NaN stays NaN."""
    w = w if not w < 0 else w_max * 0
    return w if not w > w_max else w_max


@numba.njit(nogil=True, cache=True, error_model="numpy", _nrt=False)
def arrive_static(spikes, row_start, target, weight, g):
    """g (n_post,) of one receptor += the weight of each arriving spike's neuron, at all its targets."""
    for j in spikes:
        w = weight[j]
        for i in target[row_start[j] : row_start[j + 1]]:
            g[i] += w


@numba.njit(nogil=True, cache=True, error_model="numpy", _nrt=False)
def arrive_plastic(spikes, row_start, target, gain, w, g):
    """As `arrive_static`, each synapse with its own weight."""
    base = row_start[0]
    for j in spikes:
        first, last = row_start[j], row_start[j + 1]
        targets, weights = target[first:last], w[first - base : last - base]
        for k in range(len(targets)):
            g[targets[k]] += gain * weights[k]


@numba.njit(nogil=True, cache=True, error_model="numpy", _nrt=False)
def arrive_and_learn(
    on_pre, p, spikes, row_start, target, gain, w_max, w, g, pre, post, pre2, post2, unit, v, c_exc, c_inh
):
    """As `arrive_plastic`, and `on_pre` changes each synapse after its old weight has been added to g."""
    base = row_start[0]
    unit_post, unit_post2, m = w_max.dtype.type(unit[X_POST]), w_max.dtype.type(unit[X_POST2]), w_max[0] * 0
    limit = w_max[0]
    for j in spikes:
        x_pre, x_pre2 = w.dtype.type(pre[j] * unit[X_PRE]), w.dtype.type(pre2[j] * unit[X_PRE2])
        first, last = row_start[j], row_start[j + 1]
        targets, weights = target[first:last], w[first - base : last - base]
        for k in range(len(targets)):
            i = targets[k]
            old = weights[k]
            g[i] += gain * old
            change = on_pre(
                old, x_pre, post[i] * unit_post, x_pre2, post2[i] * unit_post2, v[i], c_exc[i], c_inh[i], m, p
            )
            weights[k] = clip(w.dtype.type(old + change), limit)


@numba.njit(nogil=True, cache=True, error_model="numpy", _nrt=False)
def arrive_without_rule(
    spikes, row_start, target, gain, w_max, w, g, pre, post, pre2, post2, unit, v, c_exc, c_inh
):
    """`arrive_and_learn` where no rule changes anything on arrival."""
    arrive_plastic(spikes, row_start, target, gain, w, g)


@numba.njit(nogil=True, cache=True, error_model="numpy", _nrt=False)
def fire_and_learn(
    on_post, p, spikes, column_start, synapse, source, w_max, w, pre, post, pre2, post2, unit, v, c_exc, c_inh
):
    """`on_post` changes the incoming synapses of each neuron that spikes."""
    unit_pre, unit_pre2, m = w_max.dtype.type(unit[X_PRE]), w_max.dtype.type(unit[X_PRE2]), w_max[0] * 0
    limit = w_max[0]
    for i in spikes:
        x_post, x_post2 = w.dtype.type(post[i] * unit[X_POST]), w.dtype.type(post2[i] * unit[X_POST2])
        first, last = column_start[i], column_start[i + 1]
        sources, synapses = source[first:last], synapse[first:last]
        for k in range(len(sources)):
            j, s = sources[k], synapses[k]
            old = w[s]
            change = on_post(
                old, pre[j] * unit_pre, x_post, pre2[j] * unit_pre2, x_post2, v[i], c_exc[i], c_inh[i], m, p
            )
            w[s] = clip(w.dtype.type(old + change), limit)


@numba.njit(nogil=True, cache=True, error_model="numpy", _nrt=False)
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


@numba.njit(nogil=True, cache=True, error_model="numpy", _nrt=False)
def emit(t, seed, layout, processes, n, inputs, ring):
    """Neurons and sources spike; False when a voltage is NaN. n: NeuronState."""
    slot = t % len(ring.count)
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
        ring.count[slot, q] = found
    for q in range(len(layout.model), len(layout.first) - 1):
        ring.count[slot, q] = 0
    for k in range(len(processes.first)):
        q = processes.source[k]
        spikes = ring.spikes[slot, ring.first[q] : ring.first[q + 1]]
        ring.count[slot, q] = draw_process(seed, t, k, processes, inputs, spikes, ring.count[slot, q])
    return True


@numba.njit(nogil=True, cache=True, error_model="numpy", _nrt=False, inline="always")
def spikes_of(t, group, ring):
    """Indices of the neurons or afferents of a group that spiked at step t, within the group."""
    slot = t % len(ring.count)
    a = ring.first[group]
    return ring.spikes[slot, a : a + ring.count[slot, group]]


@numba.njit(nogil=True, cache=True, error_model="numpy", _nrt=False)
def fetch_rows(t, layout, wiring, plastic, ring):
    """Begin to load the synapses of the spikes that will arrive at step t."""
    for pathway in range(len(layout.pathway)):
        row = layout.pathway[pathway]
        first_row = wiring.row_first[pathway]
        k = row[PLASTIC]
        for j in spikes_of(t - row[DELAY] + len(ring.count), row[PRE], ring):
            first, last = wiring.row_start[first_row + j], wiring.row_start[first_row + j + 1]
            for s in range(first, last + 31, 32):
                prefetch(wiring.target, min(s, last))
            if k >= 0:
                base = wiring.plastic_first[k] - wiring.row_start[first_row]
                for s in range(first, last + 15, 16):
                    prefetch(plastic.w, base + min(s, last))


@numba.njit(nogil=True, cache=True, error_model="numpy", _nrt=False)
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


@numba.njit(nogil=True, cache=True, error_model="numpy", _nrt=False)
def transmit(t, learning, layout, wiring, n, plastic, ring, parameters):
    """Spikes arrive; plastic pathways learn, unless `learning` is False; traces count and decay."""
    for pathway in range(len(layout.pathway)):
        row = layout.pathway[pathway]
        arrivals = spikes_of(t - row[DELAY] + len(ring.count), row[PRE], ring)
        first_row = wiring.row_first[pathway]
        row_start = wiring.row_start[first_row : first_row + row[N_PRE] + 1]
        a, b = layout.first[row[POST]], layout.first[row[POST] + 1]
        g = n.g_inh[a:b] if row[INHIBITORY] else n.g_exc[a:b]
        k = row[PLASTIC]
        if k < 0:
            weight = layout.weight[row[FIRST_WEIGHT] : row[FIRST_WEIGHT] + row[N_PRE]]
            arrive_static(arrivals, row_start, wiring.target, weight, g)
            continue
        w = plastic.w[wiring.plastic_first[k] : wiring.plastic_first[k + 1]]
        traces = plastic.first[k]
        pre, post = plastic.trace[traces[0] : traces[1]], plastic.trace[traces[1] : traces[2]]
        pre2, post2 = plastic.trace[traces[2] : traces[3]], plastic.trace[traces[3] : traces[4]]
        if not learning:
            arrive_plastic(arrivals, row_start, wiring.target, plastic.gain[k], w, g)
            continue
        v, c_exc, c_inh = n.v_trace[a:b], n.c_exc[a:b], n.c_inh[a:b]
        w_max = plastic.w_max[k : k + 1]
        arrive_with_rule(
            k, parameters[k], arrivals, row_start, wiring.target, plastic.gain[k], w_max, w, g,
            pre, post, pre2, post2, plastic.unit[k], v, c_exc, c_inh,
        )  # fmt: skip
        fired = spikes_of(t, row[POST], ring)
        first_column = wiring.column_first[k]
        column_start = wiring.column_start[first_column : first_column + row[N_POST] + 1]
        fire_with_rule(
            k, parameters[k], fired, column_start, wiring.column_synapse, wiring.column_source, w_max, w,
            pre, post, pre2, post2, plastic.unit[k], v, c_exc, c_inh,
        )  # fmt: skip
        advance_trace(arrivals, pre, plastic.unit, plastic.decay, k, X_PRE)
        advance_trace(fired, post, plastic.unit, plastic.decay, k, X_POST)
        advance_trace(arrivals, pre2, plastic.unit, plastic.decay, k, X_PRE2)
        advance_trace(fired, post2, plastic.unit, plastic.decay, k, X_POST2)


@numba.njit(nogil=True, cache=True, error_model="numpy", _nrt=False)
def record(t, layout, ring, log):
    """Update the watched population's rate and the spike log; the status."""
    q = log.watched
    log.rate_hz[0] = log.rate_hz[0] * log.decay + ring.count[t % len(ring.count), q] * log.hz_per_spike
    log.rates[t] = log.rate_hz[0]
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


@numba.njit(nogil=True, cache=True, error_model="numpy", _nrt=False)
def live(first, last, learn_until, seed, layout, processes, wiring, n, inputs, plastic, ring, log, parameters):
    """Steps first..last-1, or until a blow-up; the number of steps lived so far and the status."""
    for t in range(first, last):
        fetch_rows(t, layout, wiring, plastic, ring)
        if not emit(t, seed, layout, processes, n, inputs, ring):
            return t, NOT_FINITE
        if t < learn_until:
            fetch_columns(t, layout, wiring, ring)
        transmit(t, t < learn_until, layout, wiring, n, plastic, ring, parameters)
        status = record(t, layout, ring, log)
        if status != ALIVE:
            return t + 1, status
    return last, ALIVE
