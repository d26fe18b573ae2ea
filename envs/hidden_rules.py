"""Hidden polynomial rules: how one is drawn, what a network with it lives, and how near another rule comes to it.

A rule is the coefficients A_abc of Δw = η Σ A_abc preᵃ postᵇ wᶜ that are not zero, by pathway.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from plasticbench.networks.rate import RateNetwork
from plasticbench.simulation.random import Stream

Coefficients = Mapping[str, float]  # name of a coefficient, "A_110" -> its value
KEPT_TERM = 0.05  # of a rule's largest coefficient: from here on a term counts as there

OJA: Coefficients = {"A_110": 1.0, "A_021": -1.0}  # Oja, J. Math. Biol. 15:267 (1982)
ANTI_HEBBIAN: Coefficients = {"A_110": -1.0, "A_001": -0.5}  # lateral inhibition (Földiák 1990), with a decay


def _oja(u: Callable[[float, float], float]) -> Coefficients:
    return {"A_110": u(0.5, 1.5), "A_021": -u(0.5, 1.5)}


def _hebbian_decay(u: Callable[[float, float], float]) -> Coefficients:
    return {"A_110": u(0.5, 1.5), "A_001": -u(0.25, 1.0)}


def _bcm(u: Callable[[float, float], float]) -> Coefficients:
    """With a fixed threshold, and a decay that bounds the weights."""
    size = u(1.0, 2.0)
    return {"A_120": size, "A_110": -round(size * u(0.2, 0.5), 2), "A_001": -u(0.05, 0.25)}


def _anti_hebbian(u: Callable[[float, float], float]) -> Coefficients:
    return {"A_110": -u(0.5, 1.5), "A_001": -u(0.0, 0.5)}


def _covariance(u: Callable[[float, float], float]) -> Coefficients:
    """(pre − p)(post − q) with fixed means, and a decay."""
    size, p, q = u(0.5, 1.5), u(0.2, 0.5), u(0.2, 0.5)
    means = {"A_010": -round(size * p, 2), "A_100": -round(size * q, 2), "A_000": round(size * p * q, 2)}
    return {"A_110": size, **means, "A_001": -u(0.25, 1.0)}


FAMILIES = {
    "oja": _oja,
    "hebbian-decay": _hebbian_decay,
    "bcm": _bcm,
    "anti-hebbian": _anti_hebbian,
    "covariance": _covariance,
}


def draw_hidden_rule(seed: int) -> tuple[str, Coefficients]:
    """A family, each as likely, and a member of it, to two decimals; the same seed, the same rule."""
    stream = Stream(seed, "hidden rule")
    name = list(FAMILIES)[int(stream.integers(len(FAMILIES)))]
    return name, FAMILIES[name](lambda low, high: round(float(stream.uniform((), low, high)), 2))


def live(
    network: RateNetwork,
    hidden: Mapping[str, Coefficients],
    eta: float,
    inputs: np.ndarray,
    w_init: Mapping[str, np.ndarray],
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A life with the hidden rule: weights[pathway] (n_steps + 1, n_post, n_pre) and activity (n_steps, n_outputs).

    inputs (n_steps, n_inputs), one presentation a step; a tanh network. Written apart from the engines.
    """
    n_steps = len(inputs)
    weights = {name: np.empty((n_steps + 1, *network.shape(name))) for name in network.pathways}
    activity = np.zeros((n_steps, network.n_outputs))
    for name, start in w_init.items():
        weights[name][0] = start
    for t, x in enumerate(inputs):
        w, y = weights[network.feedforward][t], activity[t]
        if network.lateral is None:
            y[:] = np.tanh(w @ x)
        else:
            lateral = weights[network.lateral][t]
            for i in range(network.n_outputs):
                y[i] = math.tanh(w[i] @ x + lateral[i, :i] @ y[:i])
        for name, pre in zip(network.pathways, (x, y), strict=False):
            now = weights[name][t]
            change = eta * _sum_of_terms(hidden[name], pre, y, now)
            weights[name][t + 1] = now + (change if name == network.feedforward else np.tril(change, -1))
    return weights, activity


def _sum_of_terms(coefficients: Coefficients, pre: np.ndarray, post: np.ndarray, w: np.ndarray) -> np.ndarray:
    total = np.zeros_like(w)
    for name, value in coefficients.items():
        a, b, c = (int(digit) for digit in name[2:])
        total += value * np.outer(post**b, pre**a) * w**c
    return total


def nearness(found: np.ndarray, hidden: np.ndarray) -> dict[str, float]:
    """How near coefficients (d,) are to hidden ones (d,), and whether the same terms are there; NaN: undefined."""
    size = float(np.linalg.norm(found) * np.linalg.norm(hidden))
    there, true = _terms(found), _terms(hidden)
    both = float((there & true).sum())
    return {
        "coefficient_l1": float(np.abs(found - hidden).sum()),
        "coefficient_cosine": float(found @ hidden) / size if size > 0.0 else math.nan,
        "term_precision": both / float(there.sum()) if there.any() else math.nan,
        "term_recall": both / float(true.sum()),
    }


def _terms(coefficients: np.ndarray) -> np.ndarray:
    """(d,) bool: the terms that count as there."""
    size = np.abs(coefficients)
    return (size > 0.0) & (size >= KEPT_TERM * size.max())
