"""Picture of a life whose rule is to be found out: activity and weights, recorded against predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from plasticbench.drawing.lives import PLASTIC, TARGET, LifeHistory
from plasticbench.networks.rate import rate_outputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

N_OUTPUTS = 3  # drawn
N_WEIGHTS = 8


def draw_recovery(figure: Figure, history: LifeHistory) -> None:
    """Left the outputs that were observed most, with what the candidate predicts; right weights of each pathway.

    Of a replay nobody recorded the weights, so only the candidate's are there.
    """
    task, life = history.life.task, history.life.first
    names = task.pathways
    number = life.conditions["experiment"]
    figure.suptitle(f"{task.title} — {f'experiment {number}' if number else 'a fresh experiment'}", fontsize=11)
    grid = figure.add_gridspec(1, 2)
    left, right = (figure.add_subfigure(grid[0, column]) for column in (0, 1))
    predicted = _predicted(history)  # (n_snapshots, n_outputs)
    chosen = np.sort(np.argsort(-life.targets["observed"].sum(0), kind="stable")[:N_OUTPUTS])
    for output, panel in zip(chosen, left.subplots(len(chosen), squeeze=False)[:, 0], strict=True):
        _draw_output(panel, history, int(output), predicted[:, output], output == chosen[0], output == chosen[-1])
    for name, panel in zip(names, right.subplots(len(names), squeeze=False)[:, 0], strict=True):
        _draw_weights(panel, history, name, last=name == names[-1])


def _predicted(history: LifeHistory) -> np.ndarray:
    """The candidate's outputs at the recorded steps, from its weights there."""
    import torch

    life = history.life.first
    shown = life.presentations.items[[min(step, life.n_steps - 1) for step in history.steps]]
    weights = {name: torch.from_numpy(history.series(name)) for name in life.network.pathways}
    return rate_outputs(life.network, weights, torch.from_numpy(shown)).numpy()


def _draw_output(axes: Axes, history: LifeHistory, output: int, predicted: np.ndarray, first: bool, last: bool) -> None:
    life = history.life.first
    steps = np.flatnonzero(life.targets["observed"][:, output])
    lived = [k for k, step in enumerate(history.steps) if step < life.n_steps]
    words = "under the hidden rule" if life.targets["fresh"] else "observed"
    axes.plot(steps, life.targets["activity"][steps, output], "o", ms=3, color=TARGET, label=words)
    axes.plot(np.array(history.steps)[lived], predicted[lived], color=PLASTIC, lw=1.2, label="predicted")
    axes.set(ylabel=f"output {output}", ylim=(-1.3, 1.3), xlim=(0, life.n_steps))
    if first:
        axes.legend(fontsize=7, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False)
    if last:
        axes.set_xlabel("presentation step")
    else:
        axes.tick_params(labelbottom=False)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_weights(axes: Axes, history: LifeHistory, name: str, last: bool) -> None:
    life = history.life.first
    found, true = history.series(name), life.targets[name]
    there = np.flatnonzero(np.tril(np.ones(true.shape[1:]), -1) if name == life.network.lateral else true[0] < np.inf)
    shown = there[np.linspace(0, len(there) - 1, min(len(there), N_WEIGHTS)).astype(int)]
    axes.plot(history.steps, found.reshape(len(found), -1)[:, shown], color=PLASTIC, lw=1.2, alpha=0.8)
    axes.plot([], [], color=PLASTIC, label="predicted")
    if life.targets["fresh"]:
        axes.plot(np.arange(len(true)), true.reshape(len(true), -1)[:, shown], color=TARGET, ls="--", lw=0.9)
        axes.plot([], [], color=TARGET, ls="--", label="under the hidden rule")
    axes.set(xlabel="presentation step" if last else "", ylabel=f"weights {name}", xlim=(0, life.n_steps))
    axes.legend(fontsize=7, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
