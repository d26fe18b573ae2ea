"""One lifetime under one rule, kept to be looked at: spikes, rates and weights over time, from the fused engines.

    record = plasticbench.task("StabilityIEMini-v0").record("vogels-2011")
    record.png("life.png")
    record.save("life.npz")

The life is the one that is scored: what is to be seen is declared as further recordings, which change nothing.
"""

from __future__ import annotations

import base64
import html
import io
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from plasticbench.drawing.movies import ffmpeg, gif, mp4
from plasticbench.drawing.painter import Painter
from plasticbench.drawing.recorded import Recorded, RecordedHistory
from plasticbench.errors import PlasticbenchError
from plasticbench.files import write_bytes
from plasticbench.networks.life import Life, Phase
from plasticbench.networks.rate import RateNetwork
from plasticbench.networks.recordings import PopulationRate, PopulationSpikes, Recordings, SpikeTrains
from plasticbench.networks.spiking import SpikingNetwork
from plasticbench.rules import Rule, RuleBatch, load_rule
from plasticbench.simulation.engine import EngineOptions, Measured, find_engine
from plasticbench.simulation.random import check_seed
from plasticbench.tasks.recorded_weights import rate_outputs, weights_over_time, with_weights

if TYPE_CHECKING:
    from plasticbench.tasks.task import Task

N_NEURONS = 100  # of each population, whose spikes are kept
N_SYNAPSES = 2_000  # of each pathway of a spiking network, whose weights are kept
N_TIMES = 200  # moments at which weights are kept
N_BINS = 1_000  # of rates
N_FRAMES = 60  # of a picture that moves
MOST_STEPS = 10_000_000  # of spikes and rates: of a longer life, the last ones
_WINDOW = "recorded"  # the phase that is added to such a life


