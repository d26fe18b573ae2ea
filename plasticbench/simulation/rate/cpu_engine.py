"""The cpu engine of rate networks: one compiled loop over lives, which calls the rule's compiled changes.

Lifetimes run on threads (the loop releases the interpreter lock); each is computed alone, so its bits depend neither
on the batch nor on the number of threads.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from plasticbench.networks.layered import LayeredNetwork
from plasticbench.networks.life import Life
from plasticbench.networks.rate import RateNetwork
from plasticbench.rules import RuleBatch
from plasticbench.simulation.bytecode import NotInterpretedError
from plasticbench.simulation.choice import interpreted, interpreter_is_ready
from plasticbench.simulation.engine import Measure, Measured
from plasticbench.simulation.rate import kernel
from plasticbench.simulation.rate.arrays import Kept, deliveries, given, numbers_of, protocol, slow
from plasticbench.simulation.rate.event_source import FUNCTIONS, compiled_changes
from plasticbench.simulation.rate.lives import RateLives, with_slow_arrays
from plasticbench.simulation.rate.modulator_source import modulator_address
from plasticbench.simulation.rate.programs import rate_program
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
        *given(side_by_side), *slow(network, rules), *_rules(side_by_side, rules), *protocol(side_by_side),
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


@dataclass(frozen=True, eq=False)
class _Changes:
    """What carries out the changes at one pathway; the rest is the interpreter's."""

    functions: dict[str, int]
    words: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    constants: np.ndarray = field(default_factory=lambda: np.zeros((1, 0)))  # (n_rules, n_constants)
    n_registers: int = 0


def _rules(lives: RateLives, rules: RuleBatch) -> tuple:
    """Parameters, what carries out changes, places and rates of states and traces."""
    parameters, item_first, rates = numbers_of(lives.rate_network, rules, 2)
    return parameters, *_changes(lives, rules, parameters), item_first, rates


def _changes(lives: RateLives, rules: RuleBatch, numbers: np.ndarray) -> tuple:
    """Functions that carry out the rules' changes; words, constants and registers where they are interpreted."""
    found = _interpreted(lives, rules, numbers) or [_Changes(compiled_changes(s)) for s in rules.structure.pathways]
    functions, n_constants = np.zeros((2, len(FUNCTIONS)), np.int64), np.zeros(2, np.int64)
    words = np.zeros((2, max(1, *(len(each.words) for each in found))), np.int64)
    constants = np.zeros((rules.n_rules, 2, max(1, *(each.constants.shape[1] for each in found))))
    for k, each in enumerate(found):
        functions[k] = [each.functions.get(name, 0) for name in FUNCTIONS]
        words[k, : len(each.words)], n_constants[k] = each.words, each.constants.shape[1]
        constants[:, k, : n_constants[k]] = each.constants
    return functions, words, n_constants, constants, max(each.n_registers for each in found)


def _interpreted(lives: RateLives, rules: RuleBatch, numbers: np.ndarray) -> list[_Changes]:
    """Of each pathway, where the rules are interpreted; else none."""
    structures = rules.structure.pathways
    n_synapses = sum(math.prod(lives.network.shape(structure.pathway)) for structure in structures)
    n_events = rules.n_rules * lives.n_seeds * lives.n_steps * lives.n_presented * n_synapses
    if not interpreted(rules.structure, n_events, "rate"):
        return []
    try:
        programs = [rate_program(structure, lives.n_presented) for structure in structures]
    except NotInterpretedError:
        return []
    from plasticbench.simulation.rate import interpreter  # compiled when it is imported

    interpreter_is_ready("rate")
    return [
        _Changes(
            {name: getattr(interpreter, name).address for name in program.functions}, program.words,
            program.assembler.constant_numbers(values), program.n_registers,
        )
        for program, values in zip(programs, numbers.swapaxes(0, 1), strict=False)
    ]  # fmt: skip
