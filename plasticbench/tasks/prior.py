"""How many rules drawn from a family's prior are plausible on a task, criterion by criterion.

    python -m plasticbench.tasks.prior --task StabilityAllMini-v0 --draws 500 --keep draws.jsonl

Draw k of a seed is the same rule whatever the number of draws; every 20 of them live in one network. Each draw's
outcome is a line of the kept file, from which a run that was stopped, or that is to have more draws, goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plasticbench.errors import PlasticbenchError
from plasticbench.tasks.task import TRAINING_SEED_BASE, Task

DRAWS_TOGETHER = 20  # live in one network
_HOLDS = "_holds"


def live_prior(
    task: Task,
    n: int,
    keep: Path,
    family: str | None = None,
    seed: int = 0,
    conditions: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """The first `n` draws of `seed`: each its `draw`, `status`, `loss` and `metrics` (None where undefined).

    What `keep` has is not lived again; what is lived is added to it. Raises PlasticbenchError for a task that reports
    no criteria, a file of another task, family, seed or conditions; RuleError for a family without a prior.
    """
    space = task.make_family(family)
    head = {
        "task": task.id, "spec_hash": task.spec_hash, "family": space.name, "seed": seed,
        "conditions": dict(conditions or {}),
    }  # fmt: skip
    thetas, rows = space.sample_prior(n, seed), _kept(keep, head)
    first = len(rows)
    while first < n:
        stop = min(n, first - first % DRAWS_TOGETHER + DRAWS_TOGETHER)
        life_seed = TRAINING_SEED_BASE + seed * 10**6 + first // DRAWS_TOGETHER
        outcome = task.run((space, thetas[first:stop]), [life_seed], conditions=conditions)
        if "plausible" not in outcome.metrics:
            raise PlasticbenchError(f"task: {task.id} reports no plausibility; take one with the metric 'plausible'")
        for k in range(first, stop):
            metrics = {name: float(values[k - first, 0]) for name, values in outcome.metrics.items()}
            rows.append(
                {
                    "draw": k,
                    "status": str(outcome.statuses[k - first, 0]),
                    "loss": float(outcome.losses[k - first, 0]),
                    "metrics": {name: None if math.isnan(x) else x for name, x in metrics.items()},
                }
            )
        with keep.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows[first:stop])
        first = stop
    return rows[:n]


def _kept(path: Path, head: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a kept file, in order; a new file gets its head. A last line that was cut off is dropped."""
    if not path.exists():
        path.write_text(json.dumps(head) + "\n")
        return []
    found, whole = [], path.read_text().split("\n")[:-1]
    try:
        found = [json.loads(line) for line in whole]
    except ValueError as error:
        raise PlasticbenchError(f"keep: {path} is not a file of this command ({error}); name another") from error
    if not found or found[0] != head:
        raise PlasticbenchError(
            f"keep: {path} has draws of another task, family, seed or conditions; name another file"
        )
    path.write_text("".join(line + "\n" for line in whole))
    return found[1:]


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: how many of the draws lived on, hold each criterion, and are plausible."""
    lived = [row["metrics"] for row in rows if row["status"] == "ok"]
    names = [name.removesuffix(_HOLDS) for name in (rows[0]["metrics"] if rows else {}) if name.endswith(_HOLDS)]

    def line(words: str, count: int) -> str:
        of_lived = f"{count / len(lived):.1%}" if lived else "-"
        return f"| {words} | {count} | {count / len(rows):.1%} | {of_lived} |"

    counts = {name: sum(metrics[name + _HOLDS] == 1 for metrics in lived) for name in names}
    return "\n".join(
        [
            f"| of {len(rows)} draws | number | of all | of those that lived on |",
            "|---|---|---|---|",
            line("lived on", len(lived)),
            *(line(f"`{name}` holds", counts[name]) for name in sorted(counts, key=lambda name: counts[name])),
            line("plausible: all hold", sum(metrics["plausible"] == 1 for metrics in lived)),
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of this module; returns the exit code."""
    from plasticbench.tasks.registry import task as task_of

    parser = argparse.ArgumentParser(prog="python -m plasticbench.tasks.prior", description=__doc__)
    parser.add_argument("--task", required=True)
    parser.add_argument("--draws", type=int, default=500, metavar="N")
    parser.add_argument("--family", help="default: the task's first")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--conditions", type=json.loads, help="a JSON object, e.g. '{\"input_weight\": 0.075}'")
    parser.add_argument("--keep", type=Path, required=True, metavar="FILE")
    parsed = parser.parse_args(arguments)
    try:
        if parsed.draws < 1:
            raise PlasticbenchError(f"draws: {parsed.draws} is not at least 1")
        task = task_of(parsed.task)
        print(table(live_prior(task, parsed.draws, parsed.keep, parsed.family, parsed.seed, parsed.conditions)))
    except PlasticbenchError as error:
        print(f"prior: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
