"""Spiking lifetimes stepped by hand, on the state and the compiled code of the cpu engine.

Rules are evaluated in float64 there and here, so a stepped lifetime and a fused one are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plasticbench.drawing.spiking import N_RASTER, N_WEIGHT_BINS
from plasticbench.errors import PlasticbenchError
from plasticbench.networks.spiking import TRACES
from plasticbench.rules.batch import PathwayStructure, Structure
from plasticbench.simulation.spiking.cpu_engine import Lifetime, kernel_of
from plasticbench.simulation.spiking.lives import SpikingLife
from plasticbench.simulation.spiking.steps import ALIVE, NOT_FINITE, slot_of
from plasticbench.simulation.spiking.wiring import draw_wiring
from plasticbench.tasks.outcome import Outcome

_KEPT_SPIKES = 20_000
_KEPT_WEIGHTS = 500


class SpikingLifetimes:
    """Lifetimes of a task, side by side; one step is one time step of the simulation.

    Sparse pathways of different seeds differ a little in their number of synapses: all are padded to a number
    that the network's statistics give, with synapses that never see a spike.
    """

    def __init__(
        self,
        task: Any,
        lives: Any,
        taus_s: Mapping[str, Mapping[str, float]],
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float64,
    ):
        self.task, self.lives = task, lives
        self.n_steps = max(life.n_steps for life in lives.lives)
        self.step = 0
        self._device, self._dtype = device, dtype
        names = [p.name for p in lives.lives[0].network.plastic_pathways]
        self._kernel = kernel_of(Structure(tuple(PathwayStructure(name) for name in names)))
        self._each = [_Stepped(life, [dict(taus_s[name]) for name in names], self._kernel) for life in lives.lives]
        self._charged = np.zeros(len(self._each))
        for each in self._each:
            each.begin(0, task)

    @property
    def first(self) -> SpikingLife:
        return self.lives.lives[0]

    @property
    def over(self) -> Tensor:
        """Which lifetimes have ended, (n_lifetimes,) bool."""
        return torch.tensor([each.over for each in self._each], device=self._device)

    @property
    def finished(self) -> bool:
        return all(each.over for each in self._each)

    @property
    def weights(self) -> dict[str, Tensor]:
        """pathway -> (n_lifetimes, n_synapses), padded with zeros."""
        return {name: variables["w"] for name, variables in self.observe().items()}

    def observe(self) -> dict[str, dict[str, Tensor]]:
        """pathway -> variable -> (n_lifetimes, n_synapses)."""
        each = [stepped.observe() for stepped in self._each]
        return {
            name: {
                variable: torch.from_numpy(np.stack([one[name][variable] for one in each])).to(
                    self._device, self._dtype
                )
                for variable in variables
            }
            for name, variables in each[0].items()
        }

    def advance(self, action: Mapping[str, Tensor]) -> Tensor:
        """Apply Δw and move on a step; this step's part of each lifetime's loss, (n_lifetimes,)."""
        changes = {name: self._change(name, delta) for name, delta in action.items()}
        part = np.zeros(len(self._each))
        for s, each in enumerate(self._each):
            if each.over:
                continue
            each.finish(self.step, {name: change[s] for name, change in changes.items()})
            if not each.over:
                each.begin(self.step + 1, self.task)
            if each.over:
                part[s] = self.task.score_record(each.record(), each.life, metrics=False)[0]
        self.step += 1
        self._charged += part
        return torch.from_numpy(part).to(self._device)

    def _change(self, name: str, delta: Any) -> np.ndarray:
        if name not in self._each[0].pathways:
            raise PlasticbenchError(
                f"action.{name}: no such plastic pathway; {self.task.id} has {', '.join(self._each[0].pathways)}"
            )
        shape = (len(self._each), self._each[0].capacity[name])
        try:
            return np.broadcast_to(torch.as_tensor(delta).detach().cpu().numpy(), shape)
        except ValueError:
            found = tuple(torch.as_tensor(delta).shape[1:])
            raise PlasticbenchError(f"action.{name}: shape {found} does not broadcast against {shape[1:]}") from None

    def outcome(self) -> Outcome:
        """Of the lives so far, with n_rules = 1; a life that goes on counts as blown up now."""
        scored = [self.task.score_record(each.record(), each.life) for each in self._each]
        return Outcome(
            torch.tensor([[loss for loss, *_ in scored]], dtype=torch.float64),
            torch.tensor([[blown_up for _, blown_up, *_ in scored]]),
            {name: torch.tensor([[m[name] for *_, m, _ in scored]], dtype=torch.float64) for name in scored[0][2]},
            "torch",
            sum(lived_s for *_, lived_s in scored),
            0.0,
            0.0,
        )

    def snapshot(self) -> dict[str, np.ndarray]:
        """What a picture of the first lifetime needs of this moment."""
        first = self._each[0]
        weights = first.lifetime.snapshot().weights
        largest = {pathway.name: pathway.w_max for pathway in self.first.network.plastic_pathways}
        kept: dict[str, np.ndarray] = {}
        for name, w in weights.items():
            counts, _ = np.histogram(w, N_WEIGHT_BINS, (0.0, largest[name]))
            kept[f"shares/{name}"] = (counts / max(1, len(w))).astype(np.float32)
            kept[f"median/{name}"] = np.asarray(np.median(w) if len(w) else 0.0)
            kept[f"weights/{name}"] = w[:: max(1, len(w) // _KEPT_WEIGHTS)].copy()
        return {**kept, "rate_hz": first.lifetime.log.rate_hz[0].copy()}

    def recent_spikes(self) -> np.ndarray:
        """(n, 2) step and neuron of the last spikes of the first lifetime's first neurons."""
        return np.array(self._each[0].spikes[-_KEPT_SPIKES:], dtype=np.int64).reshape(-1, 2)


