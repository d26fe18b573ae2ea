"""Rules: how a synapse changes, from what the synapse can see.

A rule is data: expressions, numbers, a citation.

The engine adds an event's Δw to the weight and clips to the task's bounds; nothing else, no hidden factor.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
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
from plasticbench.rules.equations import equations
from plasticbench.rules.pathway import WEIGHT, PathwayRule

FORMAT_1, FORMAT_2 = "plasticbench/rule@1", "plasticbench/rule@2"
EVERY_PATHWAY = "*"
AS_PUBLISHED = "as published"  # the source's equation, and its numbers where it gives any
VARIANT = "variant of a published rule"
NUMBERS_LEARNED = "published form, numbers learned here"
LEARNED = "learned here"
UNPUBLISHED = "unpublished"
PROVENANCES = (AS_PUBLISHED, VARIANT, NUMBERS_LEARNED, LEARNED, UNPUBLISHED)

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
    provenance: str = ""  # one of PROVENANCES, or not said
    unverified: str = ""  # what was not checked against the source

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise RuleError(f"name: found {shorten(self.name)}; letters, digits and ._+()-, at most 100 characters")
        for place in ("reference", "note", "unverified"):
            _check_text(getattr(self, place), place)
        if self.provenance not in ("", *PROVENANCES):
            raise RuleError(f"provenance: found {shorten(self.provenance)}, expected {' or '.join(PROVENANCES)}")
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
    def format(self) -> str:
        """The oldest file format that holds it."""
        more = any(pathway.needs_format_2 for pathway in self.pathways.values())
        return FORMAT_2 if more else FORMAT_1

    @property
    def citation(self) -> str:
        """The first source that `reference` names, without its DOI."""
        return self.reference.split(";")[0].split(", doi")[0]

    def for_pathway(self, pathway: str) -> PathwayRule | None:
        """The rule of a task's pathway, or None where it stays frozen."""
        return self.pathways.get(pathway, self.pathways.get(EVERY_PATHWAY))

    @cached_property
    def hash(self) -> str:
        """SHA-256 of what the rule does: programs, numbers and arrays, without its name and what is said of it."""
        content: dict[str, Any] = {}
        for key, pathway in self.pathways.items():
            network = pathway.network.to_json() if pathway.network else None
            content[key] = [_traces(pathway), _events(pathway), dict(pathway.parameters), network]
            if pathway.states:
                states = {name: [state.scope, state.tau_s] for name, state in pathway.states.items()}
                content[key].append(states)
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
        """Readable text of every change, by pathway and event; of a state, by pathway and "event: state".

        `substitute` puts the parameters' numbers in, with so many `digits`; in every sum, terms whose number
        is below `drop` times the largest are left out.
        """
        return self._written(substitute, Style(digits), drop)

    def latex(self, substitute: bool = False, digits: int = 4, drop: float = 0.0) -> dict[str, dict[str, str]]:
        """The same as LaTeX mathematics (the right-hand side of Δw = ..., no delimiters)."""
        return self._written(substitute, LatexStyle(digits), drop)

    def __repr__(self) -> str:
        return f"<Rule {self.name}: {', '.join(self.pathways)}>"

    def _repr_latex_(self) -> str:
        from plasticbench.rules.notebook import rule_latex

        return rule_latex(self)

    def _repr_html_(self) -> str:
        from plasticbench.rules.notebook import rule_html

        return rule_html(self)

    def _written(self, substitute: bool, style: Style, drop: float) -> dict[str, dict[str, str]]:
        return {key: equations(pathway, substitute, style, drop) for key, pathway in self.pathways.items()}

    def to_json(self) -> dict[str, Any]:
        """The rule as one self-contained JSON object, arrays included."""
        from plasticbench.rules.codec import rule_to_json

        return rule_to_json(self)

    def save(self, path: str | Path) -> None:
        """Write the rule file, and its arrays as a safetensors file beside it. Atomic."""
        from plasticbench.rules.codec import save_rule

        save_rule(self, path)


_HIDDEN = ("Cc", "Cs")  # Unicode categories: control characters, halves of surrogate pairs
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # of the direction of writing


def _check_text(text: object, place: str) -> None:
    if not isinstance(text, str):
        raise RuleError(f"{place}: found {shorten(text)}, expected text")
    for character in text:
        if (unicodedata.category(character) in _HIDDEN and character not in "\n\t") or character in _TURNS:
            raise RuleError(f"{place}: holds {character!a}, which is no visible character; remove it")


def _traces(pathway: PathwayRule) -> dict[str, Any]:
    """What the hash knows of the traces; bare ones as in format @1."""
    found: dict[str, Any] = {}
    for name, trace in pathway.traces.items():
        of = trace.of.program.instructions if trace.of else None
        found[name] = trace.tau_s if trace.is_bare(name) else [trace.side, trace.tau_s, trace.nearest, of]
    return found


def _events(pathway: PathwayRule) -> dict[str, Any]:
    """What the hash knows of the events; a change of the weight alone as in format @1."""
    found: dict[str, Any] = {}
    for event, changes in pathway.events.items():
        programs = {
            target: change.program.instructions if isinstance(change, Expression) else "network"
            for target, change in changes.items()
        }
        found[event] = programs[WEIGHT] if set(programs) == {WEIGHT} else programs
    return found
