"""A run's history: a row for each logged iteration, with the lifetimes and seconds spent by then."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from plasticbench.evaluation.result import frame


class History(list[dict[str, Any]]):
    """Rows, oldest first. A number that was not finite when it was logged is NaN."""

    def to_frame(self) -> Any:
        """A pandas DataFrame; NaN where a row logged no such number. PlasticbenchError if pandas is not installed."""
        return frame({name: [row.get(name, math.nan) for row in self] for name in self._names()})

    def to_csv(self) -> str:
        """A table with a line for each row; empty where a row logged no such number."""
        text = io.StringIO()
        writer = csv.DictWriter(text, self._names(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self)
        return text.getvalue()

    def _names(self) -> list[str]:
        """Of the numbers that any row logged, in order of appearance."""
        return list(dict.fromkeys(name for row in self for name in row))


def line_of(row: dict[str, float]) -> str:
    """A row as a line of JSON, null for what is not finite."""
    return json.dumps({n: value if math.isfinite(value) else None for n, value in row.items()}, allow_nan=False) + "\n"


def read_history(file: Path) -> History:
    """The rows of a file, without a last one that a killed process left torn."""
    return History(_rows(file)) if file.exists() else History()


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    for line in whole_lines(file):
        yield {name: math.nan if value is None else value for name, value in json.loads(line).items()}


def whole_lines(file: Path) -> list[str]:
    """The lines that end, each with its end."""
    return [line for line in file.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
