"""Rules:

how a synapse changes, from what the synapse can see. A rule is data: expressions, numbers, a citation.

The engine adds an event's Δw to the weight and clips to the task's bounds; nothing else, no hidden learning
rate.
"""

from __future__ import annotations

import hashlib
import json
import math
import numbers
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from plasticbench.errors import RuleError
from plasticbench.rules.expression import parse_expression
from plasticbench.rules.network import Network
from plasticbench.rules.program import Program
from plasticbench.rules.vocabulary import (
    EVENTS,
    FUNCTIONS,
    MAX_MAGNITUDE,
    RATE_EVENTS,
    TRACES,
    VARIABLES,
    is_identifier,
    on_offer,
    shorten,
)

FORMAT = "plasticbench/rule@1"
EVERY_PATHWAY = "*"


@dataclass(frozen=True)
class Expression:
    """A weight change as its author wrote it, and as a program."""

    text: str
    program: Program

    @classmethod
    def parse(cls, text: str, names: Iterable[str], where: str = "expression") -> Expression:
        """Parse `text`, whose names must all be among `names`; raises RuleError that opens with `where`."""
        return cls(text, Program.of(parse_expression(text, set(names), where)))


@dataclass(frozen=True)
class NetworkOutput:
    """A weight change that is one output of the pathway's network."""

    network: Network
    event: str


@dataclass(frozen=True, eq=False)
class PathwayRule:
    """The rule of one pathway. Build it with `make`, which checks every part.

    `traces` gives the time constant (s) of each spike trace, as a number or a parameter's name.
    """

    traces: Mapping[str, str | float]
    events: Mapping[str, Expression | NetworkOutput]
    parameters: Mapping[str, float]
    network: Network | None = None

    @classmethod
    def make(
        cls,
        events: Mapping[str, str] | None = None,
        parameters: Mapping[str, float] | None = None,
        traces: Mapping[str, str | float] | None = None,
        network: Network | None = None,
        where: str = "rule",
        variables: Iterable[str] = (),
    ) -> PathwayRule:
        """A checked rule from expressions as text, e.g.

        `PathwayRule.make({"on_step": "eta*pre*post"}, {"eta": 0.1})`.

        `variables` names those that a task offers beyond the language's own. Raises RuleError that opens with
        `where` and names the field.
        """
        offered = set(VARIABLES) | set(variables)
        checked = _parameters(parameters or {}, offered, where)
        parsed: dict[str, Expression | NetworkOutput] = {}
        for event, text in (events or {}).items():
            if event not in EVENTS:
                raise RuleError(f"{where}: unknown event {shorten(event)}; {on_offer(event, EVENTS)}")
            parsed[event] = Expression.parse(text, offered | set(checked), f"{where}.{event}")
        if network is not None:
            for event in network.shape.outputs:
                if event in parsed:
                    raise RuleError(
                        f"{where}.{event}: both an expression and an output of the network; keep one"
                    )
                parsed[event] = NetworkOutput(network, event)
        rule = cls(_traces(traces or {}, checked, where), parsed, checked, network)
        _check_kind(rule, where)
        return rule

    @property
    def variables(self) -> frozenset[str]:
        """The variables that any event depends on."""
        used: set[str] = set()
        for event in self.events.values():
            used |= (
                set(event.network.shape.inputs)
                if isinstance(event, NetworkOutput)
                else event.program.names - set(self.parameters)
            )
        return frozenset(used)

    def time_constant_s(self, trace: str) -> float:
        """The time constant of a declared trace, in seconds."""
        constant = self.traces[trace]
        return self.parameters[constant] if isinstance(constant, str) else constant

    def to_json(self) -> dict[str, Any]:
        """This pathway's object in a rule file."""
        expressions = {
            name: event.text for name, event in self.events.items() if isinstance(event, Expression)
        }
        parts: dict[str, Any] = {"traces": dict(self.traces)} if self.traces else {}
        parts.update(expressions)
        if self.network is not None:
            parts["network"] = self.network.to_json()
        if self.parameters:
            parts["parameters"] = dict(self.parameters)
        return parts


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
        if not self.pathways:
            raise RuleError("pathways: none; name at least one, or '*' for every plastic pathway")
        for key in self.pathways:
            if key != EVERY_PATHWAY and not is_identifier(key):
                raise RuleError(f"pathways: {shorten(key)} is no pathway's name; e.g. 'ff', 'ie' or '*'")
        kinds = {pathway_kind(pathway) for pathway in self.pathways.values()} - {"any"}
        if len(kinds) > 1:
            raise RuleError(
                "pathways: some have on_step, others on_pre or on_post; a rule is for rate or for spikes"
            )
        for name, array in self.arrays.items():
            if not is_identifier(name):
                raise RuleError(f"arrays: {shorten(name)} is no identifier; use letters, digits and _")
            if not np.isfinite(array).all():
                raise RuleError(f"arrays.{name}: not all numbers are finite; replace them")

    @property
    def kind(self) -> str:
        """The track it runs on: "rate", "spiking", or "any" for a rule without events."""
        kinds = {pathway_kind(pathway) for pathway in self.pathways.values()} - {"any"}
        return kinds.pop() if kinds else "any"

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
            array = np.ascontiguousarray(self.arrays[name], dtype="<f4")
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

    def equations(
        self, substitute: bool = True, digits: int = 4, drop: float = 0.0
    ) -> dict[str, dict[str, str]]:
        """Readable text of every event. See `printing.equation`."""
        from plasticbench.rules.printing import equation

        return {
            key: {name: equation(pathway, name, substitute, digits, drop) for name in pathway.events}
            for key, pathway in self.pathways.items()
        }

    def latex(self) -> dict[str, dict[str, str]]:
        """LaTeX of every event, with parameters as symbols. See `latex.latex_equation`."""
        from plasticbench.rules.latex import latex_equation

        return {
            key: {name: latex_equation(pathway, name) for name in pathway.events}
            for key, pathway in self.pathways.items()
        }

    def to_json(self) -> dict[str, Any]:
        """The rule as one self-contained JSON object, arrays included."""
        from plasticbench.rules.io import rule_to_json

        return rule_to_json(self)

    def save(self, path: str | Path) -> None:
        """Write the rule file, and its arrays as a safetensors file beside it. Atomic."""
        from plasticbench.rules.io import save_rule

        save_rule(self, path)


