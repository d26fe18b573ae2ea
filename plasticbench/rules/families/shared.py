"""One rule for all pathways of a task, as a search space: the layers of a deep network learn alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from plasticbench.errors import RuleError
from plasticbench.rules.batch import RuleBatch, Structure
from plasticbench.rules.families.base import Family
from plasticbench.rules.pathway import PathwayRule
from plasticbench.rules.rule import EVERY_PATHWAY, Rule

if TYPE_CHECKING:
    from torch import Tensor


class Shared(Family):
    """The θ of `family`, which is of the one pathway "*"; each of `pathways` follows its rule."""

    def __init__(self, family: Family, pathways: Sequence[str]) -> None:
        if family.pathways != (EVERY_PATHWAY,):
            raise RuleError(f"family {family.name}: pathways {family.pathways}; a shared one is of {EVERY_PATHWAY!r}")
        self.family, self.name, self.pathways = family, family.name, tuple(pathways)

    @property
    def names(self) -> list[str]:
        return self.family.names

    @property
    def bounds(self) -> Tensor:
        return self.family.bounds

    @property
    def initial_std(self) -> Tensor:
        return self.family.initial_std

    @property
    def penalty_mask(self) -> Tensor:
        return self.family.penalty_mask

    @property
    def prior(self) -> Tensor | None:
        return self.family.prior

    def initial(self, seed: int) -> Tensor:
        return self.family.initial(seed)

    def batch(self, thetas: Tensor) -> RuleBatch:
        inner = self.family.batch(thetas)
        (part,) = inner.structure.pathways
        parts = tuple(replace(part, pathway=pathway) for pathway in self.pathways)
        return RuleBatch(Structure(parts), inner.parameters * len(parts))

    def rule(self, theta: Tensor | Sequence[float], name: str | None = None, reference: str = "") -> Rule:
        return self.family.rule(theta, name, reference)

    def theta(self, rule: Rule) -> Tensor:
        import torch

        for key in rule.pathways:
            if key not in (EVERY_PATHWAY, *self.pathways):
                raise RuleError(f"family {self.name}: rule {rule.name} has the pathway {key!r}, which it lacks")
        parts = [rule.for_pathway(pathway) or PathwayRule.make() for pathway in self.pathways]
        found = [self.family.theta(Rule(rule.name, {EVERY_PATHWAY: part})) for part in parts]
        for pathway, theta in zip(self.pathways, found, strict=True):
            if not torch.equal(theta, found[0]):
                raise RuleError(
                    f"family {self.name}: rule {rule.name} is another at {pathway} than at {self.pathways[0]}; "
                    "all pathways share one here"
                )
        return found[0]
