"""Rules: how a synapse changes, from what the synapse can see.

A rule is data: expressions, numbers, a citation.

The engine adds an event's Δw to the weight and clips to the task's bounds; nothing else, no hidden factor.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from plasticbench.errors import RuleError
from plasticbench.language.printing import LatexStyle, Style
from plasticbench.language.program import Expression
from plasticbench.language.vocabulary import is_identifier, shorten
from plasticbench.rules.equations import equation
from plasticbench.rules.pathway import PathwayRule

FORMAT = "plasticbench/rule@1"
EVERY_PATHWAY = "*"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+()-]{0,99}")


@dataclass(frozen=True, eq=False)
class Rule:
    """A rule for one or several pathways; the key "*" stands for every plastic pathway without its own.

    `arrays` are slow weights of the task's network that the rule brings along, float32. `note` says what a
    reader should know about the numbers.
    """

    name: str
    pathways: Mapping[str, PathwayRule]
    reference: str = ""
    note: str = ""
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise RuleError(f"name: found {shorten(self.name)}; letters, digits and ._+()-, at most 100 characters")
        if not self.pathways:
            raise RuleError("pathways: none; name at least one, or '*' for every plastic pathway")
        for key in self.pathways:
            if key != EVERY_PATHWAY and not is_identifier(key):
                raise RuleError(f"pathways: {shorten(key)} is no pathway's name; e.g. 'ff', 'ie' or '*'")
        kinds = {pathway.kind for pathway in self.pathways.values()} - {"any"}
        if len(kinds) > 1:
            raise RuleError("pathways: some have on_step, others on_pre or on_post; a rule is for rate or for spikes")
        for name, array in self.arrays.items():
            if not is_identifier(name):
                raise RuleError(f"arrays: {shorten(name)} is no identifier; use letters, digits and _")
            if not np.isfinite(array).all():
                raise RuleError(f"arrays.{name}: not all numbers are finite; replace them")

    @property
    def kind(self) -> str:
        """The track it runs on: "rate", "spiking", or "any" for a rule without events."""
        kinds = {pathway.kind for pathway in self.pathways.values()} - {"any"}
        return kinds.pop() if kinds else "any"

    @property
    def citation(self) -> str:
        """The first source that `reference` names, without its DOI."""
        return self.reference.split(";")[0].split(", doi")[0]

    def for_pathway(self, pathway: str) -> PathwayRule | None:
        """The rule of a task's pathway, or None where it stays frozen."""
        return self.pathways.get(pathway, self.pathways.get(EVERY_PATHWAY))

    @cached_property
    def hash(self) -> str:
        """SHA-256 of what the rule does: programs, numbers and arrays, without name, reference and note."""
        content: dict[str, Any] = {}
        for key, pathway in self.pathways.items():
            events = {
                name: event.program.instructions if isinstance(event, Expression) else "network"
                for name, event in pathway.events.items()
            }
            network = pathway.network.to_json() if pathway.network else None
            content[key] = [dict(pathway.traces), events, dict(pathway.parameters), network]
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
        for name in sorted(self.arrays):
            array = np.asarray(self.arrays[name], dtype="<f4", order="C")
            digest.update(f"{name}{array.shape}".encode() + array.tobytes())
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rule) and self.name == other.name and self.hash == other.hash

    def __hash__(self) -> int:
        return hash((self.name, self.hash))

    def __call__(self, observation: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """The action for an observation: Δw of every pathway. See `policy.act`."""
        from plasticbench.rules.policy import act

        return act(self, observation)

    def equations(self, substitute: bool = True, digits: int = 4, drop: float = 0.0) -> dict[str, dict[str, str]]:
        """Readable text of every event, by pathway and event.

        `substitute` puts the parameters' numbers in, with so many `digits`; in every sum, terms whose number
        is below `drop` times the largest are left out.
        """
        return self._written(substitute, Style(digits), drop)

    def latex(self, substitute: bool = False, digits: int = 4, drop: float = 0.0) -> dict[str, dict[str, str]]:
        """The same as LaTeX mathematics (the right-hand side of Δw = ..., no delimiters)."""
        return self._written(substitute, LatexStyle(digits), drop)

    def _written(self, substitute: bool, style: Style, drop: float) -> dict[str, dict[str, str]]:
        return {
            key: {name: equation(pathway, name, substitute, style, drop) for name in pathway.events}
            for key, pathway in self.pathways.items()
        }

    def to_json(self) -> dict[str, Any]:
        """The rule as one self-contained JSON object, arrays included."""
        from plasticbench.rules.codec import rule_to_json

        return rule_to_json(self)

    def save(self, path: str | Path) -> None:
        """Write the rule file, and its arrays as a safetensors file beside it. Atomic."""
        from plasticbench.rules.codec import save_rule

        save_rule(self, path)
