"""Lives of one-layer rate networks and their rules as the arrays that compiled loops take and fill."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from plasticbench.networks.layered import LayeredNetwork
from plasticbench.networks.life import Life
from plasticbench.networks.rate import RateNetwork
from plasticbench.networks.recordings import Recordings, Weights
from plasticbench.rules import PathwayStructure, RuleBatch
from plasticbench.simulation.rate.lives import RateLives, recordings_of, sample_steps


@dataclass(frozen=True)
class Kept:
    """What the lives of `n_rules` rules leave: arrays with a leading axis of lives, rule * n_seeds + seed."""

    lives: RateLives
    n_rules: int

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """In the order of the kernels' arguments; `u` and `u_sampled` are of lateral weights."""
        net, n, n_steps = self.lives.rate_network, self.n_rules * self.lives.n_seeds, self.lives.n_steps
        lateral = (net.n_outputs, net.n_outputs) if net.lateral else (0, 0)
        modulator, n_times = self.lives.lives[0].modulator, int(self.sampled_at.max()) + 1
        return {
            "w": np.empty((n, net.n_outputs, net.n_inputs)),
            "u": np.empty((n, *lateral)),
            "readout": np.zeros((n, n_steps if net.has_readout else 0)),
            "modulation": np.zeros((n, len(modulator.steps) if modulator else 0, net.n_outputs)),
            "w_sampled": np.zeros((n, n_times, net.n_outputs, net.n_inputs)),
            "u_sampled": np.zeros((n, n_times, *lateral)),
            "lived": np.empty(n, dtype=np.int64),
            "blown_up": np.zeros(n, dtype=np.bool_),
        }

    @cached_property
    def _wanted(self) -> dict[Weights, range]:
        life = self.lives.lives[0]
        return {r: sample_steps(life, r) for r in life.recordings if isinstance(r, Weights)}

    @cached_property
    def sampled_at(self) -> np.ndarray:
        """(n_steps + 1,): which sample of the weights is taken before a step, or -1."""
        steps = sorted({step for wanted in self._wanted.values() for step in wanted})
        found = np.full(self.lives.n_steps + 1, -1, np.int64)
        found[steps] = np.arange(len(steps))
        return found

    def recordings(self) -> Recordings:
        net, modulator = self.lives.rate_network, self.lives.lives[0].modulator
        shape = (self.n_rules, self.lives.n_seeds)
        found = {name: torch.from_numpy(a.reshape(*shape, *a.shape[1:])) for name, a in self.arrays.items()}
        weights = {net.feedforward: found["w"]}
        if net.lateral:
            weights[net.lateral] = found["u"]
        values = found["modulation"] if modulator and modulator.per_neuron else found["modulation"][..., 0]
        sampled = {
            recording: found["w_sampled" if recording.pathway == net.feedforward else "u_sampled"][
                :, :, self.sampled_at[list(steps)]
            ]
            for recording, steps in self._wanted.items()
        }
        return recordings_of(
            self.lives.lives[0], weights, found["readout"], values, sampled, found["lived"], found["blown_up"]
        )


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype=np.float64)


def given(lives: RateLives) -> tuple[bool, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Whether items come one by one; the items, their order, initial weights and lateral ones, a row a seed."""
    lateral = lives.rate_network.lateral
    u_init = lives.w_init[lateral] if lateral else np.zeros((lives.n_seeds, 0, 0))
    stream = lives.order is not None
    inputs = lives.inputs if stream else lives.inputs.transpose(0, 2, 1)
    order = lives.order if lives.order is not None else np.zeros((lives.n_seeds, 0), dtype=np.int64)
    w_init = lives.w_init[lives.rate_network.feedforward]
    arrays = (np.ascontiguousarray(a, dtype=np.float64) for a in (inputs, w_init, u_init))
    x, w, u = arrays
    return stream, x, np.ascontiguousarray(order), w, u


def slow(network: RateNetwork, rules: RuleBatch) -> list[np.ndarray]:
    """W1, b1, w2, b2, with a leading axis of rules or of 1; empty where the network has none."""
    if not network.slow_arrays:
        return [np.zeros((1, 0, 0)), np.zeros((1, 0)), np.zeros((1, 0)), np.zeros((1, 0))]
    return [_numpy(rules.arrays[array.name]) for array in network.slow_arrays]


def numbers_of(
    network: RateNetwork | LayeredNetwork, rules: RuleBatch, n_pathways: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parameters (n_rules, n_pathways, most), where each state and trace begins among a pathway's own, their rates."""
    structures = [*rules.structure.pathways, *[PathwayStructure("")] * (n_pathways - len(rules.structure.pathways))]
    numbers = [_numpy(p) for p in rules.parameters]
    most = max([1, *(p.shape[1] for p in numbers)])
    parameters = np.zeros((rules.n_rules, n_pathways, most))
    for k, p in enumerate(numbers):
        parameters[:, k, : p.shape[1]] = p
    n_items = max(len(s.states) + len(s.traces) for s in structures)
    item_first = np.zeros((n_pathways, n_items + 1), np.int64)
    rates = np.zeros((rules.n_rules, n_pathways, max(1, n_items)))
    for k, structure in enumerate(structures):
        n_post, n_pre = network.shape(structure.pathway) if structure.pathway else (0, 0)
        sizes = {"pre": n_pre, "post": n_post, "synapse": n_pre * n_post}
        items = [(sizes[s.scope], s.tau, False) for s in structure.states]
        items += [(sizes[trace.side], trace.tau, True) for trace in structure.traces]
        item_first[k, 1:] = np.cumsum([*(size for size, *_ in items), *[0] * (n_items - len(items))])
        for q, (_, column, is_trace) in enumerate(items):
            tau_s = numbers[k][:, column] if column is not None else np.full(rules.n_rules, math.inf)
            decay = np.exp(-network.dt_s / tau_s)
            rates[:, k, q] = 1.0 - decay if is_trace else decay
    return parameters, item_first, rates


def protocol(lives: RateLives) -> tuple[np.ndarray, np.ndarray]:
    """Which of two pathways' rules act at each step, and each life's resets."""
    acting = np.zeros((lives.n_steps, 2), np.bool_)
    acting[:, : lives.acting.shape[1]] = lives.acting
    return acting, lives.anew


def deliveries(lives: Sequence[Life]) -> tuple[np.ndarray, np.ndarray]:
    """Which delivery of the modulator each step has, or -1; each life's signals (n_seeds, n_deliveries)."""
    modulator = lives[0].modulator
    found = np.full(lives[0].n_steps, -1, np.int64)
    if modulator is None:
        return found, np.zeros((len(lives), 0))
    found[list(modulator.steps)] = np.arange(len(modulator.steps))
    signals = np.array([[life.modulator.signal(k) for k in range(len(modulator.steps))] for life in lives])  # type: ignore[union-attr]
    return found, signals
