"""The compiled life of a spiking network. `spiking_cpu` puts generated definitions in place of those above the marker.

A spike walks its row of synapses (arrival, `on_pre`) or its column (`on_post`). Rules and plastic weights are
float64, whatever the type of the neurons' state.
"""

from plasticbench.simulation.compiled import compiled, compiled_inline, generated
from plasticbench.simulation.spiking import steps
from plasticbench.simulation.spiking.steps import X_POST, X_POST2, X_PRE, X_PRE2


@generated
def arrive_with_rule(k, *arguments):
    """Arrivals at plastic pathway k, under its rule."""


@generated
def fire_with_rule(k, *arguments):
    """Postsynaptic spikes at plastic pathway k, under its rule."""


# --- generated code ends here ---

_FITS_CACHE = 1_000_000  # synapses: a network of no more stays in the second-level cache, and nothing is prefetched


@compiled_inline
def clip(w, w_max):
    """w within [0, w_max]; NaN stays NaN."""
    w = w if not w < 0.0 else 0.0
    return w if not w > w_max else w_max


@compiled
def arrive_and_learn(
    on_pre, p, spikes, row_start, target, gain, w_max, w, g, pre, post, pre2, post2, unit, v, c_exc, c_inh
):
    """As `arrive_plastic`, and `on_pre` changes each synapse after its old weight has been added to g."""
    base = row_start[0]
    unit_post, unit_post2, limit = unit[X_POST], unit[X_POST2], float(w_max)
    for j in spikes:
        x_pre, x_pre2 = pre[j] * unit[X_PRE], pre2[j] * unit[X_PRE2]
        first, last = row_start[j], row_start[j + 1]
        targets, weights = target[first:last], w[first - base : last - base]
        for k in range(len(targets)):
            i = targets[k]
            old = float(weights[k])
            g[i] += gain * weights[k]
            change = on_pre(
                old, x_pre, post[i] * unit_post, x_pre2, post2[i] * unit_post2, v[i], c_exc[i], c_inh[i], 0.0, p
            )
            weights[k] = clip(old + change, limit)


@compiled
def arrive_without_rule(spikes, row_start, target, gain, w_max, w, g, pre, post, pre2, post2, unit, v, c_exc, c_inh):
    """`arrive_and_learn` where no rule changes anything on arrival."""
    steps.arrive_plastic(spikes, row_start, target, gain, w, g)


@compiled
def fire_and_learn(
    on_post, p, spikes, column_start, synapse, source, w_max, w, pre, post, pre2, post2, unit, v, c_exc, c_inh
):
    """`on_post` changes the incoming synapses of each neuron that spikes."""
    unit_pre, unit_pre2, limit = unit[X_PRE], unit[X_PRE2], float(w_max)
    for i in spikes:
        x_post, x_post2 = post[i] * unit[X_POST], post2[i] * unit[X_POST2]
        first, last = column_start[i], column_start[i + 1]
        sources, synapses = source[first:last], synapse[first:last]
        for k in range(len(sources)):
            j, s = sources[k], synapses[k]
            old = float(w[s])
            change = on_post(
                old, pre[j] * unit_pre, x_post, pre2[j] * unit_pre2, x_post2, v[i], c_exc[i], c_inh[i], 0.0, p
            )
            w[s] = clip(old + change, limit)


@compiled_inline
def transmit(t, learning, layout, wiring, n, plastic, ring, parameters):
    """Spikes arrive; plastic pathways learn, unless `learning` is False; traces count and decay."""
    for pathway in range(len(layout.pathway)):
        row = layout.pathway[pathway]
        arrivals = steps.spikes_of(t - row[steps.DELAY], row[steps.PRE], ring)
        if len(arrivals) == 0 and row[steps.PLASTIC] < 0:
            continue
        first_row = wiring.row_first[pathway]
        row_start = wiring.row_start[first_row : first_row + row[steps.N_PRE] + 1]
        a, b = layout.first[row[steps.POST]], layout.first[row[steps.POST] + 1]
        g = n.g_inh[a:b] if row[steps.INHIBITORY] else n.g_exc[a:b]
        k = row[steps.PLASTIC]
        if k < 0:
            weight = layout.weight[row[steps.FIRST_WEIGHT] : row[steps.FIRST_WEIGHT] + row[steps.N_PRE]]
            steps.arrive_static(arrivals, row_start, wiring.target, weight, g)
            continue
        w = plastic.w[wiring.plastic_first[k] : wiring.plastic_first[k + 1]]
        if not learning:
            steps.arrive_plastic(arrivals, row_start, wiring.target, plastic.gain[k], w, g)
            continue
        traces = plastic.first[k]
        pre, post = plastic.trace[traces[0] : traces[1]], plastic.trace[traces[1] : traces[2]]
        pre2, post2 = plastic.trace[traces[2] : traces[3]], plastic.trace[traces[3] : traces[4]]
        v, c_exc, c_inh = n.v_trace[a:b], n.c_exc[a:b], n.c_inh[a:b]
        w_max = plastic.w_max[k]
        arrive_with_rule(
            k, parameters[k], arrivals, row_start, wiring.target, plastic.gain[k], w_max, w, g,
            pre, post, pre2, post2, plastic.unit[k], v, c_exc, c_inh,
        )  # fmt: skip
        fired = steps.spikes_of(t, row[steps.POST], ring)
        first_column = wiring.column_first[k]
        column_start = wiring.column_start[first_column : first_column + row[steps.N_POST] + 1]
        fire_with_rule(
            k, parameters[k], fired, column_start, wiring.column_synapse, wiring.column_source, w_max, w,
            pre, post, pre2, post2, plastic.unit[k], v, c_exc, c_inh,
        )  # fmt: skip
        steps.advance_traces(k, arrivals, fired, plastic)


@compiled
def live(first, last, learn_until, seed, layout, processes, wiring, n, inputs, plastic, ring, log, parameters):
    """Steps first..last-1, or until a blow-up; the number of steps lived so far and the status."""
    large = len(wiring.target) > _FITS_CACHE
    for t in range(first, last):
        if large:
            steps.fetch_rows(t, layout, wiring, plastic, ring)
        if not steps.emit(t, seed, layout, processes, n, inputs, ring):
            return t, steps.NOT_FINITE
        if large and t < learn_until:
            steps.fetch_columns(t, layout, wiring, ring)
        transmit(t, t < learn_until, layout, wiring, n, plastic, ring, parameters)
        status = steps.record(t, layout, ring, log)
        if status != steps.ALIVE:
            return t + 1, status
    return last, steps.ALIVE


@compiled
def begin_step(t, seed, layout, processes, wiring, n, inputs, plastic, ring, parameters):
    """A step up to where rules act, for lifetimes that are stepped by hand; False when a voltage is NaN."""
    if not steps.emit(t, seed, layout, processes, n, inputs, ring):
        return False
    transmit(t, False, layout, wiring, n, plastic, ring, parameters)
    return True


@compiled
def finish_step(t, layout, plastic, ring, log):
    """The rest of a step, after the rules; the status."""
    for pathway in range(len(layout.pathway)):
        row = layout.pathway[pathway]
        if row[steps.PLASTIC] >= 0:
            arrivals = steps.spikes_of(t - row[steps.DELAY], row[steps.PRE], ring)
            steps.advance_traces(row[steps.PLASTIC], arrivals, steps.spikes_of(t, row[steps.POST], ring), plastic)
    return steps.record(t, layout, ring, log)
