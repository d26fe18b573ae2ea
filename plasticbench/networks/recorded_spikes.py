"""Recorded spikes of a group of neurons in one window: whole steps of `dt_s`, so bins and intervals are exact."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from plasticbench.errors import PlasticbenchError

STEP_TOLERANCE = 1e-6  # of a step: how far rounding may take a time from a whole number of steps


def whole_steps(time_s: float, dt_s: float, name: str) -> int:
    """`time_s` in steps of `dt_s`.

    Raises PlasticbenchError, naming the argument `name`, for a time that is no whole number of steps.
    """
    steps = time_s / dt_s
    if not math.isfinite(steps) or abs(steps - round(steps)) > STEP_TOLERANCE:
        raise PlasticbenchError(f"{name}: {time_s!r} s is not a whole number of steps of {dt_s!r} s: round it")
    return round(steps)


@dataclass(frozen=True, eq=False)
class RecordedSpikes:
    """Spikes of neurons 0 .. n_neurons - 1 in the window [start_step, stop_step), in order of time.

    A spike in step k lies in [k dt_s, (k + 1) dt_s). Several spikes of one neuron in one step are counted each.
    Raises PlasticbenchError for arrays that do not fit together, are not in order or leave the window.
    """

    steps: np.ndarray  # (n_spikes,) integers, not decreasing
    neurons: np.ndarray  # (n_spikes,) integers
    n_neurons: int
    start_step: int
    stop_step: int
    dt_s: float = 1e-4

    def __post_init__(self) -> None:
        self._check_window()
        steps, neurons = self.steps, self.neurons
        for name, array in (("steps", steps), ("neurons", neurons)):
            if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
                raise PlasticbenchError(f"{name}: {array.dtype} of shape {array.shape} is not a row of integers")
        if steps.size != neurons.size:
            raise PlasticbenchError(f"neurons: {neurons.size} for {steps.size} spikes: give one to each")
        if not steps.size:
            return
        if (steps[1:] < steps[:-1]).any():
            raise PlasticbenchError("steps: not in order of time: sort the spikes, or use RecordedSpikes.from_times")
        if steps[0] < self.start_step or steps[-1] >= self.stop_step:
            raise PlasticbenchError(
                f"steps: {steps[0]} to {steps[-1]} leave the window [{self.start_step}, {self.stop_step}): cut them"
            )
        if neurons.min() < 0 or neurons.max() >= self.n_neurons:
            raise PlasticbenchError(
                f"neurons: {neurons.min()} to {neurons.max()} are not among 0 to {self.n_neurons - 1}: see n_neurons"
            )

    def _check_window(self) -> None:
        if self.n_neurons < 1:
            raise PlasticbenchError(f"n_neurons: {self.n_neurons!r} is not at least 1")
        if not 0 < self.dt_s < math.inf:
            raise PlasticbenchError(f"dt_s: {self.dt_s!r} is not a positive number of seconds")
        if not self.start_step < self.stop_step:
            raise PlasticbenchError(f"stop_step: {self.stop_step!r} is not after start_step {self.start_step!r}")

    @classmethod
    def from_times(
        cls,
        times_s: np.ndarray,
        neurons: np.ndarray,
        *,
        n_neurons: int,
        start_s: float,
        stop_s: float,
        dt_s: float = 1e-4,
    ) -> RecordedSpikes:
        """From spike times (n_spikes,) in seconds and their neurons (n_spikes,), in any order; see the class.

        A time falls in the step that holds it (a multiple of dt_s in the step that it starts). Raises
        PlasticbenchError as the class does, and for a window that is not of whole steps or a time that is not finite.
        """
        times_s, neurons = np.asarray(times_s, dtype=float), np.asarray(neurons)
        if not np.isfinite(times_s).all():
            raise PlasticbenchError("times_s: holds numbers that are not finite: remove them")
        if times_s.shape != neurons.shape:
            raise PlasticbenchError(f"neurons: shape {neurons.shape} for times of shape {times_s.shape}")
        start, stop = whole_steps(start_s, dt_s, "start_s"), whole_steps(stop_s, dt_s, "stop_s")
        steps = np.floor(times_s / dt_s + STEP_TOLERANCE).astype(np.int64)
        order = np.argsort(steps, kind="stable")
        neurons = neurons if neurons.size else neurons.astype(np.int64)  # an empty list has the dtype of floats
        return cls(steps[order], neurons[order], n_neurons, start, stop, dt_s)

    @property
    def start_s(self) -> float:
        """When the window starts, in seconds."""
        return self.start_step * self.dt_s

    @property
    def stop_s(self) -> float:
        """When the window ends, in seconds."""
        return self.stop_step * self.dt_s

    @property
    def duration_s(self) -> float:
        """Length of the window in seconds."""
        return (self.stop_step - self.start_step) * self.dt_s

    def between(self, start_s: float, stop_s: float) -> RecordedSpikes:
        """The same neurons in the part [start_s, stop_s) of the window.

        Raises PlasticbenchError for times that leave the window or are not whole steps.
        """
        start, stop = whole_steps(start_s, self.dt_s, "start_s"), whole_steps(stop_s, self.dt_s, "stop_s")
        if start < self.start_step or stop > self.stop_step:
            raise PlasticbenchError(
                f"start_s, stop_s: {start_s!r} to {stop_s!r} s leave the window {self.start_s!r} to {self.stop_s!r} s"
            )
        first, last = np.searchsorted(self.steps, [start, stop])
        part = slice(first, last)
        return replace(self, steps=self.steps[part], neurons=self.neurons[part], start_step=start, stop_step=stop)

    def spike_counts(self) -> np.ndarray:
        """Spikes of every neuron in the window: (n_neurons,) integers."""
        return np.bincount(self.neurons, minlength=self.n_neurons)

    def counts(self, bin_s: float) -> np.ndarray:
        """Spikes by neuron and bin: (n_neurons, n_bins) integers.

        Raises PlasticbenchError for a bin that is not of whole steps, or a window that is not of whole bins.
        """
        bins, n_bins = self._bins(bin_s)
        cells = self.neurons.astype(np.int64) * n_bins + bins
        return np.bincount(cells, minlength=self.n_neurons * n_bins).reshape(self.n_neurons, n_bins)

    def population_counts(self, bin_s: float) -> np.ndarray:
        """Spikes of all neurons together by bin: (n_bins,) integers. Raises as `counts` does."""
        bins, n_bins = self._bins(bin_s)
        return np.bincount(bins, minlength=n_bins)

    def inter_spike_intervals(self) -> tuple[np.ndarray, np.ndarray]:
        """Intervals between successive spikes of one neuron, in steps, and whose they are: two arrays (n_intervals,).

        By neuron, and by time within each; a neuron with n spikes has n - 1 of them, or none.
        """
        order = np.argsort(self.neurons, kind="stable")
        steps, neurons = self.steps[order], self.neurons[order]
        same = neurons[1:] == neurons[:-1]
        return np.diff(steps)[same], neurons[1:][same]

    def _bins(self, bin_s: float) -> tuple[np.ndarray, int]:
        """The bin of every spike, and how many bins there are."""
        bin_steps = whole_steps(bin_s, self.dt_s, "bin_s")
        if bin_steps < 1:
            raise PlasticbenchError(f"bin_s: {bin_s!r} s is not at least one step of {self.dt_s!r} s")
        n_bins, left = divmod(self.stop_step - self.start_step, bin_steps)
        if left:
            raise PlasticbenchError(
                f"bin_s: the window of {self.duration_s!r} s is not a whole number of bins of {bin_s!r} s: cut it"
            )
        return (self.steps.astype(np.int64) - self.start_step) // bin_steps, n_bins
