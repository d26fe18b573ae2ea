"""Checks of a claim that a schema cannot make: what must follow from what."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from plasticbench.errors import PlasticbenchError
from plasticbench.schema_errors import Problem

from .catalogue import Catalogue
from .origin import origin_problems

TOLERANCE = 1e-9  # relative: room for another order of summation, none for an edit


def claim_problems(data: dict[str, Any], rule: Any, catalogue: Catalogue, submission: bool) -> Iterator[Problem]:
    """Problems of a schema-valid entry.json; `rule` is the parsed rule, or None where it does not parse."""
    yield from _lifetime_problems(data)
    yield from origin_problems(data["provenance"])
    if rule is not None:
        if rule.name != data["rule"]:
            yield Problem("rule", f"is {data['rule']!r}, but the rule's own name is {rule.name!r}")
        if rule.hash != data["rule_hash"]:
            yield Problem("rule_hash", f"is {data['rule_hash'][:12]}…, but the rule has {rule.hash[:12]}…")
    task = catalogue.tasks.get(data["task"])
    if task is None:
        yield Problem("task", f"there is no {data['task']!r}; the tasks are {', '.join(catalogue.tasks)}")
        return
    if rule is not None:
        try:
            catalogue.check_rule(rule, task)
        except PlasticbenchError as error:
            yield Problem("rule.json", f"does not suit {task.id}: {error}")
    yield from _training_problems(data, task)
    if data["task_hash"] == task.spec_hash:
        yield from _seed_problems(data, task)
        if submission:  # an older entry's was reckoned from the marks of its day
            yield from _score_problems(data, task)
    elif submission:
        yield Problem(
            "task_hash",
            f"is {data['task_hash'][:12]}…, which is not this version of {data['task']} "
            f"({task.spec_hash[:12]}…): stale; evaluate the rule again with this version of plasticbench",
        )


def _lifetime_problems(data: dict[str, Any]) -> Iterator[Problem]:
    n = len(data["seeds"])
    columns = {"losses": data["losses"], "statuses": data["statuses"]}
    columns |= {f"metrics.{name}": column for name, column in data.get("metrics", {}).items()}
    for name, column in columns.items():
        if len(column) != n:
            yield Problem(name, f"has {len(column)} values for {n} seeds")
    first: dict[int, int] = {}
    for row, seed in enumerate(data["seeds"]):
        if first.setdefault(seed, row) != row:
            yield Problem(f"seeds[{row}]", f"is {seed}, which is seeds[{first[seed]}] already")
    mean = math.fsum(data["losses"]) / len(data["losses"])
    if not close(data["loss"], mean):
        yield Problem("loss", f"is {data['loss']!r}, but the mean of the {len(data['losses'])} losses is {mean!r}")
    low, high = data["score_interval"]
    if not low <= high:
        yield Problem("score_interval", f"runs from {low!r} to {high!r}: the smaller number comes first")


def _seed_problems(data: dict[str, Any], task: Any) -> Iterator[Problem]:
    official = list(task.official_seeds)
    if len(data["seeds"]) != len(official):
        yield Problem("seeds", f"has {len(data['seeds'])} seeds; the official ones are {len(official)}")
    else:
        wrong = [row for row, (a, b) in enumerate(zip(data["seeds"], official, strict=True)) if a != b]
        if wrong:
            row = wrong[0]
            more = f" ({len(wrong)} seeds differ)" if len(wrong) > 1 else ""
            yield Problem(f"seeds[{row}]", f"is {data['seeds'][row]}, the official seed is {official[row]}{more}")


def _score_problems(data: dict[str, Any], task: Any) -> Iterator[Problem]:
    score = task.score(data["loss"])
    if not close(data["score"], score):
        yield Problem("score", f"is {data['score']!r}, but {task.id} gives {score!r} for a loss of {data['loss']!r}")
    elif not data["score_interval"][0] <= data["score"] <= data["score_interval"][1]:
        yield Problem("score_interval", f"does not contain the score {data['score']!r}")


def _training_problems(data: dict[str, Any], task: Any) -> Iterator[Problem]:
    seeds = data["provenance"].get("training_seeds")
    if isinstance(seeds, list):
        used = sorted(set(seeds) & set(task.official_seeds))
        if used:
            yield Problem(
                "provenance.training_seeds",
                f"has the official seed {used[0]} ({len(used)} of them); a rule is never trained on these",
            )


def close(a: float, b: float) -> bool:
    """Equal up to the rounding of another order of summation."""
    return abs(a - b) <= TOLERANCE * max(1.0, abs(a), abs(b))
