"""`plasticbench show`: a rule's equations and what it does at a synapse, a learner's options, a task, or a run."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from plasticbench.command_line.describe import describe_rule, describe_run, describe_task
from plasticbench.errors import PlasticbenchError
from plasticbench.files import write_bytes
from plasticbench.learning.options import describe_learner
from plasticbench.rules import Rule, known_rules, load_rule
from plasticbench.tasks import registry
from plasticbench.tasks.task import Task


def run_show(arguments: Namespace) -> None:
    if _is_learner(arguments.rule):
        if arguments.png:
            raise PlasticbenchError(f"png: {arguments.rule} is a learner, of which there is no picture")
        print(describe_learner(arguments.rule))
        return
    if Path(arguments.rule).is_dir():
        _show_run(arguments.rule, arguments.png)
        return
    task = _as_task(arguments.rule)
    if task is not None:
        if arguments.png:
            raise PlasticbenchError(
                f"png: {task.id} is a task; a life on it is drawn by watch RULE --task {task.id} --png"
            )
        print(describe_task(task))
        return
    rule = load_rule(arguments.rule)
    for name in ("task", "w"):
        if getattr(arguments, name) is not None and not arguments.png:
            raise PlasticbenchError(f"{name}: it is of the picture; say where with --png FILE")
    told = _draw(rule, arguments) if arguments.png else []
    print(describe_rule(rule))
    for line in told:
        print(line)


def _show_run(folder: str, picture: str | None) -> None:
    """A run of a learner, and the picture of the set that it found."""
    from plasticbench.learning.record import load_run

    run = load_run(folder)
    found = run.rules.picture if run.rules is not None else None
    if picture and found is None:
        raise PlasticbenchError(f"png: the run in {folder} found no set of rules with a picture; leave --png out")
    print(describe_run(run))
    if picture and found is not None:
        write_bytes(picture, found)
        print(f"\npicture: {picture}")


def _draw(rule: Rule, arguments: Namespace) -> list[str]:
    """Write the picture; lines that say what it assumes."""
    from plasticbench.drawing.rules import rule_picture, shown_pathways
    from plasticbench.tasks.shown_weights import assumed_on, home_of

    home = registry.task(arguments.task) if arguments.task else home_of(rule) if rule.kind == "spiking" else None
    assumed = {name: assumed_on(rule, name, home, arguments.w) for name in shown_pathways(rule)}
    write_bytes(arguments.png, rule_picture(rule, assumed))
    lines = [f"\npicture: {arguments.png}"]
    lines += [f"  {name:<12} drawn at {own.words}" for name, own in assumed.items()]
    return [*lines, "  (another weight: --w W; another task's: --task ID)"] if assumed else lines


def _is_learner(name: str) -> bool:
    """Whether a name is a learner's and not a rule's or a file's."""
    return not Path(name).exists() and name not in known_rules() and (name in registry.learners() or ":" in name)


def _as_task(name: str) -> Task | None:
    """The task of this id, with or without its namespace; None where a rule or file has the name, or no task has it."""
    if Path(name).exists() or name in known_rules():
        return None
    known = registry.task_ids()
    found = next((i for i in (name, f"plasticbench/{name}") if i in known), None)
    return None if found is None else registry.task(found)
