"""The interpreter of rules at spiking pathways: compiled once for each type of state, for rules of any structure.

It does what `event_source` writes for one structure, in the same order: the same bits. The synapses of a row or column
are taken `WIDTH` at a time; none of them occurs twice in one.
"""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType

import numpy as np

from plasticbench.rules.batch import PathwayStructure
from plasticbench.simulation.bytecode import WIDTH
from plasticbench.simulation.compile import compile_module
from plasticbench.simulation.pointers import BY_KIND
from plasticbench.simulation.spiking import programs
from plasticbench.simulation.spiking.event_source import ARRIVAL, EVENTS, FIXED, INTEGERS, NUMBERS


def interpreted_events(
    structure: PathwayStructure, dtype: type, index: type, arrivals: str = NUMBERS
) -> dict[str, int]:
    """The address of each event's function, as of `compiled_events`."""
    module = _module(np.dtype(dtype).name, np.dtype(index).name, arrivals)
    return {event: getattr(module, event).address for event in EVENTS if structure.targets(event)}


@lru_cache(maxsize=16)
def _module(scalar: str, index: str, arrivals: str) -> ModuleType:
    return compile_module(_source(scalar, index, arrivals))


def _source(scalar: str, index: str, arrivals: str) -> str:
    """The module's source: `_TEMPLATE` with the types, and what a spike adds to the neurons that it reaches."""
    state = BY_KIND[scalar]
    receptor, gain = ("i4", "f8") if arrivals == INTEGERS else (state, state)
    names = {name.upper(): k for name, k in vars(programs).items() if name.isupper() and isinstance(k, int)}
    names |= {"WIDTH": WIDTH, "NOTHING": 0, "YES": 1}
    names |= {f"AT_{name.upper()}": k for k, name in enumerate(FIXED)}
    names |= {part.upper().replace(" ", "_"): k for k, part in enumerate(programs.PARTS)}
    # Of numpy's type, since a function is compiled again for each literal that it is called with.
    constants = "".join(f"{name} = np.int64({value})\n" for name, value in names.items())
    arrival = "\n".join(f"        {line}" for line in ARRIVAL[arrivals]) or "        pass"
    replaced = {"STATE_TYPE": state, "INDEX_TYPE": BY_KIND[index], "RECEPTOR_TYPE": receptor, "GAIN_TYPE": gain}
    text = _TEMPLATE.replace("        ARRIVAL", arrival)
    for name, kind in replaced.items():
        text = text.replace(name, kind)
    return _HEAD + "\nexecute = executor()\n" + constants + text


_HEAD = """import math

import numpy as np

from plasticbench.simulation.bytecode import executor
from plasticbench.simulation.compile import c_callable, compiled
from plasticbench.simulation.pointers import f4, f8, i4, i8, u2, u4
"""

