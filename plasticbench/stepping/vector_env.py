"""A task as a native Gymnasium vector environment: many lifetimes at once, torch tensors on one device."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from torch import Tensor

from plasticbench.errors import PlasticbenchError
from plasticbench.simulation.engine import check_device
from plasticbench.simulation.random import Stream, check_seed
from plasticbench.stepping.actions import checked_action
from plasticbench.stepping.cohorts import Cohorts
from plasticbench.stepping.env import action_space, check_options, final_info, observation_space
from plasticbench.stepping.lifetimes import lifetimes
from plasticbench.stepping.signals import signal
from plasticbench.tasks.registry import task as find_task
from plasticbench.tasks.task import Task


class PlasticityVectorEnv(VectorEnv):
    """`num_envs` lifetimes of a task; observations, actions and rewards carry a leading axis of lifetimes.

    Rewards are those of `PlasticityEnv`. Lifetimes end together, or earlier at a blow-up: an ended one takes no more
    reward and stays terminated until `reset` (AutoresetMode.DISABLED), of all or of those in `reset_mask`. Observations
    are torch tensors; rewards and ends are, too, and numpy takes them for arrays, as Gymnasium's vector wrappers do.
    `dtype` is torch.float64 (the engines' own) unless given.

    Raises PlasticbenchError for a device that is not available here.
    """

    metadata = {"autoreset_mode": AutoresetMode.DISABLED}  # noqa: RUF012  (Gymnasium's own declaration)

    def __init__(self, task_id: str | Task, num_envs: int = 1, device: str = "cpu", dtype: torch.dtype = torch.float64):
        if isinstance(num_envs, bool) or not isinstance(num_envs, (int, np.integer)) or num_envs < 1:
            raise PlasticbenchError(f"num_envs: {num_envs!r} is not a positive whole number")
        if (reason := check_device(device)) is not None:
            raise PlasticbenchError(reason)
        self.task = task_id if isinstance(task_id, Task) else find_task(task_id)
        self.num_envs, self.device, self.dtype = int(num_envs), device, dtype
        example = lifetimes(self.task, [0])
        self.single_observation_space = observation_space(example, batched=True)
        self.single_action_space = action_space(example)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._shapes = example.shapes
        self._cohorts: Cohorts | None = None
        self._rule: Any = None
        self._n_resets = 0
        self._base_seed = 0

    def reset(  # type: ignore[override]
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
        """Draw lifetimes `seed`, `seed + 1`, … (or of the given list); fresh ones follow from the last seed given.

        `options["reset_mask"]`, (num_envs,) bool: only these begin anew, the others go on. `options["conditions"]`: one
        object for all lifetimes that begin, or a list of one each.
        """
        given = check_options(options, "reset_mask")
        places = self._places(given)
        seeds = self._seeds(seed, places)
        life = lifetimes(self.task, seeds, given.get("conditions"), self._rule, self.device, self.dtype)
        if self._cohorts is None or len(places) == self.num_envs:
            self._cohorts = Cohorts(life)
            self._n_lived, self._n_steps = np.zeros((2, self.num_envs), np.int64)
            self._reported = np.zeros(self.num_envs, np.bool_)
            self._loss, self._return = torch.zeros((2, self.num_envs), dtype=torch.float64, device=self.device)
        else:
            self._cohorts.begin(places, life)
            self._loss, self._return = self._loss.clone(), self._return.clone()
        self._n_lived[places], self._reported[places], self._loss[places], self._return[places] = 0, False, 0.0, 0.0
        self._n_steps[places] = [one.n_steps for one in life.lives]
        told: dict[str, Any] = {}
        self._tell(told, "seed", dict(zip(places, seeds, strict=True)), np.zeros(self.num_envs, np.int64))
        drawn = {place: copy.deepcopy(dict(one.conditions)) for place, one in zip(places, life.lives, strict=True)}
        self._tell(told, "conditions", drawn)
        return self._cohorts.observe(), told

    def step(  # type: ignore[override]
        self, actions: Mapping[str, Tensor]
    ) -> tuple[dict[str, dict[str, Tensor]], Tensor, Tensor, Tensor, dict[str, Any]]:
        """Apply Δw to every lifetime; rewards, terminations and truncations are (num_envs,) tensors.

        `infos["final_info"]`, (num_envs,) objects: what `PlasticityEnv` reports of a lifetime that ended in this step,
        None for the others.
        """
        if self._cohorts is None:
            raise PlasticbenchError("step: the environment has no lifetimes yet; call reset first")
        if self._cohorts.finished:
            raise PlasticbenchError("step: these lifetimes are over; call reset for others")
        given = checked_action(actions, self._shapes, self.task.id)
        part = self._cohorts.advance({name: delta.to(self.device) for name, delta in given.items()})
        over = self._cohorts.over.clone()
        self._n_lived += ~self._reported
        ended = np.flatnonzero(over.cpu().numpy() & ~self._reported).tolist()
        self._reported[ended] = True
        infos: dict[str, Any] = {}
        if ended:
            self._tell(infos, "final_info", {i: final_info(self.task, *self._cohorts.at(i)) for i in ended})
        reward = self._reward(part, over)
        return self._cohorts.observe(), signal(reward), signal(over), signal(torch.zeros_like(over)), infos

    def _reward(self, part: Tensor, over: Tensor) -> Tensor:
        """Minus what this step adds to the loss of lifetimes that would end here; it carries the gradient of `part`."""
        shares = self._n_lived / self._n_steps
        cut_off = {share: self.task.blow_up_loss(share) for share in set(shares.tolist())}
        pending = torch.tensor([cut_off[share] for share in shares.tolist()], dtype=torch.float64, device=part.device)
        self._loss = self._loss + part.detach()
        owed = self._loss + torch.where(over, 0.0, pending)
        reward = -part - (owed + self._return - part.detach())
        self._return = self._return + reward.detach()
        return reward

    def _tell(self, infos: dict[str, Any], name: str, told: Mapping[int, Any], values: Any = None) -> None:
        """Into `infos`, as Gymnasium has it: an array with an entry for each lifetime, and a mask of those told of."""
        infos[name] = np.full(self.num_envs, None, object) if values is None else values
        infos[f"_{name}"] = np.zeros(self.num_envs, np.bool_)
        for place, value in told.items():
            infos[name][place], infos[f"_{name}"][place] = value, True

    def _places(self, options: dict[str, Any]) -> list[int]:
        """Which lifetimes begin anew; the rule that all are made for is that of the last reset of all."""
        mask = options.get("reset_mask")
        if mask is None:
            self._rule = options.get("rule")
            return list(range(self.num_envs))
        found = np.asarray(mask)
        if found.shape != (self.num_envs,) or found.dtype != np.bool_ or not found.any():
            raise PlasticbenchError(
                f"options.reset_mask: shape {found.shape} of {found.dtype}; give ({self.num_envs},) bool, some True"
            )
        if self._cohorts is None:
            raise PlasticbenchError("options.reset_mask: no lifetimes yet; call reset without it first")
        if options.get("rule") is not None:
            raise PlasticbenchError("options.rule: with reset_mask it is that of the last reset of all; leave it out")
        return [int(place) for place in np.flatnonzero(found)]

    def _seeds(self, seed: int | Sequence[int | None] | None, places: Sequence[int]) -> list[int]:
        """Of the lifetimes at `places`."""
        if isinstance(seed, (int, np.integer)):
            self._base_seed, self._n_resets = check_seed(seed), 0
            return [int(seed) + place for place in places]
        listed = [None] * self.num_envs if seed is None else list(seed)
        if len(listed) != self.num_envs:
            raise PlasticbenchError(f"seed: {len(listed)} given for {self.num_envs} lifetimes")
        fresh: list[int] = []
        if any(listed[place] is None for place in places):
            self._n_resets += 1
            drawn = Stream(self._base_seed, f"vector-reset-{self._n_resets}").integers(2**61, (self.num_envs,))
            fresh = [2**61 + int(s) for s in drawn]
        chosen = [(place, listed[place]) for place in places]
        return [fresh[place] if one is None else check_seed(one) for place, one in chosen]
