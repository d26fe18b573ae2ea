"""The statistics of verification: is a claim reproduced, and does it hold on seeds nobody had seen?

Reproduction. On the same engine, versions and hardware a lifetime is the same bits. Elsewhere rounding differs,
and in a chaotic spiking network grows: there the claim must agree lifetime by lifetime to ROW_TOLERANCE, or, where
single lifetimes diverge, the 95 % interval of the mean paired difference must lie within MEAN_TOLERANCE of the
claimed mean (an equivalence test, Schuirmann 1987: not "no difference found" but "difference shown to be small").

Fresh seeds. A rule picked because it was lucky on the official seeds does worse on others. Under the null
hypothesis official and fresh lifetimes are exchangeable, so the gap of their means is judged by a permutation
test, one-sided, exact at any distribution of losses. Official seeds that happen to be easy for everybody are
nobody's fault: the reference rule's losses on the same seeds are regressed out first (permutation of residuals:
Freedman & Lane 1983, J. Bus. Econ. Stat. 1:292). The level holds over draws of the official seeds; within one
task all entries share these and the reference rule's luck on them, so wrong rejections come together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plasticbench.evaluation import statistics

ROW_TOLERANCE = 1e-4  # relative, of one lifetime's loss
MEAN_TOLERANCE = 0.1  # relative, of the mean loss
FRESH_LEVEL = 0.01  # so often an honest rule is rejected by chance
PERMUTATIONS = 5000
_CHUNK = 500  # permutations at a time, which bounds the memory
_SEED = 1983


@dataclass(frozen=True)
class Reproduction:
    """How claimed and re-simulated losses of the official seeds compare."""

    kind: str  # "bits", "paired" or "stale"
    agrees: bool
    claimed_mean: float
    measured_mean: float
    differing_rows: tuple[int, ...]
    difference_interval: tuple[float, float] | None = None  # of the mean paired difference, where it decided
    tolerance: float | None = None  # that the interval must keep within


def reproduction(claimed: np.ndarray, measured: np.ndarray, same_machine: bool) -> Reproduction:
    """Whether the claim holds; claimed and measured are (n_lifetimes,).

    `same_machine`: engine, versions and hardware are described alike, so the bits should be the same. A processor
    is not described to its last instruction, though: rounding within ROW_TOLERANCE still counts as paired.
    """
    if np.array_equal(claimed, measured):
        nothing = np.empty(0, dtype=int)
        return _reproduction("bits" if same_machine else "paired", True, claimed, measured, nothing)
    size = np.maximum(np.abs(claimed), np.abs(measured))
    rows = np.flatnonzero(np.abs(claimed - measured) > ROW_TOLERANCE * size)
    if len(rows) == 0:
        return _reproduction("paired", True, claimed, measured, rows)
    if same_machine:
        return _reproduction("bits", False, claimed, measured, rows)
    tolerance = MEAN_TOLERANCE * abs(float(claimed.mean()))
    low, high = statistics.mean_interval(measured - claimed)
    agrees = -tolerance <= low and high <= tolerance
    return _reproduction("paired", agrees, claimed, measured, rows, (low, high), tolerance)


def not_comparable(claimed: np.ndarray, measured: np.ndarray) -> Reproduction:
    """The claim was made under an older task: there is nothing to reproduce, the new measurement stands."""
    return _reproduction("stale", True, claimed, measured, np.empty(0, dtype=int))


def _reproduction(
    kind: str,
    agrees: bool,
    claimed: np.ndarray,
    measured: np.ndarray,
    rows: np.ndarray,
    interval: tuple[float, float] | None = None,
    tolerance: float | None = None,
) -> Reproduction:
    return Reproduction(
        kind=kind,
        agrees=agrees,
        claimed_mean=float(claimed.mean()),
        measured_mean=float(measured.mean()),
        differing_rows=tuple(int(row) for row in rows),
        difference_interval=interval,
        tolerance=tolerance,
    )


def fresh_gap(
    official: np.ndarray, fresh: np.ndarray, reference_official: np.ndarray, reference_fresh: np.ndarray
) -> tuple[float, float]:
    """(gap, p): how much worse the fresh lifetimes are, seeds' difficulty taken out, and how likely by chance.

    official and reference_official are (n,), fresh and reference_fresh (m,).
    """
    n = len(official)
    losses = np.concatenate([official, fresh])
    difficulty = _centred(np.concatenate([reference_official, reference_fresh]))
    spread = float(difficulty @ difficulty)
    slope = float(difficulty @ losses) / spread if spread > 0.0 else 0.0
    rest = _centred(losses - slope * difficulty)
    if not rest.any():
        return 0.0, 1.0
    gap = _gap(rest, n)
    generator = np.random.Generator(np.random.Philox(_SEED))
    n_fresh = len(rest) - n
    as_large = 0
    for _ in range(PERMUTATIONS // _CHUNK):
        shuffled = generator.permuted(np.broadcast_to(rest, (_CHUNK, len(rest))), axis=1)
        official_sums = shuffled[:, :n].sum(axis=1)
        gaps = (rest.sum() - official_sums) / n_fresh - official_sums / n
        as_large += int(np.count_nonzero(gaps >= gap - 1e-12 * abs(gap)))
    return gap, (1 + as_large) / (1 + PERMUTATIONS)


def _centred(values: np.ndarray) -> np.ndarray:
    """Deviations from the mean, with those that are only rounding set to 0."""
    deviations = values - values.mean()
    deviations[np.abs(deviations) <= 1e-12 * np.abs(values).max()] = 0.0
    return deviations


def _gap(values: np.ndarray, n: int) -> float:
    return float(values[n:].mean() - values[:n].mean())
