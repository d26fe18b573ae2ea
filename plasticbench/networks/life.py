"""A life as data: a network, a seed, what it lives through, and what is to be recorded. The same for every engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.language.program import Expression
from plasticbench.networks.clamped import ClampedNetwork
from plasticbench.networks.excursions import Excursion, check_excursions, steps_ahead
from plasticbench.networks.layered import LayeredNetwork
from plasticbench.networks.rate import RateNetwork
from plasticbench.networks.recordings import (
    FinalWeights,
    InitialWeights,
    Modulation,
    PopulationRate,
    PopulationSpikes,
    Readout,
    Recording,
    SpikeCounts,
    SpikeTrains,
    Weights,
)
from plasticbench.networks.spiking import SpikingNetwork
from plasticbench.networks.weight_changes import WeightChange, check_weight_changes

T = TypeVar("T")


@dataclass(frozen=True)
class Phase:
    """Steps `start` .. `stop` - 1 of a life. `plastic`: the pathways whose rules act in it; None: all."""

    name: str
    start: int
    stop: int
    plastic: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False)
class Modulator:
    """What reaches a pathway's synapses in certain steps, where rules have `on_modulator`.

    In a step of a delivery `on_modulator` comes after `on_pre` and `on_post`, and like them before traces count. In
    rate networks it reads the same values as `on_step`, and both changes are added.

    Its value there is an expression of the rule language over
    `signal`: this delivery's entry of `signals`;
    `total`: spikes of `population` in the steps since the delivery or reset before, this one not yet among them (rate
    networks: the sum of the outputs, each averaged over the presentations);
    `activity`: the same of each neuron alone; then every postsynaptic neuron has a value of its own, and `population`
    must be the one that the plastic pathways end in.
    In rate networks rules may also read it as `m` in `on_step`, at the steps of a delivery; 0 at others.
    """

    steps: tuple[int, ...]  # increasing
    value: str = "signal"
    signals: np.ndarray | None = None  # (n_deliveries,) float64; None: all 0
    population: str | None = None

    def __post_init__(self) -> None:
        if not self.steps or any(b <= a for a, b in zip(self.steps, self.steps[1:], strict=False)):
            raise PlasticbenchError("modulator.steps: name one or more, increasing")
        if self.signals is not None and np.shape(self.signals) != (len(self.steps),):
            raise PlasticbenchError(
                f"modulator.signals: shape {np.shape(self.signals)} for {len(self.steps)} deliveries; one each"
            )
        self.expression  # noqa: B018  (parsed now, so that a slip is found now)

    @cached_property
    def expression(self) -> Expression:
        """The value as a program."""
        return Expression.parse(self.value, {"signal", "total", "activity"}, "modulator.value")

    @property
    def per_neuron(self) -> bool:
        """Whether every postsynaptic neuron has a value of its own."""
        return "activity" in self.expression.program.names

    def evaluate(self, signal: float, activity: np.ndarray) -> float | np.ndarray:
        """The value of a delivery: a number, or (n_post,) where each neuron has its own."""
        import torch

        seen = torch.from_numpy(activity)
        found = self.expression.program.evaluate(
            {"signal": torch.tensor(signal, dtype=torch.float64), "total": seen.sum(), "activity": seen}
        )
        value = np.asarray(found, np.float64)
        return value if self.per_neuron else float(value)

    def signal(self, delivery: int) -> float:
        """The signal of the k-th delivery."""
        return 0.0 if self.signals is None else float(self.signals[delivery])


@dataclass(frozen=True, eq=False)
class Presentations:
    """What a rate network is shown.

    With an `order`, step t presents item `order[t]`; without, every step presents all items as a batch and averages
    Δw over them.
    """

    items: np.ndarray  # (n_items, n_inputs)
    order: np.ndarray | None = None  # (n_steps,) int64, of items

    @property
    def n_presented(self) -> int:
        """Presentations in one step."""
        return len(self.items) if self.order is None else 1


@dataclass(frozen=True, eq=False)
class LabelledPresentations(Presentations):
    """What a layered network is shown, one item a step, with the output that is right for each item."""

    labels: np.ndarray = field(kw_only=True)  # (n_items,) int64


@dataclass(frozen=True, eq=False)
class Life:
    """One lifetime, before any rule. Checked when it is made: PlasticbenchError names the field.

    Plasticity is on where no phase says otherwise. `targets` are arrays that the loss reads. At each of `resets`
    neurons, traces and states begin anew, and what a modulator counts, before the step; weights stay. (A rate network's
    outputs are those of the step's presentations alone, so its neurons have nothing to forget.) At each of `renewals`
    weights, too, are those of the start again; rate networks of one layer alone have them. Where a pathway is not
    plastic its rule's events do not happen: weights stay, and states only decay; traces go on. From each of
    `excursions` life comes back to where it was; rate networks have none. A life of a clamped network has its
    protocols and nothing else; one of a layered network has its presentations and phases.
    """

    network: SpikingNetwork | RateNetwork | LayeredNetwork | ClampedNetwork
    seed: int
    n_steps: int
    recordings: tuple[Recording, ...] = ()
    conditions: Mapping[str, Any] = field(default_factory=dict)
    phases: tuple[Phase, ...] = ()
    modulator: Modulator | None = None
    resets: tuple[int, ...] = ()
    targets: Mapping[str, np.ndarray] = field(default_factory=dict)
    presentations: Presentations | None = None  # of rate networks
    w_init: Mapping[str, np.ndarray] = field(default_factory=dict)  # of rate networks: pathway -> (n_post, n_pre)
    excursions: tuple[Excursion, ...] = ()  # in order, none within another
    weight_changes: tuple[WeightChange, ...] = ()  # of static pathways of spiking networks
    renewals: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.n_steps < 1:
            raise PlasticbenchError(f"life.n_steps: {self.n_steps!r} is not at least 1")
        self._check_phases()
        for recording in self.recordings:
            self._check_recording(recording)
        for name, steps in (
            ("resets", self.resets),
            ("renewals", self.renewals),
            ("modulator.steps", self.modulator.steps if self.modulator else ()),
        ):
            if any(not 0 <= step < self.n_steps for step in steps):
                raise PlasticbenchError(f"life.{name}: every step must be from 0 to {self.n_steps - 1}")
        if isinstance(self.network, RateNetwork | LayeredNetwork):
            self._check_presentations(self.network)
        if isinstance(self.network, LayeredNetwork):
            self._check_layered(self.network)
        if self.renewals and not isinstance(self.network, RateNetwork):
            raise PlasticbenchError(
                "life.renewals: only weights of rate networks of one layer begin anew; leave them out"
            )
        check_excursions(self.excursions, self.n_steps)
        check_weight_changes(self.weight_changes, self.network, self.n_steps, self.excursions)
        if isinstance(self.network, ClampedNetwork):
            self._check_clamped(self.network)
        self._check_modulator()

    @property
    def spiking_network(self) -> SpikingNetwork:
        """The network of a spiking life."""
        assert isinstance(self.network, SpikingNetwork)
        return self.network

    @property
    def clamped_network(self) -> ClampedNetwork:
        """The network of a life of clamped protocols."""
        assert isinstance(self.network, ClampedNetwork)
        return self.network

    @property
    def rate_network(self) -> RateNetwork | LayeredNetwork:
        """The network of a life of presentations."""
        assert isinstance(self.network, RateNetwork | LayeredNetwork)
        return self.network

    @property
    def dt_s(self) -> float:
        """Seconds of one step; a presentation to a rate network counts as one second."""
        return self.network.dt_s

    def recordings_of(self, kind: type[T]) -> list[T]:
        """The recordings of one kind, in order."""
        return [recording for recording in self.recordings if isinstance(recording, kind)]

    def phase(self, name: str | None) -> Phase:
        """The phase of this name; None: the whole life."""
        if name is None:
            return Phase("life", 0, self.n_steps)
        return next(phase for phase in self.phases if phase.name == name)

    def ahead(self, step: int) -> int:
        """How far this step is ahead of the clock of the dynamics; see `Excursion`."""
        return steps_ahead(self.excursions, step)

    def ends_away(self, phase: Phase) -> bool:
        """Whether a phase ends together with the excursion that it is part of: before life comes back."""
        return any(e.start <= phase.start < phase.stop == e.stop for e in self.excursions)

    @cached_property
    def plastic_names(self) -> tuple[str, ...]:
        """The plastic pathways, in the order of their rules."""
        return tuple(pathway.name for pathway in self.network.plastic_pathways)

    def plastic_at(self, step: int) -> tuple[bool, ...]:
        """Whether each plastic pathway's rule acts at this step."""
        covering = [p.plastic for p in self.phases if p.start <= step < p.stop and p.plastic is not None]
        return tuple(all(name in plastic for plastic in covering) for name in self.plastic_names)

    @cached_property
    def plasticity_changes(self) -> tuple[int, ...]:
        """The steps, from 0 on, at which a pathway's plasticity may begin or end."""
        edges = {0, *(edge for p in self.phases if p.plastic is not None for edge in (p.start, p.stop))}
        return tuple(sorted(edge for edge in edges if edge < self.n_steps))

    # ------------------------------------------------------------ checks

    def _check_phases(self) -> None:
        names = [phase.name for phase in self.phases]
        if len(set(names)) < len(names):
            raise PlasticbenchError(f"life.phases: names {names}; each must be another")
        for phase in self.phases:
            where = f"life.phases.{phase.name}"
            if not 0 <= phase.start <= phase.stop <= self.n_steps:
                raise PlasticbenchError(
                    f"{where}: steps {phase.start} to {phase.stop} are not within the life's {self.n_steps}"
                )
            for name in phase.plastic or ():
                if name not in self.plastic_names:
                    raise PlasticbenchError(f"{where}.plastic: {name!r} is none of {', '.join(self.plastic_names)}")

    def _check_recording(self, recording: Recording) -> None:
        where = f"life.recordings.{type(recording).__name__}"
        phase = getattr(recording, "phase", None)
        if phase is not None and phase not in [p.name for p in self.phases]:
            raise PlasticbenchError(f"{where}: phase {phase!r} is none of {[p.name for p in self.phases]}")
        if isinstance(recording, PopulationRate | PopulationSpikes | SpikeCounts | SpikeTrains):
            self._check_group(recording, where)
        if (
            isinstance(recording, Weights | FinalWeights | InitialWeights)
            and recording.pathway not in self.plastic_names
        ):
            raise PlasticbenchError(f"{where}: pathway {recording.pathway!r} is none of {list(self.plastic_names)}")
        if isinstance(recording, Weights) and not recording.every_s >= self.dt_s:
            raise PlasticbenchError(f"{where}: every_s {recording.every_s!r} is less than a step, {self.dt_s:g} s")
        if isinstance(recording, InitialWeights) and not isinstance(self.network, ClampedNetwork):
            raise PlasticbenchError(f"{where}: only of clamped networks; others start where the life says")
        if isinstance(recording, Readout) and not getattr(self.network, "has_readout", False):
            raise PlasticbenchError(f"{where}: this network has no readout")
        if isinstance(recording, Modulation) and self.modulator is None:
            raise PlasticbenchError(f"{where}: this life has no modulator")

    def _check_group(self, recording: Any, where: str) -> None:
        name = recording.group if isinstance(recording, SpikeCounts | SpikeTrains) else recording.population
        if not isinstance(self.network, SpikingNetwork):
            raise PlasticbenchError(f"{where}: only a spiking network records spikes")
        groups = self.network.populations if isinstance(recording, PopulationRate) else self.network.groups
        if name not in [group.name for group in groups]:
            raise PlasticbenchError(f"{where}: {name!r} is none of {[group.name for group in groups]}")
        size = self.network.size(name)
        if isinstance(recording, SpikeTrains) and recording.n is not None and not 1 <= recording.n <= size:
            raise PlasticbenchError(f"{where}: n {recording.n!r} of {size} neurons of {name}")
        if isinstance(recording, PopulationRate):
            low, high = recording.band or (0.0, 1.0)
            if not recording.tau_s > 0 or not low < high:
                raise PlasticbenchError(f"{where}: tau_s {recording.tau_s!r}, band {recording.band!r} do not fit")

    def _check_presentations(self, network: RateNetwork | LayeredNetwork) -> None:
        shown = self.presentations
        if shown is None or shown.items.ndim != 2 or shown.items.shape[1] != network.n_inputs:
            raise PlasticbenchError(f"life.presentations.items: needed, (n_items, {network.n_inputs})")
        if shown.order is not None and shown.order.shape != (self.n_steps,):
            raise PlasticbenchError(f"life.presentations.order: shape {shown.order.shape} for {self.n_steps} steps")
        for name in network.given_pathways:
            if name not in self.w_init or self.w_init[name].shape != network.shape(name):
                raise PlasticbenchError(f"life.w_init.{name}: needed, of shape {network.shape(name)}")
        if self.excursions:
            raise PlasticbenchError("life.excursions: a rate network comes back from none; leave them out")

    def _check_layered(self, network: LayeredNetwork) -> None:
        shown = self.presentations
        if not isinstance(shown, LabelledPresentations) or shown.order is None:
            raise PlasticbenchError("life.presentations: a layered network needs LabelledPresentations with an order")
        labels = shown.labels
        if labels.shape != (len(shown.items),) or not ((labels >= 0) & (labels < network.n_outputs)).all():
            raise PlasticbenchError(
                f"life.presentations.labels: one of 0 to {network.n_outputs - 1} for each of {len(shown.items)} items"
            )
        for name in ("modulator", "resets"):
            if getattr(self, name):
                raise PlasticbenchError(f"life.{name}: a layered network has its errors and no more; leave it out")
        for recording in self.recordings:
            if not isinstance(recording, FinalWeights | Readout):
                raise PlasticbenchError(
                    f"life.recordings.{type(recording).__name__}: a layered network has FinalWeights and Readout"
                )

    def _check_clamped(self, network: ClampedNetwork) -> None:
        if self.n_steps != network.n_steps:
            raise PlasticbenchError(f"life.n_steps: {self.n_steps}; the protocols have {network.n_steps}")
        for name in ("phases", "resets", "excursions", "modulator"):
            if getattr(self, name):
                raise PlasticbenchError(
                    f"life.{name}: a clamped network has its protocols and nothing else; leave it out"
                )
        for recording in self.recordings:
            if not isinstance(recording, InitialWeights | FinalWeights):
                what = type(recording).__name__
                raise PlasticbenchError(
                    f"life.recordings.{what}: a clamped network has InitialWeights and FinalWeights"
                )

    def _check_modulator(self) -> None:
        if self.modulator is None or not isinstance(self.network, SpikingNetwork):
            return
        names = [p.name for p in self.network.populations]
        if self.modulator.expression.program.names & {"total", "activity"} and self.modulator.population not in names:
            raise PlasticbenchError(f"modulator.population: {self.modulator.population!r} is none of {names}")
        if self.modulator.per_neuron:
            for pathway in self.network.plastic_pathways:
                if pathway.post != self.modulator.population:
                    raise PlasticbenchError(
                        f"modulator.value: one for each neuron of {self.modulator.population}, but pathway "
                        f"{pathway.name} ends in {pathway.post}"
                    )
