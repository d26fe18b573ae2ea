"""The draws of `random` in compiled code: the same function, the same bits."""

from __future__ import annotations

import numpy as np

from plasticbench.simulation.compile import compiled_plainly
from plasticbench.simulation.random import LOW_WORD, SHIFT, philox, to_unit

philox_jit = compiled_plainly(philox)
_to_unit_jit = compiled_plainly(to_unit)


@compiled_plainly
def uniform_pair_at(seed, stream, index):
    """Two doubles in (0, 1): element `index` of stream `stream` (see `stream_id`) of `seed`."""
    s = np.uint64(seed)
    i = np.uint64(index)
    a, b, c, d = philox_jit(i & LOW_WORD, i >> SHIFT, np.uint64(stream), np.uint64(0), s & LOW_WORD, s >> SHIFT)
    return _to_unit_jit(a, b), _to_unit_jit(c, d)


@compiled_plainly
def uniform_at(seed, stream, index):
    """The first double of `uniform_pair_at`."""
    return uniform_pair_at(seed, stream, index)[0]
