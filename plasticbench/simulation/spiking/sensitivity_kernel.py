"""The compiled life of a spiking network beside its derivatives by the rules' parameters (forward mode).

Every number that depends on the rules' parameters carries a tangent for each of them, its direction.
"""

from __future__ import annotations

from plasticbench.simulation.compile import compiled, compiled_inline
from plasticbench.simulation.pointers import address_of, call_event
from plasticbench.simulation.spiking import steps
from plasticbench.simulation.spiking.state import NEAREST, POST_SIDE

_TINY = 1e-30  # tangents below it are set to 0 now and then: denormal numbers are slow


@compiled
def flush(x):
    """Set what is tiny in x to 0."""
    for i in range(len(x)):
        x[i] = x[i] if abs(x[i]) > _TINY else 0.0


@compiled_inline
def clip(w, w_max):
    """w within [0, w_max], and the share of its tangent that passes, as torch's `clamp` and `minimum` have it."""
    if w > w_max:
        return w_max, 0.0
    if w < 0.0:
        return 0.0, 0.0
    return w, 0.5 if w == w_max else 1.0


@compiled
def learn(function, t, k, s, j, i, plastic, tangents, directions, p):
    """Synapse s of plastic pathway k, from afferent j to its population's neuron i, changes at an event."""
    first = plastic.own[k]
    tangents.values[0], tangents.values[1] = plastic.w[s], plastic.w_max[k]
    for x in range(first, plastic.own[k + 1]):
        neuron = i if plastic.side[x] == POST_SIDE else j
        tangents.values[2 + x - first] = plastic.value[plastic.first[x] + neuron] * plastic.unit[x]
    call_event(
        function, address_of(tangents.values), address_of(tangents.partials), address_of(p),
        address_of(tangents.result),
    )  # fmt: skip
    plastic.w[s], passed = clip(plastic.w[s] + tangents.result[0], plastic.w_max[k])
    if passed == 0.0:  # a product with 0 would let an infinite derivative through as NaN
        for q in range(tangents.w.shape[1]):
            tangents.w[s, q] = 0.0
    else:
        pass_on(passed, t, k, s, j, i, plastic, tangents, directions)


@compiled
def pass_on(passed, t, k, s, j, i, plastic, tangents, directions):
    """The tangents of synapse s after a change whose derivatives are `partials`; `passed` is the clipping's share."""
    partials, dw, first = tangents.partials, tangents.w[s], plastic.own[k]
    for q in range(len(dw)):
        dw[q] = (1.0 + partials[0]) * dw[q]
    for x in range(first, plastic.own[k + 1]):
        of_trace = partials[2 + x - first]
        place = plastic.first[x] + (i if plastic.side[x] == POST_SIDE else j)
        if plastic.side[x] == POST_SIDE:
            for q in range(len(dw)):
                dw[q] += of_trace * tangents.post[place, q]
        else:
            age = t * plastic.value[place] - tangents.moment[place]
            dw[directions.time_constant[x]] += of_trace * (directions.slope[x] * age * plastic.unit[x])
    own, n_read = directions.first[k], 2 + plastic.own[k + 1] - first
    for q in range(own, directions.first[k + 1]):
        dw[q] += partials[n_read + q - own]
    for q in range(len(dw)):
        dw[q] *= passed


@compiled
def advance_filters(t, k, a, arrivals, fired, plastic, tangents, directions):
    """As `steps.advance_filters`; a is the postsynaptic population's first neuron.

    x = Σ decay^(age of a spike), so dx/dτ = dt/τ² Σ age decay^age: what a presynaptic trace needs for it is the sum
    of its spikes' steps, weighted as the trace weights them (`moment`).
    """
    for x in range(plastic.own[k], plastic.own[k + 1]):
        b, e = plastic.first[x], plastic.first[x + 1]
        stored, nearest = plastic.value[b:e], plastic.kind[x] == NEAREST
        if plastic.side[x] == POST_SIDE:
            advance_post(x, a, b, stored, nearest, fired, plastic, tangents, directions)
            continue
        moment = tangents.moment[b:e]
        for j in arrivals:
            moment[j] = t / plastic.unit[x] + (0.0 if nearest else moment[j])
        unit = plastic.unit[x] * plastic.decay[x]
        steps.advance_filter(arrivals, stored, plastic.pending[0:0], plastic.kind, plastic.unit, plastic.decay, x)
        if plastic.unit[x] != unit:  # the trace is now in a new unit
            for j in range(len(moment)):
                moment[j] = moment[j] * unit if stored[j] > 0.0 else 0.0


