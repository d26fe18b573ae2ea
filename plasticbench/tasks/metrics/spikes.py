"""Statistics of spike trains: rates, irregularity, variability of counts, rhythms.

The definitions of Confavreux et al., "Meta-learning families of plasticity rules in recurrent spiking networks using
simulation-based inference", NeurIPS 2023, with their values for neurons that spike too seldom to be judged. Variances
and standard deviations divide by n, not n - 1. All results are finite float64. Source and deviation: the original bins
leave out the last bin of the window; here every bin counts.
"""

from __future__ import annotations

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.recorded_spikes import RecordedSpikes, whole_steps

POPULATION_BIN_S = 0.001
AUTO_COVARIANCE_BIN_S = 0.01
FANO_BIN_S = 0.1

MIN_INTERVALS = 3  # below: the CV of a neuron counts as 0
MIN_SPIKES_FOR_FANO = 4  # below: a Fano factor counts as 0
MAX_CONSTANT_STD = 0.05  # of counts: up to it a train counts as constant, its auto-covariance as 1
INTERVAL_BINS = 99  # equal ones, of inter-spike intervals from 0 to 1 s
SILENT_RATE_HZ = 0.1  # mean rate up to which the intervals are compared with those of a train at 0.01 Hz
SILENT_INTERVAL_RATE_HZ = 0.01


def mean_rate_hz(trains: RecordedSpikes) -> float:
    """Spikes / (neurons x window), in Hz."""
    return float(trains.steps.size / (trains.n_neurons * trains.duration_s))


def spatial_rate_std_hz(trains: RecordedSpikes) -> float:
    """Standard deviation over neurons of their rates in the window, in Hz."""
    return float(trains.spike_counts().std() / trains.duration_s)


def cv_isis(trains: RecordedSpikes) -> np.ndarray:
    """Coefficient of variation of every neuron's inter-spike intervals, std/mean: (n_neurons,).

    0 for a clock, 1 for a Poisson process; 0 by convention for a neuron with two intervals or fewer.
    """
    intervals, neurons = trains.inter_spike_intervals()
    n = np.bincount(neurons, minlength=trains.n_neurons)
    judged = n >= MIN_INTERVALS
    mean = np.bincount(neurons, intervals, trains.n_neurons) / np.maximum(n, 1)
    squares = np.bincount(neurons, (intervals - mean[neurons]) ** 2, trains.n_neurons)
    std = np.sqrt(squares / np.maximum(n, 1))
    return np.divide(std, mean, out=np.zeros(trains.n_neurons), where=judged & (mean > 0))


def cv_isi(trains: RecordedSpikes) -> float:
    """Mean over neurons of `cv_isis`: the irregularity of the spikes, without unit."""
    return float(cv_isis(trains).mean())


def std_cv_isi(trains: RecordedSpikes) -> float:
    """Standard deviation over neurons of `cv_isis`, without unit."""
    return float(cv_isis(trains).std())


def kl_isi(trains: RecordedSpikes) -> float:
    """How far the intervals of all neurons together are from a Poisson process's: |Σ P ln(P / Q)|, in nats.

    P: fractions of the intervals, those above 1 s counted as 1 s, in 99 equal bins of 0 to 1 s. Q: probability of
    each bin under exp(-t/mean interval), with a mean of 100 s where the mean rate is 0.1 Hz or less. Q lacks what lies
    beyond 1 s, as published: slow Poisson trains are not at 0. Without intervals, or with none above 0 s, 0.
    """
    intervals, _ = trains.inter_spike_intervals()
    intervals_s = intervals * trains.dt_s
    if not intervals.any():
        return 0.0
    bins = np.minimum((intervals_s * INTERVAL_BINS).astype(np.int64), INTERVAL_BINS - 1)
    p = np.bincount(bins, minlength=INTERVAL_BINS) / bins.size
    silent = mean_rate_hz(trains) <= SILENT_RATE_HZ
    rate_hz = SILENT_INTERVAL_RATE_HZ if silent else 1.0 / intervals_s.mean()
    width_s = 1.0 / INTERVAL_BINS
    # ln Q in closed form: Q itself underflows to 0 for bins far beyond the mean interval
    log_q = -rate_hz * width_s * np.arange(INTERVAL_BINS) + np.log(-np.expm1(-rate_hz * width_s))
    found = p > 0
    return float(abs((p[found] * (np.log(p[found]) - log_q[found])).sum()))


