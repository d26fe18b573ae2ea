"""Spiking lifetimes stepped by hand, on the state and the compiled code of the cpu engine.

Rules are evaluated in float64 there and here, so a stepped lifetime and a fused one are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from plasticbench.drawing.constants import N_RASTER, N_WEIGHT_BINS
from plasticbench.errors import PlasticbenchError
from plasticbench.networks.life import Life
from plasticbench.networks.recordings import Recordings
from plasticbench.rules import RuleBatch
from plasticbench.simulation.engine import Measured, joined
from plasticbench.simulation.spiking.cpu_engine import recordings_of
from plasticbench.simulation.spiking.wiring import draw_wiring
from plasticbench.stepping.actions import checked_action
from plasticbench.stepping.spiking_life import SteppedLife

if TYPE_CHECKING:
    from plasticbench.tasks.task import Task

_KEPT_SPIKES = 20_000
_KEPT_WEIGHTS = 500


class SpikingLifetimes:
    """See `Lifetimes`; one step is one time step of the simulation.

    Sparse pathways of different seeds differ a little in their number of synapses: all are padded to a number
    that the network's statistics give, with synapses that never see a spike.
    """

    def __init__(
        self,
        task: Task,
        lives: tuple[Life, ...],
        brought: RuleBatch,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float64,
    ):
        self.task, self.lives = task, lives
        self._device, self._dtype = device, dtype
        self._each = [SteppedLife(life, draw_wiring(life.spiking_network, life.seed), brought) for life in lives]
        self._spikes: list[tuple[int, int]] = []
        for each in self._each:
            each.begin_next()

    @property
    def first(self) -> Life:
        return self.lives[0]

    @property
    def n_steps(self) -> int:
        return max(life.n_steps for life in self.lives)

    @property
    def over(self) -> Tensor:
        return torch.tensor([each.over for each in self._each], device=self._device)

    @property
    def finished(self) -> bool:
        return all(each.over for each in self._each)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: (self._each[0].capacity[name],) for name in self.first.plastic_names}

    @property
    def weights(self) -> dict[str, Tensor]:
        """Pathway -> (n_lifetimes, n_synapses), padded with zeros."""
        names = self.first.plastic_names
        rows = {name: np.zeros((len(self._each), self._each[0].capacity[name])) for name in names}
        for s, each in enumerate(self._each):
            for name, w in each.weights().items():
                rows[name][s, : len(w)] = w
        return {name: torch.from_numpy(row).to(self._device, self._dtype) for name, row in rows.items()}

    def observe(self) -> dict[str, dict[str, Tensor]]:
        """Pathway -> variable -> (n_lifetimes, n_synapses)."""
        each = [stepped.observe() for stepped in self._each]
        return {
            name: {variable: self._stacked([one[name][variable] for one in each]) for variable in variables}
            for name, variables in each[0].items()
        }

    def _stacked(self, rows: list[np.ndarray]) -> Tensor:
        joined_rows = rows[0][None] if len(rows) == 1 else np.stack(rows)
        return torch.from_numpy(joined_rows).to(self._device, self._dtype)

    def advance(self, action: Mapping[str, Tensor]) -> Tensor:
        given = checked_action(action, self.shapes, self.task.id)
        changes = {name: self._change(name, delta) for name, delta in given.items()}
        part = np.zeros(len(self._each))
        for s, each in enumerate(self._each):
            if each.over:
                continue
            each.finish_step({name: change[s] for name, change in changes.items()})
            if s == 0:
                self._keep_spikes(each)
            if not each.over:
                each.begin_next()
            if each.over:
                part[s] = float(self.task.measure_loss(recordings_of(each), [each.life]).losses)
        return torch.from_numpy(part).to(self._device)

    def _keep_spikes(self, each: SteppedLife) -> None:
        fired = each.fired_last(each.life.spiking_network.populations[0].name)
        self._spikes += [(each.step - 1, int(i)) for i in fired if i < N_RASTER]
        if len(self._spikes) > 2 * _KEPT_SPIKES:
            self._spikes = self._spikes[-_KEPT_SPIKES:]

    def _change(self, name: str, given: Tensor) -> np.ndarray:
        shape = (len(self._each), self._each[0].capacity[name])
        if given.requires_grad and torch.is_grad_enabled():
            raise PlasticbenchError(
                f"action.{name}: carries a gradient, which stepped spiking lifetimes do not pass on; step under "
                "torch.no_grad(), or take losses of a rule, whose gradient the torch engine gives"
            )
        values = given.detach().cpu().numpy()
        try:
            return np.broadcast_to(values, shape)
        except ValueError:
            raise PlasticbenchError(
                f"action.{name}: shape {tuple(values.shape[1:])} does not broadcast against {shape[1:]}"
            ) from None

    def abandon(self, lifetime: int) -> None:
        self._each[lifetime].over = True

    def recordings(self) -> list[tuple[Recordings, list[Life]]]:
        return [(recordings_of(each), [each.life]) for each in self._each]

    def outcome(self) -> Measured:
        return joined([self.task.measure(recordings, lives) for recordings, lives in self.recordings()], 1)

    def synapses(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The presynaptic and postsynaptic neuron of each synapse of a pathway, in the first lifetime."""
        network, first = self.first.spiking_network, self._each[0]
        k = next(k for k, pathway in enumerate(network.pathways) if pathway.name == name)
        return first.wiring.synapses(k, network.size(network.pathways[k].pre))

    def snapshot(self) -> dict[str, np.ndarray]:
        first = self._each[0]
        bounds = {p.name: (p.w_min, p.w_max) for p in self.first.spiking_network.plastic_pathways}
        kept: dict[str, np.ndarray] = {}
        for name, w in first.weights().items():
            counts, _ = np.histogram(w, N_WEIGHT_BINS, bounds[name])
            kept[f"shares/{name}"] = (counts / max(1, len(w))).astype(np.float32)
            kept[f"median/{name}"] = np.asarray(np.median(w) if len(w) else 0.0)
            kept[f"weights/{name}"] = w[:: max(1, len(w) // _KEPT_WEIGHTS)].copy()
        return {**kept, "rate_hz": first.log.rate_hz[0].copy() if len(first.log.rate_hz) else np.asarray(0.0)}

    def recent_spikes(self) -> np.ndarray:
        """(n, 2) step and neuron of the last spikes of the first lifetime's first neurons."""
        return np.array(self._spikes[-_KEPT_SPIKES:], dtype=np.int64).reshape(-1, 2)
