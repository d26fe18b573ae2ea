"""The torch engine of spiking networks: dense, readable, differentiable in rule parameters, on any device.

A batch of lifetimes (n_rules x n_seeds) advances one time step at a time. Small networks only: every pathway is a
dense matrix. It draws the same wiring and input spikes as the cpu engine and, in float64, emits the same spikes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plasticbench.networks.spiking import TRACES, SpikingPathway
from plasticbench.rules import RuleBatch
from plasticbench.simulation.spiking.inputs import draw_steps, input_processes, input_state
from plasticbench.simulation.spiking.lives import Probe, Snapshot, SpikingLife, SpikingRecord
from plasticbench.simulation.spiking.torch_neurons import TorchNeurons, step_neurons
from plasticbench.simulation.spiking.wiring import draw_wiring
from plasticbench.simulation.threads import one_torch_thread

_INPUT_STEPS = 2000  # drawn at once


@dataclass(frozen=True)
class TorchRecording:
    """Differentiable recordings, and each lifetime's record as the cpu engine gives it."""

    rates_hz: Tensor  # (n_rules, n_seeds, n_steps) of the watched population
    spikes: Tensor  # (n_rules, n_seeds, n_steps)
    records: list[list[SpikingRecord]]


def run_torch(
    lives: Sequence[SpikingLife],
    rules: RuleBatch,
    probe: Probe | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float64,
) -> TorchRecording:
    """Every life under every rule; networks of equal sizes and models. Differentiable in `rules.parameters`."""
    with one_torch_thread():
        batch = _Batch(lives, rules, probe, torch.device(device), dtype)
        for t in range(max(life.n_steps for life in lives)):
            batch.step(t)
            if not bool(batch.alive.any()):
                break
        return batch.recording()


