"""Lives with excursions, and what must be left when these are cut out."""

import dataclasses

import numpy as np
from spiking_cases import batch_of, doublet, raster, run_on_torch, small_network

from plasticbench.networks.excursions import Excursion
from plasticbench.networks.neurons import EscapeLIF
from plasticbench.networks.sources import ModulatedSource, PoissonProcess
from plasticbench.rules import PathwayRule, Rule
from plasticbench.simulation.threads import one_torch_thread

N, LEAVES, AWAY = 500, 250, 120  # steps of the course; where the excursion starts; how long it is
FOUR = ("ee", "ei", "ie", "ii")
RULE = doublet(alpha=-0.3, beta=0.1, gamma=2.0, kappa=1.0, eta=0.01)
STATEFUL = Rule(
    "stateful",
    {
        "*": PathwayRule.make(
            {
                "on_pre": {"w": "0.02 * (x_post - 0.1) + 0.01 * e - 0.05 * theta", "e": "0.1 * x_post"},
                "on_post": {"theta": "0.1"},
            },
            {"tau": 0.02},
            {"x_post": "tau"},
            states={"e": {"tau_s": 0.05}, "theta": {"tau_s": 0.1, "scope": "post"}},
        )
    },
)


def network_of(plastic=("ie",), neuron=None):
    """Thirty neurons, driven hard, so that short lives have spikes to lose."""
    return small_network(plastic, neuron, rate_hz=80.0, n_exc=24, n_inh=6)


def with_input(network, *processes):
    """The network with further processes of its input."""
    (source,) = network.sources
    return dataclasses.replace(
        network, sources=(dataclasses.replace(source, processes=(*source.processes, *processes)),)
    )


def shown(first, start, stop):
    """Strong input to ten afferents during some steps."""
    return PoissonProcess(first, 10, 400.0, start, stop)


def unrolled(life, at=LEAVES, steps=AWAY, **changes):
    """The life with an excursion of its own course's input, all windows moved with it."""
    return dataclasses.replace(life, n_steps=life.n_steps + steps, excursions=(Excursion(at, at + steps),), **changes)


def cut(record, at=LEAVES, steps=AWAY):
    """A record without what was recorded in the excursion: rates, spikes by step, and the raster."""
    away = slice(at, at + steps)
    rows = raster(record)
    rows = rows[(rows[:, 0] < at) | (rows[:, 0] >= at + steps)]
    rows[:, 0] -= np.where(rows[:, 0] >= at, steps, 0)
    return np.delete(record.rates_hz, away), np.delete(record.spikes, away), rows


def assert_same(there_and_back, plain, at=LEAVES, steps=AWAY):
    for found, expected in zip(
        cut(there_and_back, at, steps), (plain.rates_hz, plain.spikes, raster(plain)), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    for name, w in plain.weights.items():
        np.testing.assert_array_equal(there_and_back.weights[name], w)


def network_with_signals():
    source = ModulatedSource("in", 50, 5)
    return dataclasses.replace(network_of(FOUR), sources=(source,))


def network_that_escapes():
    network = network_of(FOUR, EscapeLIF())
    amperes = tuple(dataclasses.replace(p, gain=2e-9) for p in network.pathways)
    return dataclasses.replace(network, pathways=amperes)


CASES = {
    "four pathways": (lambda: network_of(FOUR), RULE),
    "states": (lambda: network_of(FOUR), STATEFUL),
    "random spikes": (network_that_escapes, RULE),
    "sources that remember": (network_with_signals, RULE),
}


def on_torch(*lives, rule=RULE):
    """Seed -> the record of this rule's life, on the torch engine, in one batch."""
    with one_torch_thread():
        found = run_on_torch(lives, batch_of(lives[0].network, rule))
    return {seed: records[0] for seed, records in found.items()}
