"""The interpreter of rules at rate networks: compiled once, for rules of any structure (see `programs`).

It does what `event_source` writes for one structure, in the same order: the same bits.
"""

from __future__ import annotations

import numpy as np

from plasticbench.simulation.bytecode import WIDTH, executor
from plasticbench.simulation.compile import c_callable, compiled
from plasticbench.simulation.pointers import f8, i8
from plasticbench.simulation.rate.kernel import PARTIAL, POST, PROGRAM, REGISTERS, SIZES, W
from plasticbench.simulation.rate.programs import (
    DECAY,
    INNER,
    ITEMS_INNER,
    ITEMS_OUTER,
    N_HEAD,
    N_LOAD,
    OUTER,
    RECONSTRUCTION,
    SYNAPSES,
    TRACE,
)

execute = executor()
# Of numpy's type, since a function is compiled again for each literal that it is called with.
STEP, MODULATOR, SETTLING = np.int64(0), np.int64(1), np.int64(2)
_SIGNATURE = "void(int64, int64, int64, int64)"


@compiled
def fill(kind, source, register, outer, first, count, n, n_pre):
    """A register's numbers for `count` inner neurons from `first` on, of `n` items each."""
    r, x = f8(register), f8(source)
    if kind == ITEMS_INNER:
        for k in range(count * n):
            r[k] = x[first * n + k]
        return
    for k in range(count):
        if kind == ITEMS_OUTER:
            for s in range(n):
                r[k * n + s] = x[outer * n + s]
            continue
        if kind == OUTER:
            value = x[outer]
        elif kind == INNER:
            value = x[first + k]
        else:
            value = x[(first + k) * n_pre + outer]
        for s in range(n):
            r[k * n + s] = value


@compiled
def reconstruct(register, frame_at, outer, first, count, n, n_pre):
    """What the outputs up to each of these reconstruct of an input, item by item."""
    frame = i8(frame_at)
    r, w, post, partial = f8(register), f8(frame[W]), f8(frame[POST]), f8(frame[PARTIAL])
    for k in range(count):
        v_w = w[(first + k) * n_pre + outer]
        for s in range(n):
            partial[s] += v_w * post[(first + k) * n + s]
            r[k * n + s] = partial[s]


@compiled
def mean(register, first, n):
    """Of n numbers, with four partial sums."""
    x = f8(register)
    t0, t1, t2, t3, whole = 0.0, 0.0, 0.0, 0.0, n // 4 * 4
    for s in range(0, whole, 4):
        t0 += x[first + s]
        t1 += x[first + s + 1]
        t2 += x[first + s + 2]
        t3 += x[first + s + 3]
    for s in range(whole, n):
        t0 += x[first + s]
    return ((t0 + t1) + (t2 + t3)) / n


@compiled
def decay(frame_at, slot, count):
    """States take their changes and decay."""
    frame = i8(frame_at)
    value, new, rate = f8(frame[slot]), f8(frame[slot + 1]), f8(frame[slot + 2])[0]
    for k in range(count):
        value[k] = (value[k] + new[k]) * rate


@compiled
def keep(kind, frame_at, slot, place, change):
    """Adds a change to what it changes; a trace moves towards it."""
    frame = i8(frame_at)
    x = f8(frame[slot])
    if kind == TRACE:
        x[place] += (change - x[place]) * f8(frame[slot + 2])[0]
    else:
        x[place] += change


@compiled
def do_job(at, words_at, frame_at, n_items, lateral):
    """One change everywhere, from the values before."""
    frame, words = i8(frame_at), i8(words_at)
    kind, side, slot, n_loads, n_instructions = words[at], words[at + 1], words[at + 2], words[at + 4], words[at + 5]
    n_post, n_pre = i8(frame[SIZES])[0], i8(frame[SIZES])[1]
    n = n_items if words[at + 3] else 1
    group = max(1, WIDTH // n)
    result = frame[REGISTERS] + words[at + 6]
    loads = at + N_HEAD
    code = words_at + 8 * (loads + N_LOAD * n_loads)
    at_synapses = kind == SYNAPSES
    n_inner = n_post if at_synapses or side == 1 else n_pre
    for outer in range(n_pre if at_synapses else 1):
        first_inner = outer + 1 if at_synapses and lateral else 0
        for first in range(first_inner, n_inner, group):
            count = min(group, n_inner - first)
            for q in range(n_loads):
                how, source = words[loads + N_LOAD * q], frame[words[loads + N_LOAD * q + 1]]
                register = frame[REGISTERS] + words[loads + N_LOAD * q + 2]
                if how == RECONSTRUCTION:
                    if first == first_inner:
                        partial = f8(frame[PARTIAL])
                        for s in range(n):
                            partial[s] = 0.0
                    reconstruct(register, frame_at, outer, first, count, n, n_pre)
                elif first == first_inner or (how != OUTER and how != ITEMS_OUTER):
                    fill(how, source, register, outer, first, count, n, n_pre)
            execute(code, n_instructions, frame[REGISTERS], count * n)
            for k in range(count):
                change = mean(result, k * n, n) if words[at + 3] else f8(result)[k]
                place = (first + k) * n_pre + outer if at_synapses else first + k
                keep(kind, frame_at, slot, place, change)


@compiled
def act(section, n_items, lateral, frame_at):
    """All jobs of a section, in their order."""
    frame = i8(frame_at)
    words_at = frame[PROGRAM]
    words = i8(words_at)
    sizes = i8(frame[SIZES])
    at = words[section] + 1
    for _ in range(words[words[section]]):
        if words[at] == DECAY:
            side = words[at + 1]
            count = sizes[1] if side == 0 else sizes[0] if side == 1 else sizes[0] * sizes[1]
            decay(frame_at, words[at + 2], count)
        else:
            do_job(at, words_at, frame_at, n_items, lateral)
        at += N_HEAD + N_LOAD * words[at + 4] + 4 * words[at + 5]


@c_callable(_SIGNATURE)
def on_step(t, n_items, lateral, frame):
    act(STEP, n_items, lateral, frame)


@c_callable(_SIGNATURE)
def on_modulator(t, n_items, lateral, frame):
    act(MODULATOR, n_items, lateral, frame)


@c_callable(_SIGNATURE)
def settle(t, n_items, lateral, frame):
    act(SETTLING, n_items, lateral, frame)
