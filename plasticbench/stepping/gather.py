"""A neuron's numbers at each of its synapses, compiled: what stepping by hand spends its time on."""

from __future__ import annotations

import numpy as np

from plasticbench.simulation.compile import compiled_plainly


@compiled_plainly
def gather(values, index, room):
    """values[index], with zeros behind up to `room` numbers."""
    found = np.empty(room)
    for k in range(len(index)):
        found[k] = values[index[k]]
    for k in range(len(index), room):
        found[k] = 0.0
    return found


@compiled_plainly
def scaled(values, unit, index, room):
    """As `gather`, times `unit`."""
    found = np.empty(room)
    for k in range(len(index)):
        found[k] = values[index[k]] * unit
    for k in range(len(index), room):
        found[k] = 0.0
    return found
