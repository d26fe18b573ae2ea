"""The cpu engine of spiking networks: event-driven, one lifetime per thread.

All rules of a seed share its wiring and its input spikes. State is float32 by default (rules are evaluated in
float64); float64 serves the comparison with the torch engine, spike for spike.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch

from plasticbench.networks.life import Life
from plasticbench.networks.recorded_spikes import RecordedSpikes
from plasticbench.networks.recordings import Recordings
from plasticbench.networks.spiking import SpikingNetwork
from plasticbench.rules import RuleBatch
from plasticbench.simulation.bytecode import NotInterpretedError
from plasticbench.simulation.choice import interpreted, interpreter_is_ready
from plasticbench.simulation.engine import Measure, Measured, joined
from plasticbench.simulation.spiking.lifetime import Lifetime, numbers_of
from plasticbench.simulation.spiking.programs import spiking_program
from plasticbench.simulation.spiking.wiring import Wiring, draw_wiring, wiring_key
from plasticbench.simulation.threads import default_threads

_EVENTS_HZ = 20.0  # at a synapse: 10 Hz on both sides

T = TypeVar("T")
L = TypeVar("L", bound=Lifetime)


class _Wirings:
    """The wirings of the lifetimes in flight, drawn once a seed."""

    def __init__(self, keep: int):
        self._keep, self._lock = keep, threading.Lock()
        self._drawn: OrderedDict[tuple, Wiring] = OrderedDict()
        self._drawing: dict[tuple, threading.Lock] = {}

    def get(self, network: SpikingNetwork, seed: int) -> Wiring:
        key = (seed, wiring_key(network))
        with self._lock:
            drawing = self._drawing.setdefault(key, threading.Lock())
        with drawing:
            if key not in self._drawn:
                drawn = draw_wiring(network, seed)
                with self._lock:
                    self._drawn[key] = drawn
                    while len(self._drawn) > self._keep:
                        self._drawn.popitem(last=False)
                return drawn
            with self._lock:
                return self._drawn.get(key) or draw_wiring(network, seed)


def run_cpu(
    lives: Sequence[Life],
    rules: RuleBatch,
    measure: Measure,
    threads: int | None = None,
    dtype: type = np.float32,
    in_integers: bool = False,
) -> tuple[Measured, float]:
    """Every life under every rule, measured as it ends, and seconds compiling.

    in_integers: arrivals are added as integers, as the cuda engine adds them.

    So no more recordings are in memory than lives in flight, and a life's loss depends on no other life.
    """

    reads = is_interpreted(lives, rules)

    def begin(life: Life, wiring: Wiring, rule: int) -> Lifetime:
        return Lifetime(life, wiring, rules.structure, numbers_of(rules, rule), dtype, in_integers, reads)

    def run(lifetime: Lifetime) -> Measured:
        lifetime.run()
        return measure(recordings_of(lifetime), [lifetime.life])

    rows, compiling = run_lifetimes(lives, rules.n_rules, begin, run, threads)
    return joined([joined(row, 1) for row in rows], 0), compiling


def is_interpreted(lives: Sequence[Life], rules: RuleBatch) -> bool:
    """Whether these rules are interpreted, if all of it can be, rather than compiled."""
    network = lives[0].spiking_network
    n_synapses = sum(
        p.connections.capacity(network.size(p.pre), network.size(p.post)) for p in network.plastic_pathways
    )
    lived_s = rules.n_rules * sum(life.n_steps * life.dt_s for life in lives)
    if not interpreted(rules.structure, lived_s * _EVENTS_HZ * n_synapses, "spiking"):
        return False
    try:
        for pathway, structure in zip(network.plastic_pathways, rules.structure.pathways, strict=True):
            post = network.populations[network.index(pathway.post)]
            spiking_program(structure, tuple(sorted(post.neuron.reads)))
    except NotInterpretedError:
        return False
    return True


def run_lifetimes(
    lives: Sequence[Life],
    n_rules: int,
    begin: Callable[[Life, Wiring, int], L],
    run: Callable[[L], T],
    threads: int | None,
) -> tuple[list[list[T]], float]:
    """run(begin(life, wiring, rule)), [n_rules][n_lives], on threads; and seconds compiling."""
    started = time.perf_counter()
    threads = min(threads or default_threads(), max(1, n_rules * len(lives)))
    wirings = _Wirings(keep=threads)

    def begun(s: int, r: int) -> L:
        return begin(lives[s], wirings.get(lives[s].spiking_network, lives[s].seed), r)

    first = begun(0, 0)
    first.compile()
    if first.interpreted:
        interpreter_is_ready("spiking")
    compiling = time.perf_counter() - started
    jobs = [(s, r) for s in range(len(lives)) for r in range(n_rules)]
    if threads == 1:
        results = [run(begun(s, r)) for s, r in jobs]
    else:
        with ThreadPoolExecutor(threads) as pool:
            results = list(pool.map(lambda job: run(begun(*job)), jobs))
    by_job = dict(zip(jobs, results, strict=True))
    return [[by_job[s, r] for s in range(len(lives))] for r in range(n_rules)], compiling


def recordings_of(lifetime: Lifetime) -> Recordings:
    """Of one life so far, with n_rules = n_lives = 1."""
    return recordings_of_one(lifetime.recordings(), lifetime.step, lifetime.blown_up)


def recordings_of_one(recorded: Mapping, step: int, blown_up: bool) -> Recordings:
    """From arrays and spike trains, by recording."""
    values = {
        recording: [[found]] if isinstance(found, RecordedSpikes) else torch.from_numpy(_as_tensor(found))[None, None]
        for recording, found in recorded.items()
    }
    return Recordings(values, torch.tensor([[step]]), torch.tensor([[blown_up]]))


def _as_tensor(values: np.ndarray) -> np.ndarray:
    """In float64, which losses and metrics are computed in."""
    return np.ascontiguousarray(values, dtype=np.float64)
