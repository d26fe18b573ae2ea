"""The rule of one pathway.

Expressions or a network for its events, parameters, traces and states.

Everything is checked when it is built, so that an error names the field and engines meet only sound rules.
"""

from __future__ import annotations

import numbers
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from plasticbench.errors import RuleError
from plasticbench.language.program import Expression
from plasticbench.language.vocabulary import FUNCTIONS, MAX_MAGNITUDE, is_identifier, on_offer, shorten
from plasticbench.rules.memory import State, Trace, read_states, read_traces, time_constant
from plasticbench.rules.neural import Network
from plasticbench.rules.reads import check_reads
from plasticbench.rules.variables import EVENTS, HIDEABLE, RATE_EVENTS, SPIKING_EVENTS, VARIABLES

WEIGHT = "w"


@dataclass(frozen=True)
class NetworkOutput:
    """A weight change that is one output of the pathway's network."""

    network: Network
    event: str


Change = Expression | NetworkOutput


@dataclass(frozen=True, eq=False)
class PathwayRule:
    """The rule of one pathway. Build it with `make`, which checks every part."""

    traces: Mapping[str, Trace]
    events: Mapping[str, Mapping[str, Change]]  # event: what it changes ("w" or a state): how
    parameters: Mapping[str, float]
    network: Network | None = None
    states: Mapping[str, State] = field(default_factory=dict)

    @classmethod
    def make(
        cls,
        events: Mapping[str, str | Mapping[str, str]] | None = None,
        parameters: Mapping[str, float] | None = None,
        traces: Mapping[str, str | float | Mapping[str, Any] | Trace] | None = None,
        network: Network | None = None,
        where: str = "rule",
        variables: Iterable[str] = (),
        states: Mapping[str, Mapping[str, Any] | State] | None = None,
    ) -> PathwayRule:
        """A checked rule from the entries of a rule file, e.g.

        `PathwayRule.make({"on_step": "eta*pre*post"}, {"eta": 0.1})`, or with an eligibility `e`

        `PathwayRule.make({"on_post": {"e": "x_pre"}, "on_modulator": "m*e"}, {}, {"x_pre": 0.02}, states={"e": {}})`.

        `variables` names those that a task offers beyond the language's own. Raises RuleError that opens with
        `where` and names the field.
        """
        offered = set(VARIABLES) | set(variables)
        checked = _parameters(parameters or {}, offered, where)
        given = {*(events or {}), *(network.shape.outputs if network is not None else ())}
        rate = _is_rate(given, traces or {}, where)
        kept = read_states(states or {}, checked, offered, where)
        filtered = read_traces(traces or {}, checked, offered | set(kept), rate, where)
        names = offered | set(checked) | set(filtered) | set(kept)
        parsed = {event: _changes(change, event, kept, names, where) for event, change in (events or {}).items()}
        for event in network.shape.outputs if network is not None else ():
            if event in parsed:
                raise RuleError(f"{where}.{event}: both an expression and an output of the network; keep one")
            parsed[event] = {WEIGHT: NetworkOutput(network, event)}  # type: ignore[arg-type]
        rule = cls(filtered, parsed, checked, network, kept)
        check_reads(rule, where)
        hidden = sorted(HIDEABLE & set(checked))
        if hidden and rule.needs_format_2:
            raise RuleError(f"{where}.parameters.{hidden[0]}: the name is taken by a variable; choose another")
        return rule

    @property
    def kind(self) -> str:
        """The track it runs on: "rate", "spiking", or "any" where it fits both, as one without events does."""
        if any(trace.of for trace in self.traces.values()):
            return "rate"
        if set(self.events) & set(SPIKING_EVENTS) or (self.events and self.traces):
            return "spiking"
        if set(self.events) & set(RATE_EVENTS):
            return "rate"
        tracks = [VARIABLES[name].tracks for name in self.variables if name in VARIABLES]
        return next((track for found in tracks if len(found) == 1 for track in found), "any")

    @property
    def variables(self) -> frozenset[str]:
        """The task's variables that it reads: in its events, and in what its traces filter."""
        used = {name for event in self.events for name in self.reads(event)}
        used |= {name for trace in self.traces.values() if trace.of for name in trace.of.program.names}
        return frozenset(used - set(self.parameters) - set(self.traces) - set(self.states))

    def reads(self, event: str, target: str | None = None) -> frozenset[str]:
        """The names, other than parameters, that the changes of one event depend on (or that of one target)."""
        changes = self.events.get(event, {})
        used: set[str] = set()
        for change in changes.values() if target is None else (changes[target],):
            if isinstance(change, NetworkOutput):
                used |= set(change.network.shape.inputs)
            else:
                used |= change.program.names - set(self.parameters)
        return frozenset(used)

    @property
    def needs_format_2(self) -> bool:
        """Whether it says more than format @1 can."""
        more = any(set(changes) != {WEIGHT} for changes in self.events.values()) or "on_modulator" in self.events
        more = more or bool(set(self.events) & set(RATE_EVENTS) and set(self.events) & set(SPIKING_EVENTS))
        return more or bool(self.states) or not all(trace.is_bare(name) for name, trace in self.traces.items())

    def time_constant_s(self, name: str) -> float:
        """The time constant of a trace or a decaying state, in seconds."""
        constant = (self.traces.get(name) or self.states[name]).tau_s
        if constant is None:
            raise KeyError(f"the state {name} keeps its value; it has no time constant")
        return self.parameters[constant] if isinstance(constant, str) else constant

    def with_numbers(self, parameters: Mapping[str, float], network: Network | None = None) -> PathwayRule:
        """The same rule with other values of some parameters (and another network of the same shape); checked."""
        merged = {**self.parameters, **{name: float(value) for name, value in parameters.items()}}
        checked = _parameters(merged, set(), "rule")
        constants = {name: trace.tau_s for name, trace in self.traces.items()}
        constants |= {name: state.tau_s for name, state in self.states.items() if state.tau_s is not None}
        for name, constant in constants.items():
            time_constant(constant, checked, f"rule.{name}", "rule")
        if network is None:
            return replace(self, parameters=checked)
        outputs = {
            event: {target: NetworkOutput(network, event) if isinstance(change, NetworkOutput) else change}
            for event, changes in self.events.items()
            for target, change in changes.items()
        }
        return replace(self, parameters=checked, network=network, events=outputs)

    def to_json(self) -> dict[str, Any]:
        """This pathway's object in a rule file."""
        parts: dict[str, Any] = {}
        if self.traces:
            parts["traces"] = {name: trace.to_json(name) for name, trace in self.traces.items()}
        if self.states:
            parts["state"] = {name: state.to_json() for name, state in self.states.items()}
        for event, changes in self.events.items():
            texts = {target: change.text for target, change in changes.items() if isinstance(change, Expression)}
            if texts:
                parts[event] = texts[WEIGHT] if set(texts) == {WEIGHT} else texts
        if self.network is not None:
            parts["network"] = self.network.to_json()
        if self.parameters:
            parts["parameters"] = dict(self.parameters)
        return parts


