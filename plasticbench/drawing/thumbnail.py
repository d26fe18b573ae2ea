"""A life with frozen weights and the same life under a rule, small enough for a page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from plasticbench.drawing.constants import N_RASTER
from plasticbench.drawing.figures import new_figure
from plasticbench.drawing.lives import MUTED, PLASTIC, TARGET
from plasticbench.drawing.recorded import Recorded, RecordedHistory
from plasticbench.networks.clamped import ClampedNetwork
from plasticbench.networks.layered import LayeredNetwork
from plasticbench.networks.rate import RateNetwork
from plasticbench.networks.spiking import SpikingNetwork

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_RASTER_S = 1.0
_LINES = 12  # weights drawn each for itself
_SMALL = 7  # points, of letters
_INKS = (PLASTIC, TARGET, "#2b9a66", MUTED)  # of pathways


def thumbnail(lives: Sequence[Recorded], titles: Sequence[str], description: str) -> bytes:
    """PNG on no background, in colours for light pages and dark ones; a column a life, in which axes are shared.

    `description` is kept in the file (tEXt "Description").
    """
    network = lives[0].life.network
    one_row, of_rates = isinstance(network, ClampedNetwork), isinstance(network, RateNetwork | LayeredNetwork)
    figure = new_figure(6.4, 2.6 if one_row else 3.2, dpi=110)
    panels = figure.subplots(1 if one_row else 2, len(lives), squeeze=False, sharex="row", sharey="row")
    for column, (kept, title) in enumerate(zip(lives, titles, strict=True)):
        own = panels[:, column]
        own[0].set_title(title, fontsize=_SMALL + 1, color=MUTED)
        if one_row:
            _draw_experiment(own[0], kept, column == 0)
        elif of_rates:
            _draw_loss(own[0], kept)
            _draw_weights(own[1], kept)
        else:
            _draw_spikes(own[0], kept)
            _draw_distributions(own[1], kept)
        if column:
            for axes in own:
                axes.set_ylabel("")
    signed = isinstance(network, SpikingNetwork) and any(pathway.w_min < 0 for pathway in network.plastic_pathways)
    if not one_row and not signed:  # only now: a limit that is set fits what was drawn before it
        panels[0 if of_rates else 1, 0].set_ylim(bottom=0)
    for axes in panels.flat:
        axes.tick_params(labelsize=_SMALL, colors=MUTED)
        for label in (axes.xaxis.label, axes.yaxis.label):
            label.set(fontsize=_SMALL, color=MUTED)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(MUTED)
        axes.set_facecolor("none")
    file = io.BytesIO()
    told: Any = {"Software": None, "Description": description}
    figure.savefig(file, format="png", transparent=True, metadata=told)
    return file.getvalue()


def _draw_spikes(axes: Axes, kept: Recorded) -> None:
    life = RecordedHistory(kept).life
    spikes, dt_s = life.recent_spikes(), kept.life.dt_s
    end_s = life.step * dt_s
    recent = spikes[spikes[:, 0] * dt_s > end_s - _RASTER_S]
    axes.plot(recent[:, 0] * dt_s - end_s, recent[:, 1], ".", ms=1.6, color=PLASTIC)
    n = min(N_RASTER, kept.life.spiking_network.populations[0].size)
    axes.set(ylabel=f"{n} neurons" if n > 1 else "neuron", ylim=(-1, n), xlim=(-_RASTER_S, 0.0))
    axes.set_xlabel("s before the end of life")
    if n == 1:
        axes.set_yticks([])


def _draw_distributions(axes: Axes, kept: Recorded) -> None:
    """Of each pathway the median and the middle nine tenths, in units of the largest weight allowed."""
    time_s = kept.steps * kept.life.dt_s
    for pathway, colour in zip(kept.life.spiking_network.plastic_pathways, _INKS, strict=False):
        low, middle, high = np.percentile(kept.weights[pathway.name] / pathway.w_max, (5, 50, 95), axis=1)
        axes.fill_between(time_s, low, high, color=colour, alpha=0.25, lw=0)
        axes.plot(time_s, middle, color=colour, lw=1.3, label=pathway.name)
    axes.set(xlabel="time (s)", ylabel="weight / largest")
    if len(kept.weights) > 1:
        axes.legend(fontsize=_SMALL, frameon=False, labelcolor=MUTED, ncols=2)


def _draw_loss(axes: Axes, kept: Recorded) -> None:
    history = RecordedHistory(kept)
    axes.plot(history.steps, history.series("loss"), color=TARGET, lw=1.3)
    axes.set(ylabel="loss if life\nended here")


def _draw_weights(axes: Axes, kept: Recorded) -> None:
    for values, colour in zip(kept.weights.values(), (PLASTIC, TARGET), strict=False):
        flat = values.reshape(len(values), -1)
        shown = np.linspace(0, flat.shape[1] - 1, min(_LINES, flat.shape[1])).astype(int)
        axes.plot(kept.steps, flat[:, shown], color=colour, lw=0.9, alpha=0.8)
    axes.set(xlabel="presentations", ylabel="weights")


def _draw_experiment(axes: Axes, kept: Recorded, is_first: bool) -> None:
    """The changes that were measured, with their errors, and the rule's in its best scale, by protocol."""
    history = RecordedHistory(kept)
    rows, scale = kept.task.experiment.rows, float(history.life.outcome().metrics["scale"][0, 0])
    change = (scale if np.isfinite(scale) else 1.0) * history.snapshots[-1]["change"]
    places = np.arange(len(rows))
    axes.errorbar(
        places, [row.mean for row in rows], [row.sem for row in rows], fmt="o", ms=2.5, lw=0.9, color=TARGET,
        label="measured",
    )  # fmt: skip
    axes.plot(places, change, "s", ms=3, color=PLASTIC, label="rule")
    axes.axhline(0.0, color=MUTED, lw=0.6)
    axes.set(xlabel="protocol", ylabel="Δw / w")
    if is_first:
        axes.legend(fontsize=_SMALL, frameon=False, labelcolor=MUTED)
