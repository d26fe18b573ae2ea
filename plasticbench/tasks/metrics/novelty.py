"""How the response to a novel stimulus differs from that to a familiar one.

Confavreux et al., "Memory by a thousand rules" (2025); the definitions of its familiarity task with growing breaks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from plasticbench.networks.recorded_spikes import RecordedSpikes

RESPONSE_BIN_S = 0.1
SMALLEST_RESPONSE = 0.01  # added to the sum, so that two silent responses do not differ


def relative_difference(novel: Any, familiar: Any) -> Any:
    """2 (N - F)/(N + F + 0.01), between -2 and 2 for responses that are not negative; 0 for two silent ones.

    Of numbers, arrays or tensors.
    """
    return 2.0 * (novel - familiar) / (novel + familiar + SMALLEST_RESPONSE)


def response_difference(novel: RecordedSpikes, familiar: RecordedSpikes) -> float:
    """Δr: `relative_difference` of the mean spike counts of a neuron in two windows, those of the stimuli."""
    return relative_difference(float(novel.spike_counts().mean()), float(familiar.spike_counts().mean()))


def response_std_difference(novel: RecordedSpikes, familiar: RecordedSpikes) -> float:
    """Δσ: `relative_difference` of the standard deviations over neurons of their spike counts in two windows."""
    return relative_difference(float(novel.spike_counts().std()), float(familiar.spike_counts().std()))


def on_ratio(trains: RecordedSpikes, bin_s: float = RESPONSE_BIN_S) -> float:
    """Largest/mean population rate by bin in the window of a stimulus: 1 for a steady response, 0 for none.

    Raises PlasticbenchError for a bin that does not divide the window.
    """
    counts = trains.population_counts(bin_s)
    return float(counts.max() / np.mean(counts)) if counts.any() else 0.0
