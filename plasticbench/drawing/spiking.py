"""Pictures of spiking lifetimes: raster, population rate against its target, weights over time."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from plasticbench.drawing.constants import N_RASTER, N_WEIGHT_BINS
from plasticbench.drawing.lives import PLASTIC, TARGET, LifeHistory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

_RASTER_S = 1.0
_ROWS = 60  # of its picture, about


@cache
def _shades() -> Colormap:
    """Of a share, from none to all."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("share", ["white", "#a9c8f5", PLASTIC, "#0b2a63"])


def draw_population_life(figure: Figure, history: LifeHistory, target_hz: float) -> None:
    """Raster of the last moments, rate against the target, and each pathway's distribution of weights over time."""
    life = history.life
    dt_s = life.first.network.dt_s
    names = life.task.pathways
    raster, rate, *weights = figure.subplots(
        2 + len(names), 1, gridspec_kw={"height_ratios": [1.2, 0.9, *[1.2] * len(names)]}
    )
    figure.suptitle(life.task.title, fontsize=11)
    spikes = life.recent_spikes()
    raster.plot(spikes[:, 0] * dt_s, spikes[:, 1], ".", ms=2, color=PLASTIC)
    times_s = np.array(history.steps) * dt_s
    now_s = max(times_s[-1], dt_s)
    raster.set(ylabel=f"{N_RASTER} neurons", ylim=(-1, N_RASTER), xlim=(max(0.0, now_s - _RASTER_S), now_s))
    raster.set_title(f"spikes of the last {_RASTER_S:g} s", fontsize=8, loc="left", pad=3)
    rate.plot(times_s, history.series("rate_hz"), color=PLASTIC, label="population, filtered with 1 s")
    rate.axhline(target_hz, color=TARGET, ls="--", lw=1, label="target")
    rate.set(ylabel="rate (Hz)", ylim=(0, None))
    rate.legend(fontsize=8, loc="best", ncols=2, framealpha=0.85, edgecolor="none")
    for axes, name in zip(weights, names, strict=True):
        axes.sharex(rate)
        w_max = next(p.w_max for p in life.first.network.plastic_pathways if p.name == name)
        _draw_distribution(figure, axes, times_s, history, name, w_max)
    for axes in (rate, *weights[:-1]):
        axes.tick_params(labelbottom=False)
    weights[-1].set_xlabel("time (s)")
    for axes in (raster, rate, *weights):
        axes.spines[["top", "right"]].set_visible(False)


def _draw_distribution(
    figure: Figure, axes: Axes, times_s: np.ndarray, history: LifeHistory, name: str, w_max: float
) -> None:
    """One pathway's weights: the share of synapses at each weight and time, and the median."""
    from matplotlib.colors import PowerNorm

    shares = history.series(f"shares/{name}")  # (n_snapshots, N_WEIGHT_BINS)
    occupied = int(np.flatnonzero(shares.max(0))[-1:].sum()) + 1
    joined = max(1, occupied // _ROWS)  # bins to a row of the picture
    n_rows = -(-occupied // joined)
    padded = np.zeros((len(shares), n_rows * joined))
    padded[:, :occupied] = shares[:, :occupied]
    rows = padded.reshape(len(shares), n_rows, joined).sum(-1)
    w_edges = np.arange(n_rows + 1) * joined * w_max / N_WEIGHT_BINS
    # A share of a hundredth has to be seen beside one of all, where every synapse begins at the same weight.
    image = axes.pcolormesh(_edges(times_s), w_edges, rows.T, cmap=_shades(), norm=PowerNorm(0.4, 0.0, 1.0))
    axes.plot(times_s, history.series(f"median/{name}"), color=TARGET, lw=1.4, label="median")
    axes.set(ylabel=f"weight, {name}", ylim=(0, w_edges[-1]), xlim=(0.0, max(times_s[-1], 1e-9)))
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    bar = figure.colorbar(image, ax=axes, pad=0.01, ticks=(0, 0.01, 0.1, 0.5, 1))
    bar.ax.set_yticklabels(("0", "1 %", "10 %", "50 %", "all"), fontsize=8)
    bar.set_label("of synapses", fontsize=8)


def _edges(times_s: np.ndarray) -> np.ndarray:
    """(n + 1,): each snapshot holds until the next."""
    last = times_s[-1] - times_s[-2] if len(times_s) > 1 else 1e-9
    return np.append(times_s, times_s[-1] + last)


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
    excitatory = np.asarray(life.first.network.pathways[0].weight).reshape(n_groups, -1).mean(-1)
    for g in np.argsort(excitatory):
        shade = _shades()(0.3 + 0.7 * excitatory[g] / excitatory.max())
        weights.plot(times_s, by_group[:, g], color=shade, lw=1.4)
    weights.set(xlabel="time (s)", ylabel="inhibitory weight, mean of each group", ylim=(0, None))
    weights.set_title("darker: stronger excitation", fontsize=8, loc="left", pad=3)
    groups = np.arange(1, n_groups + 1)
    tuning.plot(groups, excitatory / excitatory.max(), color=TARGET, label="excitatory")
    tuning.plot(groups, by_group[-1] / max(by_group[-1].max(), 1e-12), color=PLASTIC, label="inhibitory")
    tuning.set(xlabel="group", ylabel="weight / largest", ylim=(0, 1.1))
    tuning.legend(frameon=False, fontsize=8)
    for axes in (rate, weights, tuning):
        axes.spines[["top", "right"]].set_visible(False)
