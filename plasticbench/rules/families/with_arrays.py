"""A family of rules plus slow weights of the task's network that a learner trains along with them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from plasticbench.errors import RuleError
from plasticbench.rules.batch import RuleBatch, Structure
from plasticbench.rules.families.base import Family
from plasticbench.rules.rule import Rule

if TYPE_CHECKING:
    from torch import Tensor

_BOUND = 100.0


class WithArrays(Family):
    """θ = (θ of `family`, each array row by row in the order of their names).

    `arrays` gives each array's shape and the standard deviation of its initial entries, N(0, std²).
    """

    def __init__(self, family: Family, arrays: Mapping[str, tuple[tuple[int, ...], float]]) -> None:
        self.family = family
        self.name, self.pathways = family.name, family.pathways
        self._shapes = {name: tuple(arrays[name][0]) for name in sorted(arrays)}
        self._stds = {name: float(arrays[name][1]) for name in sorted(arrays)}

    @property
    def names(self) -> list[str]:
        own = [
            f"{name}[{','.join(map(str, index))}]"
            for name, shape in self._shapes.items()
            for index in np.ndindex(shape)
        ]
        return self.family.names + own

    @property
    def dimension(self) -> int:
        return self.family.dimension + self._n_entries

    @property
    def bounds(self) -> Tensor:
        import torch

        own = torch.tensor([-_BOUND, _BOUND], dtype=torch.float64).expand(self._n_entries, 2)
        return torch.cat([self.family.bounds, own])

    @property
    def initial_std(self) -> Tensor:
        import torch

        return torch.cat([self.family.initial_std, self._entry_stds])

    @property
    def penalty_mask(self) -> Tensor:
        import torch

        return torch.cat([self.family.penalty_mask, torch.zeros(self._n_entries, dtype=torch.bool)])

    def initial(self, seed: int) -> Tensor:
        import torch

        # A second key word sets these draws apart from the inner family's.
        generator = np.random.Generator(np.random.Philox(key=[seed, 1]))
        draw = torch.from_numpy(generator.standard_normal(self._n_entries))
        return torch.cat([self.family.initial(seed), self._entry_stds * draw])

    def batch(self, thetas: Tensor) -> RuleBatch:
        thetas = self._checked(thetas)
        inner = self.family.batch(thetas[:, : self.family.dimension])
        structure = Structure(inner.structure.pathways, tuple(self._shapes.items()))
        return RuleBatch(structure, inner.parameters, self._split(thetas[:, self.family.dimension :]))

    def rule(self, theta: Tensor | Sequence[float], name: str | None = None, reference: str = "") -> Rule:
        vector = self._checked_one(theta)
        inner = self.family.rule(vector[: self.family.dimension], name, reference)
        entries = self._split(vector[None, self.family.dimension :])
        arrays = {key: entry[0].numpy().astype(np.float32) for key, entry in entries.items()}
        return replace(inner, arrays=arrays)

    def theta(self, rule: Rule) -> Tensor:
        import torch

        found = {name: rule.arrays[name].shape for name in sorted(rule.arrays)}
        if found != self._shapes:
            raise RuleError(f"family {self.name}: rule {rule.name} brings the arrays {found}, expected {self._shapes}")
        own = [torch.tensor(rule.arrays[name], dtype=torch.float64).flatten() for name in self._shapes]
        return torch.cat([self.family.theta(rule), *own])

    @property
    def _n_entries(self) -> int:
        return sum(math.prod(shape) for shape in self._shapes.values())

    @property
    def _entry_stds(self) -> Tensor:
        import torch

        own = [torch.full((math.prod(self._shapes[name]),), std) for name, std in self._stds.items()]
        return torch.cat(own).to(torch.float64) if own else torch.zeros(0, dtype=torch.float64)

    def _split(self, entries: Tensor) -> dict[str, Tensor]:
        parts = entries.split([math.prod(shape) for shape in self._shapes.values()], dim=1)
        return {
            name: part.reshape(len(part), *shape)
            for (name, shape), part in zip(self._shapes.items(), parts, strict=True)
        }
