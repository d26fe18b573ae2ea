"""`plasticbench compare`: two rules, or two results, over the same lifetimes of a task."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from plasticbench.command_line.progress import ProgressBar
from plasticbench.errors import PlasticbenchError
from plasticbench.evaluation.comparison import Comparison
from plasticbench.evaluation.official import evaluate
from plasticbench.evaluation.result import FORMAT, Result
from plasticbench.files import read_json
from plasticbench.tasks import registry


def run_compare(arguments: Namespace) -> None:
    kept = [_kept_result(name) for name in (arguments.first, arguments.second)]
    task = registry.task(arguments.task) if arguments.task else None
    results = []
    with ProgressBar("evaluating", quiet=arguments.json) as bar:
        for name, result in zip((arguments.first, arguments.second), kept, strict=True):
            if result is None and task is None:
                raise PlasticbenchError("task: name the task of the comparison with --task, or give two result files")
            if result is not None and task is not None and result.task != task.id:
                raise PlasticbenchError(f"task: {name} is a result of {result.task}, not of {task.id}")
            results.append(result or evaluate(name, task, arguments.seeds, engine=arguments.engine, progress=bar))  # type: ignore[arg-type]
    comparison = results[0].compare(results[1])
    print(json.dumps(comparison.to_json(), indent=1) if arguments.json else describe_comparison(comparison))


def _kept_result(name: str) -> Result | None:
    """The result in a file; None for a rule's name or file."""
    path = Path(name)
    if not path.is_file():
        return None
    data = read_json(path)
    return Result.from_json(data) if isinstance(data, dict) and data.get("format") == FORMAT else None


def describe_comparison(comparison: Comparison) -> str:
    """A few lines that a person reads."""
    c = comparison
    width = max(len(c.first), len(c.second))
    lines = [
        f"{c.task}, {c.n_lifetimes} common lifetimes",
        *(f"  {name:<{width}}  loss {loss:.5g}" for name, loss in zip((c.first, c.second), c.losses, strict=True)),
    ]
    between = "" if c.interval is None else f"   95 % interval {c.interval[0]:.5g} to {c.interval[1]:.5g}"
    p = "" if c.p_value is None else f"   p = {c.p_value:.2g}"
    lines.append(f"  difference {c.difference:.5g}{between}{p}")
    lines.append(f"  {c.first} loses less in {c.win_rate:.0%} of them")
    return "\n".join([*lines, c.verdict])
