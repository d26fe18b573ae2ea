"""A learner's run from start to end: settings, budget, run directory, official evaluation of what it found."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from plasticbench.errors import PlasticbenchError
from plasticbench.evaluation.official import evaluate
from plasticbench.evaluation.result import Result, versions
from plasticbench.files import write_text
from plasticbench.learning.problem import Problem
from plasticbench.learning.run_directory import RunDirectory
from plasticbench.rules import Family, Rule, load_rule
from plasticbench.tasks import registry
from plasticbench.tasks.task import Task


def learn(
    task_id: str,
    learner: str | type,
    out: str | Path,
    family: str | None = None,
    budget: int = 20_000,
    seed: int = 0,
    options: dict[str, Any] | None = None,
    engine: str = "auto",
    device: str | None = None,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Let a learner search, keep its run in `out`, and evaluate what it found on the task's official lifetimes.

    `learner`: a baseline's name, `module:Class`, or the class itself.

    Raises PlasticbenchError for an unknown task, learner, family or option, or if `out` holds another run.
    """
    task = registry.task(task_id)
    search_space = _family(task, family)
    name = learner if isinstance(learner, str) else f"{learner.__module__}:{learner.__qualname__}"
    instance = _construct(learner, name, options or {})
    settings = {
        "task": task.id, "task_hash": task.spec_hash, "learner": name, "options": options or {},
        "family": family or search_space.name, "budget": budget, "seed": seed, "engine": engine, "device": device,
        "versions": versions(),
    }  # fmt: skip
    run = RunDirectory(out, settings, resume)
    problem = _ReportingProblem(task, search_space, budget, seed, run, engine, device)
    problem.progress = progress
    if run.is_finished:
        rule = load_rule(str(run.path / "rule.json"))
        stored = run.path / "result.json"
        if stored.exists():
            return Result.load(stored)
    else:
        rule = instance.learn(problem)
        if not isinstance(rule, Rule):
            raise PlasticbenchError(f"learner: {name!r} returned {type(rule).__name__}, not a rule")
        run.finish(rule, {"no plasticity": task.null_loss, task.reference_rule: task.reference_loss})
    learned = {
        "learner": name,
        "options": options or {},
        "family": family or search_space.name,
        "seed": seed,
        "training_tasks": [task.id],
        "lifetimes": problem.lifetimes_spent,
        "simulated_s": problem.simulated_s,
        "seconds": round(problem.seconds, 3),
    }
    result = evaluate(rule, task.id, learned=learned)
    result.save(run.path / "result.json")
    return result


def repeat(out: str | Path, seeds: Sequence[int], **settings: Any) -> list[Result]:
    """The same run once a seed, each in its own folder; `summary.json` holds the spread of official losses."""
    results = [learn(out=Path(out) / f"seed-{seed}", seed=seed, **settings) for seed in seeds]
    summary = {
        "task": results[0].task,
        "seeds": list(seeds),
        "losses": [result.loss for result in results],
        "scores": [result.score for result in results],
        "lifetimes": [result.learned["lifetimes"] for result in results],
        "seconds": [result.learned["seconds"] for result in results],
    }
    write_text(Path(out) / "summary.json", json.dumps(summary, indent=1) + "\n")
    return results


class _ReportingProblem(Problem):
    """A problem that reports lifetimes spent after every call."""

    progress: Callable[[int, int], None] | None = None

    def losses(self, *args: Any, **kwargs: Any):
        losses = super().losses(*args, **kwargs)
        if self.progress is not None:
            self.progress(self.lifetimes_spent, self.budget)
        return losses


def named_value(text: str, field: str) -> tuple[str, Any]:
    """`name=value`, the value read as JSON where it is JSON and as text otherwise."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise PlasticbenchError(f"{field}: {text!r} is not of the form name=value")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _family(task: Task, text: str | None) -> Family:
    """A task's family from `name` or `name,option=value,…`."""
    if text is None:
        return task.make_family()
    name, *options = text.split(",")
    return task.make_family(name, **dict(named_value(option, "family") for option in options))


def _construct(learner: str | type, name: str, options: dict[str, Any]) -> Any:
    found = registry.learner(learner) if isinstance(learner, str) else learner
    offered = [parameter for parameter in inspect.signature(found).parameters if parameter != "self"]
    for option in options:
        if option not in offered:
            raise PlasticbenchError(
                f"option.{option}: {name!r} takes no such option; it takes {', '.join(offered) or 'none'}"
            )
    instance = found(**options)
    if not callable(getattr(instance, "learn", None)):
        raise PlasticbenchError(f"learner: {name!r} has no method learn(problem)")
    return instance
