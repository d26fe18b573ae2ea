"""The torch engine of spiking networks: dense, readable, differentiable in rule parameters, on any device.

A batch of lifetimes (n_rules x n_seeds) advances one time step at a time. Small networks only: every pathway is a
dense matrix. It draws the same wiring and input spikes as the cpu engine and, in float64, emits the same spikes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.life import Life
from plasticbench.networks.spiking import Population, SpikingNetwork, SpikingPathway
from plasticbench.rules import RuleBatch
from plasticbench.simulation.engine import Measure, Measured, joined
from plasticbench.simulation.spiking.random_spikes import draw_step
from plasticbench.simulation.spiking.torch_excursions import Kept
from plasticbench.simulation.spiking.torch_inputs import TorchInputs
from plasticbench.simulation.spiking.torch_neurons import TorchNeurons, step_neurons
from plasticbench.simulation.spiking.torch_plasticity import TorchPathway
from plasticbench.simulation.spiking.torch_records import TorchRecords
from plasticbench.simulation.spiking.wiring import draw_wiring


def run_torch(
    lives: Sequence[Life],
    rules: RuleBatch,
    measure: Measure,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float64,
) -> Measured:
    """Every life under every rule; differentiable in `rules.parameters`.

    Raises PlasticbenchError unless the lives' networks are alike but for numbers.
    """
    batch = TorchLives(lives, rules, torch.device(device), dtype)
    for t in range(max(life.n_steps for life in lives)):
        batch.step(t)
        if not bool(batch.records.alive.any()):
            break
    return joined([measure(batch.records.recordings(s), [life]) for s, life in enumerate(lives)], 1)


class TorchLives:
    """The state of all lifetimes. Tensors lead with (n_rules, n_seeds), a 1 where all rules share."""

    def __init__(self, lives: Sequence[Life], rules: RuleBatch, device: torch.device, dtype: torch.dtype):
        self.lives, self.device, self.dtype = lives, device, dtype
        self.network = _common(lives)
        self.shape = (rules.n_rules, len(lives))
        self.neurons = [
            TorchNeurons.at_start(p.neuron, (*self.shape, p.size), device, dtype) for p in self.network.populations
        ]
        self.constants = [self._constants(q) for q in range(len(self.network.populations))]
        self.inputs = TorchInputs(lives)
        self.wirings = [draw_wiring(life.spiking_network, life.seed) for life in lives]
        masks = [self._connected(k) for k in range(len(self.network.pathways))]
        self._masks = {p.name: mask for p, mask in zip(self.network.pathways, masks, strict=True) if not p.plastic}
        self.static = {
            p.name: self._weights(k) * masks[k] for k, p in enumerate(self.network.pathways) if not p.plastic
        }
        plastic = [k for k, p in enumerate(self.network.pathways) if p.plastic]
        self.learned = {
            self.network.pathways[k].name: TorchPathway(
                [life.spiking_network.pathways[k] for life in lives], rules, index, masks[k], self._initial(k),
                self.network.dt_s,
            )
            for index, k in enumerate(plastic)
        }  # fmt: skip
        self.past: list[dict[str, Tensor]] = []  # spikes of the last steps, newest last
        self.depth = max((p.delay_steps for p in self.network.pathways), default=0) + 1
        self.records = TorchRecords(lives, self.shape, device, dtype)
        self._kept: dict[int, Kept] = {}  # by life, in an excursion: what it comes back to

    def _constants(self, q: int) -> dict[str, Tensor]:
        each = [life.spiking_network.populations[q].neuron.step_constants(life.dt_s) for life in self.lives]
        return {
            name: torch.tensor([one[name] for one in each], device=self.device, dtype=self.dtype)[:, None]
            for name in each[0]
        }

    def _connected(self, k: int) -> Tensor:
        """(n_seeds, n_post, n_pre) bool."""
        pathway = self.network.pathways[k]
        n_pre, n_post = self.network.size(pathway.pre), self.network.size(pathway.post)
        mask = torch.zeros((len(self.lives), n_post, n_pre), dtype=torch.bool)
        for s, wiring in enumerate(self.wirings):
            pre, post = wiring.synapses(k, n_pre)
            mask[s, torch.from_numpy(post), torch.from_numpy(pre)] = True
        return mask.to(self.device)

    def _weights(self, k: int) -> Tensor:
        """(n_seeds, 1, n_pre) of a static pathway, times its gain."""
        rows = [p.gain * torch.as_tensor(p.weight, dtype=self.dtype) for p in self._declared(k)]
        n_pre = self.network.size(self.network.pathways[k].pre)
        return torch.stack([row.expand(n_pre) for row in rows]).to(self.device)[:, None, :]

    def _initial(self, k: int) -> Tensor:
        """(n_seeds, 1, n_pre) of a plastic pathway."""
        rows = [torch.as_tensor(p.weight, dtype=self.dtype).clamp(max=p.w_max) for p in self._declared(k)]
        n_pre = self.network.size(self.network.pathways[k].pre)
        return torch.stack([row.expand(n_pre) for row in rows]).to(self.device)[:, None, :]

    def _declared(self, k: int) -> list[SpikingPathway]:
        return [life.spiking_network.pathways[k] for life in self.lives]

    # ------------------------------------------------------------ one step

    def step(self, t: int) -> None:
        """Advance every lifetime; ended ones are carried along and not recorded."""
        self._change_weights(t)
        self._leave(t)
        self._reset(t)
        self.records.sample(t, self.learned, self.wirings)
        spikes = self._emit(t)
        self.past = [*self.past[-self.depth + 1 :], spikes]
        for pathway in self.network.pathways:
            self._transmit(t, pathway, spikes)
        self._deliver(t)
        for learned in self.learned.values():
            learned.end_step()
        self.records.record(t, spikes, self.neurons, self.learned)
        self._come_back(t + 1)
        self.records.sample_end(t + 1, self.learned, self.wirings)

    def _change_weights(self, t: int) -> None:
        """Static weights, where the life's protocol changes them before step t."""
        for s, life in enumerate(self.lives):
            for change in life.weight_changes:
                if change.step == t:
                    gain = next(p.gain for p in life.spiking_network.pathways if p.name == change.pathway)
                    changed = self.static[change.pathway].clone()
                    changed[s] = gain * change.weight * self._masks[change.pathway][s]
                    self.static[change.pathway] = changed

    def _come_back(self, t: int) -> None:
        """Lives whose excursion stops before step t."""
        for s, life in enumerate(self.lives):
            if t in [excursion.stop for excursion in life.excursions]:
                self.records.sample_away(s, t, self.learned, self.wirings)
                self._kept.pop(s).put_back(self, s)

    def _leave(self, t: int) -> None:
        """Lives whose excursion starts before step t."""
        for s, life in enumerate(self.lives):
            if t in [excursion.start for excursion in life.excursions]:
                self._kept[s] = Kept.of(self, s)

    def _reset(self, t: int) -> None:
        """Lives that begin anew here; those of a batch that do so do it together."""
        again = torch.tensor([t in life.resets for life in self.lives], device=self.device)
        if not bool(again.any()):
            return
        for q, population in enumerate(self.network.populations):
            fresh = TorchNeurons.at_start(population.neuron, (*self.shape, population.size), self.device, self.dtype)
            old, chosen = self.neurons[q], again[None, :, None]
            values = {name: torch.where(chosen, fresh.values[name], x) for name, x in old.values.items()}
            self.neurons[q] = TorchNeurons(values, torch.where(chosen, fresh.ready, old.ready))
        self.past = [{name: x * ~again[None, :, None] for name, x in step.items()} for step in self.past]
        for learned in self.learned.values():
            learned.forget(again)
        self.records.forget(again)

    def _emit(self, t: int) -> dict[str, Tensor]:
        """Group -> spikes (n_rules or 1, n_seeds, size)."""
        spikes = {}
        clock = torch.tensor([[t - life.ahead(t)] for life in self.lives], device=self.device)
        for q, population in enumerate(self.network.populations):
            draws = self._draws(t, population) if population.neuron.hazard_hz is not None else None
            self.neurons[q], spikes[population.name] = step_neurons(
                population.neuron, self.neurons[q], clock, self.constants[q], draws
            )
        self.inputs.draw(t)
        for source in self.network.sources:
            dense = np.zeros((1, len(self.lives), source.size))
            self.inputs.add_spikes(t, source.name, dense[0])
            spikes[source.name] = torch.from_numpy(dense).to(self.device, self.dtype)
        return spikes

    def _draws(self, t: int, population: Population) -> Tensor:
        """(n_seeds, size) float64: what decides about random spikes."""
        rows = [draw_step(life.seed, population.name, t - life.ahead(t), population.size) for life in self.lives]
        return torch.from_numpy(np.stack(rows)).to(self.device)

    def _transmit(self, t: int, pathway: SpikingPathway, spikes: dict[str, Tensor]) -> None:
        if len(self.past) > pathway.delay_steps:
            arrived = self.past[-1 - pathway.delay_steps][pathway.pre]
        else:
            arrived = torch.zeros_like(self.past[0][pathway.pre])
        learned, q = self.learned.get(pathway.name), self.network.index(pathway.post)
        if learned is None:
            drive = (self.static[pathway.name] @ arrived.unsqueeze(-1)).squeeze(-1)
        else:
            drive = learned.drive(arrived)
        state = self.network.populations[q].neuron.receptors[pathway.receptor]
        self.neurons[q] = self.neurons[q].plus(state, drive)
        if learned is not None:
            seen = self._readable(q)
            learned.learn(arrived, spikes[pathway.post], self._acting(t, pathway.name), seen)

    def _acting(self, t: int, name: str) -> Tensor:
        """(n_rules, n_seeds) bool: whose rule acts at this pathway now."""
        index = [life.plastic_names.index(name) for life in self.lives]
        on = [life.plastic_at(t)[k] for life, k in zip(self.lives, index, strict=True)]
        return self.records.alive & torch.tensor(on, device=self.device)

    def _readable(self, q: int) -> dict[str, Tensor]:
        """What rules read of the neurons of a population, (n_rules, n_seeds, n_post, 1)."""
        readable = self.network.populations[q].neuron.reads
        return {name: self.neurons[q].values[state].unsqueeze(-1) for name, state in readable.items()}

    def _deliver(self, t: int) -> None:
        """The modulator reaches the synapses of the lives that have it now."""
        due = torch.tensor([life.modulator is not None and t in life.modulator.steps for life in self.lives])
        if not bool(due.any()):
            return
        value = self.records.deliver(t)
        for pathway in self.network.plastic_pathways:
            acting = self._acting(t, pathway.name) & due.to(self.device)
            seen = {**self._readable(self.network.index(pathway.post)), "m": value}
            self.learned[pathway.name].modulate(acting, seen)


def _common(lives: Sequence[Life]) -> SpikingNetwork:
    """The first life's network; PlasticbenchError unless all are alike but for numbers."""
    shapes = []
    for life in lives:
        network = life.spiking_network
        assert isinstance(network, SpikingNetwork)
        shapes.append(
            (
                network.dt_s, life.recordings,
                tuple((p.name, p.size, type(p.neuron)) for p in network.populations),
                tuple((source.name, source.size) for source in network.sources),
                tuple((p.name, p.pre, p.post, p.receptor, p.plastic, p.delay_steps) for p in network.pathways),
            )
        )  # fmt: skip
    if len(set(shapes)) > 1:
        raise PlasticbenchError(
            "lives: on the torch engine those of one call have groups, models, pathways, delays, time step and "
            "recordings alike; run them one by one"
        )
    network = lives[0].spiking_network
    assert isinstance(network, SpikingNetwork)
    return network
