"""Small spiking networks and rules that the tests of the engines share."""

from dataclasses import dataclass

import numpy as np
import torch

from plasticbench.networks.connections import RandomConnections
from plasticbench.networks.life import Life, Phase
from plasticbench.networks.neurons import ConductanceLIF
from plasticbench.networks.recordings import (
    FinalWeights,
    PopulationRate,
    PopulationSpikes,
    SpikeCounts,
    SpikeTrains,
)
from plasticbench.networks.sources import PoissonProcess, PoissonSource
from plasticbench.networks.spiking import Population, SpikingNetwork, SpikingPathway
from plasticbench.rules import PathwayRule, Rule, group_rules
from plasticbench.simulation.engine import Measured
from plasticbench.simulation.spiking.cpu_engine import run_cpu
from plasticbench.simulation.spiking.torch_engine import run_torch

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


@dataclass(frozen=True)
class Record:
    """What one life left, as plain arrays."""

    rates_hz: np.ndarray
    spikes: np.ndarray
    n_steps_lived: int
    status: str
    weights: dict[str, np.ndarray]
    spike_counts: dict[str, np.ndarray]
    spike_steps: np.ndarray
    spike_neurons: np.ndarray


def life_of(network, n_steps, seed=7, allowed_rate_hz=None, tau_rate_s=1.0, plastic_until_step=None, **options):
    """A life of which everything is recorded; its population rate is free unless a band is given."""
    watched = network.populations[0].name
    recordings = (
        PopulationRate(watched, tau_rate_s, allowed_rate_hz),
        PopulationSpikes(watched),
        *(SpikeCounts(group.name) for group in network.groups),
        SpikeTrains(watched),
        *(FinalWeights(p.name) for p in network.plastic_pathways),
    )
    phases = () if plastic_until_step is None else (Phase("frozen", plastic_until_step, n_steps, ()),)
    return Life(network, seed, n_steps, recordings, phases=phases, **options)


def record_of(recordings, life, r=0, s=0):
    """One life's recordings as plain arrays; rates and spikes of the steps that were lived."""
    lived = int(recordings.n_steps_lived[r, s])
    found = {"weights": {}, "spike_counts": {}}
    for recording in life.recordings:
        value = recordings[recording]
        value = value[r][s] if isinstance(recording, SpikeTrains) else value[r, s].detach().numpy()
        if isinstance(recording, PopulationRate):
            found["rates_hz"] = value[:lived]
        elif isinstance(recording, PopulationSpikes):
            found["spikes"] = value[:lived].astype(int)
        elif isinstance(recording, SpikeCounts):
            found["spike_counts"][recording.group] = value.astype(int)
        elif isinstance(recording, SpikeTrains):
            found["spike_steps"], found["spike_neurons"] = value.steps, value.neurons
        elif isinstance(recording, FinalWeights):
            found["weights"][recording.pathway] = value
    status = "blow-up" if bool(recordings.blown_up[r, s]) else "ok"
    return Record(n_steps_lived=lived, status=status, **found)


class Keep:
    """A measure that keeps recordings, and calls every life's number of steps its loss."""

    def __init__(self):
        self.kept = []

    def __call__(self, recordings, lives):
        self.kept.append((recordings, list(lives)))
        lived = recordings.n_steps_lived.to(torch.float64)
        return Measured(lived, recordings.blown_up, {}, lived)

    def records(self):
        """Seed of the life -> the records of every rule, in order."""
        found = {}
        for recordings, lives in self.kept:
            for s, life in enumerate(lives):
                rows = [record_of(recordings, life, r, s) for r in range(len(recordings.blown_up))]
                found.setdefault(life.seed, []).extend(rows)
        return found


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
    keep = Keep()
    run_cpu([life], batch_of(life.network, *rules), keep, threads=1, **options)
    return keep.records()[life.seed]


def run_on_torch(lives, batch):
    """Seed -> records of every rule, on the torch engine."""
    keep = Keep()
    run_torch(lives, batch, keep)
    return keep.records()


def raster(record):
    """(n, 2) step and neuron."""
    return np.stack((record.spike_steps, record.spike_neurons), 1)
