"""What a rule remembers beside the weight: traces, which its neurons drive, and states, which its events change.

Trace. Spiking: of every spike of one side, it decays with its time constant and a spike adds 1 (`nearest`: sets it
to 1). Rate: a function f of one side's rate, low-pass filtered, x += (f - x)(1 - exp(-step_s/tau_s)), f averaged
over the presentations of a step.

State. It starts at 0, decays with its time constant if it has one, and has one value for each synapse, or for each
neuron of one side.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from plasticbench.errors import RuleError
from plasticbench.language.program import Expression
from plasticbench.language.vocabulary import FUNCTIONS, MAX_MAGNITUDE, is_identifier, on_offer, shorten
from plasticbench.rules.variables import EVENTS, TRACES

MAX_TRACES = 16
MAX_STATES = 16

_SIDES = ("pre", "post")
_SCOPES = ("synapse", "pre", "post")


@dataclass(frozen=True)
class Trace:
    """A trace of one side's neurons; its time constant is a number (s) or a parameter's name."""

    side: Literal["pre", "post"]
    tau_s: str | float
    nearest: bool = False
    of: Expression | None = None  # rate networks: what is filtered; None: spikes

    def is_bare(self, name: str) -> bool:
        """Whether the constant alone says all: a trace of format @1."""
        return name in TRACES and not self.nearest and self.of is None

    def to_json(self, name: str) -> str | float | dict[str, Any]:
        """Its entry among the traces of a rule file."""
        if self.is_bare(name):
            return self.tau_s
        parts: dict[str, Any] = {"of": self.of.text if self.of else self.side, "tau_s": self.tau_s}
        return {**parts, "spikes": "nearest"} if self.nearest else parts


@dataclass(frozen=True)
class State:
    """A further variable beside the weight; its time constant is a number (s), a parameter's name, or none."""

    scope: Literal["synapse", "pre", "post"] = "synapse"
    tau_s: str | float | None = None

    def to_json(self) -> dict[str, Any]:
        """Its entry among the states of a rule file."""
        parts: dict[str, Any] = {} if self.tau_s is None else {"tau_s": self.tau_s}
        return parts if self.scope == "synapse" else {**parts, "scope": self.scope}


def read_traces(
    found: Mapping[str, Any], parameters: Mapping[str, float], taken: Collection[str], rate: bool, where: str
) -> dict[str, Trace]:
    """The traces of a pathway from their entries in a rule file (Traces pass).

    `taken` are the names of variables. Raises RuleError that opens with `where` and names the field.
    """
    if len(found) > MAX_TRACES:
        raise RuleError(f"{where}.traces: {len(found)} traces; at most {MAX_TRACES}")
    checked = {}
    for name, entry in found.items():
        place = f"{where}.traces.{name}"
        if isinstance(entry, Trace):
            entry = entry.to_json(name)
        if not isinstance(entry, Mapping):
            checked[name] = _bare(name, entry, parameters, rate, where)
            continue
        if name not in TRACES:
            check_name(name, parameters, taken, f"{where}.traces")
        check_fields(entry, ("of", "tau_s"), ("spikes",), place)
        side, of = _source(entry["of"], parameters, rate, f"{place}.of")
        if name in TRACES and TRACES[name].scope != side:
            raise RuleError(f"{place}.of: {name} is a trace of {TRACES[name].scope}; choose another name")
        spikes = entry.get("spikes", "all")
        if spikes not in ("all", "nearest"):
            raise RuleError(f"{place}.spikes: found {shorten(spikes)}; 'all' (a spike adds 1) or 'nearest' (sets to 1)")
        if rate and "spikes" in entry:
            raise RuleError(f"{place}.spikes: rate networks have no spikes; remove it")
        tau_s = time_constant(entry["tau_s"], parameters, place, where)
        checked[name] = Trace(side, tau_s, spikes == "nearest", of)
    return checked


