"""Layered rate networks: several layers of outputs, and a path on which errors come back.

Forward, from the inputs y_0 = x (no biases):    z_l = W_l y_{l-1},  y_l = softplus(β z_l)/β,  y_L = softmax(z_L)
Back, from the label's one-hot vector t:         e_L = y_L − t,  e_l = (B_l e_{l+1}) ⊙ σ(β z_l),  e_0 = 0

B_l is fixed and random (feedback alignment: Lillicrap et al., Nat. Commun. 7:13276 (2016), doi:10.1038/ncomms13276), or
the transpose of W_{l+1}; then e is the gradient of the cross-entropy, as in backpropagation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.rate import RatePathway, SlowArray


@dataclass(frozen=True)
class LayeredNetwork:
    """A layered network as data.

    Pathway `layer_l` leads to layer l = 1..L: weights (sizes[l], sizes[l - 1]), plastic. `feedback_l` leads from the
    errors of layer l + 1 to those of hidden layer l: weights (sizes[l], sizes[l + 1]), given with the life and fixed;
    there are none where feedback is "transposed". Raises PlasticbenchError without a hidden layer.
    """

    sizes: tuple[int, ...]  # of the inputs, the hidden layers, the outputs
    feedback: Literal["fixed", "transposed"] = "fixed"
    sharpness: float = 10.0  # β of softplus
    max_weight_norm: float = 100.0  # of one neuron's incoming weights; beyond it is a blow-up
    dt_s: float = 1.0  # one presentation

    def __post_init__(self) -> None:
        if len(self.sizes) < 3 or min(self.sizes) < 1:
            raise PlasticbenchError(f"network.sizes: {self.sizes}; give inputs, one hidden layer or more, and outputs")

    @property
    def n_layers(self) -> int:
        """Without the inputs."""
        return len(self.sizes) - 1

    @property
    def n_inputs(self) -> int:
        return self.sizes[0]

    @property
    def n_outputs(self) -> int:
        return self.sizes[-1]

    @property
    def pathways(self) -> tuple[str, ...]:
        return tuple(f"layer_{layer}" for layer in range(1, self.n_layers + 1))

    @property
    def feedback_pathways(self) -> tuple[str, ...]:
        """In order of the layers that they lead to."""
        if self.feedback == "transposed":
            return ()
        return tuple(f"feedback_{layer}" for layer in range(1, self.n_layers))

    @property
    def given_pathways(self) -> tuple[str, ...]:
        """Those whose weights a life gives."""
        return (*self.pathways, *self.feedback_pathways)

    @property
    def plastic_pathways(self) -> tuple[RatePathway, ...]:
        """In the order in which rules come."""
        return tuple(RatePathway(name) for name in self.pathways)

    @property
    def has_readout(self) -> bool:
        """Each presentation is answered with a logit of every output."""
        return True

    @property
    def slow_arrays(self) -> tuple[SlowArray, ...]:
        """Rules bring none along."""
        return ()

    def shape(self, pathway: str) -> tuple[int, int]:
        """(n_post, n_pre) of a pathway; (n_layer, n_layer_above) of a feedback one."""
        kind, _, layer = pathway.rpartition("_")
        other = int(layer) + 1 if kind == "feedback" else int(layer) - 1
        return self.sizes[int(layer)], self.sizes[other]

    def variables(self, pathway: RatePathway) -> frozenset[str]:
        """What a rule of this pathway may read; `err_pre` is 0 where the presynaptic neurons are the inputs."""
        return frozenset({"pre", "post", "w", "err", "err_pre"})
