"""Metrics of spikes: analytic values first, then every definition again, slowly, on random trains."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_cases import DT_S, EVERY, POISSON, clock, few, trains_of

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.recorded_spikes import RecordedSpikes
from plasticbench.tasks.metrics import spikes


def test_a_poisson_process_has_cv_1_and_fano_1():
    # 300 neurons of 200 intervals: standard error of the mean CV about 1/sqrt(300 * 200) = .004; the finite window
    # cuts long intervals off, and a variance over n is low by 1/n
    assert spikes.mean_rate_hz(POISSON) == pytest.approx(20.0, rel=0.02)
    assert spikes.cv_isi(POISSON) == pytest.approx(1.0, abs=0.02)
    assert spikes.spatial_fano(POISSON) == pytest.approx(1.0, abs=0.03)
    assert spikes.temporal_fano(POISSON) == pytest.approx(1.0, abs=0.03)
    assert spikes.spatial_rate_std_hz(POISSON) == pytest.approx(math.sqrt(20.0 / 10.0), rel=0.1)


def test_the_intervals_of_a_fast_poisson_process_are_exponential():
    assert spikes.kl_isi(POISSON) < 0.01
    assert spikes.kl_isi(clock()) > 0.5


def test_population_noise_of_a_poisson_process_is_its_square_root():
    expected = math.sqrt(20.0 * 0.001 / POISSON.n_neurons)  # counts of 1 ms, mean over neurons
    assert spikes.temporal_rate_std(POISSON) == pytest.approx(expected, rel=0.03)


def test_a_clock_has_cv_0_and_fano_0():
    assert spikes.cv_isi(clock()) == 0.0
    assert spikes.std_cv_isi(clock()) == 0.0
    assert spikes.spatial_fano(clock()) == 0.0
    assert spikes.temporal_fano(clock()) == 0.0
    assert spikes.mean_rate_hz(clock()) == 10.0
    assert spikes.spatial_rate_std_hz(clock()) == 0.0


def test_a_clock_whose_interval_is_no_binary_number_still_has_cv_0():
    assert spikes.cv_isi(clock(interval_steps=333)) == 0.0


def test_every_spike_doubled_doubles_the_fano_factors_exactly():
    doubled = RecordedSpikes(
        POISSON.steps.repeat(2), POISSON.neurons.repeat(2), POISSON.n_neurons, POISSON.start_step, POISSON.stop_step
    )
    # no bin or neuron here has so few spikes that it is not judged
    assert spikes.spatial_fano(doubled) == pytest.approx(2.0 * spikes.spatial_fano(POISSON), rel=1e-12)
    assert spikes.temporal_fano(doubled) == pytest.approx(2.0 * spikes.temporal_fano(POISSON), rel=1e-12)


def test_two_kinds_of_clocks_differ_over_neurons_but_not_over_time():
    raster = np.zeros((20, 100_000), int)
    raster[:10, 500::1000] = 1  # 1 spike in each 100 ms
    raster[10:, 100::200] = 1  # 5 spikes
    trains = trains_of(raster)
    assert spikes.temporal_fano(trains) == 0.0
    assert spikes.spatial_fano(trains) == pytest.approx(4.0 / 3.0)  # variance 2², mean 3
    assert spikes.spatial_rate_std_hz(trains) == pytest.approx(20.0)


def test_silence_has_a_value_for_every_metric():
    values = {metric.__name__: metric(few(n_neurons=5)) for metric in EVERY}
    assert values.pop("auto_covariance") == 1.0  # a constant, not a Poisson process
    assert values == dict.fromkeys(values, 0.0)


@pytest.mark.parametrize("n_spikes", [1, 2, 3])
def test_neurons_with_two_intervals_or_fewer_count_as_regular(n_spikes):
    trains = few(*[0.1, 0.15, 0.6][:n_spikes])
    assert spikes.cv_isi(trains) == 0.0
    assert spikes.spatial_fano(trains) == spikes.temporal_fano(trains) == 0.0
    assert all(math.isfinite(metric(trains)) for metric in EVERY)


def test_the_third_interval_and_the_fourth_spike_count():
    trains = few(0.1, 0.15, 0.6, 0.7)
    intervals = np.array([0.05, 0.45, 0.1])
    assert spikes.cv_isi(trains) == pytest.approx(intervals.std() / intervals.mean())
    counts = np.array([0, 2, 0, 0, 0, 0, 1, 1, 0, 0])
    assert spikes.temporal_fano(trains) == pytest.approx(counts.var() / counts.mean())
    assert spikes.spatial_fano(trains) == 0.0  # no bin has four


def test_neurons_that_are_not_judged_pull_the_means_towards_their_conventions():
    alone, among = few(0.1, 0.15, 0.6, 0.7), few(0.1, 0.15, 0.6, 0.7, n_neurons=4)
    assert spikes.cv_isi(among) == pytest.approx(spikes.cv_isi(alone) / 4)
    assert spikes.std_cv_isi(among) == pytest.approx(spikes.cv_isi(alone) * math.sqrt(3) / 4)
    assert spikes.auto_covariance(among) == pytest.approx((spikes.auto_covariance(alone) + 3) / 4)


def test_intervals_of_bursts_stay_finite_where_the_exponential_underflows():
    trains = few(*(0.001 * np.arange(1000) + 0.01), 9.0, duration_s=10.0)
    assert 0.0 < spikes.kl_isi(trains) < 10.0
    pair = few(0.5, 0.5)
    assert spikes.kl_isi(pair) == 0.0
    assert spikes.cv_isi(few(0.5, 0.5, 0.5, 0.5)) == 0.0


def test_intervals_of_a_nearly_silent_population_are_compared_with_the_slowest_poisson_process():
    trains = few(1.0, 1.2, n_neurons=10, duration_s=10.0)  # 0.02 Hz
    a, b = 19 / 99, 20 / 99  # the bin of 0.2 s
    assert spikes.kl_isi(trains) == pytest.approx(-math.log(math.exp(-0.01 * a) - math.exp(-0.01 * b)))


def test_a_sine_in_the_population_adds_its_amplitude_to_the_spectrum():
    t_s = 0.001 * np.arange(1000)
    counts = np.rint(1000 * (1.0 + 0.5 * np.sin(2 * np.pi * 8.0 * t_s))).astype(int)  # of 1000 neurons by 1 ms
    steps, neurons = np.repeat(10 * np.arange(1000), counts), np.concatenate([np.arange(n) % 1000 for n in counts])
    trains = RecordedSpikes(steps, neurons, 1000, 0, 10_000)
    assert spikes.spectral_power(trains) == pytest.approx(0.5, abs=0.02)  # the rest is rounding to whole spikes
    assert spikes.temporal_rate_std(trains) == pytest.approx(0.5 / math.sqrt(2), rel=1e-3)


def test_a_steady_population_has_no_spectrum_and_volleys_have_all_harmonics():
    steady, volleys = np.zeros((10, 10_000), int), np.zeros((10, 10_000), int)
    steady[:, 5::10] = 1  # every neuron in each millisecond
    volleys[:, 5::100] = 1  # in every tenth
    assert spikes.spectral_power(trains_of(steady)) == pytest.approx(0.0, abs=1e-12)
    # 100 volleys in 1000 bins: |F| = 100 at the harmonics k = 100, 200, 300, 400, each 2/1000 of it
    assert spikes.spectral_power(trains_of(volleys)) == pytest.approx(4 * 0.2)


def test_auto_covariance_is_small_for_independent_poisson_trains_and_large_for_bursts_in_time():
    assert spikes.auto_covariance(POISSON) < 0.05
    raster = np.zeros((20, 100_000), int)
    for start in range(0, 100_000, 10_000):
        raster[:, start : start + 5000 : 50] = 1  # half a second on, half a second off
    assert spikes.auto_covariance(trains_of(raster)) > 0.4


def test_auto_covariance_of_one_short_burst_is_that_of_its_triangle():
    raster = np.zeros((1, 100_000), int)
    raster[0, 50_000:50_200:10] = 1  # ten spikes in each of two bins
    mean = 20 / 1000
    x = np.full(1000, -mean)
    x[500:502] += 10
    c = [abs(x[: 1000 - lag] @ x[lag:]) for lag in range(51)]
    expected = (2 * sum(c) - c[0]) / 101 / c[0]
    assert spikes.auto_covariance(trains_of(raster)) == pytest.approx(expected, rel=1e-12)


@st.composite
def some_trains(draw):
    """Up to 8 neurons in a window of 1 to 3 s that starts anywhere, with few spikes or many."""
    n_neurons, tenths, start_step = draw(st.integers(1, 8)), draw(st.integers(10, 30)), draw(st.integers(0, 10**6))
    rate_hz, seed = draw(st.sampled_from([0.0, 0.5, 2.0, 10.0, 80.0])), draw(st.integers(0, 2**32 - 1))
    chance = rate_hz * DT_S * np.random.default_rng(seed).uniform(0.2, 1.8, (n_neurons, 1))
    raster = (np.random.default_rng(seed + 1).random((n_neurons, 1000 * tenths)) < chance).astype(int)
    return trains_of(raster, start_step)


def slow_trains(trains):
    """The same as a list of times in seconds for each neuron."""
    return [
        [(s - trains.start_step) * DT_S for s in trains.steps[trains.neurons == i]] for i in range(trains.n_neurons)
    ]


def slow_counts(trains, bin_s):
    edges = np.arange(round(trains.duration_s / bin_s) + 1) * bin_s - DT_S / 2  # no spike lies on an edge
    return np.array([np.histogram(times, edges)[0] for times in slow_trains(trains)])


def slow_cvs(trains):
    intervals = [np.diff(times) for times in slow_trains(trains)]
    return [np.std(i) / np.mean(i) if len(i) > 2 else 0.0 for i in intervals]


def slow_fano(counts):
    return np.var(counts) / np.mean(counts) if np.sum(counts) > 3 else 0.0


def slow_kl(trains):
    intervals = np.concatenate([np.diff(times) for times in slow_trains(trains)])
    if not intervals.size:
        return 0.0
    edges = np.linspace(0, 1, 100)
    p = np.histogram(np.clip(intervals, 0, 1), edges)[0] / intervals.size
    slow = trains.steps.size / trains.n_neurons / trains.duration_s <= 0.1
    rate_hz = 0.01 if slow else 1 / np.mean(intervals)
    q = np.exp(-rate_hz * edges[:-1]) - np.exp(-rate_hz * edges[1:])
    return abs(sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0))


def slow_auto_covariance(trains):
    values = []
    for x in slow_counts(trains, 0.01):
        if np.std(x) <= 0.05:
            values.append(1.0)
            continue
        c = np.correlate(x - x.mean(), x - x.mean(), "full")
        values.append(np.mean(np.abs(c[len(x) - 1 - 50 : len(x) + 50]) / c.max()))
    return np.mean(values)


def slow_spectrum(trains):
    series = slow_counts(trains, 0.001).mean(0)
    m, t = len(series), np.arange(len(series))
    return sum(2 / m * abs((series * np.exp(-2j * np.pi * k * t / m)).sum()) for k in range(1, m // 2))


@settings(max_examples=40, deadline=None)
@given(some_trains())
def test_every_metric_of_spikes_is_its_definition(trains):
    rates_hz = [len(times) / trains.duration_s for times in slow_trains(trains)]
    counts = slow_counts(trains, 0.1)
    np.testing.assert_array_equal(trains.counts(0.1), counts)
    expected = {
        spikes.mean_rate_hz: np.mean(rates_hz),
        spikes.spatial_rate_std_hz: np.std(rates_hz),
        spikes.cv_isi: np.mean(slow_cvs(trains)),
        spikes.std_cv_isi: np.std(slow_cvs(trains)),
        spikes.kl_isi: slow_kl(trains),
        spikes.spatial_fano: np.mean([slow_fano(column) for column in counts.T]),
        spikes.temporal_fano: np.mean([slow_fano(row) for row in counts]),
        spikes.auto_covariance: slow_auto_covariance(trains),
        spikes.temporal_rate_std: np.std(slow_counts(trains, 0.001).mean(0)),
    }
    for metric, value in expected.items():
        assert metric(trains) == pytest.approx(value, rel=1e-9, abs=1e-12), metric.__name__


@settings(max_examples=5, deadline=None)
@given(some_trains())
def test_the_spectral_power_is_its_definition(trains):
    assert spikes.spectral_power(trains) == pytest.approx(slow_spectrum(trains), rel=1e-9, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(some_trains(), st.integers(1, 10**8), st.integers(0, 2**32 - 1))
def test_metrics_depend_neither_on_when_the_window_is_nor_on_the_order_of_neurons(trains, later, seed):
    names = np.random.default_rng(seed).permutation(trains.n_neurons)
    other = RecordedSpikes(
        (trains.steps + later).astype(np.int32), names[trains.neurons].astype(np.int32), trains.n_neurons,
        trains.start_step + later, trains.stop_step + later, DT_S,
    )  # fmt: skip
    for metric in EVERY:
        assert metric(other) == pytest.approx(metric(trains), rel=1e-12, abs=1e-15), metric.__name__


def test_bins_are_exact_late_in_a_long_life():
    start = 144_000_000  # four hours of 0.1 ms
    steps = start + np.arange(0, 10_000, 10, dtype=np.int32)  # one in each millisecond, on its first step
    trains = RecordedSpikes(steps, np.zeros(1000, np.int32), 1, start, start + 10_000)
    assert (trains.counts(0.001) == 1).all()
    assert spikes.temporal_rate_std(trains) == 0.0


def test_times_that_are_multiples_of_the_step_fall_in_the_step_that_they_start():
    times_s = np.arange(10_000) * DT_S  # many of them just below a multiple in floating point
    trains = RecordedSpikes.from_times(times_s[::-1], np.zeros(10_000, int), n_neurons=1, start_s=0.0, stop_s=1.0)
    np.testing.assert_array_equal(trains.steps, np.arange(10_000))


def test_a_part_of_the_window_has_the_spikes_of_that_part():
    trains = few(0.1, 0.2, 0.3, 0.3999, 0.4)
    part = trains.between(0.2, 0.4)
    assert part.steps.tolist() == [2000, 3000, 3999]
    assert (part.start_s, part.stop_s, part.duration_s) == pytest.approx((0.2, 0.4, 0.2))
    assert trains.between(0.0, 1.0).spike_counts().tolist() == [5]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"steps": np.array([3, 2])}, "steps"),
        ({"steps": np.array([3, 10])}, "steps"),
        ({"steps": np.array([-1, 3])}, "steps"),
        ({"steps": np.array([1.0, 2.0])}, "steps"),
        ({"neurons": np.array([0])}, "neurons"),
        ({"neurons": np.array([0, 2])}, "neurons"),
        ({"neurons": np.array([-1, 0])}, "neurons"),
        ({"n_neurons": 0}, "n_neurons"),
        ({"stop_step": 0}, "stop_step"),
        ({"dt_s": math.nan}, "dt_s"),
    ],
)
def test_trains_that_do_not_fit_together_are_refused(change, field):
    good = {"steps": np.array([1, 2]), "neurons": np.array([0, 1]), "n_neurons": 2, "start_step": 0, "stop_step": 10}
    RecordedSpikes(**good)
    with pytest.raises(PlasticbenchError, match=f"^{field}: ") as error:
        RecordedSpikes(**{**good, **change})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("bin_s", [0.0, -0.1, 0.00015, 0.3, math.nan, 1e-9])
def test_bins_that_do_not_divide_the_window_into_whole_steps_are_refused(bin_s):
    with pytest.raises(PlasticbenchError, match="bin_s"):
        few(0.5).counts(bin_s)


def test_times_and_windows_that_do_not_fit_are_refused():
    with pytest.raises(PlasticbenchError, match="times_s"):
        few(0.5, math.nan)
    with pytest.raises(PlasticbenchError, match="start_s"):
        RecordedSpikes.from_times([0.5], [0], n_neurons=1, start_s=0.00005, stop_s=1.0)
    with pytest.raises(PlasticbenchError, match="leave the window"):
        few(0.5).between(0.5, 1.5)
    with pytest.raises(PlasticbenchError, match="max_lag_s"):
        spikes.auto_covariance(few(0.1, duration_s=0.5))
