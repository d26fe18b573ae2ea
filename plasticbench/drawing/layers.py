"""A picture of a layered network's lifetime: how often it answers right, and how its weights turn to the feedback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from plasticbench.drawing.lives import MUTED, PLASTIC, TARGET

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from plasticbench.drawing.lives import LifeHistory

_WINDOW = 25  # answers that the curve averages over


def draw_layers(figure: Figure, history: LifeHistory, n_trained: int) -> None:
    """Left the share of right answers among the last 25, right the angle between forward weights and feedback."""
    life = history.life.first
    figure.suptitle(history.life.task.title, fontsize=11)
    left, right = figure.subplots(1, 2)
    logits = history.life.readout[0].detach().cpu().numpy()  # (n_outputs, n_shown)
    labels = life.presentations.labels[life.presentations.order][: logits.shape[1]]
    _draw_accuracy(left, (logits.argmax(0) == labels).astype(float), 1.0 / len(logits), n_trained)
    _draw_angles(right, history, life)
    for axes in (left, right):
        axes.set_xlabel("image")
        axes.spines[["top", "right"]].set_visible(False)


def _draw_accuracy(axes: Any, right: np.ndarray, chance: float, n_trained: int) -> None:
    total = np.concatenate([[0.0], np.cumsum(right)])
    last = np.arange(1, len(right) + 1)
    first = np.maximum(last - _WINDOW, 0)
    axes.plot(last, (total[last] - total[first]) / (last - first), color=PLASTIC, label=f"of the last {_WINDOW}")
    axes.axhline(chance, color=MUTED, ls=":", lw=1.0, label="chance")
    axes.axvline(n_trained, color=TARGET, ls="--", lw=1.0, label="plasticity ends")
    axes.set(ylim=(0, 1.02), ylabel="share of right answers", title="answers before each change")
    axes.legend(fontsize=8, loc="best", framealpha=0.85, edgecolor="none")


def _draw_angles(axes: Any, history: LifeHistory, life: Any) -> None:
    back_names = life.network.feedback_pathways
    for k, (forward, back) in enumerate(zip(life.network.pathways[1:], back_names, strict=bool(back_names))):
        w = history.series(forward).swapaxes(-1, -2).reshape(len(history.steps), -1)
        feedback = life.w_init[back].ravel()
        cosine = w @ feedback / (np.linalg.norm(w, axis=1) * np.linalg.norm(feedback))
        shade = 0.35 + 0.65 * (k + 1) / len(back_names)
        axes.plot(history.steps, np.degrees(np.arccos(cosine.clip(-1, 1))), color=PLASTIC, alpha=shade, label=forward)
    axes.axhline(90.0, color=MUTED, ls=":", lw=1.0)
    axes.set(ylabel="degrees", title="angle of weights to feedback", ylim=(0, 120))
    if back_names:
        axes.legend(fontsize=8, loc="lower left", framealpha=0.85, edgecolor="none")
