"""An experiment's protocols and what they did to synapses: what rules are compared with, and drawn against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.clamped import ClampedProtocol


@dataclass(frozen=True)
class MeasuredChange:
    """One protocol's outcome in tissue: relative changes of a synapse, after/before - 1."""

    protocol: ClampedProtocol
    mean: float
    sem: float  # standard error of the mean
    n: int | None = field(metadata={"decides": False})  # pairs of neurons; None where the source does not say
    source: str = field(metadata={"decides": False})
    scored: bool = True

    def __post_init__(self) -> None:
        if not self.sem > 0.0:
            raise PlasticbenchError(f"protocol {self.name}: sem: {self.sem!r} is not above 0; leave the row out")

    @property
    def name(self) -> str:
        return self.protocol.name

    @property
    def series(self) -> str:
        """What it has in common with neighbours that a line may join: the source and the kind of pattern."""
        pre, post = self.protocol.pre_s, self.protocol.post_s
        kind = f"{round(1e3 * (post[0] - pre[0]), 3)}" if len(pre) == len(post) == 1 else f"{len(pre)}/{len(post)}"
        return f"{self.name.split('.')[0]} {kind}"


@dataclass(frozen=True)
class Experiment:
    """The protocols of a task in order."""

    rows: tuple[MeasuredChange, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(row.name for row in self.rows)

    @property
    def scored_names(self) -> tuple[str, ...]:
        """Of those that count in a loss."""
        return tuple(row.name for row in self.rows if row.scored)

    def joined(self) -> Iterator[list[int]]:
        """Places of rows that follow each other in one series."""
        run: list[int] = []
        for k, row in enumerate(self.rows):
            if run and row.series != self.rows[run[-1]].series:
                yield run
                run = []
            run.append(k)
        yield run
