"""The compiled loop over rules and clamped protocols, the same for every rule: what a rule does is called by address.

Event-driven: between two moments a trace or a neuron's state is multiplied by one factor, and the few different
intervals of a network's protocols have their factors computed once a rule.
"""

from __future__ import annotations

import math

import numpy as np

from plasticbench.networks.clamped import POST_SPIKE, PRE_SPIKE
from plasticbench.simulation.bytecode import WIDTH
from plasticbench.simulation.compile import compiled_plainly
from plasticbench.simulation.pointers import address_of, call_event
from plasticbench.simulation.spiking.event_source import FIXED

COUNTS, NEAREST, CHANGED = 0, 1, 2  # how a filter takes its neuron's spikes: adds 1, becomes 1, adds `pending`
FIRST_ITEM = len(FIXED)  # of a frame; what stands before is named in `FIXED`
ROW_START, TARGET, W, G, GAIN, W_MAX, PARAMETERS, COLUMN_START, SYNAPSE, SOURCE, M, W_MIN, PROGRAM, REGISTERS = (
    FIXED.index(name)
    for name in (
        "row_start", "target", "w", "g", "gain", "w_max", "parameters", "column_start", "synapse", "source", "m",
        "w_min", "program", "registers",
    )
)  # fmt: skip


@compiled_plainly
def live(
    first, last, w_init, w_max, on_pre, on_post, words, constants, n_numbers, parameters, filter_rate, filter_spike,
    filter_kind, state_rate, intervals_s, interval, kinds, elapsed_ns, w_end, n_lived, blown_up,
):  # fmt: skip
    """Rules first..last-1 under every protocol.

    on_pre, on_post: addresses, 0 where nothing happens. words (n,): what the interpreter reads, with `constants`
    (n_rules, n_constants) in the first of its registers, of n_numbers in all. parameters (n_rules, n_parameters);
    filter_rate (n_rules, n_filters) in 1/s, filter_spike (n_filters,): the bit of the spikes that it takes, filter_kind
    (n_filters,); state_rate (n_rules, n_states) in 1/ns, negative. intervals_s (n,), interval, kinds, elapsed_ns
    (n_protocols, n_steps): which of the intervals lies before each moment. Written: w_end (n_rules, n_protocols),
    n_lived (n_rules,), blown_up (n_rules,).
    """
    n_filters, n_states, n_steps = filter_rate.shape[1], state_rate.shape[1], kinds.shape[1]
    row_start, only, first_synapse = np.array([0, 1]), np.zeros(1, np.uint16), np.zeros(1, np.uint32)
    w, zero, bound = np.empty(1), np.zeros(1), np.array([w_max])
    value, pending, unit = np.zeros(n_filters), np.zeros(n_filters), np.ones(1)
    state, since = np.zeros(n_states), np.zeros(n_states, np.int64)
    decay = np.empty((len(intervals_s), n_filters))
    frame = np.zeros(FIRST_ITEM + 3 * (n_filters + n_states), np.int64)
    registers = np.zeros(n_numbers)
    for rule in range(first, last):
        # In the loop, since an array is freed after the last line that names it, whoever has its address.
        frame[ROW_START], frame[COLUMN_START] = address_of(row_start), address_of(row_start)
        frame[TARGET], frame[SOURCE], frame[SYNAPSE] = address_of(only), address_of(only), address_of(first_synapse)
        frame[W], frame[W_MIN], frame[W_MAX] = address_of(w), address_of(zero), address_of(bound)
        frame[G], frame[GAIN], frame[M] = address_of(zero), address_of(zero), address_of(zero)
        for q in range(n_filters):
            place = FIRST_ITEM + 3 * q
            frame[place], frame[place + 1] = address_of(value) + 8 * q, address_of(unit)
            frame[place + 2] = address_of(pending) + 8 * q
        frame[PROGRAM], frame[REGISTERS] = address_of(words), address_of(registers)
        frame[PARAMETERS] = address_of(parameters[rule])
        for q in range(constants.shape[1]):
            for s in range(WIDTH):
                registers[q * WIDTH + s] = constants[rule, q]
        for q in range(n_states):
            place = FIRST_ITEM + 3 * (n_filters + q)
            frame[place], frame[place + 1] = address_of(state) + 8 * q, address_of(since) + 8 * q
            frame[place + 2] = address_of(state_rate[rule]) + 8 * q
        for k in range(len(intervals_s)):
            for q in range(n_filters):
                decay[k, q] = math.exp(-intervals_s[k] * filter_rate[rule, q])
        n_lived[rule] = n_steps
        for protocol in range(len(kinds)):
            w[0], now = w_init, 0
            for q in range(n_filters):
                value[q], pending[q] = 0.0, 0.0
            for q in range(n_states):
                state[q], since[q] = 0.0, 0
            for step in range(n_steps):
                kind = kinds[protocol, step]
                if kind == 0:
                    break
                now += elapsed_ns[protocol, step]
                for q in range(n_filters):
                    value[q] *= decay[interval[protocol, step], q]
                if kind & PRE_SPIKE and on_pre != 0:
                    call_event(on_pre, now, 1, address_of(only), address_of(frame))
                if kind & POST_SPIKE and on_post != 0:
                    call_event(on_post, now, 1, address_of(only), address_of(frame))
                if not math.isfinite(w[0]):
                    n_lived[rule], blown_up[rule] = min(n_lived[rule], step), True
                    break
                for q in range(n_filters):
                    if kind & filter_spike[q]:
                        if filter_kind[q] == NEAREST:
                            value[q] = 1.0
                        elif filter_kind[q] == CHANGED:
                            value[q] += pending[q]
                            pending[q] = 0.0
                        else:
                            value[q] += 1.0
            w_end[rule, protocol] = w[0]
