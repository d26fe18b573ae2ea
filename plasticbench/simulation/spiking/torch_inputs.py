"""The input spikes of lives on the torch engine: those of the cpu engine, drawn some steps at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from plasticbench.networks.life import Life
from plasticbench.simulation.spiking.inputs import InputState, draw_steps, input_processes, input_state

_STEPS = 2000  # drawn at once


class TorchInputs:
    """Each life draws by its own clock, which excursions turn back."""

    def __init__(self, lives: Sequence[Life]):
        self._lives = lives
        self._processes = [input_processes(life.spiking_network) for life in lives]
        self.states = [input_state(life.spiking_network) for life in lives]
        self._drawn: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = [(np.zeros(0, np.int64),) * 3 for _ in lives]
        self._until = [0 for _ in lives]  # the life's step up to which it has drawn

    def draw(self, t: int) -> None:
        """Have the spikes of the lives' step t; call with every step, in order."""
        for s, life in enumerate(self._lives):
            if self._until[s] <= t < life.n_steps:
                edges = [edge for e in life.excursions for edge in (e.start, e.stop) if edge > t]
                self._until[s] = min(t + _STEPS, life.n_steps, *edges)
                ahead = life.ahead(t)
                self._drawn[s] = draw_steps(
                    life.seed, t - ahead, self._until[s] - ahead, self._processes[s], self.states[s], ahead
                )

    def add_spikes(self, t: int, name: str, dense: np.ndarray) -> None:
        """Add a source's spikes of the lives' step t to `dense` (n_seeds, size)."""
        for s, life in enumerate(self._lives):
            steps, groups, afferents = self._drawn[s]
            clock = t - life.ahead(t)
            now = slice(*np.searchsorted(steps, (clock, clock + 1)))
            np.add.at(dense[s], afferents[now][groups[now] == life.spiking_network.index(name)], 1.0)

    def kept(self, s: int) -> InputState:
        """What the sources of a life remember, to be put back."""
        return InputState(*(array.copy() for array in self.states[s]))

    def put_back(self, s: int, before: InputState) -> None:
        """Sources remember what they did then."""
        for array, old in zip(self.states[s], before, strict=True):
            array[:] = old
