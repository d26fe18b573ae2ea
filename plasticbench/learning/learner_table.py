"""Which learner finds the better rule where: equal budgets, several seeds, official losses.

    python -m plasticbench.learning.learner_table --runs runs/learners --out docs/learners \\
        --task OjaMini-v0=500,2000,8000 --task SliceL5-v0=500,2000,8000

Every run is an ordinary run folder under `--runs`; ended ones are read, and interrupted ones go on. Learners have their
default options. Losses are of the rules found, over the task's official lifetimes, so that they mean the same for all.
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.evaluation.statistics import mean_interval
from plasticbench.files import make_folder, write_bytes, write_text
from plasticbench.learning.run import learn
from plasticbench.simulation.random import Stream
from plasticbench.tasks import registry
from plasticbench.tasks.task import Task

TABLE, PICTURE = "learners.csv", "learners.png"
LEVEL = 0.05  # of the test that tells two learners apart
_MOST_SPLITS = 20_000  # of the exact test; more are drawn


@dataclass(frozen=True)
class Row:
    """One run and the official loss of its rule, or why there is none."""

    task: str
    learner: str
    budget: int
    seed: int
    family: str = ""
    options: str = ""  # JSON
    lifetimes: int = 0
    seconds: float = 0.0
    loss: float = float("nan")
    score: float = float("nan")
    not_run: str = ""


@dataclass(frozen=True)
class Cell:
    """A learner at one budget of a task, over seeds."""

    learner: str
    budget: int
    losses: np.ndarray  # (n_seeds,)
    scores: np.ndarray
    seconds: float  # mean
    not_run: str = ""

    @property
    def mean(self) -> float:
        return float(self.losses.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """Of the mean loss, 95 %."""
        return mean_interval(self.losses)


def measure(
    budgets: Mapping[str, Sequence[int]],
    learners: Sequence[str],
    n_seeds: int,
    folder: Path,
    most: Mapping[str, int] | None = None,
) -> Iterator[Row]:
    """A row for each task, learner, budget and seed, in this order; runs that have ended are read.

    `most`: the largest budget of some learners, which would take too long with more.
    """
    for task_id, learner in itertools.product(budgets, learners):
        task = registry.task(task_id)
        for budget, seed in itertools.product(budgets[task_id], range(n_seeds)):
            limit = (most or {}).get(learner, budget)
            if budget > limit:
                yield Row(task.id, learner, budget, seed, not_run=f"it is for at most {limit:,} lifetimes")
            else:
                yield _row(task, learner, budget, seed, folder)


def _row(task: Task, learner: str, budget: int, seed: int, folder: Path) -> Row:
    out = folder / task.id.rpartition("/")[2] / learner / str(budget) / f"seed-{seed}"
    try:
        result = learn(task, learner, out, budget=budget, seed=seed, resume=out.exists())
    except PlasticbenchError as error:  # it cannot search this task, or not with so few lifetimes
        return Row(task.id, learner, budget, seed, not_run=" ".join(str(error).split()))
    found = result.learned
    return Row(
        task.id, learner, budget, seed, found["family"], json.dumps(found["options"], sort_keys=True),
        found["lifetimes"], found["seconds"], result.loss, result.score,
    )  # fmt: skip


def cells_of(rows: Sequence[Row], task_id: str) -> list[Cell]:
    """By learner and budget, in the order of the rows."""
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        if row.task == task_id:
            groups.setdefault((row.learner, row.budget), []).append(row)
    return [
        Cell(
            learner, budget, np.array([r.loss for r in group]), np.array([r.score for r in group]),
            float(np.mean([r.seconds for r in group])), next((r.not_run for r in group if r.not_run), ""),
        )
        for (learner, budget), group in groups.items()
    ]  # fmt: skip


def p_value(first: np.ndarray, second: np.ndarray) -> float:
    """Two-sided p of a permutation test of the means of two independent samples; exact where these are small."""
    both, n = np.concatenate([first, second]), len(first)
    splits = list(itertools.islice(itertools.combinations(range(len(both)), n), _MOST_SPLITS + 1))
    if len(splits) > _MOST_SPLITS:
        drawn = Stream(0, "splits").uniform((_MOST_SPLITS, len(both))).argsort(1)[:, :n]
        splits = [tuple(split) for split in drawn.tolist()]
    chosen = both[np.array(splits)].sum(1)
    gaps = np.abs(chosen / n - (both.sum() - chosen) / len(second))
    observed = abs(first.mean() - second.mean())
    return float((gaps >= observed * (1 - 1e-12)).mean())


def best_of(cells: Sequence[Cell]) -> list[Cell]:
    """At the largest budget: the cell of the smallest mean, then those that the test does not tell from it."""
    lived = [cell for cell in cells if not cell.not_run]
    last = [cell for cell in lived if cell.budget == max(c.budget for c in lived)]
    ordered = sorted(last, key=lambda cell: cell.mean)
    return ordered[:1] + [c for c in ordered[1:] if p_value(c.losses, ordered[0].losses) >= LEVEL]


def markdown(rows: Sequence[Row]) -> str:
    """A table for each task, best first at its largest budget, and who is best."""
    parts = []
    for task_id in dict.fromkeys(row.task for row in rows):
        cells = cells_of(rows, task_id)
        budgets = sorted({cell.budget for cell in cells})
        n_seeds = max(len(cell.losses) for cell in cells)
        task = registry.task(task_id)
        found = {(cell.learner, cell.budget): cell for cell in cells}
        order = sorted(dict.fromkeys(cell.learner for cell in cells), key=lambda name: _rank(found[name, budgets[-1]]))
        lines = [
            f"## `{task_id.rpartition('/')[2]}`",
            "",
            f"Loss of the rules found, mean over {n_seeds} seeds and its 95 % interval; frozen weights lose "
            f"{task.null_loss:.4g}, {task.reference_rule} {task.reference_loss:.4g}.",
            "",
            "| learner | " + " | ".join(f"{budget:,} lifetimes" for budget in budgets) + " | seconds |",
            "|---|" + "---|" * (len(budgets) + 1),
        ]
        for name in order:
            texts = [_text(found[name, budget]) for budget in budgets]
            lines.append(f"| {name} | {' | '.join(texts)} | {_seconds(found[name, budgets[-1]])} |")
        reasons = {cell.learner: cell.not_run for cell in cells if cell.not_run}
        lines += ["", _verdict(best_of(cells))]
        lines += [f"\n{name}, where not run: {reason}" for name, reason in reasons.items()]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _rank(cell: Cell) -> float:
    return float("inf") if cell.not_run else cell.mean


def _text(cell: Cell) -> str:
    if cell.not_run:
        return "not run"
    low, high = cell.interval
    return f"{cell.mean:.4g} ({low:.3g} to {high:.3g})"


def _seconds(cell: Cell) -> str:
    return "–" if cell.not_run else f"{cell.seconds:.0f}"


def _verdict(best: Sequence[Cell]) -> str:
    names = [cell.learner for cell in best]
    if len(names) == 1:
        return f"Best at {best[0].budget:,} lifetimes: {names[0]}, told from every other."
    return (
        f"Best at {best[0].budget:,} lifetimes: {names[0]}; not told from it: {', '.join(names[1:])} "
        f"(permutation test of the means, p ≥ {LEVEL})."
    )


def write_table(rows: Sequence[Row], path: Path) -> None:
    """As CSV; numbers that there are none of are left out."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [f.name for f in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: "" if value != value else value for name, value in asdict(row).items()} for row in rows)
    write_text(path, text.getvalue())


