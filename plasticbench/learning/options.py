"""A learner's options, declared once: names, defaults, ranges and meaning; checks, messages and help follow."""

from __future__ import annotations

import inspect
import math
import operator
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from plasticbench.errors import PlasticbenchError
from plasticbench.language.vocabulary import on_offer

_WIDTH = 100  # of a line of help


@dataclass(frozen=True)
class Option:
    """One keyword of a learner's constructor.

    The default's type says what it takes: a whole number, a number, or (None) an object of name: value. With `choices`
    it is one of them. Numbers lie in [low, high], without an end that is `open`.
    """

    name: str
    default: Any
    meaning: str
    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False
    choices: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """What it takes, in words."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.default is None:
            return "an object of name: value"
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        low = f" {'above' if self.low_open else 'from'} {self.low:g}" if math.isfinite(self.low) else ""
        high = f" {'to below' if self.high_open else 'to'} {self.high:g}" if math.isfinite(self.high) else ""
        return f"{kind}{low}{high or (' up' if low and not self.low_open else '')}"

    def checked(self, value: Any) -> Any:
        """The value as Python's own type. Raises PlasticbenchError if it is not allowed."""
        if self.choices:
            if isinstance(value, str) and value in self.choices:
                return value
            raise PlasticbenchError(f"option.{self.name}: {value!r:.60} is none of {', '.join(self.choices)}")
        if self.default is None:
            if value is None or isinstance(value, Mapping):
                return value
            raise PlasticbenchError(f"option.{self.name}: {value!r:.60} is not {self.allowed}")
        number = _number(value, isinstance(self.default, int))
        if number is None or not self._in_range(number):
            raise PlasticbenchError(f"option.{self.name}: {value!r:.60} is not {self.allowed}")
        return number

    def _in_range(self, number: float) -> bool:
        above = number > self.low if self.low_open else number >= self.low
        below = number < self.high if self.high_open else number <= self.high
        return above and below and math.isfinite(number)


class OptionedLearner:
    """A base for learners that declare `OPTIONS`: the constructor takes, checks and keeps them as attributes."""

    OPTIONS: ClassVar[tuple[Option, ...]] = ()

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        cls.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [inspect.Parameter(option.name, kind, default=option.default) for option in cls.OPTIONS]
        )

    def __init__(self, *values: Any, **options: Any) -> None:
        try:
            bound = inspect.signature(type(self)).bind(*values, **options)
        except TypeError as error:
            raise PlasticbenchError(f"options of {type(self).__name__}: {error}") from None
        bound.apply_defaults()
        for option in self.OPTIONS:
            setattr(self, option.name, option.checked(bound.arguments[option.name]))


def options_of(learner: type) -> tuple[Option, ...]:
    """What a learner's class declares, else what its constructor's signature tells."""
    declared = getattr(learner, "OPTIONS", None)
    if declared is not None:
        return tuple(declared)
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(learner).parameters.values()
    return tuple(Option(p.name, p.default, "") for p in parameters if p.kind in named)


def check_names(learner: type, name: str, given: Mapping[str, Any]) -> None:
    """Raise PlasticbenchError for an option that the learner does not take."""
    kinds = {parameter.kind for parameter in inspect.signature(learner).parameters.values()}
    if inspect.Parameter.VAR_KEYWORD in kinds and not hasattr(learner, "OPTIONS"):
        return  # it takes any
    known = [option.name for option in options_of(learner)]
    for option in given:
        if option not in known:
            hint = "the number of workers is the run's own: --workers N; " if option == "workers" else ""
            raise PlasticbenchError(f"option.{option}: {name!r} takes no such option; {hint}{on_offer(option, known)}")


def describe_learner(name: str) -> str:
    """A learner's first words and a line for each option, as text: by name, or as `module:Class`.

    Raises PlasticbenchError for an unknown one.
    """
    from plasticbench.tasks.registry import learner

    found = learner(name)
    title = (inspect.getdoc(found) or "").split("\n\n")[0]
    lines = [name, *(f"  {line}" for line in title.splitlines())]
    options = options_of(found)
    width = max((len(option.name) for option in options), default=0)
    for option in options:
        lines.append(f"\n  {option.name:<{width}}  {_default(option)}")
        if option.meaning:
            told = textwrap.wrap(f"{option.meaning}; {option.allowed}", _WIDTH - width)
            lines += [f"  {'':<{width}}  {line}" for line in told]
    return "\n".join(lines if options else [*lines, "  It takes no options."])


def _default(option: Option) -> str:
    if option.default is inspect.Parameter.empty:
        return "has no default: give it"
    return "default: none" if option.default is None else f"default: {option.default}"


def _number(value: Any, whole: bool) -> Any:
    """As Python's int or float, numpy's numbers too; None if it is no such number."""
    if isinstance(value, (bool, str, bytes)):
        return None
    try:
        return operator.index(value) if whole else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
