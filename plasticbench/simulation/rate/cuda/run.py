"""All lives of a rate network under all rules on one card: a block a life, in parts that fit into its memory."""

from __future__ import annotations

import ctypes
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from plasticbench.networks.life import Life
from plasticbench.rules import RuleBatch
from plasticbench.simulation.cuda.driver import CudaError, Device, Function
from plasticbench.simulation.cuda.nvrtc import compiled
from plasticbench.simulation.cuda.structs import structure
from plasticbench.simulation.engine import Measure, Measured
from plasticbench.simulation.rate.arrays import Kept, deliveries, given, numbers_of, protocol, slow
from plasticbench.simulation.rate.cuda.source import LAUNCH, SHARED_BYTES, Kernel
from plasticbench.simulation.rate.lives import RateLives, with_slow_arrays

_MOST_OF_MEMORY = 0.8  # of what is free
_ALIGNED = 32  # elements

Compile = Callable[[str, str], bytes]  # source and architecture -> machine code


def run_cuda(
    lives: Sequence[Life], rules: RuleBatch, measure: Measure, device: Device, compile_: Compile | None = None
) -> tuple[Measured, float]:
    """Every life under every rule, and the seconds spent compiling. Raises CudaError where no life fits."""
    started = time.perf_counter()
    device.use()
    side_by_side = RateLives.of(lives)
    population = Population(side_by_side, with_slow_arrays(side_by_side.rate_network, rules))
    kernel = population.kernel
    image = (compile_ or compiled)(kernel.source(), device.architecture)
    function = device.load(image, "live_rates", SHARED_BYTES, kernel.threads)
    compiling = time.perf_counter() - started
    for first, last in population.parts(device.free_bytes):
        population.live(device, function, first, last)
    return measure(population.kept.recordings(), lives), compiling


@dataclass(frozen=True)
class Population:
    """Lives and rules as the device takes them."""

    lives: RateLives
    rules: RuleBatch

    @cached_property
    def kept(self) -> Kept:
        return Kept(self.lives, self.rules.n_rules)

    @cached_property
    def kernel(self) -> Kernel:
        n_parameters, n_rates = (self.shared[name].shape[-1] for name in ("parameters", "rates"))
        return Kernel(
            self.lives.rate_network, self.lives.n_presented, self.lives.order is not None, self.rules.structure,
            n_parameters, n_rates, self.lives.lives[0].modulator,
        )  # fmt: skip

    @cached_property
    def shared(self) -> dict[str, np.ndarray]:
        """What the device reads, of all lives."""
        _, x, order, w_init, u_init = given(self.lives)
        parameters, _, rates = numbers_of(self.lives.rate_network, self.rules, 2)
        acting, anew = protocol(self.lives)
        delivery, signals = deliveries(self.lives.lives)
        slow_arrays = dict(zip(("w1", "b1", "w2", "b2"), slow(self.lives.rate_network, self.rules), strict=True))
        whole = {
            "order": order, "acting": acting, "anew": anew, "delivery": delivery, "sampled_at": self.kept.sampled_at
        }  # fmt: skip
        return {
            "x": x, "w_init": w_init, "u_init": u_init, **slow_arrays, "parameters": parameters, "rates": rates,
            "signals": signals, **{name: np.ascontiguousarray(a, np.int32) for name, a in whole.items()},
        }  # fmt: skip

    def _room(self) -> dict[str, int]:
        """Numbers of each array that a life has to itself."""
        net, kept = self.lives.rate_network, self.kept.arrays
        own = {name: math.prod(a.shape[1:]) for name, a in kept.items()}
        scratch = {
            "dw": own["w"], "du": own["u"], "y": net.n_outputs * self.lives.n_presented, "m": net.n_outputs,
            "value": self.kernel.n_kept, "fresh": self.kernel.n_kept,
        }  # fmt: skip
        return own | scratch

    def parts(self, free_bytes: int) -> list[tuple[int, int]]:
        """First and last of the lives that the device has room for at a time."""
        shared = sum(a.nbytes for a in self.shared.values())
        each = 8 * sum(self._room().values())
        n_lives = self.rules.n_rules * self.lives.n_seeds
        size = int((_MOST_OF_MEMORY * free_bytes - shared) // each)
        if size < 1:
            raise CudaError(f"a life takes {each:,} bytes beside {shared:,} of all, and {free_bytes:,} are free")
        return [(first, min(first + size, n_lives)) for first in range(0, n_lives, size)]

    def live(self, device: Device, function: Function, first: int, last: int) -> None:
        """These lives, whole; what they leave goes to `kept`."""
        room, places = self._room(), {}
        sizes = {True: 0, False: 0}  # of the integers, of the numbers
        for name in (*self.shared, *room):
            array = self.shared.get(name)
            whole = array.dtype == np.int32 if array is not None else name in ("lived", "blown_up")
            places[name] = sizes[whole]
            n = array.size if array is not None else (last - first) * room[name]
            sizes[whole] += -(-n // _ALIGNED) * _ALIGNED
        numbers, integers = (device.allocate(width * sizes[whole]) for whole, width in ((False, 8), (True, 4)))
        try:
            for name, array in self.shared.items():
                base, width = (integers, 4) if array.dtype == np.int32 else (numbers, 8)
                device.upload(base + width * places[name], array)
            launch = self._launch(places, first)
            device.launch(function, last - first, ctypes.c_uint64(numbers), ctypes.c_uint64(integers), launch)
            self._fetch(device, numbers, integers, places, first, last)
        finally:
            device.free(numbers)
            device.free(integers)

    def _launch(self, places: Mapping[str, int], first: int) -> ctypes.Structure:
        launch = structure("Launch", LAUNCH)()
        for name, place in places.items():
            setattr(launch, name, place)
        launch.limit, launch.first = self.lives.rate_network.max_weight_norm, first
        launch.n_seeds, launch.n_steps, launch.n_slow = self.lives.n_seeds, self.lives.n_steps, len(self.shared["b2"])
        launch.n_items = self.lives.inputs.shape[1]
        launch.n_deliveries = self.shared["signals"].shape[1]
        launch.n_samples = self.kept.arrays["w_sampled"].shape[1]
        return launch

    def _fetch(
        self, device: Device, numbers: int, integers: int, places: Mapping[str, int], first: int, last: int
    ) -> None:
        for name, array in self.kept.arrays.items():
            whole = name in ("lived", "blown_up")
            found = np.empty((last - first, *array.shape[1:]), np.int32 if whole else np.float64)
            device.download((integers if whole else numbers) + (4 if whole else 8) * places[name], found)
            array[first:last] = found
