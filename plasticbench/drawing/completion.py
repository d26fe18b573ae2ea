"""Picture of a life whose assembly is cued: the spikes of one cue, and what each group fires under each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from plasticbench.drawing.lives import MUTED, PLASTIC, TARGET, LifeHistory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from plasticbench.networks.life import Life
    from plasticbench.networks.recordings import Recordings

_GROUPS = (("cued", MUTED, "cued"), ("uncued", TARGET, "assembly, not cued"), ("other", PLASTIC, "others"))
_DOT = 1.2


def draw_completion_life(figure: Figure, history: LifeHistory, task: Any) -> None:
    """Raster of the smallest cue, the assembly marked; rates of cued, uncued and others by cue; the rate over life."""
    ((recordings, (life,)), *_) = history.life.recordings()
    lived = int(recordings.n_steps_lived[0, 0])
    over = [n for n in task.cued if life.phase(f"cue_{n}").stop <= lived]
    raster, rates, course = figure.subplot_mosaic([["raster", "rates"], ["raster", "course"]]).values()
    figure.suptitle(task.title, fontsize=11)
    _draw_raster(raster, recordings, life, task, over)
    _draw_rates(rates, recordings, task, over)
    times_s = np.array(history.steps) * life.dt_s
    course.plot(times_s, history.series("rate_hz"), color=PLASTIC, label="excitatory, filtered with 1 s")
    course.axhline(task.target_hz, color=TARGET, ls="--", lw=1, label="target at rest")
    course.axvline(life.weight_changes[0].step * life.dt_s, color=MUTED, lw=1, label="the assembly is imprinted")
    course.set(xlabel="time (s)", ylabel="rate (Hz)", yscale="log", ylim=(0.3, None))
    course.legend(fontsize=7, loc="best", framealpha=0.85, edgecolor="none")
    for axes in (raster, rates, course):
        axes.spines[["top", "right"]].set_visible(False)


def _draw_raster(axes: Axes, recordings: Recordings, life: Life, task: Any, over: list[int]) -> None:
    n_cued = task.cued[0]
    recorded = task.cue_trains(n_cued)
    axes.set(xlabel="time since the cue (s)", ylabel="excitatory neuron", xlim=(0, task.cue_s), ylim=(0, recorded.n))
    axes.set_title(f"cue to {n_cued} of {task.n_assembly} assembly neurons", fontsize=8, loc="left", pad=3)
    if not over:
        axes.text(0.5, 0.5, "no cue yet", transform=axes.transAxes, ha="center", fontsize=8)
        return
    trains = recordings[recorded][0][0]
    times_s = (trains.steps - life.phase(f"cue_{n_cued}").start) * life.dt_s
    edges = (0, n_cued, task.n_assembly, recorded.n)
    for k, (_, colour, words) in enumerate(_GROUPS):
        own = (trains.neurons >= edges[k]) & (trains.neurons < edges[k + 1])
        axes.plot(times_s[own], trains.neurons[own], ".", ms=_DOT, color=colour)
        axes.plot([0.0, 0.0], edges[k : k + 2], color=colour, lw=5, solid_capstyle="butt", clip_on=False, zorder=5)
        axes.text(1.0, sum(edges[k : k + 2]) / 2, words, fontsize=7, rotation=90, va="center", transform=_beside(axes))


def _beside(axes: Axes) -> Any:
    """Across in shares of the panel, along in neurons."""
    return axes.get_yaxis_transform()


def _draw_rates(axes: Axes, recordings: Recordings, task: Any, over: list[int]) -> None:
    found = [task.group_rates_hz(recordings, n, f"cue_{n}") for n in over]
    for name, colour, words in _GROUPS:
        axes.plot(over, [float(rates[name][0, 0]) for rates in found], "o-", ms=4, color=colour, label=words)
    if over:
        before = [float(task.group_rates_hz(recordings, n, "rest")["uncued"][0, 0]) for n in over]
        axes.plot(over, before, "o--", ms=3, lw=1, color=TARGET, alpha=0.5, label="the same before the cue")
        axes.set_xticks(over)
    axes.set(xlabel="assembly neurons cued", ylabel="rate during the cue (Hz)", ylim=(0, None))
    axes.legend(fontsize=7, loc="best", framealpha=0.85, edgecolor="none")
