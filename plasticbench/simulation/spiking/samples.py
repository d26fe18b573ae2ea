"""The weights that a spiking life on the cpu records while it is lived."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from plasticbench.networks.life import Life
from plasticbench.networks.recordings import Weights
from plasticbench.simulation.rate.lives import sample_steps


class WeightSamples:
    """Of every `Weights` of a life, what was found so far."""

    def __init__(self, life: Life):
        self._life = life
        self.taken: dict[Weights, list[np.ndarray]] = {recording: [] for recording in life.recordings_of(Weights)}

    def steps(self) -> set[int]:
        """The steps before which some are taken."""
        return {step for recording in self.taken for step in sample_steps(self._life, recording)}

    def take(self, step: int, weights: Mapping[str, np.ndarray], coming_back: bool) -> None:
        """Those that are wanted before this step: of an excursion that ends here (`coming_back`), or all others."""
        for recording, taken in self.taken.items():
            phase = self._life.phase(recording.phase)
            away = step == phase.stop and self._life.ends_away(phase)
            if away == coming_back and step in sample_steps(self._life, recording):
                w = weights[recording.pathway]
                picked = slice(None) if recording.n is None else _evenly(len(w), recording.n)
                taken.append(w[picked].copy())

    def recorded(self, weights: Mapping[str, np.ndarray]) -> dict[Weights, np.ndarray]:
        """Each (n_times, n_synapses), 0 where nothing was lived; `weights` are those of now."""
        found = {}
        for recording, taken in self.taken.items():
            n_times = len(sample_steps(self._life, recording))
            some = taken[0] if taken else weights[recording.pathway][: recording.n]
            found[recording] = np.stack([*taken, *[np.zeros_like(some)] * (n_times - len(taken))])
        return found


def _evenly(n_all: int, n: int) -> np.ndarray:
    """At most n evenly spaced places."""
    return np.linspace(0, n_all - 1, min(n, n_all)).astype(np.int64)
