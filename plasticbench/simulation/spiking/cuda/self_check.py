"""Whether the cuda engine gives on a card what it should; kept in the cache folder, for `auto` to ask.

Lives of a small network must equal the cpu engine with integer arrivals bit for bit, on two block sizes and in two
launches; under a rule with exp and log, whose last bits are the card's own, they must agree to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from plasticbench.networks.connections import RandomConnections
from plasticbench.networks.life import Life
from plasticbench.networks.neurons import AdaptiveLIF, ConductanceLIF, NeuronModel
from plasticbench.networks.recordings import FinalWeights, PopulationRate, PopulationSpikes, SpikeCounts
from plasticbench.networks.sources import PoissonProcess, PoissonSource
from plasticbench.networks.spiking import Population, SpikingNetwork, SpikingPathway
from plasticbench.rules import PathwayRule, Rule, RuleBatch, group_rules
from plasticbench.rules.variables import SPIKING_EVENTS
from plasticbench.simulation.cuda.driver import Device
from plasticbench.simulation.engine import Measured
from plasticbench.simulation.rate.cuda.self_check import failures as rate_failures
from plasticbench.simulation.spiking.cpu_engine import run_cpu
from plasticbench.simulation.spiking.cuda.run import Launching, run_cuda
from plasticbench.simulation.spiking.cuda.verified import keep_outcome

_STEPS = 20_000
_SEEDS = (0, 1, 2)
_TOLERANCE = 1e-9  # of weights under rules with exp or log, before chaos: the first steps
_STEPS_WITH_EXP = 1_000


def check(device: Device, how: Sequence[Launching] | None = None) -> list[str]:
    """What is wrong on this card; nothing where all is well. The outcome is kept."""
    launchings = list(how or (Launching(threads=64), Launching(threads=128), Launching(threads=64, chunk_steps=777)))
    failures = []
    for neuron, text, exact in ((ConductanceLIF(), _PAIR, True), (AdaptiveLIF(), _WITH_EXP, False)):
        lives = [_life(neuron, seed, _STEPS if exact else _STEPS_WITH_EXP) for seed in _SEEDS]
        failures += _compare(lives, _batch(lives[0], text), device, launchings, exact)
    failures += rate_failures(device, launchings[0].compiled)
    keep_outcome(device, not failures)
    return failures


# ------------------------------------------------------------ what is lived

_PAIR = {"on_pre": "eta * (kappa * x_post - alpha)", "on_post": "eta * gamma * x_pre"}
_WITH_EXP = {"on_pre": "eta * (tanh(x_post) - alpha)", "on_post": "eta * log(1 + exp(x_pre)) * gamma"}


def _life(neuron: NeuronModel, seed: int, n_steps: int) -> Life:
    """Eighty excitatory and twenty inhibitory neurons; a dense, driven network."""
    random = RandomConnections(0.3)
    pathways = [
        SpikingPathway(f"in_{q}", "in", q, "exc", RandomConnections(0.5), 0.15) for q in ("e", "i")
    ] + [
        SpikingPathway(f"{a}{b}", a, b, "exc" if a == "e" else "inh", random, 0.06 if a == "e" else 0.5, b == "e", 2.0)
        for a in "ei"
        for b in "ei"
    ]  # fmt: skip
    source = PoissonSource("in", 50, (PoissonProcess(0, 50, 30.0), PoissonProcess(10, 20, 20.0, 3000, 6000)))
    network = SpikingNetwork((Population("e", 80, neuron), Population("i", 20, neuron)), (source,), tuple(pathways))
    recordings = (
        PopulationRate("e", 1.0, (0.0, 500.0)), PopulationSpikes("e"), SpikeCounts("i"), SpikeCounts("in"),
        FinalWeights("ee"), FinalWeights("ie"),
    )  # fmt: skip
    return Life(network, seed, n_steps, recordings)


def _batch(life: Life, events: dict[str, str]) -> RuleBatch:
    network = life.spiking_network
    variables = {p.name: network.variables(p) for p in network.plastic_pathways}
    rules = []
    for gamma in (1.0, 0.5):
        numbers = {"tau": 0.02, "eta": 0.01, "alpha": 0.4, "gamma": gamma, "kappa": 1.0}
        part = PathwayRule.make(
            traces={"x_pre": "tau", "x_post": "tau"}, events=events,
            parameters={n: x for n, x in numbers.items() if n != "kappa" or "kappa" in events["on_pre"]},
        )  # fmt: skip
        rules.append(Rule(name="check", reference="", pathways={"*": part}))
    ((_, batch),) = group_rules(rules, [*variables], SPIKING_EVENTS, variables)
    return batch


class _Kept:
    """A measure that keeps every life's recordings as one row of numbers."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, ...], np.ndarray] = {}
        self._counts: dict[int, int] = {}

    def __call__(self, recordings: Any, lives: Sequence[Life]) -> Measured:
        (life,) = lives
        rule = self._counts.get(life.seed, 0)
        self._counts[life.seed] = rule + 1
        parts = [recordings[r][0, 0].numpy().reshape(-1) for r in life.recordings]
        self.rows[life.seed, rule] = np.concatenate([*parts, recordings.n_steps_lived[0].numpy()])
        one = torch.zeros(1, 1, dtype=torch.float64)
        return Measured(one, recordings.blown_up, {}, one)


def _compare(
    lives: list[Life], rules: RuleBatch, device: Device, launchings: list[Launching], exact: bool
) -> list[str]:
    expected = _Kept()
    run_cpu(lives, rules, expected, threads=1, in_integers=True)
    failures = []
    for how in launchings:
        found = _Kept()
        run_cuda(lives, rules, found, device, how)
        for (seed, rule), row in expected.rows.items():
            own = found.rows[seed, rule]
            same = np.array_equal(own, row) if exact else np.allclose(own, row, rtol=_TOLERANCE, atol=_TOLERANCE)
            if not same:
                model = type(lives[0].spiking_network.populations[0].neuron).__name__
                failures.append(
                    f"{model}, seed {seed}, rule {rule}, {how.threads} threads, chunks of {how.chunk_steps} steps: "
                    f"{int((own != row).sum())} of {len(row)} numbers differ from the cpu engine's"
                )
    return failures
