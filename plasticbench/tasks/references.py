"""Measure the losses that a task's score is reckoned from, which its author then declares.

    python -m plasticbench.tasks.references TASK ...
    python -m plasticbench.tasks.references --blind TASK ... [--keep FILE] [--from TASK] [--class NAME ...]
    python -m plasticbench.tasks.references --table FILE

The first prints `null_loss`, `reference_loss` and `blind_loss` over the official seeds; the rules that know nothing are
those of `null_attacks` and what a search found. The second is that search: every class of uninformed rules, on training
seeds (`blind_search`), each restart's result kept in FILE, from which a search that was stopped goes on; the last
prints what FILE has.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from plasticbench.errors import PlasticbenchError
from plasticbench.files import read_json, write_bytes
from plasticbench.rules import load_rule
from plasticbench.tasks.blind_search import Effort, search_restart
from plasticbench.tasks.null_attacks import attacks_on
from plasticbench.tasks.task import Task
from plasticbench.tasks.uninformed import UninformedClass, uninformed_classes

_NUMBERS = tuple(f.name for f in fields(Effort) if f.name != "conditions")


def measure_references(task: Task, engine: str = "auto") -> dict[str, float | None]:
    """Official means `null_loss`, `reference_loss`, `blind_loss` of a task (registered or not), to be declared with it.

    `blind_loss` is that of the best of the rules that know nothing (`null_attacks`, with what a search found on this
    task), None where none of them beats the null rule. Raises PlasticbenchError or RuleError where the reference rule
    does not suit the task.
    """
    rules = [load_rule("null"), load_rule(task.reference_rule), *attacks_on(task).values()]
    null, reference, *blind = task.losses(rules, task.official_seeds, engine).mean(1).tolist()
    best = min(blind)
    return {"null_loss": null, "reference_loss": reference, "blind_loss": best if best < null else None}


def search_blind_rules(
    task: Task,
    kept: dict[str, Any],
    classes: Sequence[str] = (),
    effort: Effort | None = None,
    starts: dict[str, Any] | None = None,
    save: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Search the classes (default all) of uninformed rules; `kept` has what earlier calls found, and is added to.

    `starts`: what a search on a smaller task found, to begin at. `save` is called after each restart. Returns `kept`:
    class -> its restarts (points and validation losses), the best one's rule and its mean loss over the official seeds.
    """
    for kind in _chosen(task, classes):
        own = effort or Effort.of(task)
        found = kept.setdefault(kind.name, {"restarts": []})
        first = min(starts[kind.name]["restarts"], key=lambda r: r["loss"])["places"] if starts else None
        while len(found["restarts"]) < own.restarts:
            began = time.process_time()
            restart = search_restart(task, kind, len(found["restarts"]), own, first)
            seconds = round(time.process_time() - began, 1)
            found["restarts"].append({"places": list(restart.places), "loss": restart.loss, "cpu_s": seconds})
            found.pop("official_loss", None)
            save()
        if "official_loss" not in found:
            rule = kind.rule(min(found["restarts"], key=lambda r: r["loss"])["places"], task)
            found["pathways"] = rule.to_json()["pathways"]
            official = task.losses(rule, task.official_seeds)[0].tolist()
            found["official_loss"], found["first_official_loss"] = sum(official) / len(official), official[0]
            save()
    return kept


def _chosen(task: Task, names: Sequence[str]) -> list[UninformedClass]:
    classes = {kind.name: kind for kind in uninformed_classes(task.track)}
    for name in names:
        if name not in classes:
            raise PlasticbenchError(f"class: {name!r} is none; the {task.track} ones are {', '.join(classes)}")
    return [classes[name] for name in names or classes]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of this module; returns the exit code."""
    from plasticbench.tasks.registry import task as task_of

    parser = argparse.ArgumentParser(prog="python -m plasticbench.tasks.references", description=__doc__)
    parser.add_argument("task", nargs="*", metavar="TASK")
    parser.add_argument("--table", metavar="FILE", help="print what searches kept in FILE, and nothing else")
    parser.add_argument("--blind", action="store_true", help="search the classes of uninformed rules first")
    parser.add_argument("--keep", metavar="FILE", help="what searches found, added to; a stopped one goes on from it")
    parser.add_argument("--class", dest="classes", action="append", default=[], metavar="NAME", help="repeatable")
    parser.add_argument("--from", dest="smaller", metavar="TASK", help="begin at what FILE has of this smaller task")
    parser.add_argument(
        "--condition", action="append", default=[], metavar="NAME=VALUE",
        help="fixed while searching, as training_s=10 for shorter lives; what is found is judged on whole ones",
    )  # fmt: skip
    for name in _NUMBERS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, metavar="N", help="of a search of one class")
    parsed = parser.parse_args(arguments)
    try:
        if bool(parsed.table) == bool(parsed.task):
            raise PlasticbenchError("task: name one or more, or give --table FILE")
        if parsed.table:
            print(search_table(read_json(parsed.table)))
        for name in parsed.task:
            _measure_one(task_of(name), parsed)
    except PlasticbenchError as error:
        print(f"references: {error}", file=sys.stderr)
        return 2
    return 0


def _measure_one(task: Task, parsed: argparse.Namespace) -> None:
    if not parsed.blind:
        print(task.id, measure_references(task), flush=True)
        return
    path = Path(parsed.keep or "uninformed_rules.json")
    everything = read_json(path) if path.exists() else {}
    own = everything.setdefault(task.id, {})

    def save() -> None:
        write_bytes(path, (json.dumps(everything, indent=1, sort_keys=True) + "\n").encode())

    given = {name: getattr(parsed, name) for name in _NUMBERS if getattr(parsed, name) is not None}
    fixed = {name: float(value) for name, _, value in (text.partition("=") for text in parsed.condition)}
    effort = replace(Effort.of(task), conditions=fixed, **given)
    starts = everything[task_id_of(parsed.smaller)] if parsed.smaller else None
    search_blind_rules(task, own, parsed.classes, effort, starts, save)
    print(search_table({task.id: own}), flush=True)


def search_table(searches: Mapping[str, Mapping[str, Any]]) -> str:
    """What searches found, task id -> class -> result, as a Markdown table: the restarts side by side."""
    lines = ["| task | class | restarts' losses on validation seeds | official loss |", "|---|---|---|---|"]
    for task_id, classes in searches.items():
        for name, found in classes.items():
            if "official_loss" in found:
                losses = ", ".join(f"{restart['loss']:.4g}" for restart in found["restarts"])
                task_name = task_id.removeprefix("plasticbench/").removesuffix("-v0")
                lines.append(f"| `{task_name}` | {name} | {losses} | {found['official_loss']:.4g} |")
    return "\n".join(lines)


def task_id_of(name: str) -> str:
    """The full id of a task's name."""
    from plasticbench.tasks.registry import task as task_of

    return task_of(name).id


if __name__ == "__main__":
    sys.exit(main())
