"""Families: search spaces of rules.

A family maps a flat vector θ to a rule, for one or several pathways at once.

A family of your own is a template rule whose parameters some coordinates of θ stand for:

    class Hebbian(TemplateFamily):
        name = "hebbian"
        def template(self, pathway):
            return PathwayRule.make({"on_step": "eta*pre*post - decay*w"}, {"eta": 0.0, "decay": 0.0})
        def coordinates(self, pathway):
            return [Coordinate("eta", low=-1, high=1), Coordinate("decay", low=0, high=1)]
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from plasticbench.errors import RuleError
from plasticbench.rules.batch import PathwayStructure, RuleBatch, Structure, structure_of
from plasticbench.rules.pathway import PathwayRule
from plasticbench.rules.rule import EVERY_PATHWAY, Rule

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Coordinate:
    """One entry of θ, and the parameter of the template that it stands for.

    The parameter is `scale * θ`, or exp(θ) where `logarithmic`. `start` and `jitter` give a learner's start,
    start + jitter N(0,1); `std` is the width of a searcher's first draw around it; low and high bound θ. `prior`:
    the entry is uniform between these two, before any data; None where nobody has said so.
    """

    parameter: str
    low: float = -10.0
    high: float = 10.0
    start: float = 0.0
    jitter: float = 0.0
    std: float = 0.1
    scale: float = 1.0
    logarithmic: bool = False
    penalised: bool = True
    prior: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        return f"ln_{self.parameter}" if self.logarithmic else self.parameter

    def value(self, theta: Tensor) -> Tensor:
        """The parameter's value."""
        return theta.exp() if self.logarithmic else theta * self.scale

    def theta(self, value: float) -> float:
        """The coordinate of a parameter's value. Raises RuleError where it has none."""
        if self.logarithmic and not value > 0.0:
            raise RuleError(f"{self.parameter} is {value:g}; the space holds its logarithm, so it must be above 0")
        return math.log(value) if self.logarithmic else value / self.scale


class Family(ABC):
    """A search space. θ has shape (d,), in float64 unless a caller says otherwise."""

    name: str
    pathways: tuple[str, ...]

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """A name for each coordinate, e.g. "ff.A_110"."""

    @property
    @abstractmethod
    def bounds(self) -> Tensor:
        """(d, 2): low and high of each coordinate."""

    @property
    @abstractmethod
    def initial_std(self) -> Tensor:
        """(d,): width of a searcher's first draw."""

    @property
    @abstractmethod
    def penalty_mask(self) -> Tensor:
        """(d,) bool: the coordinates that an L1 penalty applies to."""

    @abstractmethod
    def initial(self, seed: int) -> Tensor:
        """(d,): where a search starts; the same seed gives the same bits."""

    @abstractmethod
    def batch(self, thetas: Tensor) -> RuleBatch:
        """The rules of θ (n_rules, d), differentiable in θ."""

    @abstractmethod
    def rule(self, theta: Tensor | Sequence[float], name: str | None = None, reference: str = "") -> Rule:
        """The readable rule of one θ (d,)."""

    @abstractmethod
    def theta(self, rule: Rule) -> Tensor:
        """(d,): where `rule` lies in this space. Raises RuleError if it does not."""

    @property
    def dimension(self) -> int:
        return len(self.names)

    def sample_prior(self, n: int, seed: int) -> Tensor:
        """(n, d): independent draws from the prior, the same for the same seed; the first k of n are those of n = k.

        Raises RuleError for a family without a prior, or a negative n.
        """
        import torch

        ranges = self.prior
        if ranges is None:
            raise RuleError(f"family {self.name}: it has no prior; start from initial(seed), or take one that has")
        if n < 0:
            raise RuleError(f"family {self.name}: n is {n}; the number of draws is 0 or more")
        # The key's second word sets these draws apart from those of `initial`.
        draw = torch.from_numpy(np.random.Generator(np.random.Philox(key=[seed, 2])).random((n, self.dimension)))
        low, high = ranges.T
        return low + (high - low) * draw

    @property
    def prior(self) -> Tensor | None:
        """(d, 2): the prior is uniform between low and high of each coordinate; None: there is none."""
        return None

    def _checked(self, thetas: Tensor) -> Tensor:
        import torch

        thetas = torch.as_tensor(thetas)
        if thetas.ndim != 2 or thetas.shape[1] != self.dimension:
            raise RuleError(
                f"family {self.name}: θ has shape {tuple(thetas.shape)}, expected (n_rules, {self.dimension})"
            )
        return thetas if thetas.is_floating_point() else thetas.to(torch.float64)

    def _checked_one(self, theta: Tensor | Sequence[float]) -> Tensor:
        import torch

        vector = torch.as_tensor(theta, dtype=torch.float64, device="cpu").detach()
        self._checked(vector.unsqueeze(0) if vector.ndim == 1 else vector)
        if not vector.isfinite().all():
            position = int((~vector.isfinite()).nonzero()[0])
            raise RuleError(f"family {self.name}: θ[{position}] ({self.names[position]}) is not finite")
        return vector


