"""The compiled loop over lives of rate networks, the same for every rule: what a rule does is called by address.

No operation is reordered, so that a rule means what it says to the last bit; long sums have four partial sums.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from plasticbench.simulation.bytecode import WIDTH
from plasticbench.simulation.compile import compiled_plainly
from plasticbench.simulation.pointers import address_of, call_event
from plasticbench.simulation.rate.lives import MEMORY, MEMORY_AND_WEIGHTS

ON_STEP, ON_MODULATOR, SETTLE = 0, 1, 2
SIZES, PRE, POST, W, DW, PARAMETERS, M, SCRATCH, PARTIAL, ERR, ERR_PRE, PROGRAM, REGISTERS, FIRST_ITEM = range(14)


@numba.njit(inline="always")
def dot(a, b):
    """Σ a b of two rows of equal length."""
    t0, t1, t2, t3, whole = 0.0, 0.0, 0.0, 0.0, len(b) // 4 * 4
    for j in range(0, whole, 4):
        t0 += a[j] * b[j]
        t1 += a[j + 1] * b[j + 1]
        t2 += a[j + 2] * b[j + 2]
        t3 += a[j + 3] * b[j + 3]
    for j in range(whole, len(b)):
        t0 += a[j] * b[j]
    return (t0 + t1) + (t2 + t3)


@numba.njit(inline="always")
def outputs_of_batch(x, w, u, squashed, y):
    """y (n_outputs, n_items) of all items x (n_inputs, n_items); `squashed`: by tanh."""
    for i in range(w.shape[0]):
        for s in range(x.shape[1]):
            y[i, s] = 0.0
        for j in range(w.shape[1]):
            for s in range(x.shape[1]):
                y[i, s] += w[i, j] * x[j, s]
        for k in range(min(i, u.shape[1])):
            for s in range(x.shape[1]):
                y[i, s] += u[i, k] * y[k, s]
        if squashed:
            for s in range(x.shape[1]):
                y[i, s] = math.tanh(y[i, s])


@numba.njit(inline="always")
def outputs_of_item(x, w, u, w1, b1, squashed, y, summed):
    """y (n_outputs, 1) of one item x (n_inputs,); `squashed`: by tanh; `summed` (n_inputs,) is scratch."""
    for i in range(w.shape[0]):
        if len(b1) > 0:
            for j in range(w.shape[1]):
                summed[j] = w[i, j] + w1[i, j]
            y[i, 0] = 1.0 / (1.0 + math.exp(-(dot(summed, x) + b1[i])))
        else:
            drive = dot(w[i], x)
            for k in range(min(i, u.shape[1])):
                drive += u[i, k] * y[k, 0]
            y[i, 0] = math.tanh(drive) if squashed else drive


@numba.njit(inline="always")
def copy_into(target, source):
    """Loops, because an array assignment takes numba three seconds to compile."""
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            target[i, j] = source[i, j]


@numba.njit(inline="always")
def clear(x):
    """Every number 0."""
    for i in range(len(x)):
        x[i] = 0.0


@numba.njit(inline="always")
def add_within(w, dw, limit):
    """w += dw unless a row's norm leaves the limit or is not a number; whether it was added."""
    for i in range(w.shape[0]):
        square = 0.0
        for j in range(w.shape[1]):
            square += (w[i, j] + dw[i, j]) ** 2
        if not square <= limit * limit:
            return False
    for i in range(w.shape[0]):
        for j in range(w.shape[1]):
            w[i, j] += dw[i, j]
    return True


@numba.njit(inline="always")
def learn(t, acting, delivered, n_items, functions, frames, new, w, u, dw, du, before, limit):
    """The pathways whose rules are `acting` change, wholly or not at all; whether the weights stay within the limit."""
    for i in range(w.shape[0]):
        clear(dw[i])
        clear(du[i])
    for k in range(2):
        clear(new[k])
        for event in range(3):
            if functions[k, event] == 0:
                continue
            if event == SETTLE or (acting[k] and (event != ON_MODULATOR or delivered)):
                call_event(functions[k, event], t, n_items, k, address_of(frames[k]))
    lateral = u.shape[1] > 0
    if lateral:
        copy_into(before, w)
    if not add_within(w, dw, limit):
        return False
    if lateral and not add_within(u, du, limit):
        copy_into(w, before)
        return False
    return True


