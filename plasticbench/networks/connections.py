"""Which neurons a pathway connects, as data."""

from __future__ import annotations

import math
from dataclasses import dataclass

from plasticbench.errors import PlasticbenchError


@dataclass(frozen=True)
class RandomConnections:
    """Each pair is connected independently with `probability`; no neuron connects to itself."""

    probability: float

    def __post_init__(self) -> None:
        if not 0 < self.probability <= 1:
            raise PlasticbenchError(f"probability: {self.probability!r} is not in (0, 1]")

    def capacity(self, n_pre: int, n_post: int) -> int:
        """Synapses that a draw does not exceed (8 standard deviations above the mean)."""
        mean = n_pre * n_post * self.probability
        return min(n_pre * n_post, math.ceil(mean + 8 * math.sqrt(mean * (1 - self.probability))))


@dataclass(frozen=True)
class ReceptiveFields:
    """Afferent i lies at (i // side, i % side) of a sheet; a neuron hears those nearer than `radius` to its centre.

    Centres are drawn uniformly from the grid points of the side x side square; the sheet does not wrap around.
    Pathways with the same `centres` name and postsynaptic population share their centres.
    """

    side: int
    radius: float
    centres: str | None = None  # None: the pathway's own

    def __post_init__(self) -> None:
        if self.side < 1 or not 0 < self.radius < math.inf:
            raise PlasticbenchError(f"receptive fields: side {self.side!r}, radius {self.radius!r}; both above 0")

    def capacity(self, n_pre: int, n_post: int) -> int:
        """Synapses that a draw does not exceed."""
        return n_post * min(n_pre, (2 * int(self.radius) + 1) ** 2)


@dataclass(frozen=True)
class Block:
    """Those of `connections` that join the presynaptic neurons `pre` to the postsynaptic ones `post`.

    Both are (first, stop), None: all. `of`: the pathway whose draw this is a part of, between the same groups and with
    the same `connections`, so that the block's pairs are connected there, too; None: a draw of the pathway's own.
    """

    connections: RandomConnections | ReceptiveFields
    pre: tuple[int, int] | None = None
    post: tuple[int, int] | None = None
    of: str | None = None

    def __post_init__(self) -> None:
        for name, ends in (("pre", self.pre), ("post", self.post)):
            if ends is not None and not 0 <= ends[0] < ends[1]:
                raise PlasticbenchError(f"block.{name}: {ends!r} is no stretch of neurons: (first, stop)")

    def capacity(self, n_pre: int, n_post: int) -> int:
        """Synapses that a draw does not exceed."""
        sides = ((n_pre, self.pre), (n_post, self.post))
        sizes = [n if ends is None else min(n, ends[1] - ends[0]) for n, ends in sides]
        return self.connections.capacity(*sizes)


Connections = RandomConnections | ReceptiveFields | Block
