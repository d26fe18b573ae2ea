"""Lives and rules that the tests of the cuda engine share, and the comparison with the cpu engine, bit for bit."""

import dataclasses

import numpy as np
import torch
from spiking_cases import life_of, small_network

import plasticbench
from plasticbench.networks.connections import RandomConnections, ReceptiveFields
from plasticbench.networks.life import Life, Modulator, Phase
from plasticbench.networks.neurons import AdaptiveLIF, ConductanceLIF, MovingThresholdLIF
from plasticbench.networks.recordings import (
    FinalWeights,
    Modulation,
    PopulationRate,
    PopulationSpikes,
    SpikeCounts,
    SpikeTrains,
    Weights,
)
from plasticbench.networks.sources import ModulatedSource, PoissonProcess, PoissonSource, Schedule, SpikeTrainSource
from plasticbench.networks.spiking import Population, SpikingNetwork, SpikingPathway
from plasticbench.rules import group_rules, rule_from_json
from plasticbench.simulation.engine import Measured
from plasticbench.simulation.spiking.cpu_engine import run_cpu
from plasticbench.simulation.spiking.cuda.run import run_cuda

EVENTS = ("on_pre", "on_post", "on_modulator")
PAIR = {
    "traces": {"x_pre": "tau_pre", "x_post": "tau_post"},
    "on_pre": "eta * (kappa * x_post - alpha) + spoil * sqrt(most - x_post)",
    "on_post": "eta * (gamma * x_pre + beta)",
}
_NUMBERS = {
    "tau_pre": 0.02, "tau_post": 0.03, "eta": 0.01, "alpha": 0.4, "beta": 0.0, "gamma": 1.0, "kappa": 1.0,
    "spoil": 0.0, "most": 1e9,
}  # fmt: skip
WITH_STATES = {
    "traces": {
        "a": {"of": "pre", "tau_s": 0.02}, "b": {"of": "post", "tau_s": 0.03, "spikes": "nearest"},
        "short": {"of": "pre", "tau_s": 1e-5},
    },
    "state": {"e": {"tau_s": 0.05}, "k": {}, "th": {"scope": "post", "tau_s": 0.5}, "pp": {"scope": "pre"}},
    "on_pre": {"w": "-0.01*b + 0.001*e", "e": "b - 0.1*th", "pp": "0.01*a + 0.1"},
    "on_post": {"w": "0.01*(a + short) - 0.001*k", "k": "0.1*a", "th": "1 - 0.1*th"},
    "on_modulator": {"w": "0.001*m*e", "e": "-0.5*e", "th": "-0.1*th + 0.01*m", "pp": "-0.5*pp"},
}  # fmt: skip


def rule_of(part, **numbers):
    parts = {**part, "parameters": {**_NUMBERS, **numbers}} if part is PAIR else part
    return rule_from_json({"format": "plasticbench/rule@2", "name": "of a test", "pathways": {"*": parts}})


def pair(**numbers):
    return rule_of(PAIR, **numbers)


def batch_of(network, *rules):
    """Rules of one structure; the modulator is on offer."""
    plastic = network.plastic_pathways
    variables = {p.name: network.variables(p) | {"m"} for p in plastic}
    ((_, batch),) = group_rules(rules, [p.name for p in plastic], EVENTS, variables)
    return batch


FOUR = small_network(("ee", "ei", "ie", "ii"), rate_hz=30.0)


def four_pathways(n_steps=2000, **options):
    return life_of(FOUR, n_steps, **options)


def of_task(name, n_steps, input_hz, seed=0):
    """A life of a registered task's network under stronger input, everything recorded."""
    (life,) = plasticbench.task(f"plasticbench/{name}-v0").draw([seed])
    (source,) = life.network.sources
    driven = dataclasses.replace(source, processes=(PoissonProcess(0, source.size, input_hz),))
    return life_of(dataclasses.replace(life.network, sources=(driven,)), n_steps, seed=seed)


