"""Every two ranked rules of a task against each other: the difference of their losses, and how sure it is.

These are the comparisons that the letters of a ranking sum up, so both say the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from .ranking import difference_intervals
from .standings import Standing, TaskStandings


@dataclass(frozen=True)
class Difference:
    """A rule's mean loss less another's, in the lifetimes on which the ranking compares the two."""

    value: float
    interval: tuple[float, float]  # 95 %
    is_paired: bool  # in common lifetimes
    verdict: int  # -1: the first loses less, 1: more, 0: not told apart


def differences(table: TaskStandings) -> list[tuple[Standing, list[Difference | None]]]:
    """A row a ranked rule, with its differences from each of them; None from itself."""
    values, intervals = difference_intervals(table.draws)
    return [
        (
            row,
            [
                None
                if i == j
                else Difference(
                    float(values[i, j]),
                    (float(intervals[i, j, 0]), float(intervals[i, j, 1])),
                    bool(table.draws[i].keys() & table.draws[j].keys()),
                    int(table.better[j, i]) - int(table.better[i, j]),
                )
                for j in range(len(table.ranked))
            ],
        )
        for i, row in enumerate(table.ranked)
    ]
