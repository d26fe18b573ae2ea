"""Rate networks: one layer of outputs, plastic weights from the inputs, optional hierarchical lateral weights.

Linear outputs, computed in order (Rubner & Tavan 1989):    y_i = Σ_j W_ij x_j + Σ_{k<i} U_ik y_k
Tanh outputs, in the same order:                            y_i = tanh(Σ_j W_ij x_j + Σ_{k<i} U_ik y_k)
Sigmoid outputs beside slow weights (Tyulmankov et al. 2022): h = σ((W1 + A) x + b1), logit = w2·h + b2
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SlowArray:
    """An array that the rule brings along and that the lifetime does not change."""

    name: str
    shape: tuple[int, ...]
    init_std: float  # of a normal distribution: where a learner starts
    default: float = 0.0  # every entry, for a rule that brings none along


@dataclass(frozen=True)
class RatePathway:
    """A plastic pathway of a rate network."""

    name: str


@dataclass(frozen=True)
class RateNetwork:
    """A rate network as data.

    `feedforward` and `lateral` name the plastic pathways: weights (n_outputs, n_inputs) and, strictly lower
    triangular, (n_outputs, n_outputs). A sigmoid network has the slow arrays W1, b1, w2, b2 and a readout.
    """

    n_inputs: int
    n_outputs: int = 1
    activation: Literal["linear", "tanh", "sigmoid"] = "linear"
    feedforward: str = "ff"
    lateral: str | None = None
    offers_reconstruction: bool = False  # the variable `reconstruction`, Σ_{k<=i} y_k W_kj
    max_weight_norm: float = 10.0  # of one output's incoming weights in one pathway; beyond it is a blow-up
    readout_bias: float = 0.0  # of a sigmoid network's readout, where the rule brings no slow arrays
    dt_s: float = 1.0  # one presentation

    @property
    def pathways(self) -> tuple[str, ...]:
        return (self.feedforward,) if self.lateral is None else (self.feedforward, self.lateral)

    @property
    def given_pathways(self) -> tuple[str, ...]:
        """Those whose weights a life gives."""
        return self.pathways

    @property
    def plastic_pathways(self) -> tuple[RatePathway, ...]:
        """In the order in which rules come."""
        return tuple(RatePathway(name) for name in self.pathways)

    @property
    def has_readout(self) -> bool:
        """Whether each presentation is answered with a logit."""
        return self.activation == "sigmoid"

    @property
    def slow_arrays(self) -> tuple[SlowArray, ...]:
        if self.activation != "sigmoid":
            return ()
        n, d = self.n_outputs, self.n_inputs
        return (
            SlowArray("W1", (n, d), d**-0.5),
            SlowArray("b1", (n,), 1.0),
            SlowArray("w2", (n,), n**-0.5),
            SlowArray("b2", (1,), 1.0, self.readout_bias),
        )

    def shape(self, pathway: str) -> tuple[int, int]:
        """(n_post, n_pre) of a plastic pathway."""
        return (self.n_outputs, self.n_inputs if pathway == self.feedforward else self.n_outputs)

    def variables(self, pathway: RatePathway) -> frozenset[str]:
        """What a rule of this pathway may read."""
        extra = {"reconstruction"} if self.offers_reconstruction and pathway.name == self.feedforward else set()
        return frozenset({"pre", "post", "w"} | extra)


def rate_outputs(network: RateNetwork, weights: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
    """The outputs (..., n_steps, n_outputs) of weights over time, as the engines compute them.

    weights[pathway] (..., n_steps, n_post, n_pre), those at each step before the rule acts; inputs
    (..., n_steps, n_inputs), one presentation a step. Linear and tanh networks.
    """
    import torch

    drive = (weights[network.feedforward] @ inputs.unsqueeze(-1)).squeeze(-1)
    lateral = None if network.lateral is None else weights[network.lateral]
    outputs: list[Tensor] = []
    for i in range(network.n_outputs):
        total = drive[..., i]
        if lateral is not None and outputs:
            total = total + (torch.stack(outputs, -1) * lateral[..., i, :i]).sum(-1)
        outputs.append(torch.tanh(total) if network.activation == "tanh" else total)
    return torch.stack(outputs, -1)
