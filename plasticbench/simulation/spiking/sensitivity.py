"""Lives of spiking networks with the derivatives of their losses by the rules' parameters, compiled (forward mode).

The torch engine's gradient, surrogate derivative included, at the cost of a few lives: the state carries a tangent
for each parameter, and a life's whole history need not be kept. For networks whose synapses all come from sources,
so that a rule changes no presynaptic spike, and whose neurons are ConductanceLIF. State is float64.
"""

from __future__ import annotations

import hashlib
import inspect
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import ModuleType
from typing import NamedTuple

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.neurons import ConductanceLIF
from plasticbench.networks.spiking import TRACES, SpikingNetwork
from plasticbench.rules import RuleBatch, Structure
from plasticbench.simulation import compiled, random
from plasticbench.simulation.compile import compile_kernel
from plasticbench.simulation.spiking import inputs as spiking_inputs
from plasticbench.simulation.spiking import neurons as spiking_neurons
from plasticbench.simulation.spiking import sensitivity_kernel as spiking_sensitivity_kernel
from plasticbench.simulation.spiking import sensitivity_steps as spiking_sensitivity_steps
from plasticbench.simulation.spiking import steps as spiking_steps
from plasticbench.simulation.spiking.cpu_engine import Lifetime, T, numbers_of, run_lifetimes
from plasticbench.simulation.spiking.lives import SPIKING_VARIABLES, Probe, SpikingLife, SpikingRecord
from plasticbench.simulation.spiking.wiring import Wiring

_KERNEL_PARTS = (
    compiled,
    random,
    spiking_inputs,
    spiking_neurons,
    spiking_sensitivity_steps,
    spiking_steps,
)  # imported by the kernel: their source is part of its hash
_EVENTS = ("on_pre", "on_post")

# of_rates, of_spikes, each (n_steps_lived,) -> (n_directions,): a loss's derivative by the rule's parameters, from
# its derivatives by the recorded rates and numbers of spikes.
Gradient = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Directions(NamedTuple):
    """The parameters of all plastic pathways, one after the other: what tangents are kept for."""

    first: np.ndarray  # (n_plastic + 1,) int64: a pathway's first direction
    time_constant: np.ndarray  # (n_plastic, 4) int64: the direction of each trace's time constant; -1 = no trace
    slope: np.ndarray  # (n_plastic, 4): d ln(decay) / dτ = dt/τ², per s
    learns: np.ndarray  # (n_plastic, 2) bool: whether the rule has `on_pre`, `on_post`


class Tangents(NamedTuple):
    """Derivatives of the state; the last axis are the directions, but for `moment` and `partials`."""

    v: np.ndarray  # (n_neurons, n_directions)
    g_exc: np.ndarray  # (n_neurons, n_directions)
    g_inh: np.ndarray  # (n_neurons, n_directions)
    spike: np.ndarray  # (n_neurons, n_directions): of this step's spikes
    w: np.ndarray  # (n_plastic_synapses, n_directions)
    post: np.ndarray  # (n_plastic, n_neurons, n_directions): of x_post
    post2: np.ndarray  # (n_plastic, n_neurons, n_directions): of x_post2
    moment: np.ndarray  # as PlasticState.trace: of presynaptic traces, the steps of the spikes that they hold
    spikes: np.ndarray  # (n_steps, n_directions): of the watched population's spikes
    partials: np.ndarray  # (n_variables + n_parameters,): of the last change, by what it was computed from


def is_supported(network: SpikingNetwork) -> bool:
    """Whether lives of this network can be run with their derivatives."""
    sources = {source.name for source in network.sources}
    return all(p.pre in sources for p in network.pathways) and all(
        isinstance(p.neuron, ConductanceLIF) for p in network.populations
    )


