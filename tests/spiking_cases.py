"""Small spiking networks and rules that the tests of the engines share."""

import numpy as np

from plasticbench.networks.connections import RandomConnections
from plasticbench.networks.neurons import ConductanceLIF
from plasticbench.networks.sources import PoissonProcess, PoissonSource
from plasticbench.networks.spiking import Population, SpikingNetwork, SpikingPathway
from plasticbench.rules import PathwayRule, Rule, group_rules
from plasticbench.simulation.spiking.cpu_engine import run_cpu
from plasticbench.simulation.spiking.lives import SpikingLife

EVENTS = ("on_pre", "on_post")


def small_network(plastic=("ie",), neuron=None, rate_hz=20.0, w_max=2.0, weights=None, n_exc=80, n_inh=20):
    """Eighty excitatory and twenty inhibitory neurons, densely connected, 50 inputs."""
    neuron = neuron or ConductanceLIF()
    weight = {"ee": 0.06, "ei": 0.06, "ie": 0.5, "ii": 0.5, **(weights or {})}
    pathways = [SpikingPathway(f"in_{q}", "in", q, "exc", RandomConnections(0.5), 0.15) for q in ("e", "i")]
    pathways += [
        SpikingPathway(
            name,
            name[0],
            name[1],
            "exc" if name[0] == "e" else "inh",
            RandomConnections(0.3),
            weight[name],
            name in plastic,
            w_max,
        )
        for name in ("ee", "ei", "ie", "ii")
    ]
    return SpikingNetwork(
        (Population("e", n_exc, neuron), Population("i", n_inh, neuron)),
        (PoissonSource("in", 50, (PoissonProcess(0, 50, rate_hz), PoissonProcess(10, 20, rate_hz, 3000, 6000))),),
        tuple(pathways),
    )


def life_of(network, n_steps, seed=7, **options):
    """A life whose population rate is free; every neuron's spikes are logged."""
    options = {"allowed_rate_hz": None, "log_stop": n_steps, **options}
    logged = tuple((p.name, p.size) for p in network.populations)
    return SpikingLife(network, seed, n_steps, "e", logged=logged, **options)


def doublet(tau_pre=0.02, tau_post=0.02, alpha=0.0, beta=0.0, gamma=0.0, kappa=0.0, eta=0.01, pathway="*"):
    """A spike-timing rule of six numbers."""
    part = PathwayRule.make(
        traces={"x_pre": "tau_pre", "x_post": "tau_post"},
        events={"on_pre": "eta * (alpha + kappa * x_post)", "on_post": "eta * (beta + gamma * x_pre)"},
        parameters={
            "tau_pre": tau_pre, "tau_post": tau_post, "alpha": alpha, "beta": beta, "gamma": gamma,
            "kappa": kappa, "eta": eta,
        },
    )  # fmt: skip
    return Rule(name="doublet", reference="a test", pathways={pathway: part})


def batch_of(network, *rules):
    """The rules of one structure, as the engines take them."""
    plastic = network.plastic_pathways
    variables = {p.name: network.variables(p) for p in plastic}
    ((_, batch),) = group_rules(rules, [p.name for p in plastic], EVENTS, variables)
    return batch


def run(life, *rules, **options):
    """Records of one life under these rules, on the cpu engine."""
    rows, _ = run_cpu([life], batch_of(life.network, *rules), lambda s, record: record, **options)
    return [row[0] for row in rows]


def raster(record):
    """(n, 2) step and neuron."""
    return np.stack((record.spike_steps, record.spike_neurons), 1)
