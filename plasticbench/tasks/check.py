"""Whether a task keeps what the suite promises of every task. For authors, before they register one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

from plasticbench.errors import PlasticbenchError
from plasticbench.rules import Rule, load_rule
from plasticbench.simulation.engine import EngineOptions, engine_names, find_engine, is_held_back
from plasticbench.tasks.task import Task

_SEEDS = (0, 1, 2**40 + 7)
_ENGINES_AGREE = 1e-5  # relative; engines may order sums differently


def check_task(task: Task) -> None:
    """Check a task, registered or not, on its `shortened` life.

    Raises PlasticbenchError that begins with the task's id and says what is wrong: metadata, seeds that do not decide a
    life, losses or metrics of a wrong shape, a blow-up's loss below others, lives that depend on their batch, engines
    or stepping that disagree, conditions that cannot be fixed, numbers that the specification does not cover.
    """
    for check in _CHECKS:
        for problem in check(task):
            raise PlasticbenchError(f"{task.id}: {problem}")


def _metadata(task: Task) -> Iterator[str]:
    for field in ("title", "summary", "reference"):
        if not getattr(task, field).strip():
            yield f"{field}: say it in words"
    if task.n_official < 1:
        yield f"n_official: {task.n_official} official lifetimes; 10 or more make an interval"
    if not task.families:
        yield "families: name the search spaces that suit its rules, the first is the default"
    for family in task.families:
        if task.make_family(family).dimension < 1:
            yield f"families: {family!r} has nothing to search here"
    if not task.pathways:
        yield "life: the network has no plastic pathway"
    for name in ("null_loss", "reference_loss", "blind_loss"):
        value = getattr(task, name)
        if value is not None and not math.isfinite(value):
            yield f"{name}: {value!r} is no finite number"
    smallest, largest = task.blow_up_losses()
    if not 0 < smallest <= largest < math.inf:
        yield f"blow_up_loss: from {smallest:g} to {largest:g}; it must be positive, and larger the shorter the life"
    if largest < task.reference_loss:
        yield f"blow_up_loss: {largest:g} at once is below the reference rule's loss {task.reference_loss:g}"


def _seeds(task: Task) -> Iterator[str]:
    short = task.shortened()
    first, second = (short.losses(_rules(short), _SEEDS) for _ in range(2))
    if first.shape != (2, len(_SEEDS)):
        yield f"loss: shape {tuple(first.shape)} for 2 rules and {len(_SEEDS)} lives; it must be (n_rules, n_lives)"
    elif not bool(first.isfinite().all()):
        yield "loss: not finite"
    if not first.equal(second):
        yield "life: the same seed gives different losses; draw only from the seed (plasticbench.simulation.random)"
    if short.draw(_SEEDS)[0].seed != _SEEDS[0]:
        yield "life: it must carry the seed that it was drawn from"


def _batches(task: Task) -> Iterator[str]:
    short = task.shortened()
    rules = _rules(short)
    together = short.losses(rules, _SEEDS)
    for r, rule in enumerate(rules):
        if float(short.losses(rule, _SEEDS[1:2])[0, 0]) != float(together[r, 1]):
            yield f"loss: rule {rule.name} loses something else alone than beside others; measure each life by itself"


def _engines(task: Task) -> Iterator[str]:
    short = task.shortened()
    lives, rules = short.draw(_SEEDS[:1]), _rules(short)
    for rule in rules:
        ((_, batch),) = short.group(rule)
        found = {}
        for name in engine_names():
            try:
                if is_held_back(find_engine(name, lives, batch, EngineOptions()), lives, EngineOptions()):
                    continue  # it is there to be asked for
            except PlasticbenchError:
                continue  # it runs other lives
            found[name] = float(short.losses(rule, _SEEDS[:1], name)[0, 0])
        if not found:
            yield f"life: no engine runs rule {rule.name}"
        elif not _close(min(found.values()), max(found.values())):
            yield f"life: engines disagree on rule {rule.name}: {found}"


def _stepping(task: Task) -> Iterator[str]:
    short = task.shortened()
    for rule in _rules(short)[bool(short.arrays) :]:  # a policy lives beside the reference rule's slow weights

        def policy(observation: Any, rule: Rule = rule) -> Any:
            return rule(observation)

        stepped, fused = (float(short.losses(run, _SEEDS[:1])[0, 0]) for run in (policy, rule))
        if not _close(stepped, fused):
            yield f"loss: stepping with rule {rule.name} loses {stepped:g}, the fused run {fused:g}"


def _metrics(task: Task) -> Iterator[str]:
    outcome = task.shortened().run(_rules(task.shortened()), _SEEDS[:2])
    for name, values in outcome.metrics.items():
        if tuple(values.shape) != (2, 2):
            yield f"metrics.{name}: shape {tuple(values.shape)} for 2 rules and 2 lives; it must be (n_rules, n_lives)"
        elif bool((values.isinf()).any()):
            yield f"metrics.{name}: infinite; NaN stands for what is undefined"


def _conditions(task: Task) -> Iterator[str]:
    short = task.shortened()
    drawn = dict(short.draw(_SEEDS[1:2])[0].conditions)
    if set(drawn) != set(short.condition_names):
        yield f"life: it carries conditions {sorted(drawn)}; the task draws {sorted(short.condition_names)}"
    elif drawn and dict(short.draw(_SEEDS[:1], drawn)[0].conditions) != drawn:
        yield "conditions: a value that was drawn cannot be fixed by name; see the limits of its distribution"


def _modulator(task: Task) -> Iterator[str]:
    has_one = task.draw(_SEEDS[:1])[0].modulator is not None
    if has_one != task.has_modulator:
        yield f"has_modulator: {task.has_modulator}, but its lives have {'one' if has_one else 'none'}"
    if has_one and not task.declares_lives:
        yield "declares_lives: False leaves the modulator out of spec_hash; set it to True"


def _protocol(task: Task) -> Iterator[str]:
    life = task.draw(_SEEDS[:1])[0]
    rests = any(phase.plastic is not None for phase in life.phases)
    for name, has_it in (("resets", bool(life.resets or life.renewals)), ("phases without plasticity", rests)):
        if has_it and not task.declares_lives:
            yield f"declares_lives: False leaves the {name} out of spec_hash; set it to True"


def _specification(task: Task) -> Iterator[str]:
    if task.spec_hash != dataclasses.replace(task).spec_hash:
        yield "spec_hash: another for an equal task"
    for field in dataclasses.fields(task):
        value = getattr(task, field.name)
        if field.name in _TOLD or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        change: dict[str, Any] = {field.name: value * 2 if value else 1}
        try:
            is_same = dataclasses.replace(task, **change).spec_hash == task.spec_hash
        except PlasticbenchError:
            continue  # not every number can be doubled
        if is_same:
            yield f"spec_hash: it is the same with another {field.name}; a score must belong to one specification"


_TOLD = frozenset({"null_loss", "reference_loss", "blind_loss", "learning_rate"})  # they decide no lifetime's loss
_CHECKS: tuple[Callable[[Task], Iterator[str]], ...] = (
    _metadata, _seeds, _batches, _engines, _stepping, _metrics, _conditions, _modulator, _protocol, _specification,
)  # fmt: skip


def _rules(task: Any) -> list[Rule]:
    return [load_rule("null"), load_rule(task.reference_rule)]


def _close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=_ENGINES_AGREE, abs_tol=1e-9)
