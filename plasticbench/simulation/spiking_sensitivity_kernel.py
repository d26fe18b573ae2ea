"""The compiled life of a spiking network beside its derivatives by the rules' parameters (forward mode).

Each parameter of each plastic pathway is a direction; every number that depends on it carries a tangent for each
direction. `spiking_sensitivity` puts generated definitions in place of those above the marker.
"""

from plasticbench.simulation import spiking_neurons as neurons
from plasticbench.simulation import spiking_steps as steps
from plasticbench.simulation.compiled import compiled, compiled_inline, generated
from plasticbench.simulation.spiking_steps import X_POST, X_POST2, X_PRE, X_PRE2

N_DIRECTIONS, N_VARIABLES = 1, 9
SLOPE_PER_V = 1.0  # of the spike's surrogate derivative


@generated
def change_of(event, k, w, x_pre, x_post, x_pre2, x_post2, v, c_exc, c_inh, m, partials, p):
    """Δw of an event at plastic pathway k; its derivatives into `partials`."""


# --- generated code ends here ---

ON_PRE, ON_POST = 0, 1
_TINY = 1e-30  # tangents below it are set to 0 now and then: denormal numbers are slow


@compiled
def flush(x):
    """Set what is tiny in x (n, n_directions) to 0."""
    for i in range(len(x)):
        for q in range(N_DIRECTIONS):
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
        for q in range(N_DIRECTIONS):
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
    slot = t % len(ring.n_spikes)
    for q in range(len(layout.model)):
        spikes = ring.spikes[slot, ring.first[q] : ring.first[q + 1]]
        found = step_neurons(t, layout.constants[q], layout.first[q], layout.first[q + 1], n, spikes, tangents)
        if found == neurons.NOT_A_NUMBER:
            return False
        ring.n_spikes[slot, q] = found
    steps.emit_inputs(t, seed, layout, processes, inputs, ring)
    return True


@compiled_inline
def clip(w, w_max):
    """w within [0, w_max], and the share of its tangent that passes, as torch's `clamp` and `minimum` have it."""
    if w > w_max:
        return w_max, 0.0
    if w < 0.0:
        return 0.0, 0.0
    return w, 0.5 if w == w_max else 1.0


@compiled
def learn(event, t, k, s, j, i, neuron, plastic, tangents, directions, p):
    """Synapse s of plastic pathway k, from afferent j to its population's neuron i, changes at an event."""
    first, unit, partials = plastic.first[k], plastic.unit[k], tangents.partials
    x_pre, x_post = plastic.trace[first[X_PRE] + j] * unit[X_PRE], plastic.trace[first[X_POST] + i] * unit[X_POST]
    x_pre2, x_post2 = (
        plastic.trace[first[X_PRE2] + j] * unit[X_PRE2],
        plastic.trace[first[X_POST2] + i] * unit[X_POST2],
    )
    old = plastic.w[s]
    change = change_of(event, k, old, x_pre, x_post, x_pre2, x_post2, 0.0, 0.0, 0.0, 0.0, partials, p)
    plastic.w[s], passed = clip(old + change, plastic.w_max[k])
    dw = tangents.w[s]
    if passed == 0.0:  # a product with 0 would let an infinite derivative through as NaN
        dw[:] = 0.0
        return
    of_w, of_post, of_post2 = 1.0 + partials[0], partials[1 + X_POST], partials[1 + X_POST2]
    post, post2 = tangents.post[k, neuron], tangents.post2[k, neuron]
    for q in range(N_DIRECTIONS):
        dw[q] = passed * (of_w * dw[q] + of_post * post[q] + of_post2 * post2[q])
    own = directions.first[k]
    for q in range(own, directions.first[k + 1]):
        dw[q] += passed * partials[N_VARIABLES + q - own]
    for x in (X_PRE, X_PRE2):
        q = directions.time_constant[k, x]
        if q >= 0:
            place = first[x] + j
            age = t * plastic.trace[place] - tangents.moment[place]
            dw[q] += passed * partials[1 + x] * (directions.slope[k, x] * age * unit[x])


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
                for q in range(N_DIRECTIONS):
                    d[q] = (d[q] + spike[q]) * plastic.decay[k, x]
                d[directions.time_constant[k, x]] += directions.slope[k, x] * stored[i] * plastic.unit[k, x]


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
            for q in range(N_DIRECTIONS):
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
    advance_traces(t, k, a, arrivals, fired, plastic, tangents, directions)


@compiled_inline
def transmit(t, learning, layout, wiring, n, plastic, ring, parameters, tangents, directions):
    """Spikes arrive at every pathway; plastic ones learn, unless `learning` is False."""
    for pathway in range(len(layout.pathway)):
        row = layout.pathway[pathway]
        arrivals = steps.spikes_of(t - row[steps.DELAY] + len(ring.n_spikes), row[steps.PRE], ring)
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
                flush(x)
        if not emit(t, seed, layout, processes, n, inputs, ring, tangents):
            return t, steps.NOT_FINITE
        transmit(t, t < learn_until, layout, wiring, n, plastic, ring, parameters, tangents, directions)
        for i in range(a, b):
            for q in range(N_DIRECTIONS):
                tangents.spikes[t, q] += tangents.spike[i, q]
        status = steps.record(t, layout, ring, log)
        if status != steps.ALIVE:
            return t + 1, status
    return last, steps.ALIVE


@compiled
def gradient(of_rates, of_spikes, log, spikes, total):
    """Add to `total` (n_directions,) the derivative of a loss through a life's recordings.

    of_rates, of_spikes: (n_steps,) derivatives of the loss by each step's rate and number of spikes.
    """
    carried = 0.0  # of the rate after a step, through all that follows
    for t in range(len(of_spikes) - 1, -1, -1):
        carried = carried * log.decay + of_rates[t]
        by_spike = of_spikes[t] + carried * log.hz_per_spike
        for q in range(N_DIRECTIONS):
            total[q] += by_spike * spikes[t, q]
