"""What flies chose and were given: read from a user's own copy of the measured choices, or simulated.

Measured: Rajagopalan, Darshan, Hibbard, Fitzgerald & Turner, PNAS 120:e2221415120 (2023),
doi:10.1073/pnas.2221415120; data: doi:10.5281/zenodo.7449214. They do not come with this package.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.simulation.random import Stream

COLUMNS = ("fly", "choice", "reward")
N_FOLDS = 6
WHERE_FROM = (
    "the choices of Rajagopalan et al. (2023), doi:10.5281/zenodo.7449214, as a CSV file with the columns "
    f"{', '.join(COLUMNS)} or a folder with Fly1.mat, Fly2.mat and so on"
)


@dataclass(frozen=True)
class Flies:
    """Of each fly, in order: the odour that it chose, 0 or 1, and its reward, 0 or 1."""

    choices: tuple[tuple[int, ...], ...]
    rewards: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if len(self.choices) < N_FOLDS:
            raise PlasticbenchError(f"flies: {len(self.choices)}; {N_FOLDS} or more are needed, one for each fold")
        for k, (choices, rewards) in enumerate(zip(self.choices, self.rewards, strict=True)):
            if not choices or len(choices) != len(rewards) or not {*choices, *rewards} <= {0, 1}:
                raise PlasticbenchError(
                    f"flies: fly {k + 1}: {len(choices)} choices, {len(rewards)} rewards; as many of each, all 0 or 1"
                )

    @property
    def n_choices(self) -> int:
        """Of all flies together."""
        return sum(map(len, self.choices))

    def first(self, n_flies: int, n_choices: int) -> Flies:
        """The first choices of the first flies."""
        return Flies(
            tuple(row[:n_choices] for row in self.choices[:n_flies]),
            tuple(row[:n_choices] for row in self.rewards[:n_flies]),
        )


def read_flies(path: str | Path) -> Flies:
    """A CSV file with COLUMNS, one choice a line in order, or a folder with a Matlab file for each fly.

    The Matlab files are those that Mehta et al., NeurIPS 37 (2024), read: X (n, 2 or more) says which odour was met,
    Y (n,) whether it was accepted, R whether an accepted one was rewarded. Raises PlasticbenchError that names the
    file and what is wrong with it.
    """
    path = Path(path)
    if path.is_dir():
        return _from_matlab(path)
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise PlasticbenchError(f"{path}: cannot be read ({error}); needed: {WHERE_FROM}") from None
    if not rows or set(COLUMNS) - set(rows[0]):
        raise PlasticbenchError(f"{path}: columns {list(rows[0] if rows else ())}; needed: {', '.join(COLUMNS)}")
    found: dict[str, tuple[list[int], list[int]]] = {}
    for number, row in enumerate(rows, 2):
        choices, rewards = found.setdefault(row["fly"], ([], []))
        for column, kept in (("choice", choices), ("reward", rewards)):
            if row[column] not in ("0", "1"):
                raise PlasticbenchError(f"{path}: line {number}: {column}: {row[column]!r} is neither 0 nor 1")
            kept.append(int(row[column]))
    return Flies(tuple(tuple(c) for c, _ in found.values()), tuple(tuple(r) for _, r in found.values()))


def _from_matlab(folder: Path) -> Flies:
    files = sorted(folder.glob("Fly*.mat"), key=lambda file: (len(file.name), file.name))
    if not files:
        raise PlasticbenchError(f"{folder}: no Fly1.mat there; needed: {WHERE_FROM}")
    try:
        import scipy.io
    except ImportError:
        raise PlasticbenchError(
            f'{folder}: Matlab files are read with scipy; run pip install "plasticbench[data]"'
        ) from None
    choices, rewards = [], []
    for file in files:
        try:
            held = scipy.io.loadmat(file)
            met, accepted = np.asarray(held["X"]), np.asarray(held["Y"]).ravel() == 1
            given = np.asarray(held["R"]).ravel()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PlasticbenchError(f"{file}: not a Matlab file with X, Y and R ({error})") from None
        if met.ndim != 2 or len(met) != len(accepted) or int(accepted.sum()) != len(given):
            raise PlasticbenchError(
                f"{file}: X {met.shape}, {len(accepted)} in Y, {len(given)} in R; one row of X for each of Y, and one "
                "of R for each accepted"
            )
        odour = (met == 1).argmax(1)[accepted]
        choices.append(tuple(int(x) for x in odour))
        rewards.append(tuple(int(r) for r in given))
    return Flies(tuple(choices), tuple(rewards))


@dataclass(frozen=True)
class Generator:
    """Simulated flies: Δw = x R − forgetting w for both odours; P(odour 0) = 1 / (1 + exp(−slope (w_0 − w_1) − bias)).

    A reward that waits at an odour stays there until it is taken. A third of a fly's choices each are made under the
    probabilities of `blocks` that a choice baits the odours; every second fly has them the other way round.
    """

    forgetting: float = 0.1
    slope: float = 0.17
    bias_std: float = 0.2  # of a fly's own bias, normal
    blocks: tuple[tuple[float, float], ...] = ((0.2, 0.8), (0.9, 0.1), (0.2, 0.8))

    def flies(self, seed: int, n_flies: int, n_choices: int) -> Flies:
        """Drawn from the seed: n_choices of each fly."""
        baits = Stream(seed, "flies/baits").uniform((n_choices, n_flies, 2))
        draws = Stream(seed, "flies/choices").uniform((n_choices, n_flies))
        bias = self.bias_std * Stream(seed, "flies/bias").normal((n_flies,))
        w, waiting, each = np.zeros((n_flies, 2)), np.zeros((n_flies, 2), np.bool_), np.arange(n_flies)
        choices, rewards = np.zeros((2, n_flies, n_choices), np.int64)
        for t in range(n_choices):
            p = np.array(self.blocks[t * len(self.blocks) // n_choices])
            waiting |= baits[t] < np.where(each[:, None] % 2 == 0, p, p[::-1])
            odds = self.slope * (w[:, 0] - w[:, 1]) + bias
            odour = (draws[t] >= 1.0 / (1.0 + np.exp(-odds))).astype(np.int64)
            got = waiting[each, odour]
            waiting[each, odour] = False
            w *= 1.0 - self.forgetting
            w[each, odour] += got
            choices[:, t], rewards[:, t] = odour, got
        return Flies(_rows(choices), _rows(rewards))


def _rows(values: Any) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in values.tolist())
