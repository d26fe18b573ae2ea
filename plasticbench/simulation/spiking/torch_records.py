"""What is recorded of spiking lives on the torch engine, differentiable where a gradient can pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plasticbench.networks.life import Life
from plasticbench.networks.recorded_spikes import RecordedSpikes
from plasticbench.networks.recordings import (
    FinalWeights,
    Modulation,
    PopulationRate,
    PopulationSpikes,
    Recordings,
    SpikeCounts,
    SpikeTrains,
    Weights,
)
from plasticbench.simulation.rate.lives import sample_steps
from plasticbench.simulation.spiking.wiring import Wiring


class TorchRecords:
    """Of lives (n_rules x n_seeds); kept per step, cut into phases at the end."""

    def __init__(self, lives: Sequence[Life], shape: tuple[int, int], device: torch.device, dtype: torch.dtype):
        self.lives, self.shape, self.device, self.dtype = lives, shape, device, dtype
        network, wanted = lives[0].spiking_network, lives[0].recordings
        self.alive = torch.ones(shape, device=device, dtype=torch.bool)
        self.n_steps = torch.tensor([life.n_steps for life in lives], device=device).repeat(shape[0], 1)
        self.lived, self.blown_up = self.n_steps.clone(), ~self.alive
        self._rates = [r for r in wanted if isinstance(r, PopulationRate)]
        start = [sum(r.band) / 2 if r.band else 0.0 for r in self._rates]
        self.rate = [torch.full(shape, value, device=device, dtype=dtype) for value in start]
        self._rate_rows: list[list[Tensor]] = [[] for _ in self._rates]
        groups = {r.population for r in wanted if isinstance(r, PopulationSpikes)}
        self._sums: dict[str, list[Tensor]] = {name: [] for name in groups}
        trains = {r.group for r in wanted if isinstance(r, SpikeTrains)}
        self._spikes: dict[str, list[Tensor]] = {
            name: [] for name in trains | {r.group for r in wanted if isinstance(r, SpikeCounts)}
        }
        self._sampled: list[dict[Weights, list[Tensor]]] = [
            {r: [] for r in wanted if isinstance(r, Weights)} for _ in lives
        ]
        counted = {life.modulator.population for life in lives if life.modulator and life.modulator.population}
        self.since = {name: torch.zeros((*shape, network.size(name)), device=device, dtype=dtype) for name in counted}
        self._modulation: list[list[Tensor]] = [[] for _ in lives]
        self._weights: list[dict[str, Tensor]] = [{} for _ in lives]

    def record(self, t: int, spikes: dict[str, Tensor], neurons: list[Any], learned: dict[str, Any]) -> None:
        """After a step: rates, spikes, and which lives ended."""
        network = self.lives[0].spiking_network
        inside = torch.ones_like(self.alive)
        for k, rate in enumerate(self._rates):
            found = spikes[rate.population].sum(-1)
            hz_per_spike = 1.0 / (rate.tau_s * network.size(rate.population))
            self.rate[k] = self.rate[k] * math.exp(-network.dt_s / rate.tau_s) + found * hz_per_spike
            self._rate_rows[k].append(self.rate[k])
            low, high = rate.band or (-math.inf, math.inf)
            inside &= (self.rate[k] > low) & (self.rate[k] < high)
        for name, rows in self._sums.items():
            rows.append(spikes[name].sum(-1).expand(self.shape))
        for name, kept in self._spikes.items():
            kept.append(spikes[name].detach().to(torch.uint8).expand(*self.shape, -1).cpu())
        for name, since in self.since.items():
            self.since[name] = since + spikes[name]
        finite = torch.stack([~torch.isnan(state.values["v"]).any(-1) for state in neurons]).all(0)
        running = self.alive & (t < self.n_steps)
        last = (t + 1 == self.n_steps) | self._stops_at(t + 1)
        sound = torch.stack([~torch.isnan(one.w).flatten(2).any(-1) for one in learned.values()] or [finite]).all(0)
        ended = running & (~(finite & inside) | (last & ~sound))
        self.lived = torch.where(ended, torch.where(finite, t + 1, t), self.lived)
        self.blown_up = self.blown_up | ended
        self.alive = self.alive & ~ended & (t + 1 < self.n_steps)

    def _stops_at(self, t: int) -> Tensor:
        """(n_seeds,) bool: which lives' excursions stop before step t."""
        return torch.tensor([any(e.stop == t for e in life.excursions) for life in self.lives], device=self.device)

    def sample(self, t: int, learned: dict[str, Any], wirings: list[Wiring]) -> None:
        """Before a step: the weights that are wanted now."""
        for s, life in enumerate(self.lives):
            if t < life.n_steps:
                self._sample_one(s, t, learned, wirings)

    def sample_away(self, s: int, t: int, learned: dict[str, Any], wirings: list[Wiring]) -> None:
        """The last weights of phases that end with a life's excursion, before it comes back."""
        self._sample_one(s, t, learned, wirings, coming_back=True)

    def sample_end(self, t: int, learned: dict[str, Any], wirings: list[Wiring]) -> None:
        """The weights of lives that are over now."""
        for s, life in enumerate(self.lives):
            if t == life.n_steps:
                self._sample_one(s, t, learned, wirings)
                names = [r.pathway for r in life.recordings if isinstance(r, FinalWeights)]
                self._weights[s] = {name: self._picked(s, name, learned, wirings, None) for name in names}
        self._last = (learned, wirings)

    def _sample_one(
        self, s: int, t: int, learned: dict[str, Any], wirings: list[Wiring], coming_back: bool = False
    ) -> None:
        """The weights of one life that are wanted at step t, as `WeightSamples.take`."""
        for recording, kept in self._sampled[s].items():
            phase = self.lives[s].phase(recording.phase)
            away = t == phase.stop and self.lives[s].ends_away(phase)
            if away == coming_back and t in sample_steps(self.lives[s], recording):
                kept.append(self._picked(s, recording.pathway, learned, wirings, recording.n))

    def _picked(self, s: int, name: str, learned: dict[str, Any], wirings: list[Wiring], n: int | None) -> Tensor:
        """(n_rules, n_synapses) of a pathway, or of n evenly spaced synapses."""
        network = self.lives[s].spiking_network
        k = next(i for i, p in enumerate(network.pathways) if p.name == name)
        pre, post = wirings[s].synapses(k, network.size(network.pathways[k].pre))
        w = learned[name].w[:, s][:, torch.from_numpy(post), torch.from_numpy(pre)]
        picked = slice(None) if n is None else np.linspace(0, len(pre) - 1, min(n, len(pre))).astype(np.int64)
        return w[:, picked]

    # ------------------------------------------------------------ the modulator

    def deliver(self, t: int) -> Tensor:
        """Its value in every life, (n_rules, n_seeds, n_post or 1, 1); 0 where it is not due."""
        columns = []
        for s, life in enumerate(self.lives):
            modulator = life.modulator
            activity = self.since[modulator.population][:, s] if modulator and modulator.population else None
            n_values = activity.shape[-1] if modulator and modulator.per_neuron and activity is not None else 1
            value = torch.zeros((self.shape[0], n_values), device=self.device, dtype=self.dtype)
            if modulator is not None and t in modulator.steps:
                value = self._value(life, modulator.steps.index(t), activity, value)
                self._modulation[s].append(value if modulator.per_neuron else value[:, 0])
                if modulator.population is not None:
                    keep = torch.ones(self.shape[1], device=self.device, dtype=self.dtype)
                    keep[s] = 0.0
                    self.since[modulator.population] = self.since[modulator.population] * keep[None, :, None]
            columns.append(value)
        most = max(column.shape[1] for column in columns)
        return torch.stack([column.expand(-1, most) for column in columns], 1).unsqueeze(-1)

    def forget(self, again: Tensor) -> None:
        """The spikes that the modulator counts begin anew in the lives `again` (n_seeds,)."""
        self.since = {name: x * (~again)[None, :, None] for name, x in self.since.items()}

    @staticmethod
    def _value(life: Life, delivery: int, activity: Tensor | None, like: Tensor) -> Tensor:
        modulator = life.modulator
        assert modulator is not None
        seen = {"signal": torch.full_like(like[:, :1], modulator.signal(delivery))}
        if activity is not None:
            seen |= {"activity": activity, "total": activity.sum(-1, keepdim=True)}
        found = modulator.expression.program.evaluate(seen)
        return torch.as_tensor(found).to(like).expand_as(like)

    # ------------------------------------------------------------ what is left

    def recordings(self, s: int) -> Recordings:
        """Of one seed's lives under every rule: n_lives is 1."""
        life = self.lives[s]
        values = {recording: self._recorded(s, life, recording) for recording in life.recordings}
        return Recordings(values, self.lived[:, s : s + 1], self.blown_up[:, s : s + 1])

    def _recorded(self, s: int, life: Life, recording: Any) -> Any:
        phase = life.phase(getattr(recording, "phase", None))
        if isinstance(recording, PopulationRate):
            return self._window(self._rate_rows[self._rates.index(recording)], s, phase.start, phase.stop)
        if isinstance(recording, PopulationSpikes):
            return self._window(self._sums[recording.population], s, phase.start, phase.stop)
        if isinstance(recording, SpikeCounts | SpikeTrains):
            return self._of_spikes(s, recording, phase.start, phase.stop)
        if isinstance(recording, Modulation):
            assert life.modulator is not None
            return self._filled(self._modulation[s], len(life.modulator.steps)).unsqueeze(1)
        if isinstance(recording, Weights):
            return self._filled(self._sampled[s][recording], len(sample_steps(life, recording))).unsqueeze(1)
        found = self._weights[s].get(recording.pathway)
        if found is None:  # every life of this seed blew up
            found = self._picked(s, recording.pathway, *self._last, None)
        return found.unsqueeze(1)

    @staticmethod
    def _filled(kept: list[Tensor], length: int) -> Tensor:
        """(n_rules, length, ...), 0 where nothing was lived."""
        missing = [torch.zeros_like(kept[0])] * (length - len(kept))
        return torch.stack([*kept, *missing], 1)

    def _window(self, rows: list[Tensor], s: int, start: int, stop: int) -> Tensor:
        """(n_rules, 1, stop - start), 0 where nothing was lived."""
        kept = rows[start:stop]
        lived = torch.stack([row[:, s] for row in kept], -1) if kept else self.lived.new_zeros(self.shape[0], 0)
        padded = torch.nn.functional.pad(lived.to(self.dtype), (0, stop - start - lived.shape[-1]))
        over = torch.arange(start, stop, device=self.device)[None] >= self.lived[:, s : s + 1]
        return torch.where(over, torch.zeros_like(padded), padded).unsqueeze(1)

    def _of_spikes(self, s: int, recording: SpikeCounts | SpikeTrains, start: int, stop: int) -> Any:
        life, kept = self.lives[s], self._spikes[recording.group][start:stop]
        size = life.spiking_network.size(recording.group)
        none = torch.zeros((0, self.shape[0], size), dtype=torch.uint8)
        dense = torch.stack([row[:, s] for row in kept]) if kept else none
        steps = torch.arange(start, start + len(dense))
        dense = dense * (steps[:, None] < self.lived[:, s].cpu())[..., None]  # (n_steps, n_rules, size)
        if isinstance(recording, SpikeCounts):
            return dense.sum(0).to(self.device, self.dtype).unsqueeze(1)
        n = recording.n or size
        trains = []
        for r in range(self.shape[0]):
            own = dense[:, r, :n]  # two processes of a source may make an afferent spike twice in a step
            found = torch.nonzero(own)
            when, which = found.repeat_interleave(own[own > 0].long(), 0).numpy().astype(np.int32).T
            trains.append([RecordedSpikes(when + np.int32(start), which, n, start, stop, life.dt_s)])
        return trains
