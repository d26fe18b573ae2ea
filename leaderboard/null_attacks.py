"""Rules that know nothing, tried on a task: none of them may score better than frozen weights.

A loss that zeros, saturation, silence or noise can lower measures something else than learning; a task that lets
one of these rules through is wrong, and is mended as a new version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from plasticbench.rules import Rule, load_rule
from plasticbench.rules.pathway import PathwayRule

# In units of the score. A distance to an axis that nobody told a rule still favours one length over another: in three
# dimensions the best blind vector (length 0.6, any direction) is 0.845 away on average where OjaMini's initial weights
# are 0.937 away, a score of 0.098. More dimensions leave less, other losses nothing.
EPSILON = 0.1


def _chaotic(start: str, iterations: int = 16) -> str:
    """A number in [-1, 1] that follows from `start` but tells nothing about it: the map y -> 1 - 2y²."""
    text = f"tanh({start})"
    for _ in range(iterations):
        text = f"(1 - 2 * {text}**2)"
    return text


_TRACES = {"x_pre": 0.02, "x_post": 0.02}
# name: (a, b, c) of Δw = a + b·w + c·input, the input being pre, or the presynaptic trace at a presynaptic spike
_LINEAR = {
    "zero": (0.0, 0.0, 0.0),
    "drift-up": (1e-3, 0.0, 0.0),
    "drift-down": (-1e-3, 0.0, 0.0),
    "slow-drift-up": (1e-5, 0.0, 0.0),
    "saturation": (1e6, 0.0, 0.0),
    "negative-saturation": (-1e6, 0.0, 0.0),
    "silencing": (0.0, -1.0, 0.0),
    "to-a-constant": (0.05, -0.1, 0.0),
    "input-copy": (0.0, -1.0, 1.0),
    "slow-input-copy": (0.0, -0.1, 0.1),
}  # one structure, so one compiled kernel for all of them


@dataclass(frozen=True)
class AttackOutcome:
    """One attack on one task, on the same lifetimes as the null rule."""

    name: str
    loss: float
    score_above_null: float

    @property
    def passed(self) -> bool:
        """Whether the attack got through, which is the task's fault."""
        return not self.score_above_null <= EPSILON


def attacks(track: str) -> dict[str, Rule]:
    """Every attack by name, as a rule for the tasks of a track."""
    event, seen, traces = ("on_step", "pre", {}) if track == "rate" else ("on_pre", "x_pre", _TRACES)

    def rule(name: str, text: str, **parameters: float) -> Rule:
        return Rule(f"null-attack-{name}", {"*": PathwayRule.make({event: text}, parameters, traces)})

    linear = {name: rule(name, f"a + b * w + c * {seen}", a=a, b=b, c=c) for name, (a, b, c) in _LINEAR.items()}
    noise = _chaotic(f"w + 0.7 * {seen}")
    return linear | {
        "not-a-number": rule("not-a-number", "sqrt(-1 - w**2)"),
        "random": rule("random", f"0.01 * {noise}"),
    }


def attack(task: Any, seeds: Sequence[int] | None = None, engine: str = "auto") -> list[AttackOutcome]:
    """Try every attack on a task (default: its official seeds)."""
    rules = attacks(task.track)
    lived = [load_rule("null"), *rules.values()]
    losses = task.losses(lived, task.official_seeds if seeds is None else seeds, engine=engine)
    means = [float(mean) for mean in losses.mean(dim=1)]
    null_score = task.score(means[0])
    return [
        AttackOutcome(name, loss, task.score(loss) - null_score) for name, loss in zip(rules, means[1:], strict=True)
    ]
