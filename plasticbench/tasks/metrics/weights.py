"""Statistics of recorded weights: do they pile up at their bounds, do they still drift?

Confavreux et al., NeurIPS 2023. Weights come by pathway, as recorded: (n_samples, n_synapses), in order of time, in
the engine's own precision.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from plasticbench.errors import PlasticbenchError

SMALLEST_SUM = 0.1  # of a pathway's first and last mean weight: up to it a pathway counts as not drifting


def weight_blow_up(weights: Mapping[str, np.ndarray], w_max: Mapping[str, float]) -> float:
    """Fraction of the samples that are exactly 0 or w_max of their pathway, mean over pathways: 0 to 1.

    Raises PlasticbenchError for no weights, or a pathway without w_max.
    """
    _check(weights)
    missing = sorted(set(weights) - set(w_max))
    if missing:
        raise PlasticbenchError(f"w_max: none for pathway {missing[0]!r}: give one for each of {sorted(weights)}")
    fractions = []
    for pathway, w in weights.items():
        bound = np.asarray(w_max[pathway], dtype=w.dtype)  # 0.3 in float32 is not 0.3 in float64
        fractions.append(((w == 0) | (w == bound)).mean())
    return float(np.mean(fractions))


def weight_creep(weights: Mapping[str, np.ndarray]) -> float:
    """Largest |2 (last - first)/(last + first)| of a pathway's mean weight in the first and the last sample: 0 to 2.

    Pathways whose two means sum to 0.1 or less count as 0; NaN for weights that are not numbers. Raises
    PlasticbenchError for no weights.
    """
    _check(weights)
    creep = [0.0]
    for w in weights.values():
        first, last = w[0].mean(dtype=float), w[-1].mean(dtype=float)
        if not first + last <= SMALLEST_SUM:
            creep.append(abs(2.0 * (last - first) / (last + first)))
    return float(np.max(creep))


def final_mean_weight(w: np.ndarray) -> float:
    """Mean over synapses of the last sample of (n_samples, n_synapses). Raises PlasticbenchError for no weights."""
    _check({"": w})
    return float(w[-1].mean(dtype=float))


def _check(weights: Mapping[str, np.ndarray]) -> None:
    if not weights:
        raise PlasticbenchError("weights: no pathway: give the recorded weights of at least one")
    for pathway, w in weights.items():
        if w.ndim != 2 or not w.size or not np.issubdtype(w.dtype, np.floating):
            raise PlasticbenchError(
                f"weights: pathway {pathway!r}: {w.dtype} of shape {w.shape} is not (n_samples, n_synapses) of floats"
            )
