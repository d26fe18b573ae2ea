"""The cpu engine of layered networks: one compiled loop over lives, which calls the rule's compiled changes.

As for networks of one layer, each life is computed alone, so its bits depend neither on the batch nor on threads.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np
import torch

from plasticbench.networks.layered import LayeredNetwork
from plasticbench.networks.life import Life
from plasticbench.rules import RuleBatch
from plasticbench.simulation.engine import Measure, Measured, joined
from plasticbench.simulation.rate import layered_kernel as kernel
from plasticbench.simulation.rate.cpu_engine import in_threads, packed_rules
from plasticbench.simulation.rate.lives import RateLives, recordings_of
from plasticbench.simulation.threads import default_threads

_MOST_WEIGHTS = 20_000_000  # kept at a time; of a larger population, the lives of some rules after those of others


def run_cpu(
    lives: Sequence[Life], rules: RuleBatch, measure: Measure, threads: int | None = None
) -> tuple[Measured, float]:
    """Every life under every rule, and the seconds spent compiling."""
    side_by_side = RateLives.of(lives)
    network = side_by_side.layered_network
    n_weights = sum(math.prod(network.shape(name)) for name in network.pathways)
    size = max(1, _MOST_WEIGHTS // (n_weights * len(lives)))
    given, parts, compiling = _given(side_by_side), [], 0.0
    for first in range(0, rules.n_rules, size):
        some = rules.select(slice(first, first + size))
        measured, seconds = _run(side_by_side, given, some, n_weights, measure, threads)
        parts.append(measured)
        compiling += seconds
    return joined(parts, 0), compiling


def _run(
    lives: RateLives, given: tuple, rules: RuleBatch, n_weights: int, measure: Measure, threads: int | None
) -> tuple[Measured, float]:
    started = time.perf_counter()
    network, shape = lives.layered_network, (rules.n_rules, lives.n_seeds)
    n_lives = math.prod(shape)
    w_end = np.empty((n_lives, n_weights))
    readout = np.zeros((n_lives, lives.n_steps, network.n_outputs))
    lived, blown_up = np.empty(n_lives, np.int64), np.zeros(n_lives, np.bool_)
    packed = packed_rules(network, rules, network.n_layers)

    def run(first: int, last: int) -> None:
        kernel.live(first, last, *given, *packed, w_end, readout, lived, blown_up)

    run(0, 0)  # compiles, or loads what was compiled
    compiling = time.perf_counter() - started
    in_threads(run, n_lives, threads or default_threads())
    recordings = recordings_of(
        lives.lives[0], _weights(network, torch.from_numpy(w_end.reshape(*shape, -1))),
        torch.from_numpy(readout.reshape(*shape, *readout.shape[1:])), None, {},
        torch.from_numpy(lived.reshape(shape)), torch.from_numpy(blown_up.reshape(shape)),
    )  # fmt: skip
    return measure(recordings, lives.lives), compiling


def _weights(network: LayeredNetwork, flat: torch.Tensor) -> dict[str, torch.Tensor]:
    """Each pathway's weights (n_rules, n_lives, n_post, n_pre), of rows of all weights."""
    sizes = [math.prod(network.shape(name)) for name in network.pathways]
    parts = flat.split(sizes, -1)
    return {name: part.unflatten(-1, network.shape(name)) for name, part in zip(network.pathways, parts, strict=True)}


def _given(lives: RateLives) -> tuple:
    """What the kernel takes of the lives, whatever the rules."""
    network = lives.layered_network

    def flat(names: Sequence[str]) -> np.ndarray:
        rows = [lives.w_init[name].reshape(lives.n_seeds, -1) for name in names]
        joined_rows = np.concatenate([*rows, np.zeros((lives.n_seeds, 0))], 1)
        return np.ascontiguousarray(joined_rows, np.float64)

    return (
        network.max_weight_norm, network.sharpness, network.feedback == "transposed", np.array(network.sizes),
        np.ascontiguousarray(lives.inputs, np.float64), np.ascontiguousarray(lives.labels, np.int64),
        np.ascontiguousarray(lives.order, np.int64), flat(network.pathways), flat(network.feedback_pathways),
        lives.acting,
    )  # fmt: skip