@dataclass(frozen=True, eq=False, repr=False)
class LifeRecord:
    """What one life came to, and what happened in it. SI units; a presentation to a rate network counts as 1 s."""

    task: Task
    rule: str
    seed: int
    loss: float
    status: str  # "ok" or "blow-up"
    metrics: Mapping[str, float]
    engine: str
    wall_s: float
    compile_s: float
    kept: Recorded
    outputs: np.ndarray | None = field(default=None)  # of rate networks: (n_times, n_presented, n_outputs)

    @property
    def score(self) -> float:
        return self.task.score(self.loss)

    @property
    def life(self) -> Life:
        """The life as the task declares it."""
        return self.kept.life

    @property
    def conditions(self) -> Mapping[str, Any]:
        return self.life.conditions

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Named parts of the life, in steps of `life.dt_s`."""
        return self.life.phases

    @property
    def time_s(self) -> np.ndarray:
        """(n_times,) when weights were kept. Of slices, protocols have clocks of their own: steps of `life.dt_s`."""
        return self.kept.steps * self.life.dt_s

    @property
    def weights(self) -> Mapping[str, np.ndarray]:
        """Pathway -> (n_times, n_synapses), of rate networks (n_times, n_post, n_pre); slices: a synapse a protocol."""
        return self.kept.weights

    @property
    def spikes(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Of spiking networks: population -> times (n,) in s and neurons (n,), of the first N_NEURONS neurons."""
        found = {}
        for recording in self.kept.trains:
            trains = self.kept.recordings[recording][0][0]
            found[recording.group] = trains.steps * self.life.dt_s, trains.neurons.astype(np.int64)
        return found

    @cached_property
    def rates(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Of spiking networks: bins' middles (n_bins,) in s, and population -> mean rate in each (n_bins,), Hz."""
        start, stop = self.kept.window
        width = max(1, (stop - start) // N_BINS)
        n_bins = (min(stop, max(start, self.n_steps_lived)) - start) // width
        found = {}
        for recording in self.kept.counts:
            counts = self.kept.recordings[recording][0, 0].numpy()[: n_bins * width]
            size = self.life.spiking_network.size(recording.population)
            found[recording.population] = counts.reshape(n_bins, width).sum(-1) / (size * width * self.life.dt_s)
        return (start + (np.arange(n_bins) + 0.5) * width) * self.life.dt_s, found

    @property
    def n_steps_lived(self) -> int:
        return int(self.kept.recordings.n_steps_lived[0, 0])

    # ------------------------------------------------------------ to look at

    def history(self, until_step: int | None = None) -> RecordedHistory:
        """As `Task.draw_life` takes it: of the whole life, or until a step."""
        return RecordedHistory(self.kept, until_step)

    def figure(self, until_step: int | None = None) -> Any:
        """The task's picture of the life, a matplotlib figure."""
        return self._entitled(self.history(until_step))

    def frames(self, n: int = N_FRAMES) -> Iterator[np.ndarray]:
        """The life as it grows, (height, width, 3) uint8 each; the last one is the whole."""
        painter, steps = Painter(), self.kept.steps
        for k in np.unique(np.linspace(0, len(steps) - 1, n).astype(int)):
            history = self.history(int(steps[k]))
            yield painter.draw(self._entitled(history))

    def _entitled(self, history: RecordedHistory) -> Any:
        """The picture of a history, which names the rule and the seed."""
        figure = history.figure()
        title = figure.get_suptitle()
        figure.suptitle(f"{title}\n{self.rule}, seed {self.seed}", fontsize=10)
        return figure

    def gif(self, path: str | Path) -> None:
        """The life as a picture that moves."""
        write_bytes(path, gif(self.frames()))

    def mp4(self, path: str | Path) -> None:
        """As `gif`, by ffmpeg. Raises PlasticbenchError where there is none."""
        ffmpeg()  # before a minute is spent on drawing
        write_bytes(path, mp4(self.frames()))

    def png(self, path: str | Path | None = None) -> bytes:
        """The task's picture of the life; written to `path`, too, if one is given."""
        file = io.BytesIO()
        self.figure().savefig(file, format="png", metadata={"Software": None})
        if path is not None:
            write_bytes(path, file.getvalue())
        return file.getvalue()

    def _repr_html_(self) -> str:
        picture = base64.b64encode(self.png()).decode()
        return f'<p>{html.escape(repr(self))}</p><img alt="" src="data:image/png;base64,{picture}">'

    def __repr__(self) -> str:
        return (
            f"<LifeRecord: {self.rule} on {self.task.id}, seed {self.seed}: loss {self.loss:.5g}, {self.status}, "
            f"{self.wall_s:.2g} s on the {self.engine} engine>"
        )

    # ------------------------------------------------------------ to take away

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything by flat names, with units; `about` is a JSON object (conditions, metrics, versions)."""
        from plasticbench.tasks.record_arrays import arrays_of

        return arrays_of(self)

    def save(self, path: str | Path) -> None:
        """Write `arrays()` as a compressed npz file, whole or not at all; numpy.load reads it without pickles."""
        file = io.BytesIO()
        np.savez_compressed(file, **self.arrays())  # type: ignore[arg-type]
        write_bytes(path, file.getvalue())

    def to_xarray(self) -> Any:
        """An xarray Dataset. Raises PlasticbenchError if xarray is not installed."""
        from plasticbench.tasks.record_arrays import dataset_of

        return dataset_of(self)


def record_life(
    task: Task,
    rule: Rule | str | Any,
    seed: int | None = None,
    conditions: Mapping[str, Any] | None = None,
    engine: str = "auto",
    device: str | None = None,
) -> LifeRecord:
    """The lifetime of a seed (default: the first official one) under a rule, its name, its file or a Python policy.

    `conditions` fix the life's conditions by name. The loss has the bits of `task.losses(rule, [seed])`. Raises
    PlasticbenchError for an unknown seed, condition or engine, RuleError for a rule that does not suit.
    """
    import torch

    seed = task.official_seeds[0] if seed is None else check_seed(seed)
    rule = load_rule(rule) if isinstance(rule, str) else rule
    (life,) = task.draw([seed], conditions)
    asked, window, rate, trains, counts = _with_recordings(life)
    groups = task.group(rule)
    if len(groups) != 1 or len(groups[0][0]) != 1:
        raise PlasticbenchError("rule: give one rule; a record is of one life")
    ((_, batch),) = groups
    if isinstance(batch, RuleBatch) and task.track != "rate":
        batch.check_numbers()
    kept: list[Recordings] = []

    def measure(recordings: Recordings, lives: Any) -> Measured:
        kept.append(recordings)
        return task.measure(recordings, lives)

    with torch.no_grad():
        options = EngineOptions(device)
        chosen = find_engine(engine, [asked], batch, options)
        started = time.perf_counter()
        measured, compile_s = chosen.run([asked], batch, measure, options)
        wall_s = time.perf_counter() - started - compile_s
        brought = batch if isinstance(batch, RuleBatch) else batch.brought
        steps, weights, start = weights_over_time(asked, kept[-1], batch)
        outputs = rate_outputs(life, brought, steps, weights) if isinstance(life.network, RateNetwork) else None
    return LifeRecord(
        task,
        rule.name if isinstance(rule, Rule) else getattr(rule, "__name__", type(rule).__name__),
        seed,
        float(measured.losses[0, 0]),
        "blow-up" if bool(measured.blown_up[0, 0]) else "ok",
        {name: float(values[0, 0]) for name, values in measured.metrics.items()},
        chosen.name,
        wall_s,
        compile_s,
        Recorded(task, life, kept[-1], steps, weights, window, rate, trains, counts, start),
        outputs,
    )


_Asked = tuple[Life, tuple[int, int], PopulationRate | None, tuple[SpikeTrains, ...], tuple[PopulationSpikes, ...]]


def _with_recordings(life: Life) -> _Asked:
    """The life with more recordings; of spiking networks also the steps, the rate and the spikes that are recorded."""
    life = with_weights(life, N_TIMES, N_SYNAPSES)
    if not isinstance(life.network, SpikingNetwork):
        return life, (0, 0), None, (), ()
    window = max(0, life.n_steps - MOST_STEPS), life.n_steps
    phase = None if window[0] == 0 else _WINDOW
    populations = life.network.populations
    declared = next(iter(life.recordings_of(PopulationRate)), PopulationRate(populations[0].name))
    rate = replace(declared, phase=phase)
    trains = tuple(SpikeTrains(p.name, min(N_NEURONS, p.size), phase) for p in populations)
    counts = tuple(PopulationSpikes(p.name, phase) for p in populations)
    phases = life.phases if phase is None else (*life.phases, Phase(_WINDOW, *window))
    recordings = tuple(dict.fromkeys((*life.recordings, rate, *trains, *counts)))
    return replace(life, phases=phases, recordings=recordings), window, rate, trains, counts
