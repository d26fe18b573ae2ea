"""What a person or a learner waits for: a rule of a new structure, a step taken by hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from plasticbench.rules import Rule, load_rule
from plasticbench.rules.pathway import PathwayRule
from plasticbench.tasks.registry import task as find_task

_STEPS = 500


def measurements() -> list[Callable[[], list[dict[str, Any]]]]:
    """What `plasticbench bench` runs."""
    return [
        lambda: _new_structure("OjaMini", "oja", "ff", {"on_step": "{new} * post * (pre - post * w)"}, {}),
        lambda: _new_structure(
            "StabilityIEMini", "vogels-2011", "ie",
            {"on_pre": "0.01 * (x_post - {new})", "on_post": "0.01 * x_pre"}, {"x_pre": 0.02, "x_post": 0.02},
        ),
        lambda: _steps("StabilityIEMini"),
    ]  # fmt: skip


def _new_structure(
    name: str, known: str, pathway: str, events: dict[str, str], traces: dict[str, float]
) -> list[dict[str, Any]]:
    """CPU seconds of compiling a rule that no cache holds, once the engine itself is loaded."""
    task = find_task(f"plasticbench/{name}-v0").shortened()
    task.losses(load_rule(known), [0], threads=1)
    new = f"0.4{time.time_ns()}"  # a number of a rule's text is part of its structure
    own = PathwayRule.make({event: text.format(new=new) for event, text in events.items()}, {}, traces)
    rule = Rule("new", {pathway: own})
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
