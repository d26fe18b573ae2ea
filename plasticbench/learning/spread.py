"""One learning curve over runs that differ in their seed alone: the median, and how sure it is."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from plasticbench.files import write_bytes, write_text
from plasticbench.learning.history import read_history
from plasticbench.learning.run_directory import HISTORY

if TYPE_CHECKING:
    from plasticbench.tasks.task import Task

_LEVEL = 0.95
_FEWEST = 6  # runs of an interval; fewer get the range from the best to the worst


@dataclass(frozen=True, eq=False)
class Spread:
    """Losses of several runs at the same numbers of lifetimes."""

    lifetimes: np.ndarray  # (n,)
    losses: np.ndarray  # (n_runs, n): what each run had logged last by then
    low: np.ndarray  # (n,)
    high: np.ndarray  # (n,)

    @property
    def band(self) -> str:
        """What `low` and `high` are."""
        return "95 % interval of the median" if len(self.losses) >= _FEWEST else "best to worst"

    @property
    def median(self) -> np.ndarray:
        """(n,)"""
        return np.median(self.losses, 0)

    def to_csv(self) -> str:
        """A line for each number of lifetimes."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["lifetimes", "median", "low", "high", *(f"run_{k}" for k in range(len(self.losses)))])
        columns = [self.lifetimes, self.median, self.low, self.high, *self.losses]
        writer.writerows(zip(*(column.tolist() for column in columns), strict=True))
        return text.getvalue()


def spread_of(histories: Sequence[Sequence[dict[str, Any]]]) -> Spread | None:
    """Of runs' histories, from where all have logged a loss; None where one never did.

    Between its rows a run has the loss that it logged last.
    """
    curves = [
        np.array([(row["lifetimes"], row["loss"]) for row in history if np.isfinite(row.get("loss", np.nan))])
        for history in histories
    ]
    if not curves or any(len(curve) == 0 for curve in curves):
        return None
    start = max(curve[0, 0] for curve in curves)
    lifetimes = np.unique(np.concatenate([curve[:, 0] for curve in curves]))
    lifetimes = lifetimes[lifetimes >= start]
    losses = np.stack([curve[np.searchsorted(curve[:, 0], lifetimes, "right") - 1, 1] for curve in curves])
    cut, ordered = cut_of_median(len(losses)), np.sort(losses, 0)
    return Spread(lifetimes, losses, ordered[cut], ordered[-1 - cut])


def cut_of_median(n: int) -> int:
    """How many of n ordered values are left out at each end of the interval of their median at level 0.95.

    By signs (the binomial distribution at 1/2), so whatever the values are distributed like; 0 below 6 values.
    """
    cut = 0
    while 2.0 * sum(math.comb(n, k) for k in range(cut + 1)) / 2.0**n <= 1.0 - _LEVEL:
        cut += 1
    return max(0, cut - 1)


def keep_spread(out: Path, runs: Sequence[Path], task: Task) -> None:
    """`spread.csv` and `spread.png` in `out`, where the runs have logged losses."""
    spread = spread_of([read_history(run / HISTORY) for run in runs])
    if spread is None:
        return
    from plasticbench.drawing.curves import spread_curve

    known = {"no plasticity": task.null_loss, task.reference_rule: task.reference_loss}
    band = np.stack([spread.low, spread.high])
    write_text(out / "spread.csv", spread.to_csv())
    write_bytes(out / "spread.png", spread_curve(spread.lifetimes, spread.losses, band, known, spread.band))
