"""The cpu engine of rate networks: one compiled loop over lives, which calls the rule's compiled changes.

Lifetimes run on threads (the loop releases the interpreter lock); each is computed alone, so its bits depend neither
on the batch nor on the number of threads.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from plasticbench.networks.layered import LayeredNetwork
from plasticbench.networks.life import Life
from plasticbench.networks.rate import RateNetwork
from plasticbench.rules import RuleBatch
from plasticbench.simulation.engine import Measure, Measured
from plasticbench.simulation.rate import kernel
from plasticbench.simulation.rate.arrays import Kept, deliveries, given, numbers_of, protocol, slow
from plasticbench.simulation.rate.event_source import FUNCTIONS, compiled_changes
from plasticbench.simulation.rate.lives import RateLives, with_slow_arrays
from plasticbench.simulation.rate.modulator_source import modulator_address
from plasticbench.simulation.threads import default_threads

_CHUNKS_PER_THREAD = 8  # small enough pieces that threads finish together


def run_cpu(
    lives: Sequence[Life], rules: RuleBatch, measure: Measure, threads: int | None = None
) -> tuple[Measured, float]:
    """Every life under every rule, and the seconds spent compiling."""
    started = time.perf_counter()
    side_by_side = RateLives.of(lives)
    network = side_by_side.rate_network
    rules = with_slow_arrays(network, rules)
    n_lives = rules.n_rules * side_by_side.n_seeds
    kept, modulator = Kept(side_by_side, rules.n_rules), lives[0].modulator
    arrays = kept.arrays
    arguments = (
        *given(side_by_side), *slow(network, rules), *packed_rules(network, rules, 2), *protocol(side_by_side),
        *deliveries(lives), modulator_address(modulator.expression) if modulator else 0, arrays["w"], arrays["u"],
        arrays["readout"], arrays["modulation"], kept.sampled_at, arrays["w_sampled"], arrays["u_sampled"],
        arrays["lived"], arrays["blown_up"],
    )  # fmt: skip

    def run(first: int, last: int) -> None:
        squashed = network.activation == "tanh"
        kernel.live(first, last, side_by_side.n_steps, network.max_weight_norm, squashed, *arguments)

    run(0, 0)  # compiles, or loads what was compiled
    compiling = time.perf_counter() - started
    in_threads(run, n_lives, threads or default_threads())
    return measure(kept.recordings(), lives), compiling


def in_threads(run: Any, n_lives: int, threads: int) -> None:
    if threads == 1 or n_lives == 1:
        run(0, n_lives)
        return
    size = max(1, n_lives // (threads * _CHUNKS_PER_THREAD))
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda first: run(first, min(first + size, n_lives)), range(0, n_lives, size)))


def packed_rules(network: RateNetwork | LayeredNetwork, rules: RuleBatch, n_pathways: int) -> tuple:
    """Parameters, addresses of compiled changes, places and rates of states and traces, of so many pathways."""
    parameters, item_first, rates = numbers_of(network, rules, n_pathways)
    functions = np.zeros((n_pathways, len(FUNCTIONS)), np.int64)
    for k, structure in enumerate(rules.structure.pathways):
        found = compiled_changes(structure)
        functions[k] = [found.get(name, 0) for name in FUNCTIONS]
    return parameters, functions, item_first, rates
