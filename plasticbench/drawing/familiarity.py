"""Pictures of a lifetime in a familiarity task: who fires for which pattern, the rate, the weights among friends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from plasticbench.drawing.lives import MUTED, PLASTIC, TARGET, LifeHistory
from plasticbench.networks.recordings import Weights

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RASTER_S = 16.0  # both tests, the break between and the end of training
_N_SHOWN = 60  # neurons of the raster


@dataclass(frozen=True, eq=False)
class Scene:
    """What a familiarity task knows of a life beside its history."""

    shown: Sequence[Any]  # presentations: each with `pattern`, `start`, `stop` (steps)
    pattern_rows: Sequence[tuple[float, float]]  # of each pattern, the novel one last: where it begins and ends
    row: np.ndarray  # (n_exc,): of the sheet, where a neuron's receptive field lies
    sampled: Mapping[str, Weights]  # pathway -> its recorded weights
    familiar: Mapping[str, np.ndarray]  # pathway -> which recorded synapses join neurons of one familiar pattern
    cuts_hz: tuple[float, float]  # at least this for a familiar pattern, at most that for the novel one


def draw_familiarity(figure: Figure, history: LifeHistory, scene: Scene) -> None:
    """Raster of the last moments by receptive field, the rate in both tests, weights among familiar neurons."""
    life = history.life
    names = list(scene.familiar)
    rows = figure.add_gridspec(3, len(names), height_ratios=[1.3, 1.0, 0.9])
    raster = figure.add_subplot(rows[0, :])
    rate = figure.add_subplot(rows[1, :])
    figure.suptitle(life.task.title, fontsize=11)
    times_s = np.array(history.steps) * life.first.dt_s
    now_s = max(times_s[-1], life.first.dt_s)
    _draw_raster(raster, life, scene, now_s)
    _draw_rate(rate, history, scene, times_s)
    panels = [figure.add_subplot(rows[2, k]) for k in range(len(names))]
    recorded = life.recordings()[0][0]
    for panel, name in zip(panels, names, strict=True):
        _draw_weights(panel, recorded[scene.sampled[name]][0, 0].numpy(), scene.familiar[name], name, times_s[-1])
        panel.set_xlim(0, now_s)
    for axes in (raster, rate, *panels):
        axes.spines[["top", "right"]].set_visible(False)


def _colour(pattern: int, scene: Scene) -> str:
    return TARGET if pattern == len(scene.pattern_rows) - 1 else PLASTIC


def _draw_raster(axes: Axes, life: Any, scene: Scene, now_s: float) -> None:
    """Spikes at the row of the sheet that a neuron listens to; a pattern is a rectangle over its rows."""
    dt_s, first_s = life.first.dt_s, max(0.0, now_s - _RASTER_S)
    spikes = life.recent_spikes()
    spikes = spikes[spikes[:, 1] < _N_SHOWN]
    axes.plot(spikes[:, 0] * dt_s, scene.row[spikes[:, 1]], ".", ms=1.2, color="black", alpha=0.5)
    for one in scene.shown:
        start_s, stop_s = max(one.start * dt_s, first_s), min(one.stop * dt_s, now_s)
        if start_s < stop_s:
            bottom, top = scene.pattern_rows[one.pattern]
            colour = _colour(one.pattern, scene)
            axes.fill_between([start_s, stop_s], bottom, top, lw=0, facecolor=colour, alpha=0.45, zorder=3)
    axes.set(ylabel="row of the sheet", xlim=(first_s, now_s), ylim=(-1, scene.row.max() + 1))
    axes.set_title(
        f"spikes of {_N_SHOWN} excitatory neurons, where they listen; shaded: the pattern that is on (red: novel)",
        fontsize=8, loc="left", pad=3,
    )  # fmt: skip


def _draw_rate(axes: Axes, history: LifeHistory, scene: Scene, times_s: np.ndarray) -> None:
    """The rate over life; both tests shaded, with the bound that they ask for."""
    life = history.life.first
    axes.plot(times_s, history.series("rate_hz"), color="black", lw=1.2)
    for name, bound_hz, colour in (("familiar", scene.cuts_hz[0], PLASTIC), ("novel", scene.cuts_hz[1], TARGET)):
        phase = life.phase(name)
        window_s = phase.start * life.dt_s, phase.stop * life.dt_s
        axes.axvspan(*window_s, color=colour, alpha=0.15, lw=0)
        words = "at least" if name == "familiar" else "at most"
        axes.plot(window_s, [bound_hz] * 2, color=colour, ls="--", lw=1.4, label=f"{name}: {words} {bound_hz:g} Hz")
    for one in scene.shown:
        if one.stop <= life.phase("training").stop:
            axes.axvspan(one.start * life.dt_s, one.stop * life.dt_s, ymax=0.05, color=PLASTIC, alpha=0.4, lw=0)
    axes.set(ylabel="rate (Hz)", ylim=(0, None), xlim=(0, life.n_steps * life.dt_s))
    axes.legend(fontsize=8, loc="upper center", ncols=2, framealpha=0.85, edgecolor="none")


def _draw_weights(axes: Axes, w: np.ndarray, familiar: np.ndarray, name: str, now_s: float) -> None:
    """Mean weight (n_times, n_synapses) among the neurons of a familiar pattern, and elsewhere."""
    times_s = np.arange(len(w))
    lived = times_s <= now_s
    for picked, colour, label in ((familiar, PLASTIC, "among familiar neurons"), (~familiar, MUTED, "elsewhere")):
        if picked.any():
            axes.plot(times_s[lived], w[lived][:, picked].mean(1), color=colour, lw=1.6, label=label)
    axes.set(ylabel=f"mean weight, {name}", xlabel="time (s)", ylim=(0, 1.5 * max(axes.get_ylim()[1], 1e-9)))
    axes.legend(fontsize=8, loc="upper left", framealpha=0.0, edgecolor="none")
