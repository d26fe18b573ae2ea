"""The plausibility box: what a network at rest must be like to pass for cortex, criterion by criterion.

Confavreux et al., NeurIPS 2023. Two boxes are shipped: "module", the conditions that the published software applies,
and "paper-figures", the union of those that the notebooks of the paper's figures apply.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.recorded_spikes import RecordedSpikes
from plasticbench.tasks.metrics import spikes
from plasticbench.tasks.metrics import weights as of_weights


@dataclass(frozen=True)
class Criterion:
    """low <= metric <= high; -inf or inf where there is no such bound.

    Raises PlasticbenchError for bounds that are 0 (violations are relative to them), crossed or not numbers.
    """

    metric: str
    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        if not self.low <= self.high or 0 in (self.low, self.high):
            raise PlasticbenchError(
                f"criterion {self.metric}: {self.low!r} to {self.high!r} is not a range with bounds other than 0"
            )

    def holds(self, value: float) -> bool:
        """Whether the value is within the bounds; NaN is not."""
        return bool(self.low <= value <= self.high)

    def violation(self, value: float) -> float:
        """|value - b|/max(|value|, |b|), b the bound that is missed, at most 1; 0 within the bounds, 1 for NaN.

        Relative to the larger of the two, so that no criterion weighs more than another, however far it is missed.
        Never falls as the value moves away from the bounds.
        """
        if self.holds(value):
            return 0.0
        bound = self.low if value < self.low else self.high
        larger = max(abs(value), abs(bound))
        # divided before they are subtracted: the difference of two large numbers may overflow
        return min(abs(value / larger - bound / larger), 1.0) if math.isfinite(value) else 1.0


@dataclass(frozen=True)
class PlausibilityBox:
    """Criteria on metrics by name; `stability_metrics` gives those of the shipped boxes."""

    name: str
    criteria: tuple[Criterion, ...]

    def check(self, metrics: Mapping[str, float]) -> dict[str, bool]:
        """Whether each criterion holds, by metric. Raises PlasticbenchError for a metric that is not given."""
        return {c.metric: c.holds(_value(metrics, c)) for c in self.criteria}

    def violations(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Relative violation of each criterion, by metric. Raises PlasticbenchError for a metric that is not given."""
        return {c.metric: c.violation(_value(metrics, c)) for c in self.criteria}

    def violation(self, metrics: Mapping[str, float]) -> float:
        """Sum of the squared relative violations: 0 = plausible, at most 1 a criterion. Raises as `violations` does."""
        return float(sum(v**2 for v in self.violations(metrics).values()))


def _value(metrics: Mapping[str, float], criterion: Criterion) -> float:
    if criterion.metric not in metrics:
        raise PlasticbenchError(f"metrics: no {criterion.metric!r} among {sorted(metrics)}: the box needs it")
    return float(metrics[criterion.metric])


def stability_metrics(
    excitatory: RecordedSpikes,
    inhibitory: RecordedSpikes,
    weights: Mapping[str, np.ndarray],
    w_max: Mapping[str, float],
    max_lag_s: float = 0.5,
) -> dict[str, float]:
    """Every metric of the shipped boxes, of one life: units in the names, `final_weight_<pathway>` for each pathway.

    Spike trains of the same window, longer than `max_lag_s` (of the auto-covariance) and a multiple of 0.1 s long; all
    but the inhibitory rate are of the excitatory neurons. Weights by pathway: (n_samples, n_synapses). Raises
    PlasticbenchError for what does not fit.
    """
    of_excitatory: dict[str, Callable[[RecordedSpikes], float]] = {
        "cv_isi": spikes.cv_isi,
        "std_cv_isi": spikes.std_cv_isi,
        "kl_isi": spikes.kl_isi,
        "spatial_fano": spikes.spatial_fano,
        "temporal_fano": spikes.temporal_fano,
        "auto_covariance": partial(spikes.auto_covariance, max_lag_s=max_lag_s),
        "spectral_power": spikes.spectral_power,
        "temporal_rate_std": spikes.temporal_rate_std,
        "spatial_rate_std_hz": spikes.spatial_rate_std_hz,
    }
    return {
        "rate_e_hz": spikes.mean_rate_hz(excitatory),
        "rate_i_hz": spikes.mean_rate_hz(inhibitory),
        **{name: metric(excitatory) for name, metric in of_excitatory.items()},
        "weight_blow_up": of_weights.weight_blow_up(weights, w_max),
        "weight_creep": of_weights.weight_creep(weights),
        **{f"final_weight_{pathway}": of_weights.final_mean_weight(w) for pathway, w in weights.items()},
    }


_COMMON = (
    Criterion("rate_e_hz", 1.0, 50.0),
    Criterion("rate_i_hz", 1.0, 50.0),
    Criterion("std_cv_isi", high=0.2),
    Criterion("kl_isi", high=0.5),
    Criterion("spatial_fano", 0.5, 2.5),
    Criterion("temporal_fano", 0.5, 2.5),
    Criterion("auto_covariance", high=0.1),
    Criterion("spectral_power", high=1.0),
    Criterion("spatial_rate_std_hz", high=5.0),
    Criterion("weight_blow_up", high=0.1),
    Criterion("weight_creep", high=0.05),
    Criterion("final_weight_ee", high=0.5),
    Criterion("final_weight_ei", high=0.5),
    Criterion("final_weight_ie", high=5.0),
    Criterion("final_weight_ii", high=5.0),
)
MODULE_BOX = PlausibilityBox(
    "module", (*_COMMON, Criterion("cv_isi", 0.7, 2.7), Criterion("temporal_rate_std", high=0.05))
)
PAPER_FIGURES_BOX = PlausibilityBox(
    "paper-figures", (*_COMMON, Criterion("cv_isi", low=0.7), Criterion("temporal_rate_std", high=0.5))
)
_BOXES = {box.name: box for box in (MODULE_BOX, PAPER_FIGURES_BOX)}


def plausibility_box(name: str) -> PlausibilityBox:
    """The shipped box of that name. Raises PlasticbenchError for a name that is neither of the two."""
    if name not in _BOXES:
        raise PlasticbenchError(f"plausibility box: no {name!r}: choose one of {', '.join(_BOXES)}")
    return _BOXES[name]
