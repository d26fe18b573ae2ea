"""A task as a Gymnasium environment: one lifetime, numpy at its boundary. The policy is the plasticity rule."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces

from plasticbench.drawing.lives import LifeHistory
from plasticbench.drawing.painter import LivePicture
from plasticbench.errors import PlasticbenchError
from plasticbench.rules import load_rule
from plasticbench.simulation.random import check_seed
from plasticbench.stepping.actions import checked_action, without_gradient
from plasticbench.stepping.lifetimes import lifetimes
from plasticbench.tasks.registry import task as find_task
from plasticbench.tasks.task import Task

_OBSERVATION_BOUND = 1e9  # nothing is bounded in principle; Gymnasium's checks ask for finite boxes
_ACTION_BOUND = 1.0  # for sampling; larger weight changes are applied as they are
_OPTIONS = ("conditions", "rule")


class PlasticityEnv(gymnasium.Env):
    """One lifetime of a task's network; the action is Δw of every plastic pathway.

    Observation: `observation[pathway][variable]`, float64 arrays that broadcast against the pathway's weights;
    the action is `{pathway: Δw}`. See the task's description for the variables.

    Return = -loss. A reward is minus what the step adds to the loss of a lifetime that would end there: cut off
    before its end, as by Gymnasium's TimeLimit, it loses as much as one that blew up. So no rule gains by a life cut
    short, and at every step the return is -`info["loss"]`. (The first reward takes nearly all of it, later ones give
    it back: a potential, Ng, Harada & Russell, ICML 1999, which changes no comparison of rules.)

    Raises PlasticbenchError for an unknown task, option, condition, or what is no action or of the wrong shape.
    """

    metadata = {"render_modes": ["rgb_array", "human"], "render_fps": 10}  # noqa: RUF012  (Gymnasium's own declaration)

    def __init__(self, task_id: str | Task, render_mode: str | None = None):
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise PlasticbenchError(f"render_mode: {render_mode!r} is not one of rgb_array, human")
        self.task = task_id if isinstance(task_id, Task) else find_task(task_id)
        self.render_mode = render_mode
        self._life: Any = None
        self._history: LifeHistory | None = None
        self._picture: LivePicture | None = None
        self._window: Any = None
        example = lifetimes(self.task, [0])
        self.observation_space = observation_space(example)
        self.action_space = action_space(example)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, Any]]:
        """Draw the lifetime of `seed` (a fresh one without); `options["conditions"]` fixes conditions by name.

        `options["rule"]` (a rule, its name or its file) says what a rule brings along besides its equations: slow
        weights, time constants of spike traces. Without it they are the reference rule's.
        """
        super().reset(seed=seed)
        options = check_options(options)
        drawn = int(self.np_random.integers(2**40, 2**62)) if seed is None else check_seed(seed)
        fixed = options.get("conditions")
        self._life = lifetimes(self.task, [drawn], None if fixed is None else [fixed], options.get("rule"))
        self._n_lived, self._loss, self._return = 0, 0.0, 0.0
        self._history = LifeHistory(self._life) if self.render_mode else None
        self._picture = LivePicture(self._history) if self._history else None
        return self._observation(), {"seed": drawn, "conditions": copy.deepcopy(dict(self._life.first.conditions))}

    def step(
        self, action: Mapping[str, Any]
    ) -> tuple[dict[str, dict[str, np.ndarray]], float, bool, bool, dict[str, Any]]:
        """Apply Δw and live one step.

        `info`: `loss`, `score`, `status`, `conditions`, `metrics`. Before the end the status is "unfinished", and loss
        and score are those of a lifetime cut off here.
        """
        if self._life is None:
            raise PlasticbenchError("step: the environment has no lifetime yet; call reset first")
        if self._life.finished:
            raise PlasticbenchError("step: this lifetime is over; call reset for another")
        given = without_gradient(checked_action(action, self._life.shapes, self.task.id))
        self._loss += float(self._life.advance({name: delta.unsqueeze(0) for name, delta in given.items()})[0])
        self._n_lived += 1
        over = bool(self._life.over[0])
        info = final_info(self.task, self._life, 0) if over else self._unfinished_info()
        reward = -info["loss"] - self._return
        self._return += reward
        if self._history is not None:
            self._history.record()
            if self.render_mode == "human" and (over or self._history.is_frame_due()):
                self.render()
        return self._observation(), reward, over, False, info

    def _unfinished_info(self) -> dict[str, Any]:
        """What a lifetime that does not reach its end reports."""
        loss = self._loss + self.task.blow_up_loss(self._n_lived / self._life.n_steps)
        return {
            "loss": loss, "score": self.task.score(loss), "status": "unfinished",
            "conditions": copy.deepcopy(dict(self._life.first.conditions)), "metrics": {},
        }  # fmt: skip

    def render(self) -> np.ndarray | None:  # type: ignore[override]
        """The lifetime so far as a picture, (height, width, 3) uint8; in "human" mode it is shown in a window.

        It is drawn anew when a hundredth of the life has passed, and at its end; in between it is the one before.
        """
        if self.render_mode is None or self._picture is None:
            gymnasium.logger.warn("render: make the environment with render_mode='rgb_array' and reset it first")
            return None
        if self.render_mode == "rgb_array":
            return self._picture.now()
        from plasticbench.drawing.window import Window

        self._window = self._window or Window(self.task.title)
        self._window.show(self._picture.now())
        return None

    def close(self) -> None:
        if self._window is not None:
            self._window.close()
            self._window = None

    def _observation(self) -> dict[str, dict[str, np.ndarray]]:
        return {
            pathway: {name: one_of(name, value).detach().numpy().copy() for name, value in variables.items()}
            for pathway, variables in self._life.observe().items()
        }


def one_of(name: str, value: torch.Tensor) -> torch.Tensor:
    """A variable of the first lifetime; weights always as (n_post, n_pre), which broadcasts over presentations."""
    return value[0].squeeze(0) if name == "w" and value.dim() == 4 else value[0]


def check_options(options: dict[str, Any] | None, *more: str) -> dict[str, Any]:
    """The options of `reset`, and `more`; PlasticbenchError for one that does not exist."""
    for name in options or {}:
        if name not in (*_OPTIONS, *more):
            raise PlasticbenchError(f"options.{name}: no such option; reset takes {', '.join((*_OPTIONS, *more))}")
    options = dict(options or {})
    if isinstance(options.get("rule"), str):
        options["rule"] = load_rule(options["rule"])
    return options


def final_info(task: Any, life: Any, index: int) -> dict[str, Any]:
    """What the last step of a lifetime reports."""
    outcome = life.outcome()
    loss = float(outcome.losses[0, index].detach())
    return {
        "loss": loss,
        "score": task.score(loss),
        "status": "blow-up" if bool(outcome.blown_up[0, index]) else "ok",
        "conditions": copy.deepcopy(dict(life.lives[index].conditions)),
        "metrics": {name: float(values[0, index]) for name, values in outcome.metrics.items()},
    }


def observation_space(life: Any, batched: bool = False) -> spaces.Dict:
    """Of one lifetime: pathway -> variable -> box; `batched`, as one element of a batch of lifetimes."""
    return _space(
        {
            pathway: {n: (v[0] if batched else one_of(n, v)).shape for n, v in variables.items()}
            for pathway, variables in life.observe().items()
        }
    )


def action_space(life: Any) -> spaces.Dict:
    """Of one lifetime: pathway -> box of the broadcast of its observation."""
    return _space(
        {
            pathway: torch.broadcast_shapes(*(value.shape[1:] for value in variables.values()))
            for pathway, variables in life.observe().items()
        },
        _ACTION_BOUND,
    )


def _space(shapes: Mapping[str, Any], bound: float = _OBSERVATION_BOUND) -> spaces.Dict:
    """A box of each shape, in the same nesting."""
    return spaces.Dict(
        {
            name: _space(shape, bound) if isinstance(shape, Mapping)
            else spaces.Box(-bound, bound, tuple(shape), dtype=np.float64)
            for name, shape in shapes.items()
        }
    )  # fmt: skip
