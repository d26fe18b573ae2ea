"""What a neuron model declares: its state, its equations for one time step, and what a spike does.

Engines lower these equations to compiled code, to torch, to derivatives and to device source, so that the physics
stands once. A model of one's own is a frozen dataclass of this kind in any module.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

from plasticbench.errors import PlasticbenchError
from plasticbench.language.program import Expression
from plasticbench.language.vocabulary import is_identifier

SPIKING_STATE = "v"
HAZARD_STATE = "phi"


@dataclass(frozen=True)
class NeuronModel:
    """Base of all models. Fields are constants; the class declares expressions over fields, `dt_s` and the state.

    `state`: each variable with its value at the start of life, of constants; `v` (V) must be among them.
    `derived`: constants of a time step, by name, of fields and `dt_s`.
    `updates`: one step, as assignments in order; a name that is no state is a value within the step. Later ones see
    what earlier ones assigned.
    `threshold`: a neuron spikes where `v` is above it after the updates. `hazard_hz`: in its place, the rate (Hz) of
    random spikes, of constants and the states after the updates: a neuron that is not refractory spikes with
    probability 1 - exp(-hazard_hz dt_s). It is kept in the state `phi`, which is declared and set by nothing else.
    `at_spike`: what a spike sets, from constants and from the states before. `refractory`: the field (s) for which `v`
    is then held at `held`; None: not at all.
    `receptors`: the state that a pathway's arriving spikes add to, by receptor.
    `readable`: what rules may read of a postsynaptic neuron: variable -> state; beyond `u` (`v` now) and, of a model
    with a hazard, `phi`.
    `decaying`: states that are set to 0 when they become tiny (denormal numbers are slow).
    Raises PlasticbenchError where a field or an expression does not fit.
    """

    state: ClassVar[Mapping[str, str]]
    derived: ClassVar[Mapping[str, str]] = {}
    updates: ClassVar[tuple[tuple[str, str], ...]]
    threshold: ClassVar[str | None] = None
    hazard_hz: ClassVar[str | None] = None
    at_spike: ClassVar[Mapping[str, str]]
    refractory: ClassVar[str | None] = None
    held: ClassVar[str] = "v_rest"
    receptors: ClassVar[Mapping[str, str]]
    readable: ClassVar[Mapping[str, str]] = {}
    decaying: ClassVar[tuple[str, ...]] = ()
    may_be_zero: ClassVar[tuple[str, ...]] = ()  # fields in seconds that need not be positive

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise PlasticbenchError(f"{field.name}: {value!r} is not a finite number")
            if field.name.endswith("_s") and not (value > 0 or (value == 0 and field.name in self.may_be_zero)):
                raise PlasticbenchError(f"{field.name}: {value!r} s is not a positive time constant")
        self.equations  # noqa: B018  (parsed now, so that a slip is found now)

    @property
    def reads(self) -> dict[str, str]:
        """All that rules may read of such a postsynaptic neuron: variable -> state."""
        of_all = {"u": SPIKING_STATE} | ({HAZARD_STATE: HAZARD_STATE} if self.hazard_hz is not None else {})
        return {**of_all, **self.readable}

    @property
    def variables(self) -> frozenset[str]:
        """What a rule may read of such a postsynaptic neuron, beyond weights and traces."""
        return frozenset(self.reads)

    @property
    def constants(self) -> dict[str, float]:
        """The fields, by name."""
        return {field.name: float(getattr(self, field.name)) for field in fields(self)}

    @cached_property
    def equations(self) -> Equations:
        """The declared expressions, parsed and checked."""
        return Equations.of(self)

    def step_constants(self, dt_s: float) -> dict[str, float]:
        """Fields and derived constants for steps of `dt_s`, and `refractory_steps`."""
        known = {**self.constants, "dt_s": dt_s}
        for name, expression in self.equations.derived.items():
            known[name] = expression.program.number(known)
        held_s = getattr(self, self.refractory) if self.refractory else 0.0
        return {**known, "refractory_steps": float(round(held_s / dt_s))}

    def initial_state(self) -> dict[str, float]:
        """Each state at the start of life."""
        return {name: e.program.number(self.constants) for name, e in self.equations.initial.items()}


@dataclass(frozen=True)
class Equations:
    """A model's expressions."""

    initial: dict[str, Expression]
    derived: dict[str, Expression]
    updates: tuple[tuple[str, Expression], ...]
    threshold: Expression | None
    hazard_hz: Expression | None
    at_spike: dict[str, Expression]
    held: Expression | None

    @classmethod
    def of(cls, model: NeuronModel) -> Equations:
        """Parse and check a model's declarations."""
        where, fields_of = type(model).__name__, set(model.constants)
        _check_names(model, where)
        _check_spiking(model, where)
        for name, states in (
            ("receptors", model.receptors.values()), ("readable", model.readable.values()),
            ("at_spike", model.at_spike), ("decaying", model.decaying),
        ):  # fmt: skip
            for state in states:
                if state not in model.state:
                    raise PlasticbenchError(
                        f"{where}.{name}: {state!r} is no state; there are {', '.join(model.state)}"
                    )
        if model.refractory is not None and model.refractory not in fields_of:
            raise PlasticbenchError(f"{where}.refractory: {model.refractory!r} is no field")
        derived, known = {}, {*fields_of, "dt_s"}
        for name, text in model.derived.items():
            derived[name] = Expression.parse(text, known, f"{where}.derived.{name}")
            known.add(name)
        seen, updates = known | set(model.state), []
        for name, text in model.updates:
            updates.append((name, Expression.parse(text, seen, f"{where}.updates.{name}")))
            seen.add(name)
        kept = known | set(model.state)  # what is left of a step when its spikes are found
        named = {n: Expression.parse(t, kept, f"{where}.at_spike.{n}") for n, t in model.at_spike.items()}

        def parsed(text: str | None, names: set[str], field: str) -> Expression | None:
            return None if text is None else Expression.parse(text, names, f"{where}.{field}")

        return cls(
            {name: Expression.parse(text, fields_of, f"{where}.state.{name}") for name, text in model.state.items()},
            derived,
            tuple(updates),
            parsed(model.threshold, kept, "threshold"),
            parsed(model.hazard_hz, kept - {HAZARD_STATE}, "hazard_hz"),
            named,
            parsed(model.held if model.refractory else None, known, "held"),
        )

    def used_constants(self, model: Any) -> tuple[str, ...]:
        """Names of the constants that a step needs, in a fixed order."""
        found = [e for _, e in self.updates] + [self.threshold, self.hazard_hz, self.held, *self.at_spike.values()]
        names = frozenset().union(*(e.program.names for e in found if e is not None))
        names |= {"dt_s"} if self.hazard_hz is not None else set()
        return tuple(name for name in (*model.constants, "dt_s", *self.derived) if name in names)


