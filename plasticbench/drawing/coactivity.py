"""Picture of a network whose four pathways are plastic at once: spikes, rate within its bounds, weights of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from plasticbench.drawing.constants import N_RASTER
from plasticbench.drawing.lives import MUTED, PLASTIC, TARGET, LifeHistory

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_RASTER_S = 1.0
_SPREAD = (5, 25, 75, 95)  # percentiles of a pathway's weights


def draw_coactive_life(figure: Figure, history: LifeHistory, plausible_hz: tuple[float, float]) -> None:
    """Left: raster of the last second, rate over time with its plausible range. Right: each pathway's weights."""
    life = history.life
    dt_s, names = life.first.network.dt_s, life.task.pathways
    times_s = np.array(history.steps) * dt_s
    now_s = max(times_s[-1], dt_s)
    grid = figure.add_gridspec(2, 4)
    raster, rate = figure.add_subplot(grid[0, :2]), figure.add_subplot(grid[1, :2])
    weights = [figure.add_subplot(grid[k // 2, 2 + k % 2], sharex=rate) for k in range(len(names))]
    figure.suptitle(life.task.title, fontsize=11)
    spikes = life.recent_spikes()
    raster.plot(spikes[:, 0] * dt_s, spikes[:, 1], ".", ms=2, color=PLASTIC)
    raster.set(ylabel=f"{N_RASTER} neurons", ylim=(-1, N_RASTER), xlim=(max(0.0, now_s - _RASTER_S), now_s))
    raster.set_title(f"excitatory spikes of the last {_RASTER_S:g} s", fontsize=8, loc="left", pad=3)
    rate.axhspan(*plausible_hz, color=MUTED, alpha=0.18, lw=0, label="plausible")
    rate.plot(times_s, np.maximum(history.series("rate_hz"), 1e-2), color=PLASTIC)
    rate.set(xlabel="time (s)", ylabel="rate (Hz, filtered with 1 s)", yscale="log", ylim=(0.1, 200.0))
    rate.set_xlim(0.0, now_s)
    rate.legend(frameon=False, fontsize=8, loc="upper right")
    for axes, name in zip(weights, names, strict=True):
        each = history.series(f"weights/{name}")  # (n_snapshots, n_synapses)
        low, lower, upper, high = np.percentile(each, _SPREAD, axis=1)
        axes.fill_between(times_s, low, high, color=PLASTIC, alpha=0.15, lw=0)
        axes.fill_between(times_s, lower, upper, color=PLASTIC, alpha=0.3, lw=0)
        axes.plot(times_s, each.mean(1), color=TARGET, lw=1.4)
        axes.set(ylim=(0, None))
        axes.set_title(f"weights, {name}", fontsize=8, loc="left", pad=3)
        axes.tick_params(labelsize=8)
    for axes in weights[-2:]:
        axes.set_xlabel("time (s)")
    last = weights[-1]  # inhibitory weights seldom come near 0, so there is room below them
    last.plot([], [], color=TARGET, lw=1.4, label="mean")
    last.fill_between([], [], color=PLASTIC, alpha=0.3, lw=0, label="middle half")
    last.fill_between([], [], color=PLASTIC, alpha=0.15, lw=0, label="5 to 95 %")
    last.legend(frameon=False, fontsize=7, loc="lower right")
    for axes in (raster, rate, *weights):
        axes.spines[["top", "right"]].set_visible(False)
