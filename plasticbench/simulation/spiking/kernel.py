"""The compiled life of a spiking network, the same for every rule and every neuron model.

A spike walks its row of synapses (arrival, `on_pre`) or its column (`on_post`); what a rule does there is called by
address, once a step and pathway.
"""

from __future__ import annotations

from plasticbench.simulation.compile import compiled, compiled_inline
from plasticbench.simulation.pointers import address_of, call_event
from plasticbench.simulation.spiking import steps

_FITS_CACHE = 1_000_000  # synapses: a network of no more stays in the second-level cache, and nothing is prefetched


@compiled_inline
def transmit(t, acting, learning, layout, wiring, neurons, plastic, ring, events, integer, filtering):
    """Spikes arrive; pathways that are `learning` change, if rules are `acting`; filters count and decay if asked."""
    in_integers = len(integer.sums) > 0
    for pathway in range(len(layout.pathway)):
        row = layout.pathway[pathway]
        arrivals = steps.spikes_of(t - row[steps.DELAY], row[steps.PRE], ring)
        k = row[steps.PLASTIC]
        if len(arrivals) == 0 and k < 0:
            continue
        first_row = wiring.row_first[pathway]
        row_start = wiring.row_start[first_row : first_row + row[steps.N_PRE] + 1]
        a = neurons.first[row[steps.POST], row[steps.RECEPTOR]]
        g = neurons.value[a : a + row[steps.N_POST]]
        if k < 0:
            weight = layout.weight[row[steps.FIRST_WEIGHT] : row[steps.FIRST_WEIGHT] + row[steps.N_PRE]]
            if in_integers:
                whole = integer.weight[row[steps.FIRST_WEIGHT] : row[steps.FIRST_WEIGHT] + row[steps.N_PRE]]
                sums = integer.sums[a : a + row[steps.N_POST]]
                steps.arrive_static(arrivals, row_start, wiring.target, whole, sums)
            else:
                steps.arrive_static(arrivals, row_start, wiring.target, weight, g)
            continue
        if acting and learning[k] and events.on_pre[k] != 0:
            call_event(events.on_pre[k], t, len(arrivals), address_of(arrivals), events.frame[k])
        else:
            w = plastic.w[wiring.plastic_first[k] : wiring.plastic_first[k + 1]]
            if in_integers:
                sums = integer.sums[a : a + row[steps.N_POST]]
                steps.arrive_plastic_as_integers(
                    arrivals, row_start, wiring.target, integer.gain[k], w, sums, integer.not_finite
                )
            else:
                steps.arrive_plastic(arrivals, row_start, wiring.target, plastic.gain[k], w, g)
        fired = steps.spikes_of(t, row[steps.POST], ring)
        if acting and learning[k] and events.on_post[k] != 0:
            call_event(events.on_post[k], t, len(fired), address_of(fired), events.frame[k])
        if acting and learning[k] and events.on_step[k] != 0:
            call_event(events.on_step[k], t, row[steps.N_PRE], row[steps.N_POST], events.frame[k])
        if filtering:
            steps.advance_filters(k, arrivals, fired, plastic)


@compiled
def live(
    first, last, ahead, learning, seed, layout, processes, wiring, neurons, inputs, plastic, ring, log, events, integer
):
    """Clock first..last-1, or until a blow-up or a full log; the clock then and the status.

    The life's steps are `ahead` of the clock.
    """
    large = len(wiring.target) > _FITS_CACHE
    any_learning = False
    for k in range(len(learning)):
        any_learning = any_learning | learning[k]
    for t in range(first, last):
        if not steps.has_room(log):
            return t, steps.NO_ROOM
        if large:
            steps.fetch_rows(t, layout, wiring, plastic, ring)
        if len(integer.sums) > 0:
            steps.take_integer_arrivals(neurons.value, integer)
        if not steps.emit(t, ahead, seed, seed, layout, processes, inputs, ring):
            return t, steps.NOT_FINITE
        if large and any_learning:
            steps.fetch_columns(t, layout, wiring, ring)
        transmit(t, True, learning, layout, wiring, neurons, plastic, ring, events, integer, True)
        status = steps.record(t, ahead, ring, log)
        if len(integer.sums) > 0 and integer.not_finite[0] != 0:
            status = steps.NOT_FINITE
        if status != steps.ALIVE:
            return t + 1, status
    return last, steps.ALIVE


@compiled
def begin_step(
    t, ahead, acting, learning, seed, layout, processes, wiring, neurons, inputs, plastic, ring, events, integer
):
    """A step up to where its filters count, rules `acting` or not; False when a voltage is NaN."""
    if len(integer.sums) > 0:
        steps.take_integer_arrivals(neurons.value, integer)
    if not steps.emit(t, ahead, seed, seed, layout, processes, inputs, ring):
        return False
    transmit(t, acting, learning, layout, wiring, neurons, plastic, ring, events, integer, False)
    return True


@compiled
def change_states(t, learning, layout, ring, events):
    """The events of rules that change states only, after `begin_step` without rules."""
    for pathway in range(len(layout.pathway)):
        row = layout.pathway[pathway]
        k = row[steps.PLASTIC]
        if k >= 0 and learning[k]:
            arrivals = steps.spikes_of(t - row[steps.DELAY], row[steps.PRE], ring)
            fired = steps.spikes_of(t, row[steps.POST], ring)
            if events.on_pre[k] != 0:
                call_event(events.on_pre[k], t, len(arrivals), address_of(arrivals), events.frame[k])
            if events.on_post[k] != 0:
                call_event(events.on_post[k], t, len(fired), address_of(fired), events.frame[k])
            if events.on_step[k] != 0:
                call_event(events.on_step[k], t, row[steps.N_PRE], row[steps.N_POST], events.frame[k])


@compiled
def change_weights(w, change, w_min, w_max):
    """A policy's Δw, clipped to [w_min, w_max]; NaN stays NaN."""
    for k in range(len(w)):
        new = w[k] + change[k]
        new = new if not new < w_min else w_min
        w[k] = new if not new > w_max else w_max


@compiled
def finish_step(t, ahead, layout, plastic, ring, log, integer):
    """The rest of a step, after `begin_step`; the status."""
    for pathway in range(len(layout.pathway)):
        row = layout.pathway[pathway]
        if row[steps.PLASTIC] >= 0:
            arrivals = steps.spikes_of(t - row[steps.DELAY], row[steps.PRE], ring)
            steps.advance_filters(row[steps.PLASTIC], arrivals, steps.spikes_of(t, row[steps.POST], ring), plastic)
    status = steps.record(t, ahead, ring, log)
    return steps.NOT_FINITE if len(integer.sums) > 0 and integer.not_finite[0] != 0 else status


@compiled
def has_room(log):
    """Whether the spike log can take another step."""
    return steps.has_room(log)


@compiled
def modulate(address, t, n_pre, n_post, frame):
    """A rule's `on_modulator` at all synapses of a pathway."""
    call_event(address, t, n_pre, n_post, frame)
