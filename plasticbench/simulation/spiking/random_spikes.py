"""The draws of neurons that spike at random: a function of seed, population, step and neuron, on every engine.

A neuron with hazard φ spikes in a step where φ dt > -ln(u), u uniform in (0, 1): with probability 1 - exp(-φ dt), and
without the cancellation that the difference suffers where φ dt is small.
"""

from __future__ import annotations

import numpy as np

from plasticbench.simulation.compile import compiled_plainly
from plasticbench.simulation.draws import uniform_at
from plasticbench.simulation.random import stream_id, uniform_pairs

_STEP = 32  # bits: a neuron's number comes in the lower half of a counter, the step in the upper


def spike_stream(population: str) -> int:
    """The number of the stream of a population's spikes."""
    return stream_id(f"spikes of {population}")


@compiled_plainly
def draw_at(seed, stream, t, i):
    """The uniform double of neuron i at step t."""
    return uniform_at(seed, stream, (np.int64(t) << _STEP) | np.int64(i))


def draw_step(seed: int, population: str, t: int, n: int) -> np.ndarray:
    """(n,) the same doubles, of a whole population."""
    return uniform_pairs(seed, spike_stream(population), (t << _STEP) | np.arange(n, dtype=np.int64))[:, 0]