def fano_factors(counts: np.ndarray) -> np.ndarray:
    """Variance/mean of counts (..., n) along the last axis: (...). 1 for Poisson, 0 for three spikes or fewer."""
    counts = np.asarray(counts, dtype=float)
    judged = counts.sum(-1) >= MIN_SPIKES_FOR_FANO
    return np.divide(counts.var(-1), counts.mean(-1), out=np.zeros(counts.shape[:-1]), where=judged)


def spatial_fano(trains: RecordedSpikes, bin_s: float = FANO_BIN_S) -> float:
    """Fano factor over neurons of the counts in one bin, mean over bins; a bin with three spikes or fewer counts as 0.

    Raises PlasticbenchError for a bin that does not divide the window.
    """
    return float(fano_factors(trains.counts(bin_s).T).mean())


def temporal_fano(trains: RecordedSpikes, bin_s: float = FANO_BIN_S) -> float:
    """Fano factor over bins of one neuron's counts, mean over neurons; a neuron with three spikes or fewer counts as 0.

    Raises PlasticbenchError for a bin that does not divide the window.
    """
    return float(fano_factors(trains.counts(bin_s)).mean())


def auto_covariance(trains: RecordedSpikes, bin_s: float = AUTO_COVARIANCE_BIN_S, max_lag_s: float = 0.5) -> float:
    """Mean |C(lag)|/C(0) over lags of -max_lag_s to max_lag_s, 0 included, mean over neurons: 0 (no memory) to 1.

    C(lag) = Σ_t (x_t - x̄)(x_{t + lag} - x̄) of a neuron's counts x. A neuron whose counts have a standard deviation of
    0.05 or less (about two spikes in 10 s) counts as 1. Raises PlasticbenchError for a bin that does not divide the
    window or the lag, and for a window that is not longer than the lag.
    """
    counts = trains.counts(bin_s).astype(float)  # (n_neurons, n_bins)
    n_lags, left = divmod(whole_steps(max_lag_s, trains.dt_s, "max_lag_s"), whole_steps(bin_s, trains.dt_s, "bin_s"))
    if left or not 0 <= n_lags < counts.shape[1]:
        raise PlasticbenchError(
            f"max_lag_s: {max_lag_s!r} s is not a number of bins of {bin_s!r} s below the window's {counts.shape[1]}"
        )
    varies = counts.std(1) > MAX_CONSTANT_STD
    x = counts[varies] - counts[varies].mean(1, keepdims=True)
    variance = np.einsum("nt,nt->n", x, x)
    total = variance.copy()
    for lag in range(1, n_lags + 1):  # C is even
        total += 2.0 * np.abs(np.einsum("nt,nt->n", x[:, :-lag], x[:, lag:]))
    result = np.ones(trains.n_neurons)
    result[varies] = total / variance / (2 * n_lags + 1)
    return float(result.mean())


def spectral_power(trains: RecordedSpikes, bin_s: float = POPULATION_BIN_S) -> float:
    """Σ (2/M)|F_k| over k = 1 .. M//2 - 1, F the discrete Fourier transform of M bins, in spikes per neuron and bin.

    The series is the mean over neurons of the counts by bin; a sine of amplitude a adds a. Published as "fft". 0 for
    silence. Raises PlasticbenchError for a bin that does not divide the window.
    """
    series = trains.population_counts(bin_s) / trains.n_neurons
    spectrum = np.abs(np.fft.rfft(series))[1 : series.size // 2]
    return float(2.0 / series.size * spectrum.sum())


def temporal_rate_std(trains: RecordedSpikes, bin_s: float = POPULATION_BIN_S) -> float:
    """Standard deviation over bins of the mean over neurons of the counts, in spikes per neuron and bin (1 ms).

    0 for silence. Raises PlasticbenchError for a bin that does not divide the window.
    """
    return float((trains.population_counts(bin_s) / trains.n_neurons).std())
