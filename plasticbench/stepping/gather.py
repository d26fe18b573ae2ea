"""A neuron's numbers at each of its synapses, compiled: what stepping by hand spends its time on."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def gather(values, index, room):
    """values[index], with zeros behind up to `room` numbers."""
    found = np.empty(room)
    for k in range(len(index)):
        found[k] = values[index[k]]
    for k in range(len(index), room):
        found[k] = 0.0
    return found


@numba.njit(cache=True, nogil=True)
def scaled(values, unit, index, room):
    """As `gather`, times `unit`."""
    found = np.empty(room)
    for k in range(len(index)):
        found[k] = values[index[k]] * unit
    for k in range(len(index), room):
        found[k] = 0.0
    return found