def run_with_gradients(
    lives: Sequence[SpikingLife],
    rules: RuleBatch,
    reduce: Callable[[int, SpikingRecord, Gradient], T],
    probe: Probe | None = None,
    threads: int | None = None,
) -> tuple[list[list[T]], float]:
    """As `run_cpu`; `reduce` is also given a function from the derivatives by a life's recordings to its gradient.

    A gradient is (n_directions,): by the parameters of each plastic pathway, in the order of `rules.parameters`. A
    life in flight keeps n_steps x n_directions numbers. Raises PlasticbenchError for a network that is not supported.
    """
    for life in lives:
        if not is_supported(life.network):
            raise PlasticbenchError(
                "gradients on the cpu engine: needs ConductanceLIF neurons and pathways from sources only; "
                "use the torch engine"
            )
    started = time.perf_counter()
    live = kernel_of(rules.structure).live
    loading = time.perf_counter() - started

    def begin(life: SpikingLife, wiring: Wiring, rule: int) -> _SensitiveLifetime:
        return _SensitiveLifetime(life, wiring, rules, rule)

    def run(s: int, lifetime: _SensitiveLifetime) -> T:
        record = lifetime.run(live, probe)
        return reduce(s, record, lifetime.gradient)

    results, compiling = run_lifetimes(lives, rules.n_rules, live, begin, run, threads)
    return results, loading + compiling


@lru_cache(maxsize=256)
def kernel_of(structure: Structure) -> ModuleType:
    """The compiled kernel for rules of this structure."""
    parts = "".join(inspect.getsource(part) for part in _KERNEL_PARTS)
    generated = [f"import math\n\nimport numpy as np\n\n# parts: {hashlib.sha256(parts.encode()).hexdigest()}\n"]
    variables, branches = ", ".join(SPIKING_VARIABLES), []
    for k, pathway in enumerate(structure.pathways):
        for number, name in enumerate(_EVENTS):
            if "w" in pathway.targets(name):
                event = pathway.targets(name)["w"]
                source = event.emit_derivative(f"{name}_{k}", SPIKING_VARIABLES, len(pathway.parameters))
                generated.append(f"@generated\n{source}")
                branches.append(
                    f"    if event == {number} and k == {k}:\n        return {name}_{k}({variables}, partials, p)\n"
                )
    generated.append(
        f"@generated\ndef change_of(event, k, {variables}, partials, p):\n{''.join(branches)}    return 0.0\n"
    )
    return compile_kernel(inspect.getsource(spiking_sensitivity_kernel), "\n".join(generated))


class _SensitiveLifetime(Lifetime):
    """A lifetime that carries its derivatives, and keeps its rates in double precision."""

    def __init__(self, life: SpikingLife, wiring: Wiring, rules: RuleBatch, rule: int):
        taus_s, parameters = numbers_of(rules, rule)
        super().__init__(life, wiring, taus_s, parameters, np.float64)
        self.log = self.log._replace(rates=np.zeros(life.n_steps))
        self.directions = _directions(rules.structure, taus_s, life.network.dt_s)
        n_directions, n_plastic = _n_directions(rules.structure), len(taus_s)
        n_neurons = len(self.neurons.v)

        def zeros(*shape: int) -> np.ndarray:
            return np.zeros((*shape, n_directions))

        self.tangents = Tangents(
            zeros(n_neurons), zeros(n_neurons), zeros(n_neurons), zeros(n_neurons), zeros(len(self.plastic.w)),
            zeros(n_plastic, n_neurons), zeros(n_plastic, n_neurons), np.zeros(len(self.plastic.trace)),
            zeros(life.n_steps), np.zeros(len(SPIKING_VARIABLES) + parameters.shape[1]),
        )  # fmt: skip

    def _more(self) -> tuple:
        return self.tangents, self.directions

    def gradient(self, of_rates: np.ndarray, of_spikes: np.ndarray) -> np.ndarray:
        """Of the life so far; see `Gradient`."""
        total = np.zeros(self.tangents.w.shape[1])
        spiking_sensitivity_steps.gradient(of_rates, of_spikes, self.log, self.tangents.spikes, total)
        return total


def _n_directions(structure: Structure) -> int:
    return sum(len(pathway.parameters) for pathway in structure.pathways)


def _directions(structure: Structure, taus_s: list[dict[str, float]], dt_s: float) -> Directions:
    n_plastic = len(structure.pathways)
    first = np.cumsum([0, *(len(pathway.parameters) for pathway in structure.pathways)], dtype=np.int64)
    time_constant, slope = np.full((n_plastic, 4), -1, np.int64), np.zeros((n_plastic, 4))
    for k, pathway in enumerate(structure.pathways):
        for trace in pathway.traces:
            x, tau_s = TRACES.index(trace.name), taus_s[k][trace.name]
            time_constant[k, x] = first[k] + trace.tau
            slope[k, x] = dt_s / tau_s / tau_s
    learns = np.array([[name in p.events for name in _EVENTS] for p in structure.pathways]).reshape(-1, 2)
    return Directions(first, time_constant, slope, learns)
