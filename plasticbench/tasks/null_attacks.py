"""Rules that know nothing, tried on a task: none of them may score better than frozen weights.

A score that zeros, saturation, silence, noise or one constant weight can raise measures something else than learning.
Where a loss rewards one of them (zero weights are nearer to a unit vector than long random ones; any fixed weight is
better than one that lets a network blow up), the task declares the best of them as its `blind_loss`, and its score
counts from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from plasticbench.files import read_json
from plasticbench.rules import Rule, load_rule, rule_from_json
from plasticbench.rules.pathway import PathwayRule

EPSILON = 0.05  # in units of the score


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
    "constant-and-input-copy": (0.1, -1.0, 1.0),
    # Static weights that suit one task or another: inhibition of one neuron, of a network; excitation.
    "constant-1.1": (1.1, -1.0, 0.0),
    "constant-1.08": (1.08, -1.0, 0.0),
    "constant-1.045": (1.045, -1.0, 0.0),
    "constant-0.31": (0.31, -1.0, 0.0),
    "constant-0.3": (0.3, -1.0, 0.0),
    "constant-0.032": (0.032, -1.0, 0.0),
    "constant-0.026": (0.026, -1.0, 0.0),
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


@cache
def _found() -> Mapping[str, Mapping[str, Any]]:
    return read_json(Path(__file__).with_name("uninformed_rules.json"))


def found_on(task: Any) -> Mapping[str, Mapping[str, Any]]:
    """What a search (`references --blind`) found on a task: class of uninformed rules -> its best and what it lost."""
    return _found().get(task.id, {})


def attacks_on(task: Any) -> dict[str, Rule]:
    """Every attack of the task's track, and the best of each class of uninformed rules that a search found on it."""
    form = "plasticbench/rule@2"
    return attacks(task.track) | {
        f"searched-{name}": rule_from_json({"format": form, "name": f"searched-{name}", "pathways": found["pathways"]})
        for name, found in found_on(task).items()
    }


def attack(task: Any, seeds: Sequence[int] | None = None, engine: str = "auto") -> list[AttackOutcome]:
    """Try every attack on a task (default: its official seeds)."""
    rules = attacks_on(task)
    lived = [load_rule("null"), *rules.values()]
    losses = task.losses(lived, task.official_seeds if seeds is None else seeds, engine=engine)
    means = [float(mean) for mean in losses.mean(dim=1)]
    null_score = task.score(means[0])
    return [
        AttackOutcome(name, loss, task.score(loss) - null_score) for name, loss in zip(rules, means[1:], strict=True)
    ]
