"""Neural codependent rules: learned read-outs of a random, frozen hidden layer, 11 numbers per pathway.

The form "T4wvceciMLP" of Confavreux et al., PLOS Comput. Biol. 21:e1012910 (2025), doi:10.1371/journal.pcbi.1012910,
and NeurIPS 36 (2023): features (x_pre, x_post, w, v, c_exc, c_inh), two logistic hidden layers of 50 and 4 units
without biases, shared by both events, and two linear read-outs, Δw = η f. θ = (η, four weights and the bias of on_pre's
read-out, those of on_post's). Traces: 10 ms before, 100 ms after the synapse, the published constants that
re-simulation favours. Prior: η U(0, 1), read-outs U(-1, 1), as published.

The authors' hidden weights are a file without a licence, so they are not here. Ours are drawn, and frozen: normal
numbers of variance 1/inputs from `hidden_seed`, those of the three features in volts times 15, the factor that the
polynomial form gives them. So published read-outs mean nothing in this space, and published losses cannot be reproduced
with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from plasticbench.errors import RuleError
from plasticbench.rules.batch import RuleBatch
from plasticbench.rules.families.base import Coordinate, TemplateFamily
from plasticbench.rules.neural import Network, NetworkShape
from plasticbench.rules.pathway import PathwayRule
from plasticbench.rules.rule import Rule

if TYPE_CHECKING:
    from torch import Tensor

N_LEARNED = 11
SHAPE = NetworkShape(
    ("x_pre", "x_post", "w", "v", "c_exc", "c_inh"), ("on_pre", "on_post"),
    (50, 4, 2), ("sigmoid", "sigmoid", "identity"),
)  # fmt: skip
_IN_VOLTS = {"v", "c_exc", "c_inh"}
_PER_VOLT = 15.0
_TAUS_S = {"tau_pre": 0.01, "tau_post": 0.1}
_START_ETA = 0.1


class CodependentNeural(TemplateFamily):
    """`hidden_seed` draws the frozen hidden weights; a rule file carries them, so it runs without this family.

    In a rule the read-outs include η, which is kept beside them as the parameter `eta`.
    """

    name = "codependent-neural"

    def __init__(self, pathways: Sequence[str], hidden_seed: int = 0, std: float = 0.1) -> None:
        super().__init__(pathways)
        if type(hidden_seed) is not int or hidden_seed < 0:
            raise RuleError(f"family {self.name}: hidden_seed is {hidden_seed!r}; a whole number of 0 or more")
        self.hidden_seed, self.std = hidden_seed, std

    @cached_property
    def numbers(self) -> np.ndarray:
        """(n_numbers,) of the whole network: the frozen hidden layers without biases, and silent read-outs."""
        generator = np.random.Generator(np.random.Philox(key=[self.hidden_seed, 3]))
        scale = np.array([_PER_VOLT if name in _IN_VOLTS else 1.0 for name in SHAPE.inputs])
        parts: list[np.ndarray] = []
        for layer, (n_out, n_in) in enumerate(SHAPE.matrix_shapes):
            last = layer == len(SHAPE.layers) - 1
            weights = np.zeros((n_out, n_in)) if last else generator.standard_normal((n_out, n_in)) / math.sqrt(n_in)
            parts += [(weights * scale if layer == 0 else weights).ravel(), np.zeros(n_out)]
        return np.concatenate(parts)

    def template(self, pathway: str) -> PathwayRule:
        return PathwayRule.make(
            parameters={"eta": _START_ETA, **_TAUS_S},
            traces={"x_pre": "tau_pre", "x_post": "tau_post"},
            network=Network(SHAPE, self.numbers),
        )

    def coordinates(self, pathway: str) -> list[Coordinate]:
        found = [Coordinate("eta", 0.0, 10.0, _START_ETA, std=self.std, penalised=False, prior=(0.0, 1.0))]
        for event in range(len(SHAPE.outputs)):
            names = [f"weight_2[{event},{j}]" for j in range(SHAPE.layers[-2])] + [f"bias_2[{event}]"]
            found += [Coordinate(f"network.{n}", jitter=1e-3, std=self.std, prior=(-1.0, 1.0)) for n in names]
        return found

    def batch(self, thetas: Tensor) -> RuleBatch:
        return super().batch(self._with_eta(self._checked(thetas)))

    def rule(self, theta: Tensor | Sequence[float], name: str | None = None, reference: str = "") -> Rule:
        return super().rule(self._with_eta(self._checked_one(theta)[None])[0], name, reference)

    def theta(self, rule: Rule) -> Tensor:
        import torch

        blocks = super().theta(rule).reshape(-1, N_LEARNED)
        eta, read_outs = blocks[:, :1], blocks[:, 1:]
        return torch.cat([eta, torch.where(eta == 0, 0.0, read_outs / eta)], dim=1).flatten()

    def _with_eta(self, thetas: Tensor) -> Tensor:
        """θ (n, d) with every read-out multiplied by its pathway's η."""
        import torch

        blocks = thetas.reshape(len(thetas), -1, N_LEARNED)
        eta, read_outs = blocks[..., :1], blocks[..., 1:]
        return torch.cat([eta, eta * read_outs], dim=-1).flatten(1)

    def _recognize(self, pathway: str, part: PathwayRule) -> dict[str, float]:
        values = super()._recognize(pathway, part)
        structure, frozen = self._structure(pathway)
        learned = {coordinate.parameter for coordinate in self.coordinates(pathway)}
        for name, value in zip(structure.parameters, frozen, strict=True):
            if name not in learned and values[name] != value:
                raise RuleError(
                    f"family {self.name}: {name} of pathway {pathway} is {values[name]:g}; with hidden_seed "
                    f"{self.hidden_seed} it is {value:g}"
                )
        return values
