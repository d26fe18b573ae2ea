"""Whether a card computes lives of rate networks as the cpu engine does, to the bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from plasticbench.networks.life import Life, Presentations
from plasticbench.networks.rate import RateNetwork
from plasticbench.networks.recordings import FinalWeights, Recordings
from plasticbench.rules import PathwayRule, Rule, RuleBatch, group_rules
from plasticbench.rules.variables import RATE_EVENTS
from plasticbench.simulation.cuda.driver import Device
from plasticbench.simulation.engine import Measured
from plasticbench.simulation.random import Stream
from plasticbench.simulation.rate.cpu_engine import run_cpu
from plasticbench.simulation.rate.cuda.run import Compile, run_cuda

_N_INPUTS, _N_OUTPUTS, _N_STEPS, _N_ITEMS = 5, 3, 200, 70
_SEEDS = (0, 1)
_WEIGHTS = (FinalWeights("ff"), FinalWeights("lat"))


def failures(device: Device, compile_: Compile | None = None) -> list[str]:
    """What is wrong on this card; nothing where all is well."""
    found = []
    for in_turn in (True, False):
        lives = [_life(seed, in_turn) for seed in _SEEDS]
        expected, own = _Kept(), _Kept()
        run_cpu(lives, _rules(), expected, threads=1)
        run_cuda(lives, _rules(), own, device, compile_)
        n = int((own.numbers != expected.numbers).sum())
        if n:
            shown = "items in turn" if in_turn else "items in batches"
            found.append(f"RateNetwork, {shown}: {n} of {own.numbers.numel()} numbers differ from the cpu engine's")
    return found


def _life(seed: int, in_turn: bool) -> Life:
    network = RateNetwork(_N_INPUTS, _N_OUTPUTS, lateral="lat")
    items = Stream(seed, "self-check items").normal((_N_ITEMS, _N_INPUTS))
    order = np.arange(_N_STEPS) % _N_ITEMS if in_turn else None
    w_init = {
        "ff": 0.3 * Stream(seed, "self-check weights").normal((_N_OUTPUTS, _N_INPUTS)),
        "lat": np.zeros((_N_OUTPUTS, _N_OUTPUTS)),
    }
    return Life(network, seed, _N_STEPS, _WEIGHTS, presentations=Presentations(items, order), w_init=w_init)


def _rules() -> RuleBatch:
    """Oja's rule and decorrelation of the outputs, with a trace."""
    parts = {
        "ff": PathwayRule.make(events={"on_step": "eta * post * (pre - post * w)"}, parameters={"eta": 0.02}),
        "lat": PathwayRule.make(events={"on_step": "-eta * pre * post - 0.01 * w"}, parameters={"eta": 0.02}),
    }
    offered = dict.fromkeys(("ff", "lat"), frozenset({"pre", "post", "w"}))
    ((_, batch),) = group_rules([Rule(name="check", reference="", pathways=parts)], [*parts], RATE_EVENTS, offered)
    return batch


class _Kept:
    """A measure that keeps the weights that lives end with."""

    numbers: torch.Tensor

    def __call__(self, recordings: Recordings, lives: Sequence[Life]) -> Measured:
        self.numbers = torch.cat([recordings[r].reshape(-1) for r in _WEIGHTS])
        nothing = torch.zeros(recordings.blown_up.shape, dtype=torch.float64)
        return Measured(nothing, recordings.blown_up, {}, nothing)
