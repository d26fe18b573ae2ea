"""The parts of a spiking network's time step that no rule touches, compiled once: emission, arrival, traces, records.

Event-driven where spikes are: a spike walks its row of synapses.
"""

from __future__ import annotations

from plasticbench.simulation.compile import compiled, compiled_inline
from plasticbench.simulation.pointers import call_step
from plasticbench.simulation.prefetch import prefetch
from plasticbench.simulation.spiking.inputs import draw_process
from plasticbench.simulation.spiking.state import CHANGED, NEAREST, POST_SIDE

PRE, POST, RECEPTOR, DELAY, PLASTIC, FIRST_WEIGHT, N_PRE, N_POST = range(8)  # columns of Layout.pathway
ALIVE, LEFT_BAND, NOT_FINITE, NO_ROOM = 0, 1, 2, 3  # statuses
_SMALLEST_UNIT = 1e-20  # a filter's unit is renewed before numbers stored in it overflow a float32
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
def advance_filter(spikes, stored, pending, kind, unit, decay, x):
    """Filter x counts these spikes (or takes what events have added to it), then decays."""
    if kind[x] == NEAREST:
        for j in spikes:
            stored[j] = 1.0 / unit[x]
    elif kind[x] == CHANGED:
        for j in spikes:
            stored[j] += pending[j] / unit[x]
            pending[j] = 0.0
    else:
        for j in spikes:
            stored[j] += 1.0 / unit[x]
    unit[x] *= decay[x]
    if unit[x] < _SMALLEST_UNIT:
        for i in range(len(stored)):
            value = stored[i] * unit[x]
            stored[i] = value if abs(value) > _TINY else 0.0
        unit[x] = 1.0


@compiled
def advance_filters(k, arrivals, fired, plastic):
    """The filters of plastic pathway k."""
    for x in range(plastic.own[k], plastic.own[k + 1]):
        a, b = plastic.first[x], plastic.first[x + 1]
        spikes = fired if plastic.side[x] == POST_SIDE else arrivals
        changed = plastic.kind[x] == CHANGED
        pending = plastic.pending[a:b] if changed else plastic.pending[0:0]
        advance_filter(spikes, plastic.value[a:b], pending, plastic.kind, plastic.unit, plastic.decay, x)


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
def emit_inputs(t, ahead, seed, layout, processes, inputs, ring):
    """Sources spike; t is the clock, t + ahead the life's step."""
    slot = slot_of(t, ring)
    for q in range(len(layout.model), len(layout.first) - 1):
        ring.n_spikes[slot, q] = 0
    for k in range(len(processes.first)):
        q = processes.source[k]
        spikes = ring.spikes[slot, ring.first[q] : ring.first[q + 1]]
        ring.n_spikes[slot, q] = draw_process(
            seed, t, ahead, k, processes, inputs, spikes, ring.n_spikes[slot, q]
        )  # fmt: skip


@compiled_inline
def emit(t, ahead, seed, word, layout, processes, inputs, ring):
    """Neurons and sources spike; False when a voltage is NaN. Neurons write their spikes' indices into `ring.out`.

    t is the clock, t + ahead the life's step. word: the second argument of the neurons' compiled steps.
    """
    slot = slot_of(t, ring)
    for q in range(len(layout.model)):
        found = call_step(layout.model[q], t, word, layout.first[q + 1] - layout.first[q], layout.frame[q])
        if found < 0:
            return False
        spikes, a = ring.spikes[slot, ring.first[q] : ring.first[q + 1]], ring.first[q]
        for k in range(found):
            spikes[k] = ring.out[a + k]
        ring.n_spikes[slot, q] = found
    emit_inputs(t, ahead, seed, layout, processes, inputs, ring)
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
def record(t, ahead, ring, log):
    """Update rates and logs; the status. t is the clock; what is recorded is of the life's step t + ahead."""
    slot, now, status = slot_of(t, ring), t + ahead, ALIVE
    for r in range(len(log.rate_hz)):
        found = ring.n_spikes[slot, log.rate_group[r]]
        rate_hz = log.rate_hz[r] * log.rate_decay[r] + found * log.hz_per_spike[r]
        log.rate_hz[r] = rate_hz
        if log.rate_window[r, 0] <= now < log.rate_window[r, 1]:
            log.rates[log.rate_first[r] + now - log.rate_window[r, 0]] = rate_hz
        if not (rate_hz > log.low[r] and rate_hz < log.high[r]):
            status = LEFT_BAND
    for r in range(len(log.spikes_group)):
        if log.spikes_window[r, 0] <= now < log.spikes_window[r, 1]:
            place = log.spikes_first[r] + now - log.spikes_window[r, 0]
            log.spikes[place] = ring.n_spikes[slot, log.spikes_group[r]]
    for r in range(len(log.count_group)):
        if log.count_window[r, 0] <= now < log.count_window[r, 1]:
            for j in spikes_of(t, log.count_group[r], ring):
                log.counts[log.count_first[r] + j] += 1
    for r in range(len(log.train_group)):
        if log.train_window[r, 0] <= now < log.train_window[r, 1]:
            for j in spikes_of(t, log.train_group[r], ring):
                if j < log.train_n[r]:
                    place = log.n_logged[0]
                    log.logged[place, 0], log.logged[place, 1], log.logged[place, 2] = r, now, j
                    log.n_logged[0] = place + 1
    for r in range(len(log.since_group)):
        for j in spikes_of(t, log.since_group[r], ring):
            log.since[j] += 1
    return status


@compiled_inline
def has_room(log):
    """Whether the spike log can take another step, whatever spikes in it."""
    needed = 0
    for r in range(len(log.train_n)):
        needed += log.train_n[r]
    return log.n_logged[0] + needed <= len(log.logged)