def read_states(
    found: Mapping[str, Any], parameters: Mapping[str, float], taken: Collection[str], where: str
) -> dict[str, State]:
    """The states of a pathway from their entries in a rule file (States pass); errors as in `read_traces`."""
    if len(found) > MAX_STATES:
        raise RuleError(f"{where}.state: {len(found)} states; at most {MAX_STATES}")
    checked = {}
    for name, entry in found.items():
        place = f"{where}.state.{name}"
        entry = entry.to_json() if isinstance(entry, State) else entry
        check_name(name, parameters, {*taken, *TRACES}, f"{where}.state")
        if not isinstance(entry, Mapping):
            raise RuleError(f"{place}: found {shorten(entry)}; an object such as {{'tau_s': 1.0}}, or {{}} to keep")
        check_fields(entry, (), ("tau_s", "scope"), place)
        scope = entry.get("scope", "synapse")
        if scope not in _SCOPES:
            raise RuleError(f"{place}.scope: found {shorten(scope)}; {on_offer(str(scope), _SCOPES)}")
        tau_s = time_constant(entry["tau_s"], parameters, place, where) if "tau_s" in entry else None
        checked[name] = State(scope, tau_s)
    return checked


def time_constant(found: object, parameters: Mapping[str, float], place: str, where: str) -> str | float:
    """A time constant (s) as it is kept: a parameter's name or a number. RuleError unless its value is above 0."""
    if isinstance(found, str):
        if found not in parameters:
            raise RuleError(f"{place}: {shorten(found)} is no parameter; {on_offer(found, parameters)}")
        place, value = f"{where}.parameters.{found}", parameters[found]
    elif isinstance(found, bool | np.bool_) or not isinstance(found, numbers.Real):
        raise RuleError(f"{place}: found {shorten(found)}; seconds, or the name of a parameter")
    else:
        # An integer may be too large for a float.
        value = found if abs(found) <= MAX_MAGNITUDE else math.inf  # type: ignore[arg-type,assignment,operator]
    if not 0.0 < value <= MAX_MAGNITUDE:
        raise RuleError(f"{place}: time constant {shorten(value)} s; it must be finite and above 0")
    return found if isinstance(found, str) else float(value)


def check_name(name: object, parameters: Collection[str], taken: Collection[str], where: str) -> None:
    """RuleError unless a trace or state may have this name."""
    if not isinstance(name, str) or not is_identifier(name):
        raise RuleError(f"{where}: {shorten(name)} is no name; use ASCII letters, digits and _, letter first")
    if name in taken or name in FUNCTIONS or name in EVENTS:
        raise RuleError(f"{where}.{name}: the name is taken by a variable, function or event; choose another")
    if name in parameters:
        raise RuleError(f"{where}.{name}: a parameter has this name, too; choose another")


def check_fields(entry: Mapping[str, Any], needed: Collection[str], optional: Collection[str], place: str) -> None:
    """RuleError unless `entry` has every needed field and no unknown one."""
    known = [*needed, *optional]
    unknown = [name for name in entry if name not in known]
    if unknown:
        raise RuleError(f"{place}: unknown field {shorten(unknown[0])}; known: {', '.join(known)}")
    missing = [name for name in needed if name not in entry]
    if missing:
        raise RuleError(f"{place}: the field {missing[0]!r} is missing; add it")


def _bare(name: str, entry: object, parameters: Mapping[str, float], rate: bool, where: str) -> Trace:
    if name not in TRACES:
        raise RuleError(
            f"{where}.traces: unknown trace {shorten(name)}; {on_offer(str(name), TRACES)}; "
            "one of another name is an object with 'of' and 'tau_s'"
        )
    if rate:
        raise RuleError(f"{where}.traces: rate networks have no spike traces; remove {name}, or say what it is 'of'")
    return Trace(TRACES[name].scope, time_constant(entry, parameters, f"{where}.traces.{name}", where))  # type: ignore


def _source(
    found: object, parameters: Mapping[str, float], rate: bool, place: str
) -> tuple[Literal["pre", "post"], Expression | None]:
    """The side that a trace belongs to, and what it filters in a rate network."""
    if not rate:
        if found not in _SIDES:
            raise RuleError(f"{place}: found {shorten(found)}; in a spiking rule 'pre' or 'post'")
        return found, None  # type: ignore[return-value]
    expression = Expression.parse(found, {*_SIDES, *parameters}, place)  # type: ignore[arg-type]
    sides = sorted(expression.program.names & set(_SIDES))
    if len(sides) != 1:
        raise RuleError(f"{place}: reads {' and '.join(sides) or 'no rate'}; a trace is of pre alone or of post alone")
    return sides[0], expression  # type: ignore[return-value]
