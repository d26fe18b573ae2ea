"""Pictures of lives that are rewarded: what was earned, and what the weights did meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from plasticbench.drawing.lives import MUTED, PLASTIC, TARGET, LifeHistory

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SMOOTHED = 30  # trials


def draw_rewarded_life(
    figure: Figure, history: LifeHistory, rewards: np.ndarray, trial_steps: int, pathway: str
) -> None:
    """Share of right answers and summed reward over trials, and the weights; rewards: (n_trials,) of the whole life."""
    lived = history.steps[-1] // trial_steps
    own = rewards[:lived]
    share, weights = figure.subplots(1, 2)
    figure.suptitle(history.life.task.title, fontsize=11)
    trials = np.arange(1, lived + 1)
    n = min(_SMOOTHED, max(1, lived))
    summed = np.concatenate([[0.0], np.cumsum(own > 0)])
    share.plot(trials[n - 1 :], (summed[n:] - summed[:-n])[: max(0, lived - n + 1)] / n, color=PLASTIC)
    share.axhline(0.5, color=MUTED, ls="--", lw=1)
    share.set(xlabel="trial", ylabel=f"share right, mean of {n} trials", ylim=(0, 1.02), xlim=(0, max(1, len(rewards))))
    total = share.twinx()
    total.plot(trials, np.cumsum(own), color=TARGET, lw=1)
    total.set_ylabel("sum of rewards", color=TARGET)
    w = np.stack(list(history.series(f"weights/{pathway}")))
    weights.plot(np.array(history.steps) / trial_steps, w, color=PLASTIC, alpha=0.6, lw=0.9)
    weights.axhline(0.0, color=MUTED, lw=0.8)
    weights.set(xlabel="trial", ylabel=f"weight, {pathway}", xlim=(0, max(1, len(rewards))))
    for axes in (share, weights):
        axes.spines["top"].set_visible(False)


def draw_choices(
    figure: Figure,
    title: str,
    n_lived: int,
    weights: np.ndarray,
    chosen: np.ndarray,
    predicted: np.ndarray,
    starts: tuple[int, ...],
) -> None:
    """Two weights (n_steps + 1, 2) over the choices, and how often the first odour was chosen (n_steps,) and foretold.

    starts: the choice that each subject begins with.
    """
    top, bottom = figure.subplots(2, 1, sharex=True)
    figure.suptitle(title, fontsize=11)
    times = np.arange(n_lived)
    for k, colour in enumerate((PLASTIC, TARGET)):
        top.plot(times, weights[:n_lived, k], color=colour, lw=1, label=f"odour {k}")
    top.set_ylabel("weight")
    top.legend(frameon=False, fontsize=8, ncols=2)
    window = np.ones(_SMOOTHED) / _SMOOTHED
    for values, colour, label in ((chosen, MUTED, "chosen"), (predicted, PLASTIC, "predicted")):
        shown = np.convolve(values[:n_lived], window, "same") if n_lived > _SMOOTHED else values[:n_lived]
        bottom.plot(times, shown, color=colour, lw=1, label=label)
    bottom.set(xlabel="choice", ylabel=f"odour 0, mean of {_SMOOTHED}", ylim=(-0.02, 1.02))
    bottom.legend(frameon=False, fontsize=8, ncols=2)
    for axes in (top, bottom):
        for start in (start for start in starts if start < n_lived):
            axes.axvline(start, color=MUTED, lw=0.4)
        axes.spines[["top", "right"]].set_visible(False)
