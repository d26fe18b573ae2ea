"""One pathway's synapses as flat boxes, for reinforcement learners that take nothing else (stable-baselines3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from plasticbench.errors import PlasticbenchError
from plasticbench.language.vocabulary import on_offer, shorten


class FlatPathway(gymnasium.Wrapper):
    """An environment of plasticbench with `Box` spaces: what the synapses of one pathway see, and Δw of each.

    Observation: the chosen `variables` (default: all that the environment shows), each in the shape that broadcasts
    against the weights, flattened and put one after the other, float32. Action: (n_synapses,) in [-1, 1]; times
    `scale` it is Δw. Other plastic pathways stay frozen.

    Such a policy sees all synapses at once; a plasticity rule sees one. So its scores are a bound of what is possible,
    not an entry of the board. Raises PlasticbenchError for another environment, an unknown pathway or variable, or an
    action that is none.
    """

    def __init__(
        self,
        env: gymnasium.Env,
        pathway: str | None = None,
        variables: Sequence[str] | None = None,
        scale: float = 0.1,
    ):
        super().__init__(env)
        seen, acted = env.observation_space, env.action_space
        if not isinstance(seen, spaces.Dict) or not isinstance(acted, spaces.Dict):
            raise PlasticbenchError("env: not an environment of plasticbench, whose spaces are by pathway")
        names = list(acted.spaces)
        if pathway is None and len(names) > 1:
            raise PlasticbenchError(f"pathway: this task has {', '.join(names)}; name one")
        self.pathway = names[0] if pathway is None else pathway
        if self.pathway not in names:
            raise PlasticbenchError(f"pathway: unknown {shorten(self.pathway)}; {on_offer(self.pathway, names)}")
        if not (isinstance(scale, (int, float)) and math.isfinite(scale) and scale > 0):
            raise PlasticbenchError(f"scale: {scale!r} is not a positive number")
        offered: Any = seen[self.pathway]
        self.variables = tuple(offered.spaces if variables is None else variables)
        for name in self.variables:
            if name not in offered.spaces:
                raise PlasticbenchError(f"variables: unknown {shorten(name)}; {on_offer(name, offered.spaces)}")
        self.scale = float(scale)
        self._w_shape = tuple(offered["w"].shape)
        n_seen = sum(math.prod(offered[name].shape) for name in self.variables)
        bound = float(offered["w"].high.max())
        self.observation_space = spaces.Box(-bound, bound, (n_seen,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (math.prod(self._w_shape),), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        observation, info = self.env.reset(seed=seed, options=options)
        return self.flat(observation), info

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:  # type: ignore[override]
        observation, reward, terminated, truncated, info = self.env.step(self.unflat(action))
        return self.flat(observation), float(reward), terminated, truncated, info

    def flat(self, observation: Mapping[str, Mapping[str, Any]]) -> np.ndarray:
        """(n,) float32 of an observation by pathway."""
        seen = observation[self.pathway]
        return np.concatenate([np.asarray(seen[name], np.float32).ravel() for name in self.variables])

    def unflat(self, action: Any) -> dict[str, np.ndarray]:
        """Δw by pathway of a flat action."""
        (n,) = self.action_space.shape or (0,)
        try:
            given = np.asarray(action)
        except (TypeError, ValueError, RuntimeError):  # ragged; a tensor that carries a gradient
            given = np.asarray(None)
        if given.shape != (n,) or given.dtype.kind not in "biuf":
            raise PlasticbenchError(f"action: {shorten(action)} is not {n} real numbers, one a synapse, shape ({n},)")
        return {self.pathway: self.scale * given.astype(np.float64).reshape(self._w_shape)}

    def policy(self, predict: Callable[[np.ndarray], Any]) -> Callable[[Any], dict[str, Any]]:
        """What `plasticbench.evaluate` takes, of a flat policy: (n_lifetimes, n) float32 -> (n_lifetimes, n_synapses).

        Of stable-baselines3: `env.policy(lambda seen: model.predict(seen, deterministic=True)[0])`.
        """

        def act(observation: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
            import torch

            seen = {name: observation[self.pathway][name].detach().cpu().numpy() for name in self.variables}
            n = len(observation[self.pathway]["w"])
            rows = [values.reshape(n, -1) for values in seen.values()]
            delta = self.scale * np.asarray(predict(np.concatenate(rows, 1).astype(np.float32)), np.float64)
            return {self.pathway: torch.from_numpy(delta.reshape(n, *self._w_shape))}

        return act
