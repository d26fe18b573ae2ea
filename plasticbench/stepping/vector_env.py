"""A task as a native Gymnasium vector environment: many lifetimes at once, torch tensors on one device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from torch import Tensor

from plasticbench.errors import PlasticbenchError
from plasticbench.simulation.random import Stream, check_seed
from plasticbench.stepping.env import action_space, check_options, final_info, observation_space
from plasticbench.stepping.lifetimes import lifetimes
from plasticbench.tasks.registry import task as find_task
from plasticbench.tasks.task import Task


class PlasticityVectorEnv(VectorEnv):
    """`num_envs` lifetimes of a task; observations, actions and rewards carry a leading axis of lifetimes.

    Lifetimes end together, or earlier at a blow-up: an ended one takes no more reward and stays terminated until
    `reset` (AutoresetMode.DISABLED). `dtype` is torch.float64 (the engines' own) unless given.
    """

    metadata = {"autoreset_mode": AutoresetMode.DISABLED}  # noqa: RUF012  (Gymnasium's own declaration)

    def __init__(self, task_id: str | Task, num_envs: int = 1, device: str = "cpu", dtype: torch.dtype = torch.float64):
        if num_envs < 1:
            raise PlasticbenchError(f"num_envs: {num_envs} is not a positive number")
        self.task = task_id if isinstance(task_id, Task) else find_task(task_id)
        self.num_envs, self.device, self.dtype = num_envs, device, dtype
        example = lifetimes(self.task, [0])
        self.single_observation_space = observation_space(example, batched=True)
        self.single_action_space = action_space(example)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._life: Any = None
        self._n_resets = 0
        self._base_seed = 0

    def reset(  # type: ignore[override]
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
        """Draw lifetimes `seed`, `seed + 1`, … (or of the given list); fresh ones follow from the last seed given.

        `options["conditions"]`: one object for all lifetimes, or a list of one each.
        """
        options = check_options(options)
        seeds = self._seeds(seed)
        self._life = lifetimes(
            self.task, seeds, options.get("conditions"), options.get("rule"), self.device, self.dtype
        )
        self._reported = [False] * self.num_envs
        return self._life.observe(), {
            "seed": np.array(seeds),
            "conditions": [dict(life.conditions) for life in self._life.lives],
        }

    def step(  # type: ignore[override]
        self, actions: Mapping[str, Tensor]
    ) -> tuple[dict[str, dict[str, Tensor]], Tensor, Tensor, Tensor, dict[str, Any]]:
        """Apply Δw to every lifetime; rewards, terminations and truncations are (num_envs,) tensors.

        `infos["final_info"]` is a list with one entry per lifetime, None for those that did not end in this step.
        """
        if self._life is None:
            raise PlasticbenchError("step: the environment has no lifetimes yet; call reset first")
        if self._life.finished:
            raise PlasticbenchError("step: these lifetimes are over; call reset for others")
        part = self._life.advance({name: torch.as_tensor(a, device=self.device) for name, a in actions.items()})
        over = self._life.over.clone()
        infos: dict[str, Any] = {}
        ended = [i for i in range(self.num_envs) if bool(over[i]) and not self._reported[i]]
        if ended:
            final: list[Any] = [None] * self.num_envs
            for i in ended:
                final[i] = final_info(self.task, self._life, i)
                self._reported[i] = True
            infos["final_info"] = final
        return self._life.observe(), -part, over, torch.zeros_like(over), infos

    def _seeds(self, seed: int | Sequence[int] | None) -> list[int]:
        if seed is None:
            self._n_resets += 1
            drawn = Stream(self._base_seed, f"vector-reset-{self._n_resets}").integers(2**61, (self.num_envs,))
            return [2**61 + int(s) for s in drawn]
        if isinstance(seed, (int, np.integer)):
            self._base_seed, self._n_resets = check_seed(seed), 0
            return [int(seed) + i for i in range(self.num_envs)]
        seeds = [check_seed(s) for s in seed]
        if len(seeds) != self.num_envs:
            raise PlasticbenchError(f"seed: {len(seeds)} given for {self.num_envs} lifetimes")
        return seeds
