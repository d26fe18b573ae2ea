"""Four plastic pathways at once: how long does a network tell what it was shown from what it was not?

Confavreux et al., "Memory by a thousand rules" (2025): its familiarity task with growing breaks. Network and rules:
Confavreux, Ramesh, Gonçalves, Macke & Vogels, NeurIPS 36 (2023).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from plasticbench.networks.connections import RandomConnections, ReceptiveFields
from plasticbench.networks.life import Life
from plasticbench.networks.neurons import MovingThresholdLIF
from plasticbench.networks.recordings import PopulationRate, Recording, Recordings, SpikeCounts, SpikeTrains, Weights
from plasticbench.networks.sources import PoissonProcess, PoissonSource
from plasticbench.networks.spiking import Population, SpikingNetwork, SpikingPathway
from plasticbench.tasks.conditions import Uniform
from plasticbench.tasks.metrics.novelty import on_ratio, relative_difference
from plasticbench.tasks.metrics.plausibility import stability_metrics
from plasticbench.tasks.registry import register
from plasticbench.tasks.spiking_task import SpikingTask

from .memory_course import PATTERNS, Course, Window, rate_within

if TYPE_CHECKING:
    from torch import Tensor

    from plasticbench.drawing.lives import LifeHistory

_REFERENCE = (
    'Confavreux et al., "Memory by a thousand rules" (2025); network and rules: Confavreux, Ramesh, Gonçalves, Macke & '
    "Vogels, NeurIPS 36 (2023)"
)
_RECURRENT = {
    "ee": ("e", "e", "exc", 0.1),
    "ei": ("e", "i", "exc", 0.1),
    "ie": ("i", "e", "inh", 1.0),
    "ii": ("i", "i", "inh", 1.0),
}  # presynaptic population, postsynaptic population, receptor, initial weight
_BAND_HZ = (0.1, 100.0)
_N_TRAINS = {"e": 1000, "i": 500}  # recorded for metrics, as published
_N_WEIGHTS = 100  # of a pathway, recorded for metrics


@dataclass(frozen=True, kw_only=True)
class MemoryRetention(SpikingTask):
    """
    ## Description
    Excitatory and inhibitory integrate-and-fire neurons with AMPA, NMDA and a moving threshold; all four recurrent
    pathways (`ee`, `ei`, `ie`, `ii`; presynaptic population first) are plastic all their life, from ee = ei = 0.1 and
    ie = ii = 1, with w_max 20. Poisson afferents on a sheet of 100 x 100 reach each neuron from within 8 of its centre,
    with weight 0.075; inhibitory neurons have a sheet of their own that is never shown anything.

    30 s of background, then 10 s of training: afferents 7500 to 7999 are shown for N(1, 1/3) s at a time, 10 ms of
    background (on average) between. At each break's end the network is probed: novel (afferents 2000 to 2499) for 1 s,
    and 3 s of background; then, from the same state, familiar in the same way. Breaks count from the end of training:
    1, 10, 20, 60, 120 and 300 s; Mini to 60 s; Hours also 600, 1200, 3600 and 14,400 s. Probes are excursions: life
    goes on as if they had not been, and both see the same background spikes. The same probe before training (ours)
    tells how differently the wiring responds to two patterns of which it knows neither.

    ## Observation and action
    The synapses of each pathway, (n_synapses,) each: `w`, traces `x_pre`, `x_post`, `x_pre2`, `x_post2`, `pre_spike`
    (arrives now), `post_spike`, `w_max`. One step is 0.1 ms; the action is Δw.

    ## Conditions
    `background_rate_hz` 10, `active_rate_hz` (of shown afferents) 60, `training_s` 10: constants, which a caller may
    change.

    ## Loss
    1 − mean over breaks of told x calm, in [0, 1]. Δr = 2 (N − F)/(N + F + 0.01), N and F being the mean spike counts
    of an excitatory neuron during the novel and the familiar probe. It counts in the direction in which it moved since
    before training, as far as it is beyond both 0 and what it was then; and no more than after any earlier break, so
    that what drifts apart later is no memory. Of this, d: told = (d − 0.1)/(0.3 − 0.1) within [0, 1]; 0.1 is the
    published criterion of a novelty response. calm: 1 where both populations' rates in the break's last
    second are from 1 to 50 Hz, less by the relative violation elsewhere. If the excitatory rate, filtered with 1 s and
    started at 50.05 Hz, leaves (0.1, 100) Hz at time t of a life of length T (probes included): 1 + exp(−t/T).

    ## Published
    Rule f19bec85, one life in the original simulator: Δr 0.30, 0.36, 0.41, 0.24, 0.07 after 1, 10, 20, 60, 120 s, base
    rate 1.7 to 2.3 Hz.

    ## Version history
    v0: first version. Unlike the published code, every lifetime has its own wiring and input spikes.
    """

    n_exc: int
    n_inh: int
    probability: float
    breaks_s: tuple[float, ...]
    side: int = 100  # of the sheet
    radius: float = 8.0
    n_shown: int = 500  # afferents of a pattern
    first_novel: int = 2000
    first_familiar: int = 7500
    w_max: float = 20.0
    input_weight: float = 0.075
    settling_s: float = 30.0
    on_s: float = 1.0
    off_s: float = 0.01
    probe_s: float = 1.0
    after_probe_s: float = 3.0
    base_s: float = 1.0
    rest_s: float = 10.0  # before the last break's end, whose activity and weights are judged; 0: they are not
    least_difference: float = 0.1
    full_difference: float = 0.3
    calm_hz: tuple[float, float] = (1.0, 50.0)
    score_scale: Literal["linear", "log"] = "linear"

    def life(self, conditions: Mapping[str, Any], seed: int) -> Life:
        course = self._course(conditions["training_s"])
        training = course.presentations(seed, self.on_s, self.off_s)
        rate = PopulationRate("e", 1.0, _BAND_HZ, f"familiar_{self.probes[-1]}")
        recordings: list[Recording] = [rate, *self._counts(), *self._trains(), *self._weights()]
        return Life(
            self._network(conditions, course.windows("novel"), [*training, *course.windows("familiar")]), seed,
            course.excursions[-1].stop, tuple(recordings), conditions, tuple(course.phases.values()),
            excursions=course.excursions,
        )  # fmt: skip

    def _course(self, training_s: float) -> Course:
        return Course(
            self.settling_s, training_s, self.breaks_s, self.probe_s, self.after_probe_s, self.base_s, self.rest_s,
            SpikingNetwork.dt_s,
        )  # fmt: skip

    @property
    def patterns(self) -> tuple[str, ...]:
        """In the order in which each probe shows them."""
        return PATTERNS

    @property
    def probes(self) -> tuple[str, ...]:
        """Names of the probes: before training, and after each break."""
        return self._course(0.0).probes

    def _network(
        self, conditions: Mapping[str, Any], novel: Sequence[Window], familiar: Sequence[Window]
    ) -> SpikingNetwork:
        background_hz, n_inputs = conditions["background_rate_hz"], self.side**2
        extra_hz = max(0.0, conditions["active_rate_hz"] - background_hz)
        background = PoissonProcess(0, n_inputs, background_hz)
        patterns = [
            PoissonProcess(first, self.n_shown, rate_within(windows, extra_hz))
            for first, windows in ((self.first_novel, novel), (self.first_familiar, familiar))
        ]
        fields = ReceptiveFields(self.side, self.radius)
        inputs = [
            SpikingPathway(f"input_{post}", f"input_{post}", post, "exc", fields, self.input_weight) for post in "ei"
        ]
        random = RandomConnections(self.probability)
        recurrent = [
            SpikingPathway(name, pre, post, receptor, random, weight, True, self.w_max)
            for name, (pre, post, receptor, weight) in _RECURRENT.items()
        ]
        return SpikingNetwork(
            tuple(Population(name, size, MovingThresholdLIF()) for name, size in self._sizes.items()),
            (
                PoissonSource("input_e", n_inputs, (background, *patterns)),
                PoissonSource("input_i", n_inputs, (background,)),
            ),
            (*inputs, *recurrent),
        )

    # ------------------------------------------------------------ what is recorded, and what it comes to

    @property
    def _sizes(self) -> dict[str, int]:
        return {"e": self.n_exc, "i": self.n_inh}

    def _counts(self) -> Iterator[SpikeCounts]:
        for name in self.probes:
            yield from (SpikeCounts("e", f"{pattern}_{name}") for pattern in PATTERNS)
            yield from (SpikeCounts(population, f"base_{name}") for population in self._sizes)

    def response_trains(self, pattern: str, probe: str) -> SpikeTrains:
        """The recording of excitatory spikes while a probe shows a pattern."""
        return self._train("e", f"{pattern}_{probe}")

    def rows_shown(self, pattern: str) -> tuple[float, float]:
        """The rows of the sheet that a pattern covers, from and to."""
        first = self.first_novel if pattern == "novel" else self.first_familiar
        return first / self.side, (first + self.n_shown) / self.side

    def _train(self, population: str, phase: str) -> SpikeTrains:
        return SpikeTrains(population, min(_N_TRAINS[population], self._sizes[population]), phase)

    def _trains(self) -> Iterator[SpikeTrains]:
        yield from (self.response_trains(pattern, name) for name in self.probes for pattern in PATTERNS)
        if self.rest_s:
            yield from (self._train(population, "rest") for population in self._sizes)

    def _weights(self) -> list[Weights]:
        every_s = self.rest_s / 10
        return [Weights(name, every_s, _N_WEIGHTS, "rest") for name in _RECURRENT] if self.rest_s else []

    def differences(self, recordings: Recordings) -> Tensor:
        """Δr before training and after each break, (n_rules, n_lives, 1 + n_breaks)."""
        import torch

        novel, familiar = (
            torch.stack([recordings[SpikeCounts("e", f"{pattern}_{name}")].mean(-1) for name in self.probes], -1)
            for pattern in PATTERNS
        )
        return relative_difference(novel, familiar)

    def base_rates_hz(self, recordings: Recordings, population: str) -> Tensor:
        """A population's rate in the second before each probe, (n_rules, n_lives, 1 + n_breaks)."""
        import torch

        counts = [recordings[SpikeCounts(population, f"base_{name}")].mean(-1) for name in self.probes]
        return torch.stack(counts, -1) / self.base_s

    def loss(self, recordings: Recordings, lives: Sequence[Life]) -> Tensor:
        import torch

        differences = self.differences(recordings)
        before, after = differences[..., :1], differences[..., 1:]
        learned = torch.stack([torch.minimum(sign * after, sign * (after - before)) for sign in (1.0, -1.0)])
        kept = learned.cummin(-1).values.amax(0)
        told = ((kept - self.least_difference) / (self.full_difference - self.least_difference)).clamp(0.0, 1.0)
        low_hz, high_hz = self.calm_hz
        for population in self._sizes:
            rates_hz = self.base_rates_hz(recordings, population)[..., 1:]
            below, above = (low_hz - rates_hz) / low_hz, (rates_hz - high_hz) / high_hz
            told = told * (1.0 - below.clamp(min=0.0) - above.clamp(min=0.0)).clamp(min=0.0)
        return 1.0 - told.mean(-1)

    def metrics(self, recordings: Recordings, lives: Sequence[Life]) -> dict[str, Tensor]:
        import torch

        by_break = {"response_difference": self.differences(recordings)}
        by_break |= {f"rate_{q}_hz": self.base_rates_hz(recordings, q) for q in self._sizes}
        found = {f"{key}_{n}": x[..., k] for key, x in by_break.items() for k, n in enumerate(self.probes)}
        shape = recordings.blown_up.shape
        cells = [[self._of_one(recordings, r, s) for s in range(shape[1])] for r in range(shape[0])]
        for key in cells[0][0]:
            found[key] = torch.tensor([[cell[key] for cell in row] for row in cells], dtype=torch.float64)
        return found

    def _of_one(self, recordings: Recordings, r: int, s: int) -> dict[str, float]:
        """What is reckoned from the spike trains of one life under one rule."""
        found = {}
        for name in self.probes:
            novel, familiar = (recordings[self.response_trains(p, name)][r][s] for p in PATTERNS)
            stds = (float(trains.spike_counts().std()) for trains in (novel, familiar))
            found[f"response_std_difference_{name}"] = relative_difference(*stds)
            found[f"on_ratio_novel_{name}"] = on_ratio(novel, self.probe_s / 10)
            found[f"on_ratio_familiar_{name}"] = on_ratio(familiar, self.probe_s / 10)
        if not self.rest_s:
            return found
        trains = [recordings[self._train(population, "rest")][r][s] for population in self._sizes]
        weights = {w.pathway: np.asarray(recordings[w][r, s].detach().cpu()) for w in self._weights()}
        return found | stability_metrics(trains[0], trains[1], weights, dict.fromkeys(_RECURRENT, self.w_max))

    def blow_up_loss(self, share_lived: float) -> float:
        return 1.0 + math.exp(-share_lived)

    def shortened(self) -> MemoryRetention:
        return dataclasses.replace(
            self, n_exc=40, n_inh=10, probability=0.3, side=12, radius=3.0, n_shown=24, first_novel=24,
            first_familiar=96, input_weight=0.5, settling_s=0.004, on_s=0.003, off_s=0.001, probe_s=0.003,
            after_probe_s=0.001, base_s=0.002, rest_s=0.0, breaks_s=(0.002, 0.004), calm_hz=(0.01, 500.0),
            conditions={**self.conditions, "training_s": Uniform(0.006, 0.006, (0.001, 3600.0))},
        )  # fmt: skip

    def draw_life(self, figure: Any, history: LifeHistory) -> None:
        from plasticbench.drawing.memory import draw_memory_life

        draw_memory_life(figure, history, self)