def modulated_life(seed=3, n_steps=3000):
    """With phases, resets, deliveries and every kind of recording."""
    network = small_network(("ee", "ie"), rate_hz=30.0)
    recordings = (
        PopulationRate("e", 0.1), PopulationRate("i", 0.2, None, "late"), PopulationSpikes("i", "late"),
        SpikeCounts("in"), SpikeCounts("e", "late"), SpikeTrains("e", 30), SpikeTrains("in"), Weights("ee", 0.02),
        Weights("ie", 0.05, 17, "late"), FinalWeights("ie"), Modulation(),
    )  # fmt: skip
    modulator = Modulator((500, 501, 1300, 2999), "signal + 0.01*activity", np.array([1.0, 2.0, -1.0, 3.0]), "e")
    phases = (Phase("late", 1001, 2500, ("ie",)),)
    return Life(network, seed, n_steps, recordings, phases=phases, modulator=modulator, resets=(1100, 1700))


def life_of_all_sources(n_steps=2000):
    """Every kind of source before plastic synapses, three models of neurons, receptive fields, several delays."""
    sources = (
        PoissonSource("in", 50, (
            PoissonProcess(0, 50, 200.0), PoissonProcess(10, 20, 400.0, 100, 1500),
            PoissonProcess(5, 10, Schedule(np.array([0, 300, 900]), np.array([0.0, 900.0, 100.0]))),
        )),
        ModulatedSource("mo", 60, 6),
        SpikeTrainSource(
            "gi", 40, np.sort(np.random.default_rng(0).integers(0, 2000, 300)), np.arange(300) % 40
        ),
    )  # fmt: skip
    every, half = RandomConnections(1.0), RandomConnections(0.5)
    path = SpikingPathway
    pathways = (
        path("a", "in", "e", "exc", half, 0.05, True, 1.0, 1.0, 3),
        path("b", "mo", "e", "exc", half, 0.1, True, 1.0, 1.0, 1),
        path("c", "gi", "e", "exc", every, 0.3, True, 1.0), path("d", "e", "i", "exc", half, 0.3, True, 2.0, 1.0, 20),
        path("f", "i", "e", "inh", half, 0.3), path("g", "in", "s", "exc", ReceptiveFields(7, 2.5), 0.4),
        path("k", "gi", "i", "exc", ReceptiveFields(6, 2.0), 0.4, True, 1.0),
        path("h", "s", "e", "exc", every, tuple(np.linspace(0, 0.3, 20).tolist()), True, 1.0),
    )  # fmt: skip
    populations = (
        Population("e", 70, ConductanceLIF()), Population("i", 30, AdaptiveLIF()),
        Population("s", 20, MovingThresholdLIF()),
    )  # fmt: skip
    network = SpikingNetwork(populations, sources, pathways)
    recordings = [SpikeCounts(g.name) for g in network.groups] + [SpikeTrains(g.name) for g in network.groups]
    recordings += [FinalWeights(p.name) for p in network.plastic_pathways]
    return Life(network, 5, n_steps, tuple(recordings), resets=(777,) if n_steps > 777 else ())


class Kept:
    """A measure that keeps every life's recordings as arrays, by seed and rule."""

    def __init__(self):
        self.found = {}

    def __call__(self, recordings, lives):
        (life,) = lives
        rule = sum(seed == life.seed for seed, _ in self.found)
        values = {r: _plain(recordings[r]) for r in life.recordings}
        values["lived"] = (int(recordings.n_steps_lived), bool(recordings.blown_up))
        self.found[life.seed, rule] = values
        one = recordings.n_steps_lived.to(torch.float64)
        return Measured(one, recordings.blown_up, {}, one)


def _plain(value):
    if isinstance(value, list):  # a spike train, whose order within a step is nobody's
        ((train,),) = value
        return np.stack((train.steps, train.neurons), 1)[np.lexsort((train.neurons, train.steps))]
    return value[0, 0].numpy()


def on_cpu(lives, batch):
    kept = Kept()
    run_cpu(lives, batch, kept, threads=1, in_integers=True)
    return kept.found


def on_card(lives, batch, card, **how):
    kept = Kept()
    run_cuda(lives, batch, kept, card.device, card.how(**how))
    return kept.found


def differences(expected, found):
    """What is not the same to the bit."""
    assert expected.keys() == found.keys()
    return [
        (*key, str(recording))
        for key, values in expected.items()
        for recording, value in values.items()
        if not np.array_equal(value, found[key][recording], equal_nan=not isinstance(value, tuple))
    ]


def n_spikes(found):
    """Of all lives, as far as they were counted."""
    return sum(
        int(np.sum(value)) for values in found.values() for r, value in values.items() if isinstance(r, SpikeCounts)
    )
