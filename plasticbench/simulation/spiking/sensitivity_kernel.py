"""The compiled life of a spiking network beside its derivatives by the rules' parameters (forward mode).

`spiking_sensitivity` puts generated definitions in place of those above the marker.
"""

from plasticbench.simulation.compiled import compiled, compiled_inline, generated
from plasticbench.simulation.spiking import sensitivity_steps as sensitivity
from plasticbench.simulation.spiking import steps
from plasticbench.simulation.spiking.steps import X_POST, X_POST2, X_PRE, X_PRE2


@generated
def change_of(event, k, w, x_pre, x_post, x_pre2, x_post2, v, c_exc, c_inh, m, partials, p):
    """Δw of an event at plastic pathway k; its derivatives into `partials`."""


# --- generated code ends here ---

ON_PRE, ON_POST = 0, 1
_FIRST_PARAMETER = 9  # in `partials`, after what the generated functions take


@compiled_inline
def clip(w, w_max):
    """w within [0, w_max], and the share of its tangent that passes, as torch's `clamp` and `minimum` have it."""
    if w > w_max:
        return w_max, 0.0
    if w < 0.0:
        return 0.0, 0.0
    return w, 0.5 if w == w_max else 1.0


@compiled_inline
def trace_of(k, x, index, plastic):
    """Trace x of a neuron or afferent of plastic pathway k."""
    return plastic.trace[plastic.first[k, x] + index] * plastic.unit[k, x]


@compiled
def learn(event, t, k, s, j, i, neuron, plastic, tangents, directions, p):
    """Synapse s of plastic pathway k, from afferent j to its population's neuron i, changes at an event."""
    x_pre, x_pre2 = trace_of(k, X_PRE, j, plastic), trace_of(k, X_PRE2, j, plastic)
    x_post, x_post2 = trace_of(k, X_POST, i, plastic), trace_of(k, X_POST2, i, plastic)
    old, partials = plastic.w[s], tangents.partials
    change = change_of(event, k, old, x_pre, x_post, x_pre2, x_post2, 0.0, 0.0, 0.0, 0.0, partials, p)
    plastic.w[s], passed = clip(old + change, plastic.w_max[k])
    if passed == 0.0:  # a product with 0 would let an infinite derivative through as NaN
        tangents.w[s, :] = 0.0
    else:
        pass_on(passed, t, k, s, j, neuron, plastic, tangents, directions)


@compiled
def pass_on(passed, t, k, s, j, neuron, plastic, tangents, directions):
    """The tangents of synapse s after a change whose derivatives are `partials`; `passed` is the clipping's share."""
    partials, dw = tangents.partials, tangents.w[s]
    of_w, of_post, of_post2 = 1.0 + partials[0], partials[1 + X_POST], partials[1 + X_POST2]
    post, post2 = tangents.post[k, neuron], tangents.post2[k, neuron]
    for q in range(len(dw)):
        dw[q] = passed * (of_w * dw[q] + of_post * post[q] + of_post2 * post2[q])
    own = directions.first[k]
    for q in range(own, directions.first[k + 1]):
        dw[q] += passed * partials[_FIRST_PARAMETER + q - own]
    for x in (X_PRE, X_PRE2):
        q = directions.time_constant[k, x]
        if q >= 0:
            place = plastic.first[k, x] + j
            age = t * plastic.trace[place] - tangents.moment[place]
            dw[q] += passed * partials[1 + x] * (directions.slope[k, x] * age * plastic.unit[k, x])


@compiled_inline
def transmit_plastic(
    t, k, row, row_start, learning, arrivals, layout, wiring, n, plastic, ring, tangents, directions, p
):
    """Spikes arrive at plastic pathway k, which learns where `learning`; traces count and decay."""
    a, base = layout.first[row[steps.POST]], wiring.plastic_first[k]
    g = n.g_inh if row[steps.INHIBITORY] else n.g_exc
    dg = tangents.g_inh if row[steps.INHIBITORY] else tangents.g_exc
    for j in arrivals:
        for place in range(row_start[j], row_start[j + 1]):
            i, s = wiring.target[place], base + place - row_start[0]
            g[a + i] += plastic.gain[k] * plastic.w[s]
            for q in range(tangents.w.shape[1]):
                dg[a + i, q] += plastic.gain[k] * tangents.w[s, q]
            if learning and directions.learns[k, ON_PRE]:
                learn(ON_PRE, t, k, s, j, i, a + i, plastic, tangents, directions, p)
    if not learning:
        return
    fired = steps.spikes_of(t, row[steps.POST], ring)
    if directions.learns[k, ON_POST]:
        for i in fired:
            column = wiring.column_first[k] + i
            for place in range(wiring.column_start[column], wiring.column_start[column + 1]):
                s, j = base + wiring.column_synapse[place], wiring.column_source[place]
                learn(ON_POST, t, k, s, j, i, a + i, plastic, tangents, directions, p)
    sensitivity.advance_traces(t, k, a, arrivals, fired, plastic, tangents, directions)


@compiled_inline
def transmit(t, learning, layout, wiring, n, plastic, ring, parameters, tangents, directions):
    """Spikes arrive at every pathway; plastic ones learn, unless `learning` is False."""
    for pathway in range(len(layout.pathway)):
        row = layout.pathway[pathway]
        arrivals = steps.spikes_of(t - row[steps.DELAY], row[steps.PRE], ring)
        first_row, k = wiring.row_first[pathway], row[steps.PLASTIC]
        row_start = wiring.row_start[first_row : first_row + row[steps.N_PRE] + 1]
        if k < 0:
            a, b = layout.first[row[steps.POST]], layout.first[row[steps.POST] + 1]
            g = n.g_inh[a:b] if row[steps.INHIBITORY] else n.g_exc[a:b]
            weight = layout.weight[row[steps.FIRST_WEIGHT] : row[steps.FIRST_WEIGHT] + row[steps.N_PRE]]
            steps.arrive_static(arrivals, row_start, wiring.target, weight, g)
        else:
            transmit_plastic(
                t, k, row, row_start, learning, arrivals, layout, wiring, n, plastic, ring, tangents, directions,
                parameters[k],
            )  # fmt: skip


@compiled
def live(
    first, last, learn_until, seed, layout, processes, wiring, n, inputs, plastic, ring, log, parameters,
    tangents, directions,
):  # fmt: skip
    """Steps first..last-1, or until a blow-up; the number of steps lived so far and the status."""
    a, b = layout.first[log.watched], layout.first[log.watched + 1]
    for t in range(first, last):
        if t & 255 == 0:
            for x in (tangents.v, tangents.g_exc, tangents.g_inh):
                sensitivity.flush(x)
        if not sensitivity.emit(t, seed, layout, processes, n, inputs, ring, tangents):
            return t, steps.NOT_FINITE
        transmit(t, t < learn_until, layout, wiring, n, plastic, ring, parameters, tangents, directions)
        for i in range(a, b):
            for q in range(tangents.w.shape[1]):
                tangents.spikes[t, q] += tangents.spike[i, q]
        status = steps.record(t, layout, ring, log)
        if status != steps.ALIVE:
            return t + 1, status
    return last, steps.ALIVE
