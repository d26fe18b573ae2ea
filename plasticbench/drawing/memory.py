"""Picture of a life that is probed for what it remembers: the last probe's spikes, and the responses by break."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from plasticbench.drawing.lives import MUTED, PLASTIC, TARGET, LifeHistory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from plasticbench.networks.life import Life
    from plasticbench.networks.recordings import Recordings

_DOT = 1.2
_BEFORE_S = 0.3  # where the probe before training stands on the axis of breaks


def draw_memory_life(figure: Figure, history: LifeHistory, task: Any) -> None:
    """Rasters of the last probe, novel and familiar; Δr, and the populations' rates at rest, by break."""
    ((recordings, (life,)), *_) = history.life.recordings()
    lived = int(recordings.n_steps_lived[0, 0])
    names = [name for name in task.probes if life.phase(f"familiar_{name}").stop <= lived]
    axes = figure.subplots(2, 2)
    figure.suptitle(task.title, fontsize=11)
    rows = _rows_of_fields(history, task)
    for panel, pattern in zip(axes[0], task.patterns, strict=True):
        if names:
            _draw_raster(panel, recordings, life, task, pattern, names[-1], rows)
        panel.set(xlabel="time from the pattern's onset (s)", ylim=(0, task.side), xlim=(0, task.probe_s))
        panel.set_title(_title(pattern, names, task), fontsize=8, loc="left", pad=3)
    axes[0, 0].set_ylabel("row of the neuron's field")
    _draw_differences(axes[1, 0], recordings, task, len(names))
    _draw_rates(axes[1, 1], recordings, task, len(names))
    for panel in axes.flat:
        panel.spines[["top", "right"]].set_visible(False)


def _title(pattern: str, names: list[str], task: Any) -> str:
    if not names:
        return f"{pattern} pattern: no probe yet"
    when = "before training" if names[-1] == task.probes[0] else f"{names[-1][:-1]} s after training"
    return f"{pattern} pattern (red: its rows), {when}"


def _rows_of_fields(history: LifeHistory, task: Any) -> np.ndarray:
    """(n_exc,) mean row of the sheet that each excitatory neuron hears."""
    afferents, neurons = history.life.synapses("input_e")
    total = np.bincount(neurons, afferents // task.side, task.n_exc)
    return total / np.maximum(1, np.bincount(neurons, minlength=task.n_exc))


def _draw_raster(
    axes: Axes, recordings: Recordings, life: Life, task: Any, pattern: str, name: str, rows: np.ndarray
) -> None:
    trains = recordings[task.response_trains(pattern, name)][0][0]
    start = life.phase(f"{pattern}_{name}").start
    axes.plot((trains.steps - start) * life.dt_s, rows[trains.neurons], ".", ms=_DOT, color=PLASTIC)
    axes.plot([0.0, 0.0], task.rows_shown(pattern), color=TARGET, lw=5, solid_capstyle="butt", clip_on=False, zorder=5)


def _places(task: Any) -> np.ndarray:
    """Of the probes on a logarithmic axis of breaks."""
    return np.array([min(_BEFORE_S, 0.3 * task.breaks_s[0]), *task.breaks_s])


def _label_breaks(axes: Axes, task: Any) -> None:
    axes.set_xscale("log")
    axes.set_xticks(_places(task), [name if k == 0 else name[:-1] for k, name in enumerate(task.probes)], fontsize=8)
    axes.minorticks_off()
    axes.set_xlim(_places(task)[0] / 1.5, _places(task)[-1] * 1.5)
    axes.set_xlabel("break since training (s)")


def _draw_differences(axes: Axes, recordings: Recordings, task: Any, n: int) -> None:
    found = task.differences(recordings)[0, 0].detach().numpy()
    least = task.least_difference
    axes.axhspan(-least, least, color=MUTED, alpha=0.15, lw=0, label=f"within {least:g}: not told apart")
    axes.axhline(0.0, color=MUTED, lw=0.8)
    axes.plot(_places(task)[1:n], found[1:n], "o-", ms=4, color=PLASTIC)
    axes.plot(_places(task)[: min(n, 1)], found[: min(n, 1)], "o", ms=4, color=MUTED)
    most = 1.1 * max(task.full_difference, *np.abs(found[:n])) if n else task.full_difference
    axes.set(ylabel="Δr, novel against familiar", ylim=(-most, most))
    axes.legend(fontsize=7, loc="lower left", framealpha=0.85, edgecolor="none")
    _label_breaks(axes, task)


def _draw_rates(axes: Axes, recordings: Recordings, task: Any, n: int) -> None:
    for population, color, words in (("e", PLASTIC, "excitatory"), ("i", TARGET, "inhibitory")):
        found = task.base_rates_hz(recordings, population)[0, 0].numpy()
        axes.plot(_places(task)[:n], found[:n], "o-", ms=4, color=color, label=words)
    axes.set(ylabel=f"rate in the {task.base_s:g} s before (Hz)")
    axes.set_ylim(0.0, max(1.0, axes.get_ylim()[1]))
    axes.legend(fontsize=7, loc="best", framealpha=0.85, edgecolor="none")
    _label_breaks(axes, task)
