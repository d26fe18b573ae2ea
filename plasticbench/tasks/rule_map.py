"""Rules on the map of a theory: what a theory of a task expects of a rule, to be drawn beside what was measured.

The theory gives each rule two numbers, the sides of an equation. Where they are equal, the rule should solve the
task; a task offers its map as `Task.rule_map`, and whoever shows rules of the task can draw it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from plasticbench.rules import Rule


@dataclass(frozen=True)
class RuleMapPoint:
    """One rule's place. All numbers are finite."""

    x: float  # the two sides of the equation, in the same unit
    y: float
    share: float | None  # of the part of x that the theory singles out; None where x is 0
    predicted: float | None  # what the theory expects to be measured; None where it expects no steady state


@dataclass(frozen=True)
class RuleMap:
    """The map's words, in plain text where `a_b` is a with the index b, and the place of each rule."""

    title: str
    text: str  # what the theory says
    x_name: str
    y_name: str
    line_name: str  # the diagonal x = y
    above_name: str  # what rules with y > x do
    below_name: str
    share_name: str
    share_ends: tuple[str, str]  # what a share of 0 and of 1 stands for
    predicted_name: str
    metrics: Mapping[str, str]  # measured beside the loss: metric -> its name; shares are drawn against the last
    place: Callable[[Rule], RuleMapPoint | None]  # None for a rule that the theory does not cover