class _Stepped:
    """One lifetime."""

    def __init__(self, life: SpikingLife, taus_s: list[dict[str, float]], kernel: Any):
        self.life, self.kernel = life, kernel
        network = life.network
        wiring = draw_wiring(network, life.seed)
        self.pathways = [p.name for p in network.plastic_pathways]
        self.lifetime = Lifetime(life, wiring, taus_s, np.zeros((len(taus_s), 1)))
        self.over, self.spikes = False, []  # type: bool, list[tuple[int, int]]
        self._ends, self.capacity = {}, {}
        for k, pathway in enumerate(network.pathways):
            if pathway.plastic:
                n_pre, n_post = network.size(pathway.pre), network.size(pathway.post)
                self._ends[pathway.name] = wiring.synapses(k, n_pre)
                self.capacity[pathway.name] = pathway.connections.capacity(n_pre, n_post)
        self.status, self._probes, self._step = ALIVE, [], 0  # type: int, list[Any], int

    def begin(self, t: int, task: Any) -> None:
        """Up to where rules act at step t."""
        life = self.lifetime
        if t in self.life.probe_steps:
            self._probes.append(task._probe(life.snapshot()))
        self._step = t
        if t >= self.life.n_steps:
            self.over = True
        elif not self.kernel.begin_step(
            t, self.life.seed, life.layout, life.processes, life.wiring, life.neurons, life.inputs, life.plastic,
            life.ring, life.parameters,
        ):  # fmt: skip
            self.over, self.status = True, NOT_FINITE

    def finish(self, t: int, changes: Mapping[str, np.ndarray]) -> None:
        """Apply the changes and end step t."""
        life = self.lifetime
        weights = life.snapshot().weights
        if t < self.life.plastic_until_step:
            for pathway in self.life.network.plastic_pathways:
                if pathway.name in changes:
                    w = weights[pathway.name]
                    w[:] = np.clip(w + changes[pathway.name][: len(w)], 0.0, pathway.w_max)
        self.status = self.kernel.finish_step(t, life.layout, life.plastic, life.ring, life.log)
        life.step = self._step = t + 1
        self.over = self.status != ALIVE
        fired = self._spikes_of(self.life.network.index(self.life.watched), t)
        self.spikes.extend((t, int(i)) for i in fired if i < N_RASTER)

    def record(self):
        """Of the life so far."""
        return self.lifetime.record(self._step, self.status, tuple(self._probes))

    def _spikes_of(self, group: int, t: int) -> np.ndarray:
        ring = self.lifetime.ring
        slot, first = slot_of.py_func(t, ring), ring.first[group]
        return ring.spikes[slot, first : first + ring.n_spikes[slot, group]]

    def observe(self) -> dict[str, dict[str, np.ndarray]]:
        """pathway -> variable -> (capacity,)."""
        return {pathway.name: self._seen(k, pathway) for k, pathway in enumerate(self.life.network.plastic_pathways)}

    def _seen(self, k: int, pathway: Any) -> dict[str, np.ndarray]:
        network, life = self.life.network, self.lifetime
        pre, post = self._ends[pathway.name]
        sizes = (network.size(pathway.pre), network.size(pathway.post))
        past = max(self._step - pathway.delay_steps, 0) if self._step >= pathway.delay_steps else None
        arrived, fired = np.zeros(sizes[0]), np.zeros(sizes[1])
        if past is not None:
            arrived[self._spikes_of(network.index(pathway.pre), past)] = 1.0
        if not self.over:
            fired[self._spikes_of(network.index(pathway.post), self._step)] = 1.0
        seen = {
            "w": life.snapshot().weights[pathway.name],
            "pre_spike": arrived[pre],
            "post_spike": fired[post],
        }
        for x, trace in enumerate(TRACES):
            first = life.plastic.first[k]
            values = life.plastic.trace[first[x] : first[x + 1]].astype(np.float64) * life.plastic.unit[k, x]
            seen[trace] = values[pre if "pre" in trace else post]
        q = network.index(pathway.post)
        neurons = slice(life.layout.first[q], life.layout.first[q + 1])
        for name in sorted(network.variables(pathway) & {"v", "c_exc", "c_inh"}):
            field = {"v": "v_trace"}.get(name, name)
            seen[name] = getattr(life.neurons, field)[neurons].astype(np.float64)[post]
        padded = {name: np.zeros(self.capacity[pathway.name]) for name in (*seen, "w_max", "m")}
        for name, values in seen.items():
            padded[name][: len(values)] = values
        padded["w_max"][:] = pathway.w_max
        return padded
