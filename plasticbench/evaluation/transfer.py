"""The transfer matrix: every rule on every task that it can live on, and what that says.

A rule can live on a task whose plastic pathways, events and variables include its own. Of a task with more plastic
pathways it changes its own; the others stay frozen, and the matrix says which. Every cell is an ordinary result file,
so that an interrupted matrix goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from plasticbench.errors import PlasticbenchError
from plasticbench.evaluation.official import evaluate
from plasticbench.evaluation.result import Result
from plasticbench.files import make_folder
from plasticbench.rules import Rule
from plasticbench.rules.check import runs_on
from plasticbench.tasks.task import Task

WORKS = 0.5  # the score from which a rule is said to work on a task: half way from knowing nothing to the reference

Progress = Callable[[int, int], None]  # cells done, cells in all


@dataclass(frozen=True)
class TransferCell:
    """One rule on one task."""

    rule: str
    task: str
    loss: float
    score: float
    score_interval: tuple[float, float]
    n_lifetimes: int
    frozen_pathways: tuple[str, ...] = ()  # plastic pathways of the task of which the rule says nothing

    @property
    def works(self) -> bool:
        """Whether its score is at least WORKS, with the whole interval above 0."""
        return self.score >= WORKS and self.score_interval[0] > 0.0


@dataclass(frozen=True)
class TransferMatrix:
    """`cells[rule, task]` by the rules' names and the tasks' ids; pairs that do not suit are absent."""

    rules: tuple[str, ...]
    tasks: tuple[Task, ...]
    cells: Mapping[tuple[str, str], TransferCell]

    @cached_property
    def lived(self) -> tuple[Task, ...]:
        """The tasks on which any rule was measured."""
        return tuple(task for task in self.tasks if any((rule, task.id) in self.cells for rule in self.rules))

    def beyond(self, rule: str) -> tuple[str, ...]:
        """Ids of tasks on which a rule works although it was not made for them."""
        own = {sibling(task) for task in self.tasks if task.reference_rule == rule}
        found = (self.cells.get((rule, task.id)) for task in self.tasks if sibling(task) not in own)
        return tuple(cell.task for cell in found if cell is not None and cell.works)

    def answer(self) -> str:
        """Which rules work beyond the task that they were made for, in a few sentences."""
        lived = [rule for rule in self.rules if any((rule, task.id) in self.cells for task in self.tasks)]
        made_for = {task.reference_rule for task in self.lived} & set(lived)
        travels = {rule: self.beyond(rule) for rule in lived}
        known = sorted((rule for rule in made_for if travels[rule]), key=lambda rule: (-len(travels[rule]), rule))
        others = sorted(
            (rule for rule in lived if rule not in made_for and travels[rule]),
            key=lambda rule: (-len(travels[rule]), rule),
        )
        first = f"{len(known)} of {len(made_for)} reference rules work on a task that they were not made for"
        sentences = [first + _listed(known, travels)]
        if n_others := len(set(lived) - made_for):
            sentences.append(f"{len(others)} of {n_others} other rules work on some task" + _listed(others, travels))
        sentences.append(f"To work is a score of at least {WORKS:g}, with the whole 95 % interval above 0.")
        return " ".join(sentences)

    def table(self) -> list[dict[str, object]]:
        """A row for each cell, as plain data."""
        return [
            {
                "rule": cell.rule, "task": cell.task, "loss": cell.loss, "score": cell.score,
                "score_low": cell.score_interval[0], "score_high": cell.score_interval[1],
                "lifetimes": cell.n_lifetimes, "frozen_pathways": " ".join(cell.frozen_pathways), "works": cell.works,
            }
            for cell in self.cells.values()
        ]  # fmt: skip


def _listed(rules: Sequence[str], travels: Mapping[str, tuple[str, ...]]) -> str:
    """ ": oja (Oja, OjaDigits); …." """
    if not rules:
        return "."
    named = (f"{rule} ({', '.join(map(short_id, travels[rule]))})" for rule in rules)
    return f": {'; '.join(named)}."


def short_id(task_id: str) -> str:
    """A task's id without the namespace of this package and its first version."""
    return task_id.removeprefix("plasticbench/").removesuffix("-v0")


def sibling(task: Task) -> str:
    """What a task and its smaller or longer variants have in common in their ids."""
    return short_id(task.id).removesuffix("Mini").removesuffix("Hours")


def frozen_pathways(rule: Rule, task: Task) -> tuple[str, ...]:
    """The task's plastic pathways of which the rule says nothing: they keep their initial weights."""
    return tuple(pathway for pathway in task.pathways if rule.for_pathway(pathway) is None)


def suits(rule: Rule, task: Task) -> bool:
    """Whether the rule can live on the task; a rule that brings slow weights does where the task takes them."""
    rule = task.part_of(rule)
    if rule.kind not in ("rate" if task.track == "rate" else "spiking", "any"):
        return False
    variables = {pathway: task.variables(pathway) for pathway in task.pathways}
    return runs_on(rule, task.pathways, task.events, variables, task.arrays if rule.arrays else None)


def measure(
    rules: Sequence[Rule],
    tasks: Sequence[Task],
    folder: str | Path,
    seeds: int | None = None,
    progress: Progress | None = None,
) -> TransferMatrix:
    """Every rule on every task that it suits, on the first `seeds` official lifetimes (default all).

    What lies in `folder` already, of the same rule, task and seeds, is not measured again. Raises PlasticbenchError
    for two rules of one name and for a folder that cannot be written.
    """
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise PlasticbenchError(f"rules: {name!r} is given more than once; rename one of them")
    pairs = [(rule, task) for task in tasks for rule in rules if suits(rule, task)]
    cells = {}
    for done, (rule, task) in enumerate(pairs):
        if progress is not None:
            progress(done, len(pairs))
        n = None if seeds is None else min(seeds, task.n_official)
        cells[rule.name, task.id] = cell_of(_result(rule, task, Path(folder), n))
    if progress is not None:
        progress(len(pairs), len(pairs))
    return TransferMatrix(tuple(names), tuple(tasks), cells)


def cell_of(result: Result) -> TransferCell:
    """A result's cell."""
    return TransferCell(
        result.rule.name, result.task, result.loss, result.score, result.score_interval, len(result.seeds),
        frozen_pathways(result.rule, result.specification),
    )  # fmt: skip


def _result(rule: Rule, task: Task, folder: Path, seeds: int | None) -> Result:
    path = folder / short_id(task.id).replace("/", "_") / f"{rule.name}-{rule.hash[:8]}.json"
    wanted = task.official_seeds[:seeds]
    for result in _kept(path):
        if (result.task_hash, result.rule.hash, result.seeds) == (task.spec_hash, rule.hash, wanted):
            return result
    make_folder(path.parent)
    result = evaluate(rule, task, seeds)
    result.save(path)
    return result


def _kept(path: Path) -> Iterator[Result]:
    """The result in a file; none where there is no file, or one that no longer fits the code."""
    if path.is_file():
        try:
            yield Result.load(path)
        except PlasticbenchError:  # of other marks, or damaged: measured again
            return
