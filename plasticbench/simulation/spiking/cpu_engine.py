"""The cpu engine of spiking networks: event-driven, one lifetime per thread, compiled for the rules' structure.

Rules that differ only in numbers share one kernel. All rules of a seed share its wiring and its input spikes.
State is float32 by default (rules are evaluated in float64, then rounded); float64 serves the comparison with
the torch engine, spike for spike.
"""

from __future__ import annotations

import hashlib
import inspect
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from plasticbench.networks.spiking import SpikingNetwork
from plasticbench.rules import RuleBatch, Structure
from plasticbench.simulation import compiled, prefetch, random
from plasticbench.simulation.compile import compile_kernel
from plasticbench.simulation.rate.cpu_engine import default_threads
from plasticbench.simulation.spiking import inputs as spiking_inputs
from plasticbench.simulation.spiking import kernel as spiking_kernel
from plasticbench.simulation.spiking import neurons as spiking_neurons
from plasticbench.simulation.spiking import steps as spiking_steps
from plasticbench.simulation.spiking.inputs import input_processes, input_state
from plasticbench.simulation.spiking.lives import SPIKING_VARIABLES, Probe, Snapshot, SpikingLife, SpikingRecord
from plasticbench.simulation.spiking.neurons import neuron_state
from plasticbench.simulation.spiking.state import Log, PlasticState, make_layout, make_log, make_plastic, make_ring
from plasticbench.simulation.spiking.wiring import Wiring, draw_wiring, wiring_key

_DECORATOR = "@generated\n"
_KERNEL_PARTS = (
    compiled,
    prefetch,
    random,
    spiking_inputs,
    spiking_neurons,
    spiking_steps,
)  # imported by the kernel: their source is part of its hash
_MOST_SCALARS = 32
T = TypeVar("T")
L = TypeVar("L", bound="Lifetime")


@lru_cache(maxsize=256)
def kernel_of(structure: Structure) -> ModuleType:
    """The compiled kernel for rules of this structure."""
    parts = "".join(inspect.getsource(part) for part in _KERNEL_PARTS)
    generated = [f"import math\n\nimport numpy as np\n\n# parts: {hashlib.sha256(parts.encode()).hexdigest()}\n"]
    for event, general in (("on_pre", "arrive"), ("on_post", "fire")):
        branches: list[str] = []
        arguments = _arguments(getattr(spiking_kernel, f"{general}_and_learn"))
        for k, pathway in enumerate(structure.pathways):
            if "w" in pathway.targets(event):
                values = _values(structure, k)
                function = pathway.targets(event)["w"].emit(f"{event}_{k}", SPIKING_VARIABLES, "numba", "float64")
                generated.append(_DECORATOR + function)
                branches.append(f"    if k == {k}:\n        {general}_and_learn({event}_{k}, {values}, {arguments})\n")
            elif event == "on_pre":
                branches.append(f"    if k == {k}:\n        arrive_without_rule({arguments})\n")
        generated.append(
            f"{_DECORATOR}def {general}_with_rule(k, p, {arguments}):\n{''.join(branches) or '    pass'}\n"
        )
    return compile_kernel(inspect.getsource(spiking_kernel), "\n".join(generated))


def _arguments(function) -> str:
    """The names of a kernel function's arguments, without the rule and its parameters, which come first."""
    return ", ".join(list(inspect.signature(function.py_func).parameters)[2:])


def _values(structure: Structure, k: int) -> str:
    """Source of a pathway's parameters: scalars, which the compiler keeps in registers, unless there are many."""
    n = len(structure.pathways[k].parameters)
    if n > _MOST_SCALARS:
        return "p"
    return f"({''.join(f'p[{i}], ' for i in range(n))}0.0)"


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
    lives: Sequence[SpikingLife],
    rules: RuleBatch,
    reduce: Callable[[int, SpikingRecord], T],
    probe: Probe | None = None,
    threads: int | None = None,
    dtype: type = np.float32,
) -> tuple[list[list[T]], float]:
    """Every life under every rule: reduce(index of the life, record), [n_rules][n_lives], and seconds compiling.

    `reduce` runs as each life ends, so that no more recordings are in memory than lives in flight.
    """
    started = time.perf_counter()
    live = kernel_of(rules.structure).live
    loading = time.perf_counter() - started

    def begin(life: SpikingLife, wiring: Wiring, rule: int) -> Lifetime:
        return lifetime_of(life, wiring, rules, rule, dtype)

    def run(s: int, lifetime: Lifetime) -> T:
        return reduce(s, lifetime.run(live, probe))

    results, compiling = run_lifetimes(lives, rules.n_rules, live, begin, run, threads)
    return results, loading + compiling


def run_lifetimes(
    lives: Sequence[SpikingLife],
    n_rules: int,
    live: Callable,
    begin: Callable[[SpikingLife, Wiring, int], L],
    run: Callable[[int, L], T],
    threads: int | None,
) -> tuple[list[list[T]], float]:
    """run(index of the life, begin(life, wiring, rule)), [n_rules][n_lives], on threads; and seconds compiling."""
    started = time.perf_counter()
    threads = min(threads or default_threads(), max(1, n_rules * len(lives)))
    wirings = _Wirings(keep=threads)

    def begun(s: int, r: int) -> L:
        return begin(lives[s], wirings.get(lives[s].network, lives[s].seed), r)

    if lives and n_rules:
        begun(0, 0).advance(live, 0)  # compiles, or loads what was compiled
    compiling = time.perf_counter() - started
    jobs = [(s, r) for s in range(len(lives)) for r in range(n_rules)]
    if threads == 1:
        results = [run(s, begun(s, r)) for s, r in jobs]
    else:
        with ThreadPoolExecutor(threads) as pool:
            results = list(pool.map(lambda job: run(job[0], begun(*job)), jobs))
    by_job = dict(zip(jobs, results, strict=True))
    return [[by_job[s, r] for s in range(len(lives))] for r in range(n_rules)], compiling


