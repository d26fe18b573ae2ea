"""The cpu engine of clamped networks: all rules of one structure in one compiled loop, rules on threads.

A rule's events are the compiled code of spiking networks, at a pathway of one synapse. Seeds play no part, so a rule
is lived once for all lives of a call.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from plasticbench.networks.clamped import POST_SPIKE, PRE_SPIKE
from plasticbench.networks.life import Life
from plasticbench.rules import PathwayStructure, RuleBatch
from plasticbench.simulation.bytecode import NotInterpretedError
from plasticbench.simulation.choice import interpreted, interpreter_is_ready
from plasticbench.simulation.clamped import kernel
from plasticbench.simulation.clamped.lives import common_network, recordings_of, start_of
from plasticbench.simulation.engine import Measure, Measured
from plasticbench.simulation.spiking.event_source import NOTHING, compiled_events, filters_of, synaptic_states
from plasticbench.simulation.spiking.interpreter import interpreted_events
from plasticbench.simulation.spiking.programs import spiking_program
from plasticbench.simulation.threads import default_threads

_FEWEST = 64  # rules of a thread: fewer are done before it has begun


def run_cpu(
    lives: Sequence[Life], rules: RuleBatch, measure: Measure, threads: int | None = None
) -> tuple[Measured, float]:
    """Every life under every rule, and the seconds spent compiling."""
    started = time.perf_counter()
    network, structure = common_network(lives), rules.structure.pathways[0]
    start, n_rules = start_of(network, structure), rules.n_rules
    parameters, *filters = _numbers(rules, structure)
    events, *program = _changes(lives, rules, parameters)
    intervals_ns, interval = np.unique(network.elapsed_ns, return_inverse=True)
    w_end = np.empty((n_rules, network.n_protocols))
    n_lived, blown_up = np.empty(n_rules, np.int64), np.zeros(n_rules, np.bool_)
    given = (
        start.weight, start.w_max, events.get("on_pre", 0), events.get("on_post", 0), *program, parameters, *filters,
        intervals_ns * 1e-9, interval.reshape(network.kinds.shape), network.kinds, network.elapsed_ns,
    )  # fmt: skip

    def run(first: int, last: int) -> None:
        kernel.live(first, last, *given, w_end, n_lived, blown_up)

    run(0, 0)  # compiles, or loads what was compiled
    compiling = time.perf_counter() - started
    _in_threads(run, n_rules, threads or default_threads())
    shape = (n_rules, len(lives))
    weights = torch.from_numpy(w_end)[:, None, :].expand(*shape, -1)
    lived, blown = (torch.from_numpy(found)[:, None].expand(shape) for found in (n_lived, blown_up))
    return measure(recordings_of(lives[0], start, weights, lived, blown), lives), compiling


def _changes(lives: Sequence[Life], rules: RuleBatch, parameters: np.ndarray) -> tuple:
    """The events' addresses, and the words, constants and numbers in registers where they are interpreted."""
    structure, network = rules.structure.pathways[0], common_network(lives)
    if interpreted(rules.structure, rules.n_rules * float(np.count_nonzero(network.kinds)), "clamped"):
        with contextlib.suppress(NotInterpretedError):
            program = spiking_program(structure, ())
            events = interpreted_events(structure, np.float64, np.uint16, NOTHING)
            interpreter_is_ready("clamped")
            return events, program.words, program.assembler.constant_numbers(parameters), program.n_numbers
    events = compiled_events(structure, (), np.float64, np.uint16, NOTHING)
    return events, np.zeros(1, np.int64), np.zeros((len(parameters), 0)), 1


def _in_threads(run, n_rules: int, threads: int) -> None:
    threads = min(threads, max(1, n_rules // _FEWEST))
    edges = [n_rules * k // threads for k in range(threads + 1)]
    if threads == 1:
        run(0, n_rules)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, edges[:-1], edges[1:]))


def _numbers(rules: RuleBatch, structure: PathwayStructure) -> tuple[np.ndarray, ...]:
    """Parameters; of filters their rates (1/s), the spikes that they take and how; the rates (1/ns) of states."""
    parameters = np.ascontiguousarray(rules.parameters[0].detach().cpu().numpy(), np.float64)
    taus_s = {name: tau.detach().cpu().numpy() for name, tau in rules.time_constants_s(0).items()}

    def rates(names: list[str]) -> np.ndarray:
        columns = [1.0 / taus_s[name] if name in taus_s else np.zeros(len(parameters)) for name in names]
        return np.ascontiguousarray(np.stack(columns, 1) if columns else np.zeros((len(parameters), 0)), np.float64)

    filters, bits = filters_of(structure), {"pre": PRE_SPIKE, "post": POST_SPIKE}
    sides: dict[str, str] = {trace.name: trace.side for trace in structure.traces}
    sides |= {state.name: state.scope for state in structure.states if state.scope != "synapse"}
    kinds = {trace.name: kernel.NEAREST if trace.nearest else kernel.COUNTS for trace in structure.traces}
    return (
        parameters, rates([item.name for item in filters]),
        np.array([bits[sides[item.name]] for item in filters], np.int64),
        np.array([kinds.get(item.name, kernel.CHANGED) for item in filters], np.int64),
        -1e-9 * rates(synaptic_states(structure)),
    )  # fmt: skip
