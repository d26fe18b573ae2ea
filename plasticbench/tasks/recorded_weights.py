"""Weights over a recorded life, on every track, and what a rate network's outputs were with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from plasticbench.networks.clamped import ClampedNetwork
from plasticbench.networks.layered import LayeredNetwork
from plasticbench.networks.life import Life
from plasticbench.networks.recordings import FinalWeights, Recordings, Weights
from plasticbench.networks.spiking import SpikingNetwork
from plasticbench.rules import RuleBatch


def with_weights(life: Life, n_times: int, n_synapses: int) -> Life:
    """The life with about `n_times` recordings of its weights; of spiking networks of at most `n_synapses` a pathway.

    Of clamped networks as it is: their weights are followed beside the engine. Of layered ones at the end alone.
    """
    if isinstance(life.network, ClampedNetwork):
        return life
    if isinstance(life.network, LayeredNetwork):
        return replace(
            life, recordings=tuple(dict.fromkeys((*life.recordings, *map(FinalWeights, life.plastic_names))))
        )
    more = [(_sampling(life, name, n_times, n_synapses), FinalWeights(name)) for name in life.plastic_names]
    added = [recording for pair in more for recording in pair]
    return replace(life, recordings=tuple(dict.fromkeys((*life.recordings, *added))))


def _sampling(life: Life, pathway: str, n_times: int, n_synapses: int) -> Weights:
    every_s = max(1, -(-life.n_steps // n_times)) * life.dt_s
    return Weights(pathway, every_s, n_synapses if isinstance(life.network, SpikingNetwork) else None)


def weights_over_time(
    life: Life, recordings: Recordings, rules: Any
) -> tuple[np.ndarray, dict[str, np.ndarray], float]:
    """Steps (n_times,), the last one the end of life; pathway -> (n_times, ...); and a clamped synapse's start.

    `life` as `with_weights` made it; `rules`: the batch of one rule, or the policy, that lived it.
    """
    if isinstance(life.network, ClampedNetwork):
        return _clamped(life, recordings, rules)
    lived = int(recordings.n_steps_lived[0, 0])
    if isinstance(life.network, LayeredNetwork):
        ends = {name: recordings[FinalWeights(name)][0, 0].numpy() for name in life.plastic_names}
        return np.array([0, lived]), {name: np.stack([life.w_init[name], w]) for name, w in ends.items()}, 1.0
    found: dict[str, np.ndarray] = {}
    for name in life.plastic_names:
        sampling = [r for r in life.recordings_of(Weights) if r.pathway == name and r.phase is None][-1]  # the added
        last = recordings[FinalWeights(name)][0, 0].numpy()
        every = max(1, round(sampling.every_s / life.dt_s))
        steps = np.arange(0, life.n_steps + 1, every)
        kept = steps < lived
        taken = recordings[sampling][0, 0].numpy()[kept]
        end = last[sampling.picked(len(last))] if sampling.n is not None else last
        found[name] = np.concatenate([taken, end[None]])
    return np.append(steps[kept], lived), found, 1.0


def _clamped(life: Life, recordings: Recordings, rules: Any) -> tuple[np.ndarray, dict[str, np.ndarray], float]:
    """Of a rule after every moment of the protocols; of a policy at the start and the end."""
    from plasticbench.simulation.clamped.lives import start_of
    from plasticbench.simulation.clamped.torch_engine import ClampedStepper

    network, name = life.clamped_network, life.plastic_names[0]
    is_rule = isinstance(rules, RuleBatch)
    brought = rules if is_rule else rules.brought
    start = start_of(network, brought.structure.pathways[0]).weight
    last = recordings[FinalWeights(name)][0, 0].numpy()
    first = np.full(network.n_protocols, start)
    if not is_rule:
        return np.array([0, network.n_steps]), {name: np.stack([first, last])}, start
    stepper, found = ClampedStepper(network, rules, 1), [first]
    while stepper.step < network.n_steps:
        stepper.learn()
        stepper.end_step()
        found.append(stepper.w[0, 0].numpy().copy())
    found[-1] = last
    return np.arange(network.n_steps + 1), {name: np.stack(found)}, start


def rate_outputs(life: Life, rules: RuleBatch, steps: np.ndarray, weights: Mapping[str, np.ndarray]) -> np.ndarray:
    """(n_times, n_presented, n_outputs): what a rate network of one layer answers to the presentations of these steps.

    `weights`: pathway -> (n_times, n_post, n_pre). The last entry: the last presentation with the final weights.
    """
    import torch

    from plasticbench.simulation.rate.lives import RateLives
    from plasticbench.simulation.rate.torch_engine import RateStepper

    side_by_side = RateLives.of([replace(life, recordings=())])
    stepper = RateStepper(side_by_side, rules)
    found = []
    for k, step in enumerate(steps.tolist()):
        stepper.weights = {name: torch.from_numpy(values[k])[None, None] for name, values in weights.items()}
        stepper.step = min(step, life.n_steps - 1) - 1
        stepper.end_step()  # presents the next step's items
        post = stepper.observe()[side_by_side.rate_network.feedforward]["post"]  # (1, 1, n_presented, n_outputs, 1)
        found.append(post[0, 0, :, :, 0].numpy().copy())
    return np.stack(found)