@compiled
def advance_post(x, a, b, stored, nearest, fired, plastic, tangents, directions):
    """A postsynaptic trace and its tangents."""
    if nearest:
        for i in fired:
            for q in range(tangents.post.shape[1]):
                tangents.post[b + i, q] = 0.0
    steps.advance_filter(fired, stored, plastic.pending[0:0], plastic.kind, plastic.unit, plastic.decay, x)
    for i in range(len(stored)):
        d, spike = tangents.post[b + i], tangents.spike[a + i]
        for q in range(len(d)):
            d[q] = (d[q] + spike[q]) * plastic.decay[x]
        d[directions.time_constant[x]] += directions.slope[x] * stored[i] * plastic.unit[x]


@compiled_inline
def transmit_plastic(t, k, row, row_start, learning, arrivals, layout, wiring, neurons, plastic, ring, tangents,
                     directions, functions, p):  # fmt: skip
    """Spikes arrive at plastic pathway k, which learns where `learning`; traces count and decay."""
    a, base = layout.first[row[steps.POST]], wiring.plastic_first[k]
    g = neurons.first[row[steps.POST], row[steps.RECEPTOR]]
    for j in arrivals:
        for place in range(row_start[j], row_start[j + 1]):
            i, s = wiring.target[place], base + place - row_start[0]
            neurons.value[g + i] += plastic.gain[k] * plastic.w[s]
            for q in range(tangents.w.shape[1]):
                tangents.state[g + i, q] += plastic.gain[k] * tangents.w[s, q]
            if learning and functions[k, 0] != 0:
                learn(functions[k, 0], t, k, s, j, i, plastic, tangents, directions, p)
    fired = steps.spikes_of(t, row[steps.POST], ring)
    if learning and functions[k, 1] != 0:
        for i in fired:
            column = wiring.column_first[k] + i
            for place in range(wiring.column_start[column], wiring.column_start[column + 1]):
                s, j = base + wiring.column_synapse[place], wiring.column_source[place]
                learn(functions[k, 1], t, k, s, j, i, plastic, tangents, directions, p)
    advance_filters(t, k, a, arrivals, fired, plastic, tangents, directions)


@compiled
def live(
    first, last, learning, layout, processes, wiring, neurons, inputs, plastic, ring, log, seed, tangents, directions,
    functions, parameters,
):  # fmt: skip
    """Steps first..last-1, or until a blow-up; the number of steps lived so far and the status."""
    n_directions = tangents.w.shape[1]
    for t in range(first, last):
        if not steps.has_room(log):
            return t, steps.NO_ROOM
        if t & 255 == 0:
            flush(tangents.state.reshape(-1))
        if not steps.emit(t, 0, seed, n_directions, layout, processes, inputs, ring):
            return t, steps.NOT_FINITE
        for pathway in range(len(layout.pathway)):
            row = layout.pathway[pathway]
            arrivals = steps.spikes_of(t - row[steps.DELAY], row[steps.PRE], ring)
            first_row, k = wiring.row_first[pathway], row[steps.PLASTIC]
            row_start = wiring.row_start[first_row : first_row + row[steps.N_PRE] + 1]
            if k < 0:
                a = neurons.first[row[steps.POST], row[steps.RECEPTOR]]
                weight = layout.weight[row[steps.FIRST_WEIGHT] : row[steps.FIRST_WEIGHT] + row[steps.N_PRE]]
                steps.arrive_static(
                    arrivals, row_start, wiring.target, weight, neurons.value[a : a + row[steps.N_POST]]
                )
            else:
                transmit_plastic(
                    t, k, row, row_start, learning[k], arrivals, layout, wiring, neurons, plastic, ring, tangents,
                    directions, functions, parameters[k],
                )  # fmt: skip
        for r in range(len(log.rate_group)):
            a, b = layout.first[log.rate_group[r]], layout.first[log.rate_group[r] + 1]
            for i in range(a, b):
                for q in range(n_directions):
                    tangents.spikes[r, t, q] += tangents.spike[i, q]
        for r in range(len(log.spikes_group)):
            a, b = layout.first[log.spikes_group[r]], layout.first[log.spikes_group[r] + 1]
            for i in range(a, b):
                for q in range(n_directions):
                    tangents.spikes[len(log.rate_group) + r, t, q] += tangents.spike[i, q]
        status = steps.record(t, 0, ring, log)
        if status != steps.ALIVE:
            return t + 1, status
    return last, steps.ALIVE


@compiled
def add_through_rate(of_rates, start, decay, hz_per_spike, spikes, total):
    """Add to `total` (n_directions,) the derivative of a loss through a filtered rate.

    of_rates: (n,) derivatives by the rate after the steps start .. start + n - 1; spikes (n_steps, n_directions).
    """
    carried = 0.0  # of the rate after a step, through all that follows
    for t in range(start + len(of_rates) - 1, -1, -1):
        carried = carried * decay + (of_rates[t - start] if t >= start else 0.0)
        for q in range(len(total)):
            total[q] += carried * hz_per_spike * spikes[t, q]