def pathway_kind(pathway: PathwayRule) -> str:
    """The track of one pathway: "rate", "spiking", or "any" where it has no events."""
    if not pathway.events:
        return "any"
    return "rate" if set(pathway.events) <= set(RATE_EVENTS) else "spiking"


def _parameters(found: Mapping[str, float], offered: set[str], where: str) -> dict[str, float]:
    checked: dict[str, float] = {}
    for name, value in found.items():
        place = (
            f"{where}.parameters.{name}"
            if isinstance(name, str) and is_identifier(name)
            else f"{where}.parameters"
        )
        if not isinstance(name, str) or not is_identifier(name):
            raise RuleError(
                f"{place}: {shorten(name)} is no name; use ASCII letters, digits and _, letter first"
            )
        if name in offered or name in FUNCTIONS or name in EVENTS:
            raise RuleError(f"{place}: the name is taken by a variable, function or event; choose another")
        if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
            raise RuleError(f"{place}: found {shorten(value)}, expected a number")
        if value != value or abs(value) > MAX_MAGNITUDE:
            raise RuleError(f"{place}: found {shorten(value)}; a finite number of at most {MAX_MAGNITUDE:g}")
        checked[name] = float(value)
    return checked


def _traces(
    found: Mapping[str, str | float], parameters: Mapping[str, float], where: str
) -> dict[str, str | float]:
    checked: dict[str, str | float] = {}
    for trace, constant in found.items():
        place = f"{where}.traces.{trace}"
        if trace not in TRACES:
            raise RuleError(f"{where}.traces: unknown trace {shorten(trace)}; {on_offer(trace, TRACES)}")
        if isinstance(constant, str):
            if constant not in parameters:
                raise RuleError(
                    f"{place}: {shorten(constant)} is no parameter; {on_offer(constant, parameters)}"
                )
            place, value = f"{where}.parameters.{constant}", parameters[constant]
            checked[trace] = constant
        elif isinstance(constant, bool | np.bool_) or not isinstance(constant, numbers.Real):
            raise RuleError(f"{place}: found {shorten(constant)}; seconds, or the name of a parameter")
        else:
            value = constant if abs(constant) <= MAX_MAGNITUDE else math.inf
            checked[trace] = float(value)
        if not 0.0 < value <= MAX_MAGNITUDE:
            raise RuleError(f"{place}: time constant {shorten(value)} s; it must be finite and above 0")
    return checked


def _check_kind(rule: PathwayRule, where: str) -> None:
    events = set(rule.events)
    if events & set(RATE_EVENTS) and events - set(RATE_EVENTS):
        raise RuleError(
            f"{where}: on_step is for rate networks, on_pre and on_post for spiking ones; keep one kind"
        )
    if events & set(RATE_EVENTS) and rule.traces:
        raise RuleError(f"{where}.traces: rate networks have no spike traces; remove them")
    undeclared = sorted((rule.variables & set(TRACES)) - set(rule.traces))
    if undeclared:
        raise RuleError(
            f"{where}: {undeclared[0]} is used without a time constant; declare it in traces (seconds)"
        )
