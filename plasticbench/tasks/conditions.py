"""Conditions of a lifetime as data: what is drawn for it, and what a caller may fix instead.

Each condition has a random stream of its own, so fixing one leaves the others as they are.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.language.vocabulary import on_offer, shorten
from plasticbench.simulation.random import Stream

_UNLIMITED = (-math.inf, math.inf)


@dataclass(frozen=True)
class Distribution(ABC):
    """What a condition is drawn from."""

    @abstractmethod
    def draw(self, seed: int, name: str) -> Any:
        """The value for a seed; plain Python data."""

    @abstractmethod
    def check(self, name: str, value: Any) -> Any:
        """A caller's value as plain Python data; PlasticbenchError if it may not stand here."""


def _u(seed: int, name: str) -> float:
    return float(Stream(seed, f"condition/{name}").uniform())


@dataclass(frozen=True)
class Number(Distribution):
    """What all distributions of one number share: `limits` are the values that a caller may fix."""

    def check(self, name: str, value: Any) -> float:
        low, high = getattr(self, "limits", _UNLIMITED)
        if isinstance(value, bool | np.bool_) or not isinstance(value, Real) or not low <= float(value) <= high:
            raise PlasticbenchError(f"conditions.{name}: {shorten(value)} is not a number from {low:g} to {high:g}")
        return float(value)


@dataclass(frozen=True)
class Uniform(Number):
    """Uniform from `low` to `high`; equal ends fix it."""

    low: float
    high: float
    limits: tuple[float, float] = _UNLIMITED

    def draw(self, seed: int, name: str) -> float:
        return self.low + (self.high - self.low) * _u(seed, name)


@dataclass(frozen=True)
class LogUniform(Number):
    """Uniform in the logarithm, from `low` to `high`."""

    low: float
    high: float
    limits: tuple[float, float] = _UNLIMITED

    def draw(self, seed: int, name: str) -> float:
        return self.low * (self.high / self.low) ** _u(seed, name)


@dataclass(frozen=True)
class TruncatedNormal(Number):
    """Normal, drawn again until it lies from `low` to `high`."""

    mean: float
    std: float
    low: float = -math.inf
    high: float = math.inf
    limits: tuple[float, float] = _UNLIMITED

    def draw(self, seed: int, name: str) -> float:
        stream = Stream(seed, f"condition/{name}")
        for _ in range(10_000):
            value = self.mean + self.std * float(stream.normal())
            if self.low <= value <= self.high:
                return value
        raise PlasticbenchError(f"conditions.{name}: no draw of 10,000 lies from {self.low:g} to {self.high:g}")


@dataclass(frozen=True)
class Exponential(Number):
    """Exponential with this mean."""

    mean: float
    limits: tuple[float, float] = (0.0, math.inf)

    def draw(self, seed: int, name: str) -> float:
        return -self.mean * math.log(_u(seed, name))


@dataclass(frozen=True)
class Choice(Distribution):
    """One of some numbers, words or booleans, each as likely."""

    values: tuple[Any, ...]

    def draw(self, seed: int, name: str) -> Any:
        return self.values[min(int(_u(seed, name) * len(self.values)), len(self.values) - 1)]

    def check(self, name: str, value: Any) -> Any:
        same = [known for known in self.values if type(known) is type(value) and known == value]
        if not same:
            raise PlasticbenchError(
                f"conditions.{name}: {shorten(value)} is none of {', '.join(map(repr, self.values))}"
            )
        return same[0]


@dataclass(frozen=True)
class Constant(Distribution):
    """Always `value`; a caller may fix one of `others` instead."""

    value: Any
    others: tuple[Any, ...]

    def draw(self, seed: int, name: str) -> Any:
        return self.value

    def check(self, name: str, value: Any) -> Any:
        return Choice((self.value, *self.others)).check(name, value)


@dataclass(frozen=True)
class WholeInTurn(Distribution):
    """Whole numbers in turn over consecutive seeds; a caller may fix any positive one. One value: it is fixed."""

    values: tuple[int, ...]

    def draw(self, seed: int, name: str) -> int:
        return self.values[seed % len(self.values)]

    def check(self, name: str, value: Any) -> int:
        if isinstance(value, bool | np.bool_) or not isinstance(value, Integral) or value < 1:
            raise PlasticbenchError(f"conditions.{name}: {shorten(value)} is not a positive whole number")
        return int(value)


@dataclass(frozen=True)
class NormalVector(Distribution):
    """`size` independent normal numbers of mean 0, from the random stream `stream`."""

    size: int
    std: float
    stream: str

    def draw(self, seed: int, name: str) -> list[float]:
        return (self.std * Stream(seed, self.stream).normal((self.size,))).tolist()

    def check(self, name: str, value: Any) -> list[float]:
        try:
            numbers = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            numbers = np.zeros(0)
        if numbers.shape != (self.size,) or not np.isfinite(numbers).all():
            raise PlasticbenchError(f"conditions.{name}: give {self.size} finite numbers, not {shorten(value)}")
        return numbers.tolist()


@dataclass(frozen=True)
class Whole(Distribution):
    """A whole number: `usual`, unless a caller fixes another of `limits`."""

    usual: int
    limits: tuple[int, int]

    def draw(self, seed: int, name: str) -> int:
        return self.usual

    def check(self, name: str, value: Any) -> int:
        low, high = self.limits
        if isinstance(value, bool | np.bool_) or not isinstance(value, Integral) or not low <= int(value) <= high:
            raise PlasticbenchError(f"conditions.{name}: {shorten(value)} is not a whole number from {low} to {high}")
        return int(value)


@dataclass(frozen=True)
class Subset(Distribution):
    """Some of these words, in their order: all of them, unless a caller names fewer."""

    words: tuple[str, ...]

    def draw(self, seed: int, name: str) -> list[str]:
        return list(self.words)

    def check(self, name: str, value: Any) -> list[str]:
        if not isinstance(value, list | tuple) or not value or len(set(map(str, value))) < len(value):
            raise PlasticbenchError(f"conditions.{name}: {shorten(value)} is not a list of one or more different words")
        for word in value:
            if word not in self.words:
                raise PlasticbenchError(f"conditions.{name}: {shorten(word)}; {on_offer(str(word), self.words)}")
        return [word for word in self.words if word in value]


def fixed_of_each(n: int, conditions: Any, known: Sequence[str], task_id: str) -> list[dict[str, Any]]:
    """What a caller fixes of each of n lifetimes, from None, one object for all or one each; names are among `known`.

    Raises PlasticbenchError that says which is unknown or missing.
    """
    if conditions is None:
        return [{} for _ in range(n)]
    each = [conditions] * n if isinstance(conditions, Mapping) else list(conditions)
    if len(each) != n:
        raise PlasticbenchError(f"conditions: {len(each)} given for {n} lifetimes; give one object per lifetime")
    for fixed in each:
        if not isinstance(fixed, Mapping):
            raise PlasticbenchError(f"conditions: {fixed!r} is not an object of name: value")
        for name in fixed:
            if name not in known:
                offered = ", ".join(known) or "none"
                raise PlasticbenchError(f"conditions.{name}: {task_id} draws no such condition; it draws {offered}")
    return [dict(fixed) for fixed in each]


def draw_conditions(conditions: Mapping[str, Distribution], seed: int, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """The conditions of a seed's lifetime, those in `fixed` as they are given there."""
    return {
        name: kind.check(name, fixed[name]) if name in fixed else kind.draw(seed, name)
        for name, kind in conditions.items()
    }
