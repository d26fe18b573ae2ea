"""Pictures of spiking lifetimes: raster, population rate against its target, weights over time."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from .render import MUTED, PLASTIC, TARGET, LifeHistory

N_RASTER = 100


def draw_population_life(figure: Figure, history: LifeHistory, target_hz: float) -> None:
    """Raster of the last moments, rate against the target, and the weights' distribution over time."""
    life = history.life
    dt_s = life.first.network.dt_s
    raster, rate, weights = figure.subplots(3, 1, gridspec_kw={"height_ratios": [1.3, 1, 1]})
    figure.suptitle(life.task.title, fontsize=11)
    spikes = life.recent_spikes()
    raster.plot(spikes[:, 0] * dt_s, spikes[:, 1], ".", ms=2, color=PLASTIC)
    raster.set(ylabel=f"{N_RASTER} neurons", ylim=(-1, N_RASTER), xlabel="time (s)")
    times_s = np.array(history.steps) * dt_s
    rate.plot(times_s, history.series("rate_hz"), color=PLASTIC, label="population rate")
    rate.axhline(target_hz, color=TARGET, ls="--", lw=1, label="target")
    rate.set(ylabel="rate (Hz)", ylim=(0, None), xlabel="time (s)")
    rate.legend(frameon=False, fontsize=8, loc="upper right")
    _draw_distribution(weights, times_s, history)
    for axes in (raster, rate, weights):
        axes.spines[["top", "right"]].set_visible(False)


def _draw_distribution(axes, times_s: np.ndarray, history: LifeHistory) -> None:
    """Quantiles of each plastic pathway's weights over time."""
    for name in history.life.task.pathways:
        quantiles = history.series(f"quantiles/{name}")  # (n_snapshots, 5)
        for low, high, alpha in ((0, 4, 0.15), (1, 3, 0.3)):
            axes.fill_between(times_s, quantiles[:, low], quantiles[:, high], color=MUTED, alpha=alpha, lw=0)
        axes.plot(times_s, quantiles[:, 2], lw=1.2, label=f"{name}: median, quartiles, 5 to 95 %")
    axes.set(ylabel="weight", ylim=(0, None), xlabel="time (s)")
    axes.legend(frameon=False, fontsize=8, loc="upper left")


def draw_balance_life(figure: Figure, history: LifeHistory, target_hz: float, n_groups: int) -> None:
    """Rate against its target, inhibitory weights of each group over time, and their tuning beside excitation's."""
    life = history.life
    times_s = np.array(history.steps) * life.first.network.dt_s
    rate, weights, tuning = figure.subplots(1, 3)
    figure.suptitle(life.task.title, fontsize=11)
    rate.plot(times_s, history.series("rate_hz"), color=PLASTIC, label="rate")
    rate.axhline(target_hz, color=TARGET, ls="--", lw=1, label="target")
    rate.set(xlabel="time (s)", ylabel="rate (Hz, filtered with 1 s)", ylim=(0, None))
    rate.legend(frameon=False, fontsize=8)
    inhibitory = history.series("weights/ie")  # (n_snapshots, n_inh)
    by_group = inhibitory.reshape(len(inhibitory), n_groups, -1).mean(-1)
    for g in range(n_groups):
        weights.plot(times_s, by_group[:, g], color=PLASTIC, alpha=0.25 + 0.75 * g / n_groups, lw=1.2)
    weights.set(xlabel="time (s)", ylabel="inhibitory weight, mean of each group", ylim=(0, None))
    excitatory = np.asarray(life.first.network.pathways[0].weight).reshape(n_groups, -1).mean(-1)
    groups = np.arange(1, n_groups + 1)
    tuning.plot(groups, excitatory / excitatory.max(), color=TARGET, label="excitatory")
    tuning.plot(groups, by_group[-1] / max(by_group[-1].max(), 1e-12), color=PLASTIC, label="inhibitory")
    tuning.set(xlabel="group", ylabel="weight / largest", ylim=(0, 1.1))
    tuning.legend(frameon=False, fontsize=8)
    for axes in (rate, weights, tuning):
        axes.spines[["top", "right"]].set_visible(False)
