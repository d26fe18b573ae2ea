"""Spiking networks, declared as data: populations, sparse pathways, inputs. No draws, no state.

What happens within a time step, the same on every engine:
1. neurons integrate (forward Euler) with the conductances of the last step, spike, reset; conductances decay;
2. spikes emitted `delay_steps` ago arrive: conductances jump by the weights; on a plastic pathway each arriving
   spike then applies `on_pre` to its synapses and each postsynaptic spike of this step `on_post`; where a rule has
   `on_step`, that comes next, at all synapses of the pathway; weights are clipped to [w_min, w_max] after each; rules
   read traces as they are before this step's own spikes;
3. traces count this step's events (presynaptic: arrivals; postsynaptic: spikes), then decay;
4. recordings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.connections import Block, Connections
from plasticbench.networks.neurons import NeuronModel
from plasticbench.networks.sources import Source

TRACES = ("x_pre", "x_post", "x_pre2", "x_post2")


@dataclass(frozen=True)
class Population:
    """`size` neurons of one model."""

    name: str
    size: int
    neuron: NeuronModel


@dataclass(frozen=True)
class SpikingPathway:
    """Synapses from `pre` (a population or source) to `post` (a population).

    weight: initial weight of all synapses, or one for each presynaptic neuron. A spike adds gain x weight to the
    conductance. A plastic pathway's weights stay in [w_min, w_max]; below 0 they take away what a spike adds, which
    suits neurons that synapses drive by currents.
    """

    name: str
    pre: str
    post: str
    receptor: str  # of the postsynaptic neuron model: "exc", "inh"
    connections: Connections
    weight: float | tuple[float, ...]
    plastic: bool = False
    w_max: float = float("inf")
    gain: float = 1.0
    delay_steps: int = 8
    w_min: float = field(default=0.0, metadata={"told_unless": 0.0})


@dataclass(frozen=True)
class SpikingNetwork:
    """Populations, sources and pathways, checked against each other."""

    populations: tuple[Population, ...]
    sources: tuple[Source, ...]
    pathways: tuple[SpikingPathway, ...]
    dt_s: float = 1e-4

    def __post_init__(self) -> None:
        names = [group.name for group in self.groups]
        if len(set(names)) != len(names):
            raise PlasticbenchError(f"populations and sources need different names, found {names}")
        for pathway in self.pathways:
            self._check(pathway, names)

    def _check(self, pathway: SpikingPathway, names: list[str]) -> None:
        where = f"pathway {pathway.name}"
        if pathway.pre not in names or pathway.post not in names[: len(self.populations)]:
            raise PlasticbenchError(f"{where}: {pathway.pre} to {pathway.post} is not between groups of {names}")
        weights = pathway.weight if isinstance(pathway.weight, tuple) else (pathway.weight,)
        if len(weights) not in (1, self.size(pathway.pre)):
            raise PlasticbenchError(f"{where}: weight: {len(weights)} for {self.size(pathway.pre)} neurons")
        if not -float("inf") < pathway.w_min <= 0 or (pathway.w_min and not pathway.plastic):
            raise PlasticbenchError(
                f"{where}: w_min: {pathway.w_min!r} is not a finite number of at most 0, of a plastic pathway"
            )
        for w in weights:
            if not pathway.w_min <= w < float("inf"):
                raise PlasticbenchError(f"{where}: weight: {w!r} is not a finite number of at least {pathway.w_min:g}")
        if pathway.plastic and not 0 <= pathway.w_max < float("inf"):
            raise PlasticbenchError(f"{where}: w_max: {pathway.w_max!r} is not a finite number of at least 0")
        receptors = self.populations[self.index(pathway.post)].neuron.receptors
        if pathway.receptor not in receptors:
            raise PlasticbenchError(f"{where}: receptor {pathway.receptor!r} is none of {', '.join(receptors)}")
        if pathway.delay_steps < 1:
            raise PlasticbenchError(f"{where}: delay_steps: {pathway.delay_steps!r} is not at least 1")
        if isinstance(pathway.connections, Block):
            self._check_block(pathway, pathway.connections, where)

    def _check_block(self, pathway: SpikingPathway, block: Block, where: str) -> None:
        for name, ends, size in (
            ("pre", block.pre, self.size(pathway.pre)),
            ("post", block.post, self.size(pathway.post)),
        ):
            if ends is not None and ends[1] > size:
                raise PlasticbenchError(f"{where}: block.{name}: {ends!r} of {size} neurons")
        if block.of is None:
            return
        wanted = (pathway.pre, pathway.post, block.connections)
        if wanted not in [(p.pre, p.post, p.connections) for p in self.pathways if p.name == block.of]:
            raise PlasticbenchError(
                f"{where}: block.of: {block.of!r} is no pathway from {pathway.pre} to {pathway.post} with the same "
                "connections"
            )

    @cached_property
    def groups(self) -> tuple[Population | Source, ...]:
        """Populations, then sources: everything that spikes."""
        return (*self.populations, *self.sources)

    @cached_property
    def plastic_pathways(self) -> tuple[SpikingPathway, ...]:
        """In the order in which rules come."""
        return tuple(pathway for pathway in self.pathways if pathway.plastic)

    def index(self, name: str) -> int:
        """Of a population or source among `groups`."""
        return next(i for i, group in enumerate(self.groups) if group.name == name)

    def size(self, name: str) -> int:
        """Number of neurons or afferents of a group."""
        return self.groups[self.index(name)].size

    def variables(self, pathway: SpikingPathway) -> frozenset[str]:
        """What a rule of this pathway may read."""
        post = self.populations[self.index(pathway.post)]
        return frozenset({"w", "w_max", *TRACES}) | post.neuron.variables