class Lifetime:
    """One network under one rule: its state, and its advance by compiled code.

    taus_s: of each plastic pathway, the time constants of the traces that are kept; parameters: of each plastic
    pathway, as many columns as the longest.
    """

    def __init__(
        self,
        life: SpikingLife,
        wiring: Wiring,
        taus_s: list[dict[str, float]],
        parameters: np.ndarray,
        dtype: type = np.float32,
    ):
        self.life, self.wiring, self.parameters = life, wiring, parameters
        network = life.network
        self.layout, self.processes = make_layout(network, dtype), input_processes(network)
        self.neurons, self.inputs = neuron_state(network, dtype), input_state(network)
        self.plastic: PlasticState = make_plastic(network, wiring, taus_s, dtype)
        self.ring, self.log = make_ring(network), make_log(life)
        self.step, self.status = 0, spiking_steps.ALIVE

    def advance(self, live: Callable, until: int, learn_until: int | None = None) -> None:
        """Live to this step, or to a blow-up; plasticity ends where the life says, or at step `learn_until`."""
        learn_until = self.life.plastic_until_step if learn_until is None else learn_until
        self.step, self.status = live(
            self.step, until, learn_until, self.life.seed, self.layout, self.processes, self.wiring, self.neurons,
            self.inputs, self.plastic, self.ring, self.log, self.parameters, *self._more(),
        )  # fmt: skip

    def _more(self) -> tuple:
        """What a kernel takes beyond the state of a plain life."""
        return ()

    def run(self, live: Callable, probe: Probe | None) -> SpikingRecord:
        """The whole life."""
        probed: list[Any] = []
        stops = {*self.life.probe_steps, self.life.n_steps} if probe else {self.life.n_steps}
        for until in sorted(stops):
            self.advance(live, until)
            if self.status != spiking_steps.ALIVE:
                break
            if probe and until in self.life.probe_steps:
                probed.append(probe(self.snapshot()))
        return self.record(self.step, self.status, tuple(probed))

    def record(self, n_steps_lived: int, status: int, probed: tuple[Any, ...] = ()) -> SpikingRecord:
        """Of the life so far."""
        state, log = self.snapshot(), self.log
        n_logged = min(int(log.n_logged[0]), len(log.spike_step))
        return SpikingRecord(
            log.rates[:n_steps_lived], log.spikes[:n_steps_lived], n_steps_lived,
            "ok" if status == spiking_steps.ALIVE else "blow-up", state.weights, state.spike_counts,
            log.spike_step[:n_logged], log.spike_neuron[:n_logged], probed,
        )  # fmt: skip

    @property
    def n_bytes(self) -> int:
        """Memory of the lifetime, its wiring and its recordings."""
        parts = (self.layout, self.processes, self.wiring, self.neurons, self.inputs, self.plastic, self.ring, self.log)
        return sum(array.nbytes for part in parts for array in part if isinstance(array, np.ndarray))

    def snapshot(self) -> Snapshot:
        """Views of the state now."""
        return Snapshot(
            self.step,
            weights_by_pathway(self.life.network, self.wiring, self.plastic),
            counts_by_group(self.life.network, self.log),
        )


def lifetime_of(life: SpikingLife, wiring: Wiring, rules: RuleBatch, rule: int, dtype: type = np.float32) -> Lifetime:
    """A life under one rule of a batch, before its first step."""
    return Lifetime(life, wiring, *numbers_of(rules, rule), dtype)


def numbers_of(rules: RuleBatch, rule: int) -> tuple[list[dict[str, float]], np.ndarray]:
    """The time constants (s) and the parameters of one rule of a batch, as a Lifetime takes them."""
    rows = [_row(values, rule) for values in rules.parameters]
    taus_s = [
        {trace.name: row[trace.tau] for trace in pathway.traces}
        for pathway, row in zip(rules.structure.pathways, rows, strict=True)
    ]
    parameters = np.zeros((len(rows), max((len(row) for row in rows), default=0) or 1))
    for k, row in enumerate(rows):
        parameters[k, : len(row)] = row
    return taus_s, parameters


def weights_by_pathway(network: SpikingNetwork, wiring: Wiring, plastic: PlasticState) -> dict[str, np.ndarray]:
    """Views of the plastic pathways' weights, each (n_synapses,)."""
    first = wiring.plastic_first
    return {p.name: plastic.w[first[k] : first[k + 1]] for k, p in enumerate(network.plastic_pathways)}


def counts_by_group(network: SpikingNetwork, log: Log) -> dict[str, np.ndarray]:
    """Views of the groups' spike counts, each (size,)."""
    starts = np.cumsum([0, *(group.size for group in network.groups)])
    return {g.name: log.spike_count[starts[k] : starts[k + 1]] for k, g in enumerate(network.groups)}


def _row(values, rule: int) -> np.ndarray:
    return np.asarray(values[rule % len(values)].detach().cpu().numpy(), dtype=np.float64)
