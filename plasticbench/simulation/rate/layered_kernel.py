"""The compiled loop over lives of layered networks: forward, back, and what the rule does, which is called by address.

Rows of numbers hold all layers one after the other: neurons from the inputs on, synapses as (n_post, n_pre) by layer.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from plasticbench.simulation.compile import compiled_plainly
from plasticbench.simulation.pointers import address_of, call_event
from plasticbench.simulation.rate.kernel import (
    DW,
    ERR,
    ERR_PRE,
    FIRST_ITEM,
    ON_STEP,
    PARAMETERS,
    PARTIAL,
    POST,
    PRE,
    SCRATCH,
    SETTLE,
    SIZES,
    M,
    W,
    clear,
    dot,
)


@numba.njit(inline="always")
def forward(w, sizes, neuron, synapse, sharpness, y, slope, logits):
    """Activities y of all layers from those of the inputs, the slopes of hidden neurons, and the outputs' logits."""
    n_layers = len(sizes) - 1
    for k in range(n_layers):
        n_pre, below, above = sizes[k], y[neuron[k] : neuron[k + 1]], neuron[k + 1]
        for i in range(sizes[k + 1]):
            row = synapse[k] + i * n_pre
            z = dot(w[row : row + n_pre], below)
            if k == n_layers - 1:
                logits[i] = z
                continue
            decayed = math.exp(-abs(sharpness * z))
            y[above + i] = max(z, 0.0) + math.log1p(decayed) / sharpness
            slope[above + i] = (1.0 if z >= 0.0 else decayed) / (1.0 + decayed)
    largest, total = logits.max(), 0.0
    for i in range(len(logits)):
        y[neuron[n_layers] + i] = math.exp(logits[i] - largest)
        total += y[neuron[n_layers] + i]
    for i in range(len(logits)):
        y[neuron[n_layers] + i] /= total


@numba.njit(inline="always")
def backward(w, feedback, transposed, sizes, neuron, synapse, back, slope, err):
    """Errors of the hidden layers from those of the outputs, along the fixed feedback or the transposed weights."""
    for k in range(len(sizes) - 2, 0, -1):
        n, n_above, above = sizes[k], sizes[k + 1], err[neuron[k + 1] : neuron[k + 2]]
        for j in range(n):
            total = 0.0
            if transposed:
                for i in range(n_above):
                    total += w[synapse[k] + i * n + j] * above[i]
            else:
                row = back[k - 1] + j * n_above
                total = dot(feedback[row : row + n_above], above)
            err[neuron[k] + j] = total * slope[neuron[k] + j]


@numba.njit(inline="always")
def add_within(w, dw, sizes, synapse, limit):
    """w += dw unless a neuron's norm leaves the limit or is not a number; whether it was added. dw is used up."""
    for place in range(len(w)):
        dw[place] += w[place]
    for k in range(len(sizes) - 1):
        for i in range(sizes[k + 1]):
            row = dw[synapse[k] + i * sizes[k] : synapse[k] + (i + 1) * sizes[k]]
            if not dot(row, row) <= limit * limit:
                return False
    for place in range(len(w)):
        w[place] = dw[place]
    return True


@compiled_plainly
def live(
    first, last, limit, sharpness, transposed, sizes, x, labels, order, w_init, feedback, acting, parameters,
    functions, item_first, rates, w_end, readout, lived, blown_up,
):  # fmt: skip
    """Lifetimes first..last-1 of (n_rules x n_seeds), whose index is rule * n_seeds + seed.

    sizes (n_layers + 1,); x (n_seeds, n_items, n_inputs), labels (n_seeds, n_items), order (n_seeds, n_steps); w_init
    (n_seeds, n_synapses), feedback (n_seeds, n), empty where `transposed`; acting (n_steps, n_layers): whose rules act;
    parameters, functions, item_first, rates as in `kernel.live`, of each layer. Written: w_end (n_lives, n_synapses),
    readout (n_lives, n_steps, n_outputs), lived, blown_up (n_lives,).
    """
    n_seeds, n_steps = order.shape
    n_layers, n_outputs = len(sizes) - 1, sizes[-1]
    neuron, synapse = np.zeros(n_layers + 2, np.int64), np.zeros(n_layers + 1, np.int64)
    neuron[1:] = np.cumsum(sizes)
    synapse[1:] = np.cumsum(sizes[1:] * sizes[:-1])
    back = synapse[1:] - synapse[1]  # feedback to layer k has the sizes of the forward weights to layer k + 1
    y, slope, err = np.zeros(neuron[-1]), np.zeros(neuron[-1]), np.zeros(neuron[-1])
    logits, dw, m = np.zeros(n_outputs), np.zeros(synapse[-1]), np.zeros(1)
    scratch, partial = np.empty(1), np.empty(1)
    most, n_slots = item_first.max(), item_first.shape[1] - 1
    value, new = np.zeros((n_layers, most)), np.zeros((n_layers, most))
    shapes = np.stack((sizes[1:], sizes[:-1]), 1)
    frames = np.zeros((n_layers, FIRST_ITEM + 3 * n_slots), np.int64)
    for life in range(first, last):
        rule, seed = life // n_seeds, life % n_seeds
        # In the loop, since an array is freed after the last line that names it, whoever has its address.
        for k in range(n_layers):
            frames[k, SIZES], frames[k, M] = address_of(shapes[k]), address_of(m)
            frames[k, PRE], frames[k, POST] = address_of(y[neuron[k] :]), address_of(y[neuron[k + 1] :])
            frames[k, ERR_PRE], frames[k, ERR] = address_of(err[neuron[k] :]), address_of(err[neuron[k + 1] :])
            frames[k, DW], frames[k, SCRATCH] = address_of(dw[synapse[k] :]), address_of(scratch)
            frames[k, PARTIAL] = address_of(partial)
        w = w_end[life]
        for place in range(len(w)):
            w[place] = w_init[seed, place]
        for k in range(n_layers):
            clear(value[k])
            frames[k, W] = address_of(w[synapse[k] :])
            frames[k, PARAMETERS] = address_of(parameters[rule, k])
            for q in range(n_slots):
                place = FIRST_ITEM + 3 * q
                frames[k, place] = address_of(value[k]) + 8 * item_first[k, q]
                frames[k, place + 1] = address_of(new[k]) + 8 * item_first[k, q]
                frames[k, place + 2] = address_of(rates[rule, k]) + 8 * q
        lived[life] = n_steps
        for t in range(n_steps):
            item = order[seed, t]
            for j in range(sizes[0]):
                y[j] = x[seed, item, j]
            forward(w, sizes, neuron, synapse, sharpness, y, slope, logits)
            for i in range(n_outputs):
                readout[life, t, i] = logits[i]
                err[neuron[n_layers] + i] = y[neuron[n_layers] + i] - (1.0 if i == labels[seed, item] else 0.0)
            backward(w, feedback[seed], transposed, sizes, neuron, synapse, back, slope, err)
            clear(dw)
            for k in range(n_layers):
                clear(new[k])
                if acting[t, k] and functions[k, ON_STEP] != 0:
                    call_event(functions[k, ON_STEP], t, 1, 0, address_of(frames[k]))
                if functions[k, SETTLE] != 0:
                    call_event(functions[k, SETTLE], t, 1, 0, address_of(frames[k]))
            if not add_within(w, dw, sizes, synapse, limit):
                lived[life] = t
                blown_up[life] = True
                break