class _Batch:
    """The state of all lifetimes. Tensors lead with (n_rules, n_seeds), a 1 where all rules share."""

    def __init__(self, lives: Sequence[SpikingLife], rules: RuleBatch, probe, device: torch.device, dtype):
        self.lives, self.rules, self.probe = lives, rules, probe
        self.device, self.dtype = device, dtype
        self.network = lives[0].network
        self.shape = (rules.n_rules, len(lives))
        self.wirings = [draw_wiring(life.network, life.seed) for life in lives]
        self.neurons = [
            TorchNeurons.at_rest(p.neuron, (*self.shape, p.size), device, dtype) for p in self.network.populations
        ]
        self.processes = [input_processes(life.network) for life in lives]
        self.inputs = [input_state(life.network) for life in lives]
        self.masks = [self._connected(k) for k in range(len(self.network.pathways))]
        self.weights = {p.name: self._initial(k) for k, p in enumerate(self.network.pathways)}
        self.w_max = {
            p.name: self._per_life([life.network.pathways[k].w_max for life in lives])
            for k, p in enumerate(self.network.pathways)
        }
        self.learned = dict(zip((p.name for p in self.network.plastic_pathways), range(99), strict=False))
        self.traces = {name: self._no_traces(name) for name in self.learned}
        self.decay = [
            {trace: torch.exp(-self.network.dt_s / tau.to(device, dtype))[:, None, None]
             for trace, tau in rules.time_constants_s(k).items()}
            for k in range(len(self.learned))
        ]  # fmt: skip
        self.parameters = [p.to(device, dtype) for p in rules.parameters]
        self.past: list[dict[str, Tensor]] = []  # spikes of the last steps, newest last
        self.depth = max((p.delay_steps for p in self.network.pathways), default=0) + 1
        self.counts = [
            torch.zeros((*self.shape, group.size), device=device, dtype=torch.int64) for group in self.network.groups
        ]
        self.rate = torch.full(self.shape, lives[0].initial_rate_hz, device=device, dtype=dtype)
        self.rates: list[Tensor] = []
        self.watched: list[Tensor] = []
        self.alive = torch.ones(self.shape, device=device, dtype=torch.bool)
        self.lived = torch.tensor([life.n_steps for life in lives], device=device).repeat(self.shape[0], 1)
        self.n_steps = self.lived.clone()
        self.blown_up = ~self.alive
        self.not_finite: set[str] = set()  # pathways with a weight that is NaN
        self.probes: list[list[list[Any]]] = [[[] for _ in lives] for _ in range(self.shape[0])]

    def _connected(self, k: int) -> Tensor:
        """(n_seeds, n_post, n_pre) bool."""
        pathway = self.network.pathways[k]
        n_pre, n_post = self.network.size(pathway.pre), self.network.size(pathway.post)
        mask = torch.zeros((len(self.lives), n_post, n_pre), dtype=torch.bool)
        for s, wiring in enumerate(self.wirings):
            pre, post = wiring.synapses(k, n_pre)
            mask[s, torch.from_numpy(post), torch.from_numpy(pre)] = True
        return mask.to(self.device)

    def _initial(self, k: int) -> Tensor:
        """(n_seeds, n_post, n_pre) of a static pathway, times its gain; a plastic one has the axis of rules, too."""
        rows = []
        for life in self.lives:
            pathway = life.network.pathways[k]
            w = torch.as_tensor(pathway.weight, dtype=self.dtype).clamp(max=pathway.w_max)
            rows.append(w.expand(self.network.size(pathway.pre)))
        dense = torch.stack(rows).to(self.device)[:, None, :] * self.masks[k]
        if self.network.pathways[k].plastic:
            return dense.expand(self.shape[0], *dense.shape)
        return self._gain(k)[:, None, None] * dense

    def _gain(self, k: int) -> Tensor:
        return torch.tensor(
            [life.network.pathways[k].gain for life in self.lives], device=self.device, dtype=self.dtype
        )

    def _per_life(self, values: list[float]) -> Tensor:
        return torch.tensor(values, device=self.device, dtype=self.dtype)[None, :, None, None]

    def _no_traces(self, name: str) -> dict[str, Tensor]:
        pathway = next(p for p in self.network.pathways if p.name == name)
        sizes = {"pre": self.network.size(pathway.pre), "post": self.network.size(pathway.post)}
        return {
            trace: torch.zeros((*self.shape, sizes[trace[2:].rstrip("2")]), device=self.device, dtype=self.dtype)
            for trace in TRACES
        }

    # ------------------------------------------------------------ one step

    def step(self, t: int) -> None:
        """Advance every lifetime; ended ones are carried along and not recorded."""
        self._probe(t)
        spikes = self._emit(t)
        self.past = [*self.past[-self.depth + 1 :], spikes]
        for k, pathway in enumerate(self.network.pathways):
            self._transmit(t, k, pathway, spikes)
        self._record(t, spikes)

    def _emit(self, t: int) -> dict[str, Tensor]:
        """Group -> spikes (n_rules or 1, n_seeds, size)."""
        spikes = {}
        for q, population in enumerate(self.network.populations):
            self.neurons[q], spikes[population.name] = step_neurons(
                population.neuron, self.neurons[q], t, self.network.dt_s
            )
        if t % _INPUT_STEPS == 0:
            self._drawn = [
                draw_steps(life.seed, t, min(t + _INPUT_STEPS, life.n_steps), processes, state)
                for life, processes, state in zip(self.lives, self.processes, self.inputs, strict=True)
            ]
        for source in self.network.sources:
            group = self.network.index(source.name)
            dense = np.zeros((1, len(self.lives), source.size))
            for s, (steps, groups, afferents) in enumerate(self._drawn):
                now = slice(*np.searchsorted(steps, (t, t + 1)))
                np.add.at(dense[0, s], afferents[now][groups[now] == group], 1.0)
            spikes[source.name] = torch.from_numpy(dense).to(self.device, self.dtype)
        return spikes

    def _transmit(self, t: int, k: int, pathway: SpikingPathway, spikes: dict[str, Tensor]) -> None:
        if len(self.past) > pathway.delay_steps:
            arrived = self.past[-1 - pathway.delay_steps][pathway.pre]
        else:
            arrived = torch.zeros_like(self.past[0][pathway.pre])
        w = self.weights[pathway.name]
        if pathway.name in self.not_finite:  # 0 x NaN is NaN: only synapses that a spike crosses may pass theirs on
            crossed = arrived.unsqueeze(-2)
            drive = torch.where(crossed > 0, w * crossed, torch.zeros_like(w)).sum(-1)
        else:
            drive = (w @ arrived.unsqueeze(-1)).squeeze(-1)
        if pathway.plastic:
            drive = self._gain(k)[None, :, None] * drive
        q = self.network.index(pathway.post)
        state = self.neurons[q]
        name = "g_inh" if pathway.receptor == "inh" else "g_exc"
        self.neurons[q] = TorchNeurons(**{**vars(state), name: getattr(state, name) + drive})
        if pathway.plastic:
            self._learn(t, k, pathway, arrived, spikes[pathway.post])

    def _learn(self, t: int, k: int, pathway: SpikingPathway, arrived: Tensor, fired: Tensor) -> None:
        """`on_pre` where a spike arrives, `on_post` where the neuron spikes, then traces."""
        index, name = self.learned[pathway.name], pathway.name
        structure = self.rules.structure.pathways[index]
        until = torch.tensor([life.plastic_until_step for life in self.lives], device=self.device)
        learning = self.alive & (t < until)  # (n_rules, n_seeds)
        for event, where in (("on_pre", arrived.unsqueeze(-2)), ("on_post", fired.unsqueeze(-1))):
            spiked = (where.detach() > 0) & self.masks[k] & learning[..., None, None]
            if "w" in structure.targets(event) and bool(spiked.any()):
                w = self.weights[name]
                change = structure.targets(event)["w"].evaluate(self._variables(index, pathway), self.parameters[index])
                changed = torch.minimum((w + change).clamp(min=0.0), self.w_max[name])
                self.weights[name] = torch.where(spiked, changed, w)
                if bool(torch.isnan(self.weights[name]).any()):
                    self.not_finite.add(name)
        traces = self.traces[name]
        for trace, decay in self.decay[index].items():
            traces[trace] = (traces[trace] + (arrived if "pre" in trace else fired)) * decay

    def _variables(self, index: int, pathway: SpikingPathway) -> dict[str, Tensor]:
        """Each broadcasts against (n_rules, n_seeds, n_post, n_pre)."""
        post = self.neurons[self.network.index(pathway.post)]
        traces = {
            trace: value.unsqueeze(-2 if "pre" in trace else -1) for trace, value in self.traces[pathway.name].items()
        }
        seen = {"v": post.v_trace, "c_exc": post.c_exc, "c_inh": post.c_inh}
        zero = torch.zeros((1, 1, 1, 1), device=self.device, dtype=self.dtype)
        return {
            "w": self.weights[pathway.name], "m": zero, **traces, **{n: x.unsqueeze(-1) for n, x in seen.items()}
        }  # fmt: skip

    def _record(self, t: int, spikes: dict[str, Tensor]) -> None:
        life = self.lives[0]
        running = self.alive & (t < self.n_steps)
        for counts, group in zip(self.counts, self.network.groups, strict=True):
            counts += torch.where(running[..., None], spikes[group.name].detach().to(torch.int64), 0)
        found = spikes[life.watched].sum(-1)
        hz_per_spike = 1.0 / (life.tau_rate_s * self.network.size(life.watched))
        self.rate = self.rate * math.exp(-self.network.dt_s / life.tau_rate_s) + found * hz_per_spike
        self.rates.append(self.rate)
        self.watched.append(found)
        finite = torch.stack([~torch.isnan(state.v).any(-1) for state in self.neurons]).all(0)
        low, high = life.allowed_rate_hz or (-math.inf, math.inf)
        inside = (self.rate > low) & (self.rate < high)
        ended = running & ~(finite & inside)
        self.lived = torch.where(ended, torch.where(finite, t + 1, t), self.lived)
        self.blown_up = self.blown_up | ended
        self.alive = self.alive & ~ended & (t + 1 < self.n_steps)

    # ------------------------------------------------------------ what is left

    def _probe(self, t: int) -> None:
        for s, life in enumerate(self.lives):
            if self.probe is not None and t in life.probe_steps:
                for r in range(self.shape[0]):
                    if bool(self.alive[r, s]):
                        self.probes[r][s].append(self.probe(self._snapshot(t, r, s)))

    def _snapshot(self, t: int, r: int, s: int) -> Snapshot:
        weights = {}
        for k, pathway in enumerate(self.network.pathways):
            if pathway.plastic:
                pre, post = self.wirings[s].synapses(k, self.network.size(pathway.pre))
                weights[pathway.name] = self.weights[pathway.name][r, s].detach().cpu().numpy()[post, pre]
        counts = {g.name: c[r, s].cpu().numpy() for g, c in zip(self.network.groups, self.counts, strict=True)}
        return Snapshot(t, weights, counts)

    def recording(self) -> TorchRecording:
        """Of the lives so far."""
        for s, life in enumerate(self.lives):
            if self.probe is not None and life.n_steps in life.probe_steps:
                for r in range(self.shape[0]):
                    if not bool(self.blown_up[r, s]):
                        self.probes[r][s].append(self.probe(self._snapshot(life.n_steps, r, s)))
        rates, watched = torch.stack(self.rates, -1), torch.stack(self.watched, -1)
        missing = int(self.n_steps.max()) - rates.shape[-1]
        rates, watched = (torch.nn.functional.pad(x, (0, missing)) for x in (rates, watched))
        records = [[self._record_of(rates, watched, r, s) for s in range(self.shape[1])] for r in range(self.shape[0])]
        return TorchRecording(rates, watched, records)

    def _record_of(self, rates: Tensor, watched: Tensor, r: int, s: int) -> SpikingRecord:
        lived = int(self.lived[r, s])
        state = self._snapshot(lived, r, s)
        none = np.zeros(0, np.int32)
        return SpikingRecord(
            rates[r, s, :lived].detach().cpu().numpy().astype(np.float32),
            watched[r, s, :lived].detach().cpu().numpy().astype(np.uint16),
            lived, "blow-up" if bool(self.blown_up[r, s]) else "ok", state.weights, state.spike_counts,
            none, none, tuple(self.probes[r][s]),
        )  # fmt: skip