def _check_names(model: NeuronModel, where: str) -> None:
    """PlasticbenchError unless every name is an identifier that means one thing."""
    if SPIKING_STATE not in model.state:
        raise PlasticbenchError(f"{where}.state: the membrane voltage 'v' is missing; declare it")
    meaning = dict.fromkeys(("dt_s", "refractory_steps"), "a constant of every model")
    declared = (
        ("fields", "a field", model.constants), ("derived", "a derived constant", model.derived),
        ("state", "a state", model.state),
    )  # fmt: skip
    for kind, words, names in declared:
        for name in names:
            _check_name(name, f"{where}.{kind}", meaning)
            meaning[name] = words
    for name, _ in model.updates:
        if name not in model.state:
            _check_name(name, f"{where}.updates", meaning)


def _check_spiking(model: NeuronModel, where: str) -> None:
    if (model.threshold is None) == (model.hazard_hz is None):
        found = "neither" if model.threshold is None else "both"
        raise PlasticbenchError(f"{where}: {found} of threshold and hazard_hz are declared; declare one of them")
    if model.hazard_hz is None:
        return
    if HAZARD_STATE not in model.state:
        raise PlasticbenchError(f"{where}.state: 'phi', which keeps hazard_hz (Hz), is missing; declare it")
    if HAZARD_STATE in dict(model.updates) or HAZARD_STATE in model.at_spike:
        raise PlasticbenchError(f"{where}: 'phi' is set to hazard_hz every step; set another state")


def _check_name(name: str, where: str, meaning: Mapping[str, str]) -> None:
    if not is_identifier(name):
        raise PlasticbenchError(f"{where}: {name!r} is no name: letters, digits and _, a letter first")
    if name in meaning:
        raise PlasticbenchError(f"{where}: {name!r} is {meaning[name]} already; choose another name")
