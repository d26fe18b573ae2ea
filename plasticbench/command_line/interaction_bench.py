"""What a person or a learner waits for: a rule of a new structure, a step taken by hand."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from plasticbench.rules import Rule, load_rule
from plasticbench.rules.pathway import PathwayRule
from plasticbench.simulation.choice import COMPILED, INTERPRETED, VARIABLE
from plasticbench.tasks.registry import task as find_task
from plasticbench.tasks.task import Task

_STEPS = 500


def measurements() -> list[Callable[[], list[dict[str, Any]]]]:
    """What `plasticbench bench` runs."""
    return [
        lambda: _new_structure("OjaMini", "oja", "ff", {"on_step": "{new} * post * (pre - post * w)"}, {}),
        lambda: _new_structure(
            "StabilityIEMini", "vogels-2011", "ie",
            {"on_pre": "0.01 * (x_post - {new})", "on_post": "0.01 * x_pre"}, {"x_pre": 0.02, "x_post": 0.02},
        ),
        lambda: _interpreted("OjaMini", "oja", 64),
        lambda: _interpreted("StabilityIEMini", "vogels-2011", 1),
        lambda: _steps("StabilityIEMini"),
    ]  # fmt: skip


def _new_structure(
    name: str, known: str, pathway: str, events: dict[str, str], traces: dict[str, float]
) -> list[dict[str, Any]]:
    """CPU seconds of compiling a rule that no cache holds, once the engine itself is loaded."""
    task = find_task(f"plasticbench/{name}-v0").shortened()
    with _rules(COMPILED):
        task.losses(load_rule(known), [0], threads=1)
    new = f"0.4{time.time_ns()}"  # a number of a rule's text is part of its structure
    own = PathwayRule.make({event: text.format(new=new) for event, text in events.items()}, {}, traces)
    rule = Rule("new", {pathway: own})
    with _rules(COMPILED):
        started = time.process_time()
        task.losses(rule, [0], threads=1)
        first = time.process_time() - started
        started = time.process_time()
        task.losses(rule, [0], threads=1)
        seconds = first - (time.process_time() - started)
    return [
        {
            "name": f"{name}, a rule of a new structure",
            "cpu_s": seconds,
            "summary": f"compile  {name}, a rule of a new structure: {seconds:.2f} s of CPU time",
        }
    ]


def _interpreted(name: str, known: str, n_lives: int) -> list[dict[str, Any]]:
    """CPU seconds of the same lives, interpreted against compiled, and until the first life of a new structure ends."""
    task, rule = find_task(f"plasticbench/{name}-v0"), load_rule(known)
    seconds, losses = {}, {}
    for how in (COMPILED, INTERPRETED):
        with _rules(how):
            task.shortened().losses(rule, [0], threads=1)
            started = time.process_time()
            losses[how] = task.losses(rule, range(n_lives), threads=1)
            seconds[how] = time.process_time() - started
    if not losses[COMPILED].equal(losses[INTERPRETED]):
        raise AssertionError(f"{name}: {known} interpreted has other losses than compiled")
    with _rules(INTERPRETED):
        first = _first_life_s(task.shortened(), rule)
    ratio = seconds[INTERPRETED] / seconds[COMPILED]
    return [
        {
            "name": f"{name}, interpreted against compiled",
            "ratio": ratio,
            "first_life_s": first,
            "summary": (
                f"bytecode {name}, {n_lives} lives on one core: interpreted {ratio:.2f} times the CPU time of "
                f"compiled; a rule of a new structure has lived a short life after {first * 1e3:.0f} ms"
            ),
        }
    ]


def _first_life_s(task: Task, rule: Rule) -> float:
    """CPU seconds of the first life of a structure that nobody has seen."""
    new = f"0.4{time.time_ns()}"
    pathways = {
        name: PathwayRule.make(
            {event: f"{new} * ({part.events[event]['w'].text})" for event in part.events},  # type: ignore[union-attr]
            part.parameters, part.traces,
        )
        for name, part in rule.pathways.items()
    }  # fmt: skip
    started = time.process_time()
    task.losses(Rule("new", pathways), [0], threads=1)
    return time.process_time() - started


@contextlib.contextmanager
def _rules(how: str) -> Iterator[None]:
    """The choice of the cpu engine forced."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = how
    try:
        yield
    finally:
        del os.environ[VARIABLE]
        if before is not None:
            os.environ[VARIABLE] = before


def _steps(name: str) -> list[dict[str, Any]]:
    """Steps a second of the environment with a policy that changes nothing."""
    from plasticbench.stepping.env import PlasticityEnv

    env = PlasticityEnv(f"plasticbench/{name}-v0")
    observation, _ = env.reset(seed=1)
    action = {pathway: np.zeros_like(seen["w"]) for pathway, seen in observation.items()}
    for _ in range(20):
        env.step(action)
    started = time.perf_counter()
    for _ in range(_STEPS):
        env.step(action)
    per_s = _STEPS / (time.perf_counter() - started)
    return [
        {
            "name": f"{name}, env.step",
            "steps_per_s": per_s,
            "summary": f"stepping {name}: {per_s:.0f} steps a second by `env.step`",
        }
    ]
