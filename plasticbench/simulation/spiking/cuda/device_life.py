"""One life under one rule on the device, as the host sees it: what happens between its steps, and what it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from plasticbench.networks.recordings import FinalWeights, Modulation, Weights
from plasticbench.simulation.cuda.driver import Device
from plasticbench.simulation.rate.lives import sample_steps
from plasticbench.simulation.spiking.cuda.arrays import LifeArrays
from plasticbench.simulation.spiking.lifetime import stops_of
from plasticbench.simulation.spiking.log import recorded
from plasticbench.simulation.spiking.steps import ALIVE


class DeviceLife:
    """`struct` is this life's row of the table of lives; `places`: array -> (offset in the arena, bytes)."""

    def __init__(
        self, arrays: LifeArrays, struct: Any, places: Mapping[str, tuple[int, int]], arena: int, n_synapses: list[int]
    ):
        self.arrays, self.life, self.struct = arrays, arrays.life, struct
        self._places, self._arena, self._n_synapses = places, arena, n_synapses
        self._stops = stops_of(self.life)
        self._weights: dict[Weights, list[np.ndarray]] = {r: [] for r in self.life.recordings if isinstance(r, Weights)}
        self._modulation: list[Any] = []
        self._logged: list[np.ndarray] = []
        self._passed = -1

    def begin(self, device: Device, parameters: list[np.ndarray]) -> None:
        """The start of life, but for the weights."""
        self._clear(device, *(name for name in self._places))
        self._upload(device, "parameters", np.concatenate([*parameters, np.zeros(0)]))
        self._upload(device, "state", self.arrays.initial_state())
        self._upload(device, "unit", np.ones(len(self.arrays.plan.filters)))

    # ------------------------------------------------------------ living

    @property
    def step(self) -> int:
        return self.struct.step

    @property
    def blown_up(self) -> bool:
        return self.struct.status != ALIVE

    @property
    def over(self) -> bool:
        return self.blown_up or (self.step >= self.life.n_steps and self._passed == self.life.n_steps)

    def prepare(self, device: Device) -> None:
        """What happens before the next step, and how far to live then."""
        t, life = self.step, self.life
        if t > self._passed and (t in self._stops or t == 0):
            self._pass_by(device, t)
            self._passed = t
        if t >= life.n_steps:
            return
        for k, learns in enumerate(life.plastic_at(t)):
            self.struct.learning[k] = learns
        self.struct.deliver_step = -1
        self.struct.until = next(stop for stop in self._stops if stop > t)
        if life.modulator is not None and t in life.modulator.steps:
            if t != self._delivered:
                self._deliver(device)
            self.struct.deliver_step, self.struct.until = t, t + 1

    _delivered = -1

    def _pass_by(self, device: Device, t: int) -> None:
        if t in self.life.resets:
            self._reset(device, t)
        for recording, kept in self._weights.items():
            if t in sample_steps(self.life, recording):
                w = self._pathway_weights(device, recording.pathway)
                kept.append(w[recording.picked(len(w))])

    def _reset(self, device: Device, t: int) -> None:
        """Neurons, spikes on their way, traces, states and counts as at the start of life; weights and inputs stay."""
        self._clear(device, "held", "sums", "ring_n", "value", "pending", "synaptic", "since")
        self._upload(device, "state", self.arrays.initial_state())
        self._upload(device, "unit", np.ones(len(self.arrays.plan.filters)))
        self._upload(device, "since_change", np.full(self._places["since_change"][1] // 4, t, np.int32))
        plan = self.arrays.plan
        counts = self._download(device, "input_n", np.int32).reshape(plan.input_slots, -1)
        ahead = -t % plan.inputs_ahead  # steps from t on that have been drawn
        kept = [(t + k) % plan.input_slots for k in range(ahead)]
        counts[[slot for slot in range(plan.input_slots) if slot not in kept]] = 0
        self._upload(device, "input_n", counts)

    def _deliver(self, device: Device) -> None:
        """The modulator's value at this step, to where rules read it."""
        modulator, network = self.life.modulator, self.life.spiking_network
        assert modulator is not None
        self._delivered = self.step
        counts = self._download(device, "since", np.int32)
        self._clear(device, "since")
        signal = modulator.signal(modulator.steps.index(self.step))
        value = modulator.evaluate(signal, counts.astype(np.float64))
        self._modulation.append(value)
        sizes = [network.size(p.post) for p in network.plastic_pathways]
        self._upload(device, "m", np.concatenate([np.broadcast_to(value, (size,)) for size in sizes]))

    def drain(self, device: Device) -> None:
        """Take what the log holds."""
        n = self.struct.n_logged
        if n:
            offset, _ = self._places["logged"]
            rows = np.empty((n, 3), np.int32)
            device.download(self._arena + offset, rows)
            self._logged.append(rows)
            self.struct.n_logged = 0

    # ------------------------------------------------------------ memory

    def _upload(self, device: Device, name: str, array: np.ndarray) -> None:
        offset, n_bytes = self._places[name]
        assert array.nbytes == n_bytes, name
        device.upload(self._arena + offset, array)

    def _download(self, device: Device, name: str, dtype: type) -> np.ndarray:
        offset, n_bytes = self._places[name]
        found: np.ndarray = np.empty(n_bytes // np.dtype(dtype).itemsize, dtype)
        device.download(self._arena + offset, found)
        return found

    def _clear(self, device: Device, *names: str) -> None:
        for name in names:
            offset, n_bytes = self._places[name]
            device.clear(self._arena + offset, n_bytes)

    def _pathway_weights(self, device: Device, pathway: str) -> np.ndarray:
        k = self.life.plastic_names.index(pathway)
        found = np.empty(self._n_synapses[k])
        device.download(self._arena + self._places["w"][0] + 8 * self.struct.plastic_first[k], found)
        return found

    # ------------------------------------------------------------ what is left

    def fetch(self, device: Device) -> dict:
        """Recording -> array, or spike train, of the life."""
        empty = self.arrays.log
        rows = np.concatenate([np.zeros((0, 3), np.int32), *self._logged])
        rows = rows[np.lexsort((rows[:, 2], rows[:, 1]))]
        log = empty._replace(
            rates=self._download(device, "rates", np.float32),
            spikes=self._download(device, "series", np.int32),
            counts=self._download(device, "counts", np.int32).astype(np.int64),
            logged=rows,
            n_logged=np.array([len(rows)]),
        )
        found = recorded(self.life, log)
        for recording, kept in self._weights.items():
            n_times = len(sample_steps(self.life, recording))
            some = kept[0] if kept else self._pathway_weights(device, recording.pathway)[: recording.n]
            found[recording] = np.stack([*kept, *[np.zeros_like(some)] * (n_times - len(kept))])
        found |= {r: self._pathway_weights(device, r.pathway) for r in self.life.recordings_of(FinalWeights)}
        return found | {r: self._modulation_array() for r in self.life.recordings_of(Modulation)}

    def _modulation_array(self) -> np.ndarray:
        modulator = self.life.modulator
        assert modulator is not None
        shape = (len(self.arrays.log.since),) if modulator.per_neuron else ()
        values = np.zeros((len(modulator.steps), *shape))
        values[: len(self._modulation)] = self._modulation
        return values
