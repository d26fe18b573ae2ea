"""Tables of what experimenters did to synapses of slices and cultures, and what came of it: one file a data set."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.clamped import ClampedProtocol
from plasticbench.tasks.experiment import Experiment, MeasuredChange

COLUMNS = (
    "protocol", "source", "n", "dw", "sem", "scored", "pre_ms", "post_ms", "groups", "group_rate_hz", "trains",
    "train_period_s",
)  # fmt: skip


def bundled(name: str) -> Experiment:
    """A table that comes with the package, by the name of its file."""
    return read_experiment(Path(str(resources.files(__package__).joinpath(f"{name}.csv"))))


def read_experiment(path: str | Path) -> Experiment:
    """A table as the bundled ones are: comment lines with #, a header with COLUMNS, one protocol a line.

    Raises PlasticbenchError that names the file, the line and the column.
    """
    path = Path(path)
    try:
        numbered = list(enumerate(path.read_text(encoding="utf-8").splitlines(), 1))
    except (OSError, UnicodeDecodeError) as error:
        raise PlasticbenchError(f"{path}: cannot be read as text in UTF-8 ({error})") from None
    kept = [(number, line) for number, line in numbered if line.strip() and not line.startswith("#")]
    header = next(csv.reader([kept[0][1]])) if kept else []
    if sorted(header) != sorted(COLUMNS):
        raise PlasticbenchError(f"{path}: columns {header}; needed: {', '.join(COLUMNS)}")
    rows = []
    for number, line in kept[1:]:
        cells = next(csv.reader([line]))
        if len(cells) != len(header):
            raise PlasticbenchError(f"{path}: line {number}: {len(cells)} cells; needed: {len(header)}")
        rows.append(_row(dict(zip(header, cells, strict=True)), f"{path}: line {number}"))
    return Experiment(tuple(rows))


def _row(cells: Mapping[str, str], where: str) -> MeasuredChange:
    def number(column: str) -> float:
        try:
            return float(cells[column])
        except ValueError:
            raise PlasticbenchError(f"{where}: {column}: {cells[column]!r} is not a number") from None

    def times_s(column: str) -> tuple[float, ...]:
        try:
            return tuple(float(word) / 1e3 for word in cells[column].split())
        except ValueError:
            raise PlasticbenchError(f"{where}: {column}: {cells[column]!r} are not milliseconds") from None

    if cells["scored"] not in ("yes", "no"):
        raise PlasticbenchError(f"{where}: scored: {cells['scored']!r} is neither yes nor no")
    if not number("group_rate_hz") > 0.0:
        raise PlasticbenchError(f"{where}: group_rate_hz: {cells['group_rate_hz']!r} is not above 0")
    protocol = ClampedProtocol(
        cells["protocol"], times_s("pre_ms"), times_s("post_ms"), int(number("groups")), 1.0 / number("group_rate_hz"),
        int(number("trains")), number("train_period_s"),
    )  # fmt: skip
    n = int(number("n")) if cells["n"] else None
    return MeasuredChange(protocol, number("dw"), number("sem"), n, cells["source"], cells["scored"] == "yes")
