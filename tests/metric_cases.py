"""Spike trains whose metrics are known."""

import numpy as np

from plasticbench.networks.recorded_spikes import RecordedSpikes
from plasticbench.tasks.metrics import spikes

DT_S = 1e-4


def trains_of(raster, start_step=0):
    """From a raster (n_neurons, n_steps) of how many spikes each neuron has in each step."""
    steps, neurons = np.nonzero(raster.T)
    times = raster.T[steps, neurons]
    steps, neurons = np.repeat(steps, times), np.repeat(neurons, times)
    return RecordedSpikes(steps + start_step, neurons, len(raster), start_step, start_step + raster.shape[1], DT_S)


def poisson(rate_hz, n_neurons=300, duration_s=10.0, seed=1):
    generator = np.random.default_rng(seed)
    return trains_of((generator.random((n_neurons, round(duration_s / DT_S))) < rate_hz * DT_S).astype(int))


def clock(interval_steps=1000, n_neurons=20, n_steps=100_000):
    raster = np.zeros((n_neurons, n_steps), int)
    raster[:, interval_steps // 2 :: interval_steps] = 1
    return trains_of(raster)


def few(*times_s, n_neurons=1, duration_s=1.0):
    """The first neuron spikes at these times."""
    neurons = np.zeros(len(times_s), int)
    return RecordedSpikes.from_times(times_s, neurons, n_neurons=n_neurons, start_s=0.0, stop_s=duration_s)


POISSON = poisson(20.0)
EVERY = (
    spikes.mean_rate_hz, spikes.spatial_rate_std_hz, spikes.cv_isi, spikes.std_cv_isi, spikes.kl_isi,
    spikes.spatial_fano, spikes.temporal_fano, spikes.auto_covariance, spikes.spectral_power, spikes.temporal_rate_std,
)  # fmt: skip
