"""The rule of one pathway.

Expressions or a network for its events, parameters, and time constants of spike traces.

Everything is checked when it is built, so that an error names the field and engines meet only sound rules.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from plasticbench.errors import RuleError
from plasticbench.language.program import Expression
from plasticbench.language.vocabulary import FUNCTIONS, MAX_MAGNITUDE, is_identifier, on_offer, shorten
from plasticbench.rules.neural import Network
from plasticbench.rules.variables import EVENTS, RATE_EVENTS, TRACES, VARIABLES


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
                    raise RuleError(f"{where}.{event}: both an expression and an output of the network; keep one")
                parsed[event] = NetworkOutput(network, event)
        rule = cls(_traces(traces or {}, checked, where), parsed, checked, network)
        _check_kind(rule, where)
        return rule

    @property
    def kind(self) -> str:
        """The track it runs on: "rate", "spiking", or "any" where it has no events."""
        if not self.events:
            return "any"
        return "rate" if set(self.events) <= set(RATE_EVENTS) else "spiking"

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
        expressions = {name: event.text for name, event in self.events.items() if isinstance(event, Expression)}
        parts: dict[str, Any] = {"traces": dict(self.traces)} if self.traces else {}
        parts.update(expressions)
        if self.network is not None:
            parts["network"] = self.network.to_json()
        if self.parameters:
            parts["parameters"] = dict(self.parameters)
        return parts


def _parameters(found: Mapping[str, float], offered: set[str], where: str) -> dict[str, float]:
    checked: dict[str, float] = {}
    for name, value in found.items():
        place = f"{where}.parameters.{name}" if isinstance(name, str) and is_identifier(name) else f"{where}.parameters"
        if not isinstance(name, str) or not is_identifier(name):
            raise RuleError(f"{place}: {shorten(name)} is no name; use ASCII letters, digits and _, letter first")
        if name in offered or name in FUNCTIONS or name in EVENTS:
            raise RuleError(f"{place}: the name is taken by a variable, function or event; choose another")
        if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
            raise RuleError(f"{place}: found {shorten(value)}, expected a number")
        if value != value or abs(value) > MAX_MAGNITUDE:
            raise RuleError(f"{place}: found {shorten(value)}; a finite number of at most {MAX_MAGNITUDE:g}")
        checked[name] = float(value)
    return checked


def _traces(found: Mapping[str, str | float], parameters: Mapping[str, float], where: str) -> dict[str, str | float]:
    checked: dict[str, str | float] = {}
    for trace, constant in found.items():
        place = f"{where}.traces.{trace}"
        if trace not in TRACES:
            raise RuleError(f"{where}.traces: unknown trace {shorten(trace)}; {on_offer(trace, TRACES)}")
        if isinstance(constant, str):
            if constant not in parameters:
                raise RuleError(f"{place}: {shorten(constant)} is no parameter; {on_offer(constant, parameters)}")
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
        raise RuleError(f"{where}: on_step is for rate networks, on_pre and on_post for spiking ones; keep one kind")
    if events & set(RATE_EVENTS) and rule.traces:
        raise RuleError(f"{where}.traces: rate networks have no spike traces; remove them")
    undeclared = sorted((rule.variables & set(TRACES)) - set(rule.traces))
    if undeclared:
        raise RuleError(f"{where}: {undeclared[0]} is used without a time constant; declare it in traces (seconds)")
