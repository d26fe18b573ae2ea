"""Families: search spaces of rules, by name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from plasticbench.errors import RuleError
from plasticbench.rules.families.base import Coordinate, Family, TemplateFamily
from plasticbench.rules.families.codependent import Codependent
from plasticbench.rules.families.codependent_neural import CodependentNeural
from plasticbench.rules.families.doublet import Doublet
from plasticbench.rules.families.error_hebbian import ErrorHebbian
from plasticbench.rules.families.hebbian_decay import HebbianDecay
from plasticbench.rules.families.mlp import MLP
from plasticbench.rules.families.modulated import ModulatedEligibility, ModulatedVolterra
from plasticbench.rules.families.polynomial import Polynomial
from plasticbench.rules.families.shared import Shared
from plasticbench.rules.families.triplet import MinimalTriplet, Pair, Triplet
from plasticbench.rules.families.with_arrays import WithArrays

_FAMILIES: dict[str, type[TemplateFamily]] = {
    family.name: family
    for family in (
        Polynomial,
        HebbianDecay,
        Doublet,
        Pair,
        MinimalTriplet,
        Triplet,
        MLP,
        Codependent,
        CodependentNeural,
        ErrorHebbian,
        ModulatedEligibility,
        ModulatedVolterra,
    )
}


def families() -> Mapping[str, type[TemplateFamily]]:
    """All families by name."""
    return MappingProxyType(_FAMILIES)


def register_family(family: type[TemplateFamily]) -> type[TemplateFamily]:
    """Make a family of one's own known by its `name`; usable as a class decorator. RuleError if the name is taken."""
    if _FAMILIES.setdefault(family.name, family) is not family:
        raise RuleError(f"family {family.name!r} is registered already; choose another name")
    return family


def make_family(name: str, pathways: Sequence[str], **options: Any) -> Family:
    """The family `name` on these pathways.

    Raises RuleError for an unknown name or option, listing those there are.
    """
    if name not in _FAMILIES:
        nearest = difflib.get_close_matches(name, _FAMILIES, n=1)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        raise RuleError(f"unknown family {name!r}; {hint}there are: {', '.join(_FAMILIES)}")
    known = [parameter for parameter in inspect.signature(_FAMILIES[name]).parameters if parameter != "pathways"]
    for option in options:
        if option not in known:
            raise RuleError(f"family {name}: unknown option {option!r}; there are: {', '.join(known)}")
    return _FAMILIES[name](pathways, **options)


__all__ = [
    "MLP",
    "Codependent",
    "CodependentNeural",
    "Coordinate",
    "Doublet",
    "ErrorHebbian",
    "Family",
    "HebbianDecay",
    "MinimalTriplet",
    "ModulatedEligibility",
    "ModulatedVolterra",
    "Pair",
    "Polynomial",
    "Shared",
    "TemplateFamily",
    "Triplet",
    "WithArrays",
    "families",
    "make_family",
    "register_family",
]
