"""A recorded lifetime in the place of a stepped one: tasks draw both by the same `draw_life`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from plasticbench.drawing.constants import N_RASTER, N_WEIGHT_BINS
from plasticbench.drawing.lives import LifeHistory
from plasticbench.networks.clamped import ClampedNetwork
from plasticbench.networks.layered import LayeredNetwork
from plasticbench.networks.life import Life
from plasticbench.networks.rate import RateNetwork
from plasticbench.networks.recordings import (
    FinalWeights,
    Modulation,
    PopulationRate,
    PopulationSpikes,
    Readout,
    Recordings,
    SpikeTrains,
    Weights,
)

if TYPE_CHECKING:
    from torch import Tensor

_KEPT_SPIKES = 20_000
_KEPT_WEIGHTS = 500


@dataclass(frozen=True, eq=False)
class Recorded:
    """What an engine kept of one life under one rule."""

    task: Any
    life: Life  # as the task declares it
    recordings: Recordings  # those of the life, and more
    steps: np.ndarray  # (n_times,) int64, increasing: when weights were taken; the last is where life ended
    weights: Mapping[str, np.ndarray]  # pathway -> (n_times, n_synapses), of rate networks (n_times, n_post, n_pre)
    window: tuple[int, int] = (0, 0)  # steps in which spikes and rates were recorded; of spiking networks
    rate: PopulationRate | None = None  # the population rate that pictures show; of spiking networks
    trains: tuple[SpikeTrains, ...] = ()  # the spikes that were asked for; pictures show the first
    counts: tuple[PopulationSpikes, ...] = ()  # the populations whose spikes were counted
    start_weight: float = 1.0  # of clamped networks


class RecordedLife:
    """What `draw_life` asks of a life, `n_shown` of whose sampled moments are over."""

    def __init__(self, kept: Recorded, n_shown: int):
        self._kept, self._n_shown = kept, n_shown
        self.task, self.first, self.lives = kept.task, kept.life, (kept.life,)
        self.step = int(kept.steps[n_shown - 1])

    @property
    def n_steps(self) -> int:
        return self.first.n_steps

    def recordings(self) -> list[tuple[Recordings, list[Life]]]:
        """What the life declares, up to now."""
        return [(self._until(self._n_shown - 1), [self.first])]

    def outcome(self) -> Any:
        """What the life would come to if it ended here."""
        return self.task.measure(self._until(self._n_shown - 1), [self.first])

    def loss_at(self, k: int) -> float:
        """The loss if life had ended at sampled moment k."""
        return float(self.task.measure_loss(self._until(k), [self.first]).losses[0, 0])

    def recent_spikes(self) -> np.ndarray:
        """(n, 2) step and neuron of the last spikes of the first population's first neurons."""
        if not self._kept.trains:
            return np.zeros((0, 2), np.int64)
        trains = self._kept.recordings[self._kept.trains[0]][0][0]
        shown = (trains.steps < self.step) & (trains.neurons < N_RASTER)
        return np.stack([trains.steps[shown], trains.neurons[shown]], 1)[-_KEPT_SPIKES:].astype(np.int64)

    def synapses(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The presynaptic and postsynaptic neuron of each synapse of a pathway."""
        from plasticbench.simulation.spiking.wiring import draw_wiring

        network = self.first.spiking_network
        k = next(k for k, pathway in enumerate(network.pathways) if pathway.name == name)
        return draw_wiring(network, self.first.seed).synapses(k, network.size(network.pathways[k].pre))

    @property
    def weights(self) -> dict[str, Tensor]:
        """Pathway -> weights now, (1, ...); of spiking networks of the synapses that were kept."""
        import torch

        return {name: torch.from_numpy(w[self._n_shown - 1])[None] for name, w in self._kept.weights.items()}

    @property
    def readout(self) -> Tensor:
        """Logits so far, (1, [n_outputs,] n_shown), the item now shown among them; of networks that have a readout."""
        found = self._kept.recordings[Readout()][0, :, : self.step + 1]
        return found if found.dim() == 2 else found.movedim(-1, 1)

    def _until(self, k: int) -> Recordings:
        """The declared recordings as a life that is at sampled moment k has them: 0 where nothing was lived yet."""
        kept, step = self._kept, int(self._kept.steps[k])
        values: dict[Any, Any] = {}
        for recording in self.first.recordings:
            value = kept.recordings[recording]
            if isinstance(self.first.network, RateNetwork | LayeredNetwork | ClampedNetwork):
                value = self._cut(recording, value, k, step)
            values[recording] = value
        n_lived = kept.recordings.n_steps_lived
        over = k == len(kept.steps) - 1
        return Recordings(
            values, n_lived if over else n_lived.clamp(max=step), kept.recordings.blown_up & over,
        )  # fmt: skip

    def _cut(self, recording: Any, value: Any, k: int, step: int) -> Any:
        import torch

        if isinstance(recording, FinalWeights):
            return torch.from_numpy(self._kept.weights[recording.pathway][k])[None, None]
        if isinstance(recording, Readout):
            return _zero_after(value, step + 1)  # the item now shown is answered already
        if isinstance(recording, Modulation):
            modulator = self.first.modulator
            return _zero_after(value, sum(at < step for at in modulator.steps) if modulator else 0)
        if isinstance(recording, Weights):
            phase, every = self.first.phase(recording.phase), max(1, round(recording.every_s / self.first.dt_s))
            return _zero_after(value, max(0, step - phase.start) // every + 1)
        return value


def _zero_after(value: Tensor, n: int) -> Tensor:
    """(1, 1, n_times, ...) with zeros from the n-th time on."""
    cut = value.clone()
    cut[:, :, n:] = 0
    return cut


class RecordedHistory(LifeHistory):
    """The history of a recorded life: of all of it, or `until` a step."""

    life: RecordedLife

    def __init__(self, kept: Recorded, until: int | None = None):
        shown = len(kept.steps) if until is None else int(np.searchsorted(kept.steps, until, "right"))
        self._kept, self._n_shown = kept, max(1, shown)
        self.life = RecordedLife(kept, self._n_shown)
        self.steps = [int(step) for step in kept.steps[: self._n_shown]]

    @cached_property
    def snapshots(self) -> list[dict[str, np.ndarray]]:  # type: ignore[override]
        """What a stepped life would have kept at each of the sampled moments."""
        return [self._snapshot(k) for k in range(self._n_shown)]

    def series(self, name: str) -> np.ndarray:
        if name == "loss":
            return np.array([self.life.loss_at(k) for k in range(self._n_shown)])
        return super().series(name)

    def _snapshot(self, k: int) -> dict[str, np.ndarray]:
        network = self._kept.life.network
        now = {name: values[k] for name, values in self._kept.weights.items()}
        if isinstance(network, ClampedNetwork):
            return {"change": next(iter(now.values())) / self._kept.start_weight - 1.0}
        if isinstance(network, RateNetwork | LayeredNetwork):
            return now
        found = {"rate_hz": np.asarray(self._rate_hz(int(self._kept.steps[k])))}
        for pathway in network.plastic_pathways:
            w = now[pathway.name]
            counts, _ = np.histogram(w, N_WEIGHT_BINS, (0.0, pathway.w_max))
            found[f"shares/{pathway.name}"] = (counts / max(1, len(w))).astype(np.float32)
            found[f"median/{pathway.name}"] = np.asarray(np.median(w) if len(w) else 0.0)
            found[f"weights/{pathway.name}"] = w[:: max(1, len(w) // _KEPT_WEIGHTS)]
        return found

    def _rate_hz(self, step: int) -> float:
        """The shown rate after `step` steps; NaN outside of the recorded window."""
        rate = self._kept.rate
        if rate is None:
            return 0.0
        if step == 0:
            return sum(rate.band) / 2 if rate.band else 0.0
        start, stop = self._kept.window
        return float(self._kept.recordings[rate][0, 0, step - 1 - start]) if start < step <= stop else float("nan")
