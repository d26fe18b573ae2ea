"""A learner's run from start to end: settings, budget, run directory, official evaluation of what it found."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from plasticbench.errors import PlasticbenchError
from plasticbench.evaluation.official import as_task, evaluate, unless_registered
from plasticbench.evaluation.plain_data import plain, whole_number
from plasticbench.evaluation.result import Result, versions
from plasticbench.files import write_text
from plasticbench.learning.callbacks import Callback, Told, make_callbacks
from plasticbench.learning.executors import make_executor
from plasticbench.learning.options import check_names, options_of
from plasticbench.learning.problem import Learner, Problem
from plasticbench.learning.rule_set import RuleSet
from plasticbench.learning.run_directory import RESULT, RULE, Cost, RunDirectory
from plasticbench.learning.spread import keep_spread
from plasticbench.rules import Family, Rule, load_rule
from plasticbench.simulation.random import check_seed
from plasticbench.tasks import registry
from plasticbench.tasks.task import Task


def learn(
    task_id: str | Task,
    learner: str | type | Learner,
    out: str | Path,
    family: str | Family | None = None,
    budget: int = 20_000,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    engine: str = "auto",
    device: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
    callbacks: Sequence[str | Callback] = (),
) -> Result:
    """Let a learner search, keep its run in `out`, and evaluate what it found on the task's official lifetimes.

    `task_id`: a task or its id. `learner`: a baseline's name, `module:Class`, a class, or an object of one.
    `family`: a family, or its name with options (`name,option=value,…`). `workers`: Ray actors that share the lifetimes
    (0: none; the bits are the same). `callbacks`: objects that are told of the run, or "tensorboard", "wandb".

    `resume` goes on with the run in `out`, also with a larger budget; one that has ended is left as it is. `overwrite`
    replaces it. Raises PlasticbenchError, before anything is written, for an unknown task, learner, family or option,
    for a budget that the learner finds too small, or if `out` holds another run.
    """
    task = as_task(task_id)
    budget, seed = whole_number(budget, "budget", 1), check_seed(seed)
    workers = whole_number(workers, "workers", 0)
    search_space = family if isinstance(family, Family) else _family(task, family)
    name, instance, given = _learner(learner, options or {})
    searches_family = getattr(instance, "SEARCHES_FAMILY", True)
    if family is not None and not searches_family:
        raise PlasticbenchError(f"family: {name!r} searches formulas of its own, not a family; leave it out")
    settings = {
        "task": task.id, "task_hash": task.spec_hash, "learner": name, "options": given,
        "family": _identity(search_space) if isinstance(family, Family) else family or search_space.name,
        "budget": budget, "seed": seed, "engine": engine, "device": device, "workers": workers,
        "versions": versions(),
    }  # fmt: skip
    account = {
        "learner": name, "options": given,
        "family": (family if isinstance(family, str) else search_space.name) if searches_family else "none",
        "seed": seed, "training_tasks": [task.id],
    }  # fmt: skip
    told = Told(make_callbacks(callbacks))
    run = RunDirectory(out, settings, resume, overwrite)
    with run.exclusive():
        if run.cost is not None:
            if (run.path / RESULT).exists():
                return Result.load(run.path / RESULT, unless_registered(task))
            return _judged(task, load_rule(str(run.path / RULE)), run.cost, run, account)
        with told.during(run.path, settings, run.lifetimes_before) as results:
            rule, cost = _search(task, search_space, run, instance, settings, progress, told)
            results.append(_judged(task, rule, cost, run, account))
        return results[0]


def _judged(task: Task, rule: Rule, cost: Cost, run: RunDirectory, account: Mapping[str, Any]) -> Result:
    """The official evaluation of what was learned, kept in the run's folder."""
    spent = {"lifetimes": cost.lifetimes, "simulated_s": cost.simulated_s, "seconds": cost.seconds}
    result = evaluate(rule, task, learned={**account, **spent})
    run.keep_result(result)
    return result


def _search(
    task: Task, family: Family, run: RunDirectory, learner: Learner, settings: dict[str, Any],
    progress: Callable[[int, int], None] | None, told: Told,
) -> tuple[Rule, Cost]:  # fmt: skip
    """Let the learner search, and keep what it found. Returns the best rule and what it cost."""
    with closing(make_executor(task, settings["workers"], settings["engine"], settings["device"])) as executor:
        problem = Problem(
            task, family, settings["budget"], settings["seed"], run, settings["engine"], settings["device"],
            executor=executor, progress=progress, told=told,
        )  # fmt: skip
        found = learner.learn(problem)
    if not isinstance(found, (Rule, RuleSet)):
        raise PlasticbenchError(
            f"learner: {settings['learner']!r} returned {type(found).__name__}, neither a rule nor a RuleSet"
        )
    cost = problem.cost
    known = {"no plasticity": task.null_loss, task.reference_rule: task.reference_loss}
    comparable = task.learner_data is None  # else training lifetimes are scored on data, others are not
    run.finish(found, known if comparable else {}, cost)
    return found.best if isinstance(found, RuleSet) else found, cost


def repeat(out: str | Path, seeds: Sequence[int], **settings: Any) -> list[Result]:
    """The same run once a seed, each in its own folder.

    `summary.json` holds the spread of official losses, `spread.png` and `spread.csv` the learning curve of all.
    """
    seeds, out = [check_seed(seed) for seed in seeds], Path(out)
    results = [learn(out=out / f"seed-{seed}", seed=seed, **settings) for seed in seeds]
    summary = {
        "task": results[0].task,
        "seeds": seeds,
        "losses": [result.loss for result in results],
        "scores": [result.score for result in results],
        "lifetimes": [result.learned["lifetimes"] for result in results],
        "seconds": [result.learned["seconds"] for result in results],
    }
    write_text(out / "summary.json", json.dumps(summary, indent=1, allow_nan=False) + "\n")
    keep_spread(out, [out / f"seed-{seed}" for seed in seeds], results[0].specification)
    return results


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


def _identity(family: Family) -> str:
    """A family object's name and a hash of its space, by which a resumed run knows it."""
    start = family.initial(0)
    space = json.dumps([family.names, family.bounds.tolist(), start.tolist(), family.rule(start).hash])
    return f"{family.name} ({hashlib.sha256(space.encode()).hexdigest()[:12]})"


def _learner(learner: str | type | Learner, options: Mapping[str, Any]) -> tuple[str, Learner, dict[str, Any]]:
    """A learner's name, the object, and its options as JSON keeps them."""
    found: Any = registry.learner(learner) if isinstance(learner, str) else learner
    kind = found if inspect.isclass(found) or not hasattr(found, "learn") else type(found)
    name = learner if isinstance(learner, str) else f"{kind.__module__}:{kind.__qualname__}"
    if kind is found:
        check_names(kind, name, options)
        given = plain(options, "option")
        instance = found(**options)
    elif options:
        raise PlasticbenchError("options: the learner is an object already; give it its options where it is made")
    else:
        given, instance = _kept_options(found), found
    if not callable(getattr(instance, "learn", None)):
        raise PlasticbenchError(f"learner: {name!r} has no method learn(problem)")
    return name, instance, given


def _kept_options(learner: Learner) -> dict[str, Any]:
    """The options of a learner object, as far as it keeps them under their names."""
    kept = {}
    for option in options_of(type(learner)):
        value = getattr(learner, option.name, None)
        try:
            kept[option.name] = plain(value, option.name)
        except PlasticbenchError:
            kept[option.name] = type(value).__qualname__
    return {name: value for name, value in kept.items() if value is not None}
