"""What every known rule does under every clamped protocol, as a table that another simulator can be checked against.

    python -m plasticbench.evaluation.conformance --out DIR

writes `conformance.csv` and `conformance.json` (the same rows, with the rules), and `spikes.csv` (the spike times).
docs/conformance.md says how to use them.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from plasticbench.errors import PlasticbenchError
from plasticbench.evaluation.transfer import suits
from plasticbench.files import make_folder, write_bytes
from plasticbench.rules import Rule, known_rules
from plasticbench.tasks.registry import task as find_task
from plasticbench.tasks.registry import task_ids
from plasticbench.tasks.task import Task

FORMAT = "plasticbench/conformance@1"
TOLERANCE = 1e-6  # relative, of the final weight: what an exact implementation keeps
_DIGITS = 12


@dataclass(frozen=True)
class Expected:
    """One rule under one protocol. Weights start at `initial_weight` and stay in [0, w_max]."""

    task: str
    protocol: str
    rule: str
    initial_weight: float
    w_max: float
    final_weight: float
    dw: float  # relative: final_weight/initial_weight - 1


def slice_tasks() -> tuple[Task, ...]:
    """The tasks of clamped protocols, in order of registration."""
    return tuple(task for task in map(find_task, task_ids()) if task.experiment is not None)


def suited_rules(task: Task) -> tuple[Rule, ...]:
    """The known rules that a task can run, as far as they live there."""
    return tuple(task.part_of(rule) for rule in known_rules().values() if suits(rule, task))


def expected() -> tuple[Expected, ...]:
    """Every known rule under every protocol, those that no loss counts included."""
    return tuple(row for task in slice_tasks() for row in _of_task(task))


def _of_task(task: Task) -> Iterator[Expected]:
    rules = suited_rules(task)
    found = task.run(list(rules), task.official_seeds[:1]).metrics
    assert task.experiment is not None
    for r, rule in enumerate(rules):
        for name in task.experiment.names:
            start, dw = float(found["initial_weight"][r, 0]), float(found[f"dw_{name}"][r, 0])
            bound = next(s.w_max for s in task.example.clamped_network.pathway.starts if s.weight == start)
            yield Expected(task.id, name, rule.name, start, bound, _rounded(start * (1.0 + dw)), _rounded(dw))


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def files() -> dict[str, bytes]:
    """The table's files by name."""
    rows = expected()
    rules = {rule.name: rule for task in slice_tasks() for rule in suited_rules(task)}
    content = {
        "format": FORMAT,
        "tolerance": TOLERANCE,
        "rules": [rules[name].to_json() for name in sorted(rules)],
        "rows": [asdict(row) for row in rows],
    }
    table = [[repr(value) if isinstance(value, float) else value for value in asdict(row).values()] for row in rows]
    return {
        "conformance.csv": _csv([field.name for field in fields(Expected)], table),
        "conformance.json": (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode(),
        "spikes.csv": _csv(["task", "protocol", "neuron", "times_ms"], list(_spikes())),
    }


def _spikes() -> Iterator[list[str]]:
    """Every spike time in milliseconds, to a nanosecond, from the first spike of the protocol."""
    for task in slice_tasks():
        assert task.experiment is not None
        for row in task.experiment.rows:
            protocol = row.protocol
            first = protocol.moments[0][0]
            for neuron, times_s in (("pre", protocol.pre_s), ("post", protocol.post_s)):
                times = protocol.spike_times_ns(times_s) - first
                yield [
                    task.id,
                    protocol.name,
                    neuron,
                    " ".join(f"{time / 1e6:.6f}".rstrip("0").rstrip(".") for time in times),
                ]


def _csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([header, *rows])
    return text.getvalue().encode()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of this module; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m plasticbench.evaluation.conformance", description=__doc__)
    parser.add_argument("--out", required=True, metavar="DIR")
    out = Path(parser.parse_args(arguments).out)
    try:
        make_folder(out)
        for name, content in files().items():
            write_bytes(out / name, content)
            print(out / name)
    except PlasticbenchError as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