def _is_rate(events: Collection[str], traces: Mapping[str, Any], where: str) -> bool:
    """Whether the events, or else what the traces are of, are those of rate networks, as `on_step` alone is."""
    if set(events) & set(SPIKING_EVENTS):
        return False
    if set(events) & set(RATE_EVENTS):
        return True
    sources = [entry.get("of") for entry in traces.values() if isinstance(entry, Mapping)]
    expressions = [entry.of for entry in traces.values() if isinstance(entry, Trace) and entry.of]
    return bool(expressions) or any(source not in ("pre", "post") for source in sources)


def _changes(
    found: object, event: str, states: Mapping[str, State], names: Collection[str], where: str
) -> dict[str, Change]:
    if event not in EVENTS:
        raise RuleError(f"{where}: unknown event {shorten(event)}; {on_offer(event, EVENTS)}")
    if not isinstance(found, Mapping):
        return {WEIGHT: Expression.parse(found, names, f"{where}.{event}")}  # type: ignore[arg-type]
    if not found:
        raise RuleError(f"{where}.{event}: changes nothing; remove it, or say what it changes, e.g. {{'w': '-eta'}}")
    targets = (WEIGHT, *states)
    for target in found:
        if target not in targets:
            raise RuleError(f"{where}.{event}: changes {shorten(target)}; {on_offer(str(target), targets)}")
    return {target: Expression.parse(text, names, f"{where}.{event}.{target}") for target, text in found.items()}


def _parameters(found: Mapping[str, float], offered: Collection[str], where: str) -> dict[str, float]:
    checked: dict[str, float] = {}
    for name, value in found.items():
        place = f"{where}.parameters.{name}" if isinstance(name, str) and is_identifier(name) else f"{where}.parameters"
        if not isinstance(name, str) or not is_identifier(name):
            raise RuleError(f"{place}: {shorten(name)} is no name; use ASCII letters, digits and _, letter first")
        if (name in offered and name not in HIDEABLE) or name in FUNCTIONS or name in EVENTS:
            raise RuleError(f"{place}: the name is taken by a variable, function or event; choose another")
        if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
            raise RuleError(f"{place}: found {shorten(value)}, expected a number")
        if value != value or abs(value) > MAX_MAGNITUDE:
            raise RuleError(f"{place}: found {shorten(value)}; a finite number of at most {MAX_MAGNITUDE:g}")
        checked[name] = float(value)
    return checked