_BREAKS_S = (1.0, 10.0, 20.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 3600.0, 14400.0)
_FULL = {"n_exc": 4096, "n_inh": 1024, "probability": 0.1}
_MINI = {"n_exc": 1024, "n_inh": 256, "probability": 0.4}
_TASKS: dict[str, tuple[dict[str, Any], float, str, str]] = {  # size, longest break, title, words
    "": (_FULL, 300.0, "Memory over minutes", "six breaks of up to five minutes"),
    "Mini": (_MINI, 60.0, "Memory over a minute, small", "four breaks of up to a minute"),
    "Hours": (_FULL, 14400.0, "Memory over hours", "ten breaks of up to four hours"),
}
# Official means of the null and the reference rule; none that knows nothing beats the null rule. Hours: from the first
# six breaks, which are the full task's to the bit, the later four counted as forgotten.
_MEASURED = {"": (1.0, 0.391), "Mini": (1.0, 0.0401178), "Hours": (1.0, 0.635)}

for _suffix, (_size, _longest_s, _title, _words) in _TASKS.items():
    register(
        MemoryRetention(
            id=f"plasticbench/MemoryRetention{_suffix}-v0",
            title=_title,
            summary=(
                f"A network of {_size['n_exc'] + _size['n_inh']} spiking neurons whose four recurrent pathways are "
                f"plastic is shown a pattern for 10 s; after {_words} it should respond to it otherwise than to a new "
                "one."
            ),
            reference=_REFERENCE,
            reference_rule="confavreux-2023-f19bec85",
            breaks_s=tuple(b for b in _BREAKS_S if b <= _longest_s),
            conditions={
                "background_rate_hz": Uniform(10.0, 10.0, (0.0, 1000.0)),
                "active_rate_hz": Uniform(60.0, 60.0, (0.0, 1000.0)),
                "training_s": Uniform(10.0, 10.0, (0.1, 3600.0)),
            },
            n_official=10,
            null_loss=_MEASURED[_suffix][0],
            reference_loss=_MEASURED[_suffix][1],
            families=("doublet",),
            **_size,
        )
    )
