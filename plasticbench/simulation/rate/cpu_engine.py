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
import torch

from plasticbench.networks.life import Life
from plasticbench.networks.rate import RateNetwork
from plasticbench.networks.recordings import Weights
from plasticbench.rules import PathwayStructure, RuleBatch
from plasticbench.simulation.bytecode import NotInterpretedError
from plasticbench.simulation.choice import interpreted, interpreter_is_ready
from plasticbench.simulation.engine import Measure, Measured
from plasticbench.simulation.rate import kernel
from plasticbench.simulation.rate.event_source import FUNCTIONS, compiled_changes
from plasticbench.simulation.rate.lives import RateLives, recordings_of, sample_steps, with_slow_arrays
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
    network, n_steps = side_by_side.network, side_by_side.n_steps
    rules = with_slow_arrays(network, rules)
    n_rules, n_seeds = rules.n_rules, side_by_side.n_seeds
    n_lives, n_outputs, n_inputs = n_rules * n_seeds, network.n_outputs, network.n_inputs
    lateral = side_by_side.w_init[network.lateral] if network.lateral else np.zeros((n_seeds, 0, 0))
    modulator = lives[0].modulator
    samples = _Samples(lives[0], n_lives, (n_outputs, n_inputs), lateral.shape[1:])
    kept = {
        "w": np.empty((n_lives, n_outputs, n_inputs)),
        "u": np.empty((n_lives, *lateral.shape[1:])),
        "readout": np.zeros((n_lives, n_steps if network.has_readout else 0)),
        "modulation": np.zeros((n_lives, len(modulator.steps) if modulator else 0, n_outputs)),
        "lived": np.empty(n_lives, dtype=np.int64),
        "blown_up": np.zeros(n_lives, dtype=np.bool_),
    }
    given = (
        *_given(side_by_side, lateral), *_slow(network, rules), *_rules(side_by_side, rules),
        *_protocol(side_by_side), *_modulation(lives),
    )  # fmt: skip

    def run(first: int, last: int) -> None:
        kernel.live(
            first, last, n_steps, network.max_weight_norm, *given, kept["w"], kept["u"], kept["readout"],
            kept["modulation"], samples.index, samples.w, samples.u, kept["lived"], kept["blown_up"],
        )  # fmt: skip

    run(0, 0)  # compiles, or loads what was compiled
    compiling = time.perf_counter() - started
    _in_threads(run, n_lives, threads or default_threads())
    shape = (n_rules, n_seeds)
    tensors = {name: torch.from_numpy(a.reshape(*shape, *a.shape[1:])) for name, a in kept.items()}
    weights = {network.feedforward: tensors["w"]}
    if network.lateral:
        weights[network.lateral] = tensors["u"]
    values = tensors["modulation"] if modulator and modulator.per_neuron else tensors["modulation"][..., 0]
    recordings = recordings_of(
        lives[0], weights, tensors["readout"], values, samples.recorded(network, shape), tensors["lived"],
        tensors["blown_up"],
    )  # fmt: skip
    return measure(recordings, lives), compiling


@dataclass(frozen=True, eq=False)
class _Changes:
    """What carries out the changes at one pathway; the rest is the interpreter's."""

    functions: dict[str, int]
    words: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    constants: np.ndarray = field(default_factory=lambda: np.zeros((1, 0)))  # (n_rules, n_constants)
    n_registers: int = 0


class _Samples:
    """Weights at the steps that any recording wants."""

    def __init__(self, life: Life, n_lives: int, *shapes: tuple[int, ...]):
        self.wanted = {r: sample_steps(life, r) for r in life.recordings if isinstance(r, Weights)}
        steps = sorted({step for wanted in self.wanted.values() for step in wanted})
        self.index = np.full(life.n_steps + 1, -1, np.int64)
        self.index[steps] = np.arange(len(steps))
        self.w, self.u = (np.zeros((n_lives, len(steps), *shape)) for shape in shapes)

    def recorded(self, network: RateNetwork, shape: tuple[int, int]) -> dict[Weights, torch.Tensor]:
        found = {}
        for recording, steps in self.wanted.items():
            values = self.w if recording.pathway == network.feedforward else self.u
            picked = values[:, self.index[list(steps)]]
            found[recording] = torch.from_numpy(picked.reshape(*shape, *picked.shape[1:]))
        return found