_TEMPLATE = '''

@compiled
def fill(register, value, n):
    r = f8(register)
    for s in range(n):
        r[s] = value


@compiled
def load_one(kind, side, slot, register, own, n, t, frame_at, others_at, synapses_at):
    """A register's numbers at n synapses, whose other neurons and places are given; or at n neurons."""
    frame, others, synapses, r = i8(frame_at), i8(others_at), i8(synapses_at), f8(register)
    if kind == WEIGHT:
        w = f8(frame[AT_W])
        for s in range(n):
            r[s] = w[synapses[s]]
    elif kind == W_MAX:
        fill(register, f8(frame[AT_W_MAX])[0], n)
    elif kind == STATE:
        state, since, rate = f8(frame[slot]), i8(frame[slot + 1]), f8(frame[slot + 2])[0]
        for s in range(n):
            k = synapses[s]
            elapsed = np.float64(t - since[k])
            r[s] = state[k] * math.exp(rate * elapsed)
    elif kind == FILTER:
        value, unit = STATE_TYPE(frame[slot]), f8(frame[slot + 1])[0]
        if side == OWN:
            fill(register, value[own] * unit, n)
        else:
            for s in range(n):
                r[s] = value[others[s]] * unit
    elif kind == MODULATOR:
        m = f8(frame[AT_M])
        if side == OWN:
            fill(register, m[own], n)
        else:
            for s in range(n):
                r[s] = m[others[s]]
    else:
        neuron = STATE_TYPE(frame[slot])
        if side == OWN:
            fill(register, np.float64(neuron[own]), n)
        else:
            for s in range(n):
                r[s] = np.float64(neuron[others[s]])


@compiled
def load(part_at, wanted, own, n, t, frame_at, registers, others_at, synapses_at):
    """The registers of one side."""
    part = i8(part_at)
    for q in range(part[0]):
        a = N_HEAD + N_LOAD * q
        if part[a + 1] == wanted:
            load_one(
                part[a], wanted, part[a + 2], registers + part[a + 3], own, n, t, frame_at, others_at, synapses_at
            )


@compiled
def keep(kind, slot, change_at, before_at, n, t, frame_at, others_at, synapses_at):
    """n changes, to what they change."""
    frame, others, synapses = i8(frame_at), i8(others_at), i8(synapses_at)
    d, v = f8(change_at), f8(before_at)
    if kind == TO_WEIGHT:
        w, w_min, w_max = f8(frame[AT_W]), f8(frame[AT_W_MIN])[0], f8(frame[AT_W_MAX])[0]
        for s in range(n):
            new = v[s] + d[s]
            new = new if not new < w_min else w_min
            w[synapses[s]] = new if not new > w_max else w_max
    elif kind == TO_STATE:
        state, since = f8(frame[slot]), i8(frame[slot + 1])
        for s in range(n):
            state[synapses[s]] = v[s] + d[s]
            since[synapses[s]] = t
    elif kind == PENDING:
        pending = f8(frame[slot])
        for s in range(n):
            pending[others[s]] += d[s]
    else:
        value, unit = STATE_TYPE(frame[slot]), f8(frame[slot + 1])[0]
        for s in range(n):
            value[others[s]] = (v[s] + d[s]) / unit


@compiled
def change(part_at, n, t, frame_at, registers, others_at, synapses_at):
    """All changes of a part, from the values before."""
    part = i8(part_at)
    code = N_HEAD + N_LOAD * part[0]
    execute(part_at + 8 * code, part[1], registers, n)
    for q in range(part[2]):
        a = code + 4 * part[1] + N_RESULT * q
        keep(
            part[a], part[a + 1], registers + part[a + 2], registers + part[a + 3], n, t, frame_at, others_at,
            synapses_at,
        )


@compiled
def arrive(n, frame_at, others_at, synapses_at):
    """A spike reaches the neurons of n synapses."""
    frame, others, synapses = i8(frame_at), i8(others_at), i8(synapses_at)
    w, g, gain = f8(frame[AT_W]), RECEPTOR_TYPE(frame[AT_G]), GAIN_TYPE(frame[AT_GAIN])[0]
    not_finite = i8(frame[AT_NOT_FINITE])
    for s in range(n):
        v_w, _i = w[synapses[s]], others[s]
        ARRIVAL


@compiled
def change_neurons(which, spikes_at, n, t, frame_at):
    """Changes of states of the neurons that spiked; of the first n where no spikes are given."""
    frame = i8(frame_at)
    words = i8(frame[AT_PROGRAM])
    if words[which] == 0:
        return
    registers, spikes = frame[AT_REGISTERS], INDEX_TYPE(spikes_at)
    others_at = registers + words[INDICES]
    others = i8(others_at)
    for first in range(0, n, WIDTH):
        count = min(WIDTH, n - first)
        for s in range(count):
            others[s] = spikes[first + s] if spikes_at != 0 else first + s
        part_at = frame[AT_PROGRAM] + 8 * words[which]
        load(part_at, OTHER, NOTHING, count, t, frame_at, registers, others_at, others_at)
        change(part_at, count, t, frame_at, registers, others_at, others_at)


@compiled
def change_row(which, passes, j, t, frame_at):
    """The synapses of presynaptic neuron j, which its spike `passes` or not."""
    frame = i8(frame_at)
    words = i8(frame[AT_PROGRAM])
    registers = frame[AT_REGISTERS]
    others_at = registers + words[INDICES]
    synapses_at = others_at + 8 * WIDTH
    others, synapses = i8(others_at), i8(synapses_at)
    row_start, target = i8(frame[AT_ROW_START]), INDEX_TYPE(frame[AT_TARGET])
    part_at = frame[AT_PROGRAM] + 8 * words[which]
    n = row_start[j + 1] - row_start[j]
    load(part_at, OWN, j, min(n, WIDTH), t, frame_at, registers, others_at, synapses_at)
    for first in range(row_start[j], row_start[j + 1], WIDTH):
        count = min(WIDTH, row_start[j + 1] - first)
        for s in range(count):
            others[s] = target[first + s]
            synapses[s] = first + s - row_start[0]
        if passes != 0:
            arrive(count, frame_at, others_at, synapses_at)
        load(part_at, OTHER, j, count, t, frame_at, registers, others_at, synapses_at)
        change(part_at, count, t, frame_at, registers, others_at, synapses_at)


@compiled
def change_column(i, t, frame_at):
    """The synapses of postsynaptic neuron i."""
    frame = i8(frame_at)
    words = i8(frame[AT_PROGRAM])
    registers = frame[AT_REGISTERS]
    others_at = registers + words[INDICES]
    synapses_at = others_at + 8 * WIDTH
    others, synapses = i8(others_at), i8(synapses_at)
    column_start, source, place = i8(frame[AT_COLUMN_START]), INDEX_TYPE(frame[AT_SOURCE]), u4(frame[AT_SYNAPSE])
    part_at = frame[AT_PROGRAM] + 8 * words[ON_POST_SYNAPSES]
    n = column_start[i + 1] - column_start[i]
    load(part_at, OWN, i, min(n, WIDTH), t, frame_at, registers, others_at, synapses_at)
    for first in range(column_start[i], column_start[i + 1], WIDTH):
        count = min(WIDTH, column_start[i + 1] - first)
        for s in range(count):
            others[s] = source[first + s]
            synapses[s] = place[first + s]
        load(part_at, OTHER, i, count, t, frame_at, registers, others_at, synapses_at)
        change(part_at, count, t, frame_at, registers, others_at, synapses_at)


@c_callable("void(int64, int64, int64, int64)")
def on_pre(t, n, at, frame_at):
    if n == 0:
        return
    change_neurons(ON_PRE_OWN, at, n, t, frame_at)
    spikes = INDEX_TYPE(at)
    for q in range(n):
        change_row(ON_PRE_SYNAPSES, YES, np.int64(spikes[q]), t, frame_at)


@c_callable("void(int64, int64, int64, int64)")
def on_post(t, n, at, frame_at):
    if n == 0:
        return
    change_neurons(ON_POST_OWN, at, n, t, frame_at)
    if i8(i8(frame_at)[AT_PROGRAM])[ON_POST_SYNAPSES] == 0:
        return
    spikes = INDEX_TYPE(at)
    for q in range(n):
        change_column(np.int64(spikes[q]), t, frame_at)


@c_callable("void(int64, int64, int64, int64)")
def on_modulator(t, n_pre, n_post, frame_at):
    if i8(i8(frame_at)[AT_PROGRAM])[ON_MODULATOR_SYNAPSES] != 0:
        for j in range(n_pre):
            change_row(ON_MODULATOR_SYNAPSES, NOTHING, j, t, frame_at)
    change_neurons(ON_MODULATOR_PRE, NOTHING, n_pre, t, frame_at)
    change_neurons(ON_MODULATOR_POST, NOTHING, n_post, t, frame_at)
'''