class TemplateFamily(Family):
    """A family whose pathways each follow a template rule, with θ in the place of some of its parameters.

    Subclasses give `name`, `template` and `coordinates`; they may give `_structure`, `_readable`,
    `_recognize`.
    """

    def __init__(self, pathways: Sequence[str]) -> None:
        self.pathways = tuple(pathways)
        if not self.pathways or len(set(self.pathways)) < len(self.pathways):
            raise RuleError(f"family {self.name}: pathways {self.pathways}; name one or more, each once")

    @abstractmethod
    def template(self, pathway: str) -> PathwayRule:
        """The rule of a pathway; the numbers of parameters with a coordinate do not matter."""

    @abstractmethod
    def coordinates(self, pathway: str) -> list[Coordinate]:
        """The pathway's part of θ."""

    def _structure(self, pathway: str) -> tuple[PathwayStructure, list[float]]:
        return structure_of(pathway, self.template(pathway))

    def _readable(self, pathway: str, values: Mapping[str, float]) -> PathwayRule:
        """The pathway's rule with these parameter values, as a person would write it."""
        template = self.template(pathway)
        network = template.network
        if network is not None:
            names = [f"network.{name}" for name in network.shape.number_names]
            numbers = [values.get(name, old) for name, old in zip(names, network.numbers, strict=True)]
            network = replace(network, numbers=np.array(numbers))
        named = {name: values[name] for name in template.parameters if name in values}
        return template.with_numbers(named, network)

    def _recognize(self, pathway: str, part: PathwayRule) -> dict[str, float]:
        """Parameter values at which the template does what `part` does.

        Raises RuleError if there are none.
        """
        wanted, _ = structure_of(pathway, self.template(pathway))
        found, numbers = structure_of(pathway, part)
        if found != wanted:
            raise RuleError(f"family {self.name}: the rule of pathway {pathway} has another form")
        return dict(zip(found.parameters, numbers, strict=True))

    @cached_property
    def _parts(self) -> list[tuple[PathwayStructure, list[float], list[Coordinate]]]:
        return [(*self._structure(pathway), self.coordinates(pathway)) for pathway in self.pathways]

    @cached_property
    def _coordinates(self) -> list[Coordinate]:
        return [coordinate for _, _, coordinates in self._parts for coordinate in coordinates]

    def _column(self, attribute: str, dtype: torch.dtype | None = None) -> Tensor:
        """An attribute of every coordinate; float64 unless `dtype` says otherwise."""
        import torch

        values = [getattr(coordinate, attribute) for coordinate in self._coordinates]
        return torch.tensor(values, dtype=dtype or torch.float64)

    @cached_property
    def names(self) -> list[str]:  # type: ignore[override]
        return [
            f"{structure.pathway}.{coordinate.name}"
            for structure, _, coordinates in self._parts
            for coordinate in coordinates
        ]

    @property
    def bounds(self) -> Tensor:
        import torch

        return torch.stack([self._column("low"), self._column("high")], dim=1)

    @property
    def prior(self) -> Tensor | None:
        import torch

        ranges = [coordinate.prior for coordinate in self._coordinates]
        return None if None in ranges else torch.tensor(ranges, dtype=torch.float64)

    @property
    def initial_std(self) -> Tensor:
        return self._column("std")

    @property
    def penalty_mask(self) -> Tensor:
        import torch

        return self._column("penalised", torch.bool)

    def initial(self, seed: int) -> Tensor:
        import torch

        draw = np.random.Generator(np.random.Philox(key=seed)).standard_normal(self.dimension)
        return self._column("start") + self._column("jitter") * torch.from_numpy(draw)

    def batch(self, thetas: Tensor) -> RuleBatch:
        import torch

        thetas = self._checked(thetas)
        parameters, start = [], 0
        for structure, constants, coordinates in self._parts:
            block = thetas[:, start : start + len(coordinates)]
            start += len(coordinates)
            fixed = torch.tensor(constants, dtype=thetas.dtype, device=thetas.device)
            matrix = fixed.expand(len(thetas), -1).clone()
            columns = [structure.parameters.index(coordinate.parameter) for coordinate in coordinates]
            logarithmic = torch.tensor([coordinate.logarithmic for coordinate in coordinates], device=thetas.device)
            scale = torch.tensor([c.scale for c in coordinates], dtype=thetas.dtype, device=thetas.device)
            # exp only where it is used: its gradient elsewhere would be 0 * inf.
            values = torch.where(logarithmic, torch.where(logarithmic, block, 0.0).exp(), block * scale)
            parameters.append(
                matrix.index_copy(1, torch.tensor(columns, dtype=torch.long, device=thetas.device), values)
            )
        return RuleBatch(Structure(tuple(structure for structure, _, _ in self._parts)), tuple(parameters))

    def rule(self, theta: Tensor | Sequence[float], name: str | None = None, reference: str = "") -> Rule:
        vector = self._checked_one(theta)
        pathways, start = {}, 0
        for structure, _, coordinates in self._parts:
            block = vector[start : start + len(coordinates)]
            start += len(coordinates)
            values = {
                coordinate.parameter: float(coordinate.value(entry))
                for coordinate, entry in zip(coordinates, block, strict=True)
            }
            pathways[structure.pathway] = self._readable(structure.pathway, values)
        return Rule(name or self.name, pathways, reference)

    def theta(self, rule: Rule) -> Tensor:
        import torch

        for key in rule.pathways:
            if key != EVERY_PATHWAY and key not in self.pathways:
                raise RuleError(f"family {self.name}: rule {rule.name} has the pathway {key!r}, which it lacks")
        vector: list[float] = []
        for pathway in self.pathways:
            part = rule.for_pathway(pathway)
            if part is None:
                part = PathwayRule.make()
            values = self._recognize(pathway, part)
            try:
                vector += [c.theta(values[c.parameter]) for c in self.coordinates(pathway)]
            except RuleError as error:
                raise RuleError(f"family {self.name}: the rule of pathway {pathway}: {error}") from None
        return torch.tensor(vector, dtype=torch.float64)