def _in_threads(run: Any, n_lives: int, threads: int) -> None:
    if threads == 1 or n_lives == 1:
        run(0, n_lives)
        return
    size = max(1, n_lives // (threads * _CHUNKS_PER_THREAD))
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda first: run(first, min(first + size, n_lives)), range(0, n_lives, size)))


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype=np.float64)


def _given(lives: RateLives, lateral: np.ndarray) -> tuple:
    stream = lives.order is not None
    inputs = lives.inputs if stream else lives.inputs.transpose(0, 2, 1)
    order = lives.order if lives.order is not None else np.zeros((lives.n_seeds, 0), dtype=np.int64)
    w_init = lives.w_init[lives.network.feedforward]
    arrays = (np.ascontiguousarray(a, dtype=np.float64) for a in (inputs, w_init, lateral))
    x, w, u = arrays
    return stream, x, np.ascontiguousarray(order), w, u


def _slow(network: RateNetwork, rules: RuleBatch) -> list[np.ndarray]:
    if not network.slow_arrays:
        return [np.zeros((1, 0, 0)), np.zeros((1, 0)), np.zeros((1, 0)), np.zeros((1, 0))]
    return [_numpy(rules.arrays[array.name]) for array in network.slow_arrays]


def _rules(lives: RateLives, rules: RuleBatch) -> tuple:
    """Parameters, what carries out changes, places and rates of states and traces."""
    network = lives.network
    structures = [*rules.structure.pathways, *[PathwayStructure("")] * (2 - len(rules.structure.pathways))]
    numbers = [_numpy(p) for p in rules.parameters]
    most = max([1, *(p.shape[1] for p in numbers)])
    parameters = np.zeros((rules.n_rules, 2, most))
    for k, p in enumerate(numbers):
        parameters[:, k, : p.shape[1]] = p
    n_items = max(len(s.states) + len(s.traces) for s in structures)
    item_first, rates = np.zeros((2, n_items + 1), np.int64), np.zeros((rules.n_rules, 2, max(1, n_items)))
    for k, structure in enumerate(structures):
        n_post, n_pre = network.shape(structure.pathway) if structure.pathway else (0, 0)
        sizes = {"pre": n_pre, "post": n_post, "synapse": n_pre * n_post}
        items = [(sizes[s.scope], s.tau, False) for s in structure.states]
        items += [(sizes[trace.side], trace.tau, True) for trace in structure.traces]
        item_first[k, 1:] = np.cumsum([*(size for size, *_ in items), *[0] * (n_items - len(items))])
        for q, (_, column, is_trace) in enumerate(items):
            tau_s = numbers[k][:, column] if column is not None else np.full(rules.n_rules, math.inf)
            decay = np.exp(-network.dt_s / tau_s)
            rates[:, k, q] = 1.0 - decay if is_trace else decay
    return parameters, *_changes(lives, rules, numbers), item_first, rates


def _changes(lives: RateLives, rules: RuleBatch, numbers: Sequence[np.ndarray]) -> tuple:
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


def _interpreted(lives: RateLives, rules: RuleBatch, numbers: Sequence[np.ndarray]) -> list[_Changes]:
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
        for program, values in zip(programs, numbers, strict=True)
    ]  # fmt: skip


def _protocol(lives: RateLives) -> tuple[np.ndarray, np.ndarray]:
    """Which of two pathways' rules act at each step, and each life's resets."""
    acting = np.zeros((lives.n_steps, 2), np.bool_)
    acting[:, : lives.acting.shape[1]] = lives.acting
    return acting, lives.anew


def _modulation(lives: Sequence[Life]) -> tuple:
    """Which delivery each step has, each life's signals, and the address of the modulator's value."""
    modulator = lives[0].modulator
    delivery = np.full(lives[0].n_steps, -1, np.int64)
    if modulator is None:
        return delivery, np.zeros((len(lives), 0)), 0
    delivery[list(modulator.steps)] = np.arange(len(modulator.steps))
    signals = np.array([[life.modulator.signal(k) for k in range(len(modulator.steps))] for life in lives])  # type: ignore[union-attr]
    return delivery, signals, modulator_address(modulator.expression)