def read_table(path: Path) -> list[Row]:
    """As `write_table` wrote it."""
    whole, numbers = {"budget", "seed", "lifetimes"}, {"seconds", "loss", "score"}

    def value(name: str, text: str) -> Any:
        return int(text) if name in whole else float(text or "nan") if name in numbers else text

    with path.open(encoding="utf-8", newline="") as file:
        return [Row(**{name: value(name, text) for name, text in row.items()}) for row in csv.DictReader(file)]


def main(arguments: Sequence[str] | None = None) -> int:
    """See the module. Exit code 2, with one line, for bad input."""
    parser = argparse.ArgumentParser(prog="python -m plasticbench.learning.learner_table", description=__doc__)
    parser.add_argument("--task", action="append", required=True, metavar="ID=BUDGET,BUDGET")
    parser.add_argument("--learner", action="append", help="default: all bundled ones")
    parser.add_argument("--most", action="append", default=[], metavar="LEARNER=BUDGET", help="its largest budget")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", type=Path, required=True, help="where the runs are kept")
    parser.add_argument("--out", type=Path, required=True, help=f"where {TABLE} and {PICTURE} are written")
    given = parser.parse_args(arguments)
    try:
        budgets = {registry.task(name).id: numbers for name, numbers in map(_numbered, given.task)}
        most = {name: numbers[0] for name, numbers in map(_numbered, given.most)}
        rows = []
        learners = given.learner or sorted(registry.learners())
        for row in measure(budgets, learners, given.seeds, given.runs, most):
            rows.append(row)
            told = row.not_run or f"loss {row.loss:.5g}, {row.seconds:.0f} s"
            print(f"{row.task} {row.learner} {row.budget} seed {row.seed}: {told}", file=sys.stderr, flush=True)
        save(rows, given.out)
    except PlasticbenchError as error:
        print(error, file=sys.stderr)
        return 2
    print(markdown(rows), end="")
    return 0


def save(rows: Sequence[Row], folder: Path) -> None:
    """The table and the picture."""
    from plasticbench.drawing.learners import Curve, learner_curves

    tasks = list(dict.fromkeys(row.task for row in rows))
    curves: dict[str, list[Curve]] = {task: [] for task in tasks}
    for task in tasks:
        cells = [cell for cell in cells_of(rows, task) if not cell.not_run]
        for learner in dict.fromkeys(cell.learner for cell in cells):
            own = [cell for cell in cells if cell.learner == learner]
            means, intervals = [cell.mean for cell in own], [cell.interval for cell in own]
            curves[task].append(Curve(learner, [cell.budget for cell in own], means, intervals))
    marks = {
        task: {"frozen weights": found.null_loss, found.reference_rule: found.reference_loss}
        for task in tasks
        for found in (registry.task(task),)
    }
    make_folder(folder)
    write_table(rows, folder / TABLE)
    write_bytes(folder / PICTURE, learner_curves(curves, marks))


def _numbered(text: str) -> tuple[str, list[int]]:
    name, equals, numbers = text.partition("=")
    try:
        budgets = sorted({int(number) for number in numbers.split(",")})
    except ValueError:
        budgets = []
    if not equals or not budgets or budgets[0] < 1:
        raise PlasticbenchError(f"{text!r} is not of the form NAME=BUDGET,BUDGET with budgets in lifetimes")
    return name, budgets


if __name__ == "__main__":
    sys.exit(main())
