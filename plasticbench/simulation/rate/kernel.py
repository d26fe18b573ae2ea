"""The compiled loop over rate lifetimes. `rate_cpu` puts generated definitions in place of those above the marker.

As it stands it is plain Python with rules that change nothing, which is what type checkers and readers see.
"""

import math

import numba
import numpy as np

STREAM = False
SIGMOID = False
LATERAL = False
RECONSTRUCTION = False


def delta_feedforward(pre, post, w, m, reconstruction, p):
    return 0.0


def delta_lateral(pre, post, w, m, reconstruction, p):
    return 0.0


# --- generated code ends here ---

# The parts are inlined before compilation, so that there is one compiled function: a part that is compiled by itself
# exists twice, and which copy a process runs (and with it a loss's last bits) would depend on what it found cached.
# Sums may be reordered (so that loops over samples vectorise), but NaN and infinity keep their meaning.
FAST = {"reassoc", "contract", "arcp", "nsz"}


@numba.njit(inline="always")
def outputs_of_batch(x, w, u, y):
    """y (n_outputs, n_items) of all items x (n_inputs, n_items)."""
    for i in range(w.shape[0]):
        for s in range(x.shape[1]):
            y[i, s] = 0.0
        for j in range(w.shape[1]):
            for s in range(x.shape[1]):
                y[i, s] += w[i, j] * x[j, s]
        if LATERAL:
            for k in range(i):
                for s in range(x.shape[1]):
                    y[i, s] += u[i, k] * y[k, s]


@numba.njit(inline="always")
def change_of_batch(x, y, w, u, dw, du, partial, p_feedforward, p_lateral):
    """Mean Δw and Δu over the items; `partial` (n_items,) is scratch for the reconstruction."""
    n_outputs, n_inputs = w.shape
    n_items = x.shape[1]
    for j in range(n_inputs):
        for s in range(n_items):
            partial[s] = 0.0
        for i in range(n_outputs):
            weight, total = w[i, j], 0.0
            if RECONSTRUCTION:
                for s in range(n_items):
                    partial[s] += weight * y[i, s]
            for s in range(n_items):
                total += delta_feedforward(x[j, s], y[i, s], weight, 0.0, partial[s], p_feedforward)
            dw[i, j] = total / n_items
    if LATERAL:
        for i in range(n_outputs):
            for k in range(i):
                total = 0.0
                for s in range(n_items):
                    total += delta_lateral(y[k, s], y[i, s], u[i, k], 0.0, 0.0, p_lateral)
                du[i, k] = total / n_items


@numba.njit(inline="always")
def outputs_of_item(x, w, u, w1, b1, y):
    """y (n_outputs,) of one item x (n_inputs,)."""
    for i in range(w.shape[0]):
        drive = 0.0
        if SIGMOID:
            for j in range(w.shape[1]):
                drive += (w[i, j] + w1[i, j]) * x[j]
            y[i] = 1.0 / (1.0 + math.exp(-(drive + b1[i])))
        else:
            for j in range(w.shape[1]):
                drive += w[i, j] * x[j]
            if LATERAL:
                for k in range(i):
                    drive += u[i, k] * y[k]
            y[i] = drive


@numba.njit(inline="always")
def change_of_item(x, y, w, u, dw, du, partial, p_feedforward, p_lateral):
    """Δw and Δu of one item; `partial` (n_inputs,) is scratch for the reconstruction."""
    for j in range(w.shape[1]):
        partial[j] = 0.0
    for i in range(w.shape[0]):
        post = y[i]
        if RECONSTRUCTION:
            for j in range(w.shape[1]):
                partial[j] += w[i, j] * post
        for j in range(w.shape[1]):
            dw[i, j] = delta_feedforward(x[j], post, w[i, j], 0.0, partial[j], p_feedforward)
        if LATERAL:
            for k in range(i):
                du[i, k] = delta_lateral(y[k], post, u[i, k], 0.0, 0.0, p_lateral)


@numba.njit(inline="always")
def copy_into(target, source):
    """Loops, because an array assignment takes numba three seconds to compile."""
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            target[i, j] = source[i, j]


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


@numba.njit(fastmath=FAST, nogil=True, cache=True, error_model="numpy")
def live(
    first, last, n_steps, limit, x, order, w_init, u_init, w1, b1, w2, b2, p_feedforward, p_lateral,
    w_end, u_end, readout, lived, blown_up,
):  # fmt: skip
    """Lifetimes first..last-1 of (n_rules x n_seeds), whose index is rule * n_seeds + seed.

    x: (n_seeds, n_inputs, n_items) of a batch, (n_seeds, n_items, n_inputs) of a stream, whose `order`
    (n_seeds, n_steps) is then read. Slow arrays and parameters have a leading axis of rules or of 1.
    """
    n_seeds, n_outputs, n_inputs = w_init.shape
    y_batch = np.empty((n_outputs, x.shape[2]))
    y_item = np.empty(n_outputs)
    partial = np.empty(x.shape[2])
    dw = np.empty((n_outputs, n_inputs))
    du = np.zeros((n_outputs, n_outputs))
    before = np.empty((n_outputs, n_inputs))
    for life in range(first, last):
        rule, seed = life // n_seeds, life % n_seeds
        w, u = w_end[life], u_end[life]
        copy_into(w, w_init[seed])
        copy_into(u, u_init[seed])
        p, q = p_feedforward[rule % p_feedforward.shape[0]], p_lateral[rule % p_lateral.shape[0]]
        slow = rule % w1.shape[0]
        lived[life] = n_steps
        for t in range(n_steps):
            if STREAM:
                item = x[seed, order[seed, t]]
                outputs_of_item(item, w, u, w1[slow], b1[slow], y_item)
                if SIGMOID:
                    logit = b2[slow, 0]
                    for i in range(n_outputs):
                        logit += w2[slow, i] * y_item[i]
                    readout[life, t] = logit
                change_of_item(item, y_item, w, u, dw, du, partial, p, q)
            else:
                outputs_of_batch(x[seed], w, u, y_batch)
                change_of_batch(x[seed], y_batch, w, u, dw, du, partial, p, q)
            if LATERAL:
                copy_into(before, w)
            sound = add_within(w, dw, limit)
            if LATERAL and sound:
                sound = add_within(u, du, limit)
                if not sound:
                    copy_into(w, before)  # an update is whole or not at all
            if not sound:
                lived[life] = t
                blown_up[life] = True
                break
