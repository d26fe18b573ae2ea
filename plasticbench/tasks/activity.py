"""Recordings of activity: what a task may give to learners as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class RecordedActivity:
    """Experiments on rate networks whose plasticity rule is not known: what went in, and what was seen of the outputs.

    The outputs of a step come before the rule acts, and are measured with independent normal noise.
    """

    inputs: np.ndarray  # (n_experiments, n_steps, n_inputs), one presentation a step
    activity: np.ndarray  # (n_experiments, n_steps, n_outputs); NaN where nothing was observed
    noise_std: float
    w_init: Mapping[str, np.ndarray] | None  # pathway -> (n_experiments, n_post, n_pre); None where it is not known

    @property
    def observed(self) -> np.ndarray:
        """Where something was observed, the shape of `activity`, bool."""
        return np.isfinite(self.activity)

    @property
    def n_experiments(self) -> int:
        return len(self.inputs)