@compiled_plainly
def live(
    first, last, n_steps, limit, squashed, stream, x, order, w_init, u_init, w1, b1, w2, b2, parameters,
    functions, words, n_constants, constants, n_registers, item_first, rates, acting, anew, delivery, signals,
    modulator, w_end, u_end, readout, modulation,
    sampled_at, w_sampled, u_sampled, lived, blown_up,
):  # fmt: skip
    """Lifetimes first..last-1 of (n_rules x n_seeds), whose index is rule * n_seeds + seed.

    x: (n_seeds, n_inputs, n_items) of a batch, (n_seeds, n_items, n_inputs) of a stream, whose `order`
    (n_seeds, n_steps) is then read. parameters (n_rules, 2, most); functions (2, n_events): addresses; words (2, most):
    what the interpreter reads, with n_constants (2,) of `constants` (n_rules, 2, most) in the first of n_registers;
    item_first (2, n + 1): where a pathway's states and traces begin among its own; rates (n_rules, 2, n); acting
    (n_steps, 2) and anew (n_seeds, n_steps): as of `RateLives`; delivery (n_steps,):
    which one, or -1; modulator: the address of its value. Slow arrays have a leading axis of rules or of 1.
    """
    n_seeds, n_outputs, n_inputs = w_init.shape
    n_items = 1 if stream else x.shape[2]
    y = np.empty((n_outputs, n_items))
    summed, scratch, partial = np.empty(n_inputs), np.empty(n_items), np.empty(n_items)
    dw, du = np.zeros((n_outputs, n_inputs)), np.zeros((n_outputs, n_outputs))
    before, m = np.empty((n_outputs, n_inputs)), np.zeros(n_outputs)
    most = item_first.max()
    value, new = np.zeros((2, most)), np.zeros((2, most))
    sizes = np.array([[n_outputs, n_inputs], [n_outputs, n_outputs]])
    n_slots = item_first.shape[1] - 1
    registers = np.empty((2, n_registers, max(WIDTH, n_items)))
    frames = np.zeros((2, FIRST_ITEM + 3 * n_slots), np.int64)
    mod_frame = np.zeros(4, np.int64)
    mod_signal = np.zeros(1)
    for life in range(first, last):
        rule, seed = life // n_seeds, life % n_seeds
        w, u = w_end[life], u_end[life]
        copy_into(w, w_init[seed])
        copy_into(u, u_init[seed])
        clear(m)
        for k in range(2):
            clear(value[k])
            frames[k, SIZES], frames[k, POST] = address_of(sizes[k]), address_of(y)
            frames[k, PARAMETERS] = address_of(parameters[rule % len(parameters), k])
            frames[k, M], frames[k, SCRATCH], frames[k, PARTIAL] = (
                address_of(m),
                address_of(scratch),
                address_of(partial),
            )
            frames[k, PROGRAM], frames[k, REGISTERS] = address_of(words[k]), address_of(registers[k])
            for q in range(n_constants[k]):
                for s in range(registers.shape[2]):
                    registers[k, q, s] = constants[rule, k, q]
            for q in range(n_slots):
                place = FIRST_ITEM + 3 * q
                frames[k, place] = address_of(value[k]) + 8 * item_first[k, q]
                frames[k, place + 1] = address_of(new[k]) + 8 * item_first[k, q]
                frames[k, place + 2] = address_of(rates[rule % len(rates), k]) + 8 * q
        frames[0, W], frames[0, DW] = address_of(w), address_of(dw)
        frames[1, W], frames[1, DW], frames[1, PRE] = address_of(u), address_of(du), address_of(y)
        slow = rule % w1.shape[0]
        lived[life] = n_steps
        for t in range(n_steps):
            if anew[seed, t] >= MEMORY:
                clear(value[0])
                clear(value[1])
            if anew[seed, t] == MEMORY_AND_WEIGHTS:
                copy_into(w, w_init[seed])
                copy_into(u, u_init[seed])
            if sampled_at[t] >= 0:
                copy_into(w_sampled[life, sampled_at[t]], w)
                copy_into(u_sampled[life, sampled_at[t]], u)
            if stream:
                item = x[seed, order[seed, t]]
                frames[0, PRE] = address_of(item)
                outputs_of_item(item, w, u, w1[slow], b1[slow], squashed, y, summed)
                if readout.shape[1] > 0:
                    logit = b2[slow, 0]
                    for i in range(n_outputs):
                        logit += w2[slow, i] * y[i, 0]
                    readout[life, t] = logit
            else:
                frames[0, PRE] = address_of(x[seed])
                outputs_of_batch(x[seed], w, u, squashed, y)
            if delivery[t] >= 0:
                mod_signal[0] = signals[seed, delivery[t]]
                mod_frame[0], mod_frame[1], mod_frame[2] = address_of(mod_signal), address_of(y), address_of(m)
                mod_frame[3] = address_of(modulation[life, delivery[t]])
                call_event(modulator, t, n_outputs, n_items, address_of(mod_frame))
            sound = learn(t, acting[t], delivery[t] >= 0, n_items, functions, frames, new, w, u, dw, du, before, limit)
            clear(m)
            if not sound:
                lived[life] = t
                blown_up[life] = True
                break
        if sampled_at[n_steps] >= 0 and not blown_up[life]:
            copy_into(w_sampled[life, sampled_at[n_steps]], w)
            copy_into(u_sampled[life, sampled_at[n_steps]], u)
