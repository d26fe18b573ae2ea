"""Pictures of a lifetime: what a person wants to see of it. Tasks draw themselves through `draw_life`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from plasticbench.drawing.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_KEPT = 400  # recorded moments; beyond that every second one is dropped
_FRAMES = 40  # pictures of a life in a window

PLASTIC = "#1f6feb"
TARGET = "#d4463b"
MUTED = "#8a8f98"


class LifeHistory:
    """Snapshots of a stepped lifetime, evenly spaced, at most `_KEPT` of them."""

    def __init__(self, life: Any):
        self.life = life
        self.steps: list[int] = []
        self.snapshots: list[dict[str, np.ndarray]] = []
        self._stride, self._step = 1, 0
        self._keep()

    def record(self) -> None:
        """Call after every step of the lifetime."""
        self._step += 1
        if self._step % self._stride == 0 or self.life.finished:
            self._keep()
        if len(self.steps) > _KEPT:
            self.steps, self.snapshots, self._stride = self.steps[::2], self.snapshots[::2], self._stride * 2

    @property
    def step(self) -> int:
        """Steps lived so far."""
        return self._step

    def is_frame_due(self) -> bool:
        return self._step % max(1, self.life.n_steps // _FRAMES) == 0

    def series(self, name: str) -> np.ndarray:
        """(n_snapshots, ...) of one recorded quantity."""
        return np.stack([snapshot[name] for snapshot in self.snapshots])

    def figure(self) -> Figure:
        figure = new_figure(7.2, 4.2, dpi=100)
        self.life.task.draw_life(figure, self)
        return figure

    def _keep(self) -> None:
        self.steps.append(self._step)
        self.snapshots.append(self.life.snapshot())


def figure_to_array(figure: Figure) -> np.ndarray:
    """(height, width, 3) uint8."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def draw_weights(axes: Any, steps: list[int], weights: np.ndarray, targets: np.ndarray | None, title: str) -> None:
    """Weights (n_snapshots, n_post, n_pre) over time, at most a dozen; targets (n_post, n_pre) dashed.

    A target row is drawn with the sign that its neuron's weights have chosen.
    """
    flat = weights.reshape(len(weights), -1)
    shown = np.linspace(0, flat.shape[1] - 1, min(flat.shape[1], 12)).astype(int)
    axes.plot(steps, flat[:, shown], color=PLASTIC, alpha=0.7, lw=1.2)
    axes.plot([], [], color=PLASTIC, label="weight")
    if targets is not None:
        sign = np.where((weights[-1] * targets).sum(1, keepdims=True) >= 0, 1.0, -1.0)
        for value in (sign * targets).ravel()[shown]:
            axes.axhline(value, color=TARGET, ls="--", lw=0.9, alpha=0.7)
        axes.plot([], [], color=TARGET, ls="--", label="target")
    axes.set(xlabel="presentation step", ylabel="weight", title=title)
    axes.legend(fontsize=8, loc="best", framealpha=0.85, edgecolor="none")
    axes.spines[["top", "right"]].set_visible(False)


def draw_weights_and_loss(figure: Figure, history: LifeHistory) -> None:
    """Each pathway's weights of a rate network against their targets, and the loss so far."""
    task, life = history.life.task, history.life.first
    axes = figure.subplots(1, len(task.pathways) + 1, squeeze=False)[0]
    figure.suptitle(task.title, fontsize=11)
    components = life.targets.get("components")
    for panel, name in zip(axes, task.pathways, strict=False):
        targets = components if components is not None and name == life.network.feedforward else None
        draw_weights(panel, history.steps, history.series(name), targets, f"pathway {name}")
    axes[-1].plot(history.steps, history.series("loss"), color=PLASTIC)
    axes[-1].set(xlabel="presentation step", ylabel="loss if life ended here", title="loss", ylim=(0, None))
    axes[-1].spines[["top", "right"]].set_visible(False)
