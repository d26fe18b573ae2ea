"""A neural density over a box of θ given how far a life is from criteria, learned from weighted simulations.

The network sees θ through the logit of its place in the box, so that every draw lies inside: nothing is rejected, and
no draw can take forever. Its loss is a sum over single simulations, so that leaving some out by what came of them, or
weighting them by it, does not bias the density for the others.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plasticbench.errors import PlasticbenchError
from plasticbench.simulation.random import Stream

_EDGE = 1e-6  # of the box, on each side: beyond, the logit is cut
_NETWORK = {"hidden_features": 32, "num_transforms": 4, "num_bins": 6, "num_components": 6}
_BATCH, _LEARNING_RATE, _LARGEST_GRADIENT = 128, 2e-3, 5.0
_HELD_OUT, _PATIENCE = 0.1, 15  # share of the simulations, epochs without a better density of them
FEWEST = 20  # simulations to learn from


class Box:
    """A uniform prior: θ (n, d) between low and high (d,), and its logit."""

    def __init__(self, low: Tensor, high: Tensor):
        self.low, self.high = low.double(), high.double()

    def logit(self, thetas: Tensor) -> Tensor:
        share = ((thetas.double() - self.low) / (self.high - self.low)).clamp(_EDGE, 1.0 - _EDGE)
        return torch.logit(share)

    def thetas(self, logits: Tensor) -> Tensor:
        return self.low + (self.high - self.low) * torch.sigmoid(logits.double()).clamp(_EDGE, 1.0 - _EDGE)


class Posterior:
    """An average of networks. `state` is what a checkpoint keeps: numbers and tensors."""

    def __init__(self, box: Box, state: dict[str, Any]):
        self.box, self.state = box, state
        self._networks = [_loaded(state, member) for member in state["members"]]

    @classmethod
    def learned(
        cls, box: Box, thetas: Tensor, x: Tensor, weights: Tensor, estimator: str, n_members: int, epochs: int,
        seed: int,
    ) -> Posterior:  # fmt: skip
        """From θ (n, d), x (n, m) and weights (n,); the same bits for the same seed."""
        logits = box.logit(thetas)
        mean = (weights[:, None] * logits).sum(0) / weights.sum()
        spread = ((weights[:, None] * (logits - mean) ** 2).sum(0) / weights.sum()).sqrt().clamp_min(1e-3)
        state: dict[str, Any] = {
            "estimator": estimator, "mean": mean, "spread": spread, "n_conditions": x.shape[1], "members": [],
        }  # fmt: skip
        standard = ((logits - mean) / spread).float()
        for k in range(n_members):
            with _own_random(seed, f"sbi-network-{k}"):
                network = _made(state)
                _train(network, standard, x.float(), weights.float(), epochs)
                state["members"].append({name: value.clone() for name, value in network.state_dict().items()})
        return cls(box, state)

    def draw(self, n: int, x: Tensor, seed: int) -> Tensor:
        """(n, d), given x (m,). Raises PlasticbenchError if the network gives what is not a number."""
        with _own_random(seed, "sbi-draws"), torch.no_grad():
            chosen = torch.randint(len(self._networks), (n,))
            parts = []
            for k, network in enumerate(self._networks):
                count = int((chosen == k).sum())
                if count:
                    parts.append(network.sample((count,), x.float()[None]).reshape(count, -1))
        logits = self.state["mean"] + self.state["spread"] * torch.cat(parts).double()
        if logits.isnan().any():
            raise PlasticbenchError("estimator: the network draws what is not a number; take another, or fewer epochs")
        return self.box.thetas(logits)

    def log_density(self, thetas: Tensor, x: Tensor) -> Tensor:
        """(n,) of θ (n, d) given x (m,), relative to the uniform density of the box."""
        logits = self.box.logit(thetas)
        standard = ((logits - self.state["mean"]) / self.state["spread"]).float()
        given = x.float().expand(len(thetas), -1)
        with torch.no_grad(), _quiet():
            each = torch.stack([-network.loss(standard, given).double() for network in self._networks])
        # dθ/dlogit of the box's share is share (1 - share)
        slope = torch.nn.functional.logsigmoid(logits) + torch.nn.functional.logsigmoid(-logits)
        average = each.logsumexp(0) - np.log(len(self._networks))
        return average - (slope + self.state["spread"].log()).sum(1)


def _made(state: dict[str, Any]) -> Any:
    """A fresh network on standardised logits."""
    with _quiet():
        from sbi.neural_nets import posterior_nn

        build = posterior_nn(state["estimator"], z_score_theta="none", z_score_x="none", **_NETWORK)
        return build(torch.randn(2, len(state["mean"])), torch.randn(2, state["n_conditions"]))


def _loaded(state: dict[str, Any], member: dict[str, Tensor]) -> Any:
    with torch.random.fork_rng(devices=[]):
        network = _made(state)
    network.load_state_dict(member)
    return network.eval()


def _train(network: Any, z: Tensor, x: Tensor, weights: Tensor, epochs: int) -> None:
    """Until the density of simulations held out is best. Draws from torch's global generator."""
    order = torch.randperm(len(z))
    n_out = max(1, int(_HELD_OUT * len(z)))
    out, kept = order[:n_out], order[n_out:]
    optimizer = torch.optim.Adam(network.parameters(), _LEARNING_RATE)
    best, best_state, waited = float("inf"), copy.deepcopy(network.state_dict()), 0
    with _quiet():
        for _ in range(epochs):
            network.train()
            for batch in kept[torch.randperm(len(kept))].split(_BATCH):
                loss = (weights[batch] * network.loss(z[batch], x[batch])).sum() / weights[kept].mean() / len(batch)
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), _LARGEST_GRADIENT)
                optimizer.step()
            network.eval()
            with torch.no_grad():
                value = float((weights[out] * network.loss(z[out], x[out])).mean())
            if value < best:
                best, best_state, waited = value, copy.deepcopy(network.state_dict()), 0
            else:  # also where it is not a number
                waited += 1
            if waited >= _PATIENCE:
                break
    network.load_state_dict(best_state)


@contextmanager
def _own_random(seed: int, name: str) -> Iterator[None]:
    """Torch's global generator is our own for the time being; the libraries' notices are silenced."""
    with torch.random.fork_rng(devices=[]), _quiet():
        torch.manual_seed(int(Stream(seed, name).integers(2**31, (1,))[0]))
        yield


class _quiet(warnings.catch_warnings):  # noqa: N801 - a context manager, used as a verb
    def __enter__(self):
        entered = super().__enter__()
        warnings.simplefilter("ignore")
        return entered
