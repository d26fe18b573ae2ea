"""One linear neuron that is to find the first principal component of what it sees.

Oja, J. Math. Biol. 15:267 (1982), doi:10.1007/BF00275687; as a search for rules: Confavreux et al., NeurIPS 2020.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from plasticbench.networks.life import Life, Presentations
from plasticbench.networks.rate import RateNetwork
from plasticbench.networks.recordings import FinalWeights, Recordings
from plasticbench.simulation.random import Stream
from plasticbench.tasks.conditions import NormalVector
from plasticbench.tasks.losses import angle_to_axis_deg, distance_to_axis, targets_of
from plasticbench.tasks.rate_task import RateTask
from plasticbench.tasks.registry import register

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = FinalWeights("ff")
REFERENCE = (
    "Oja, J. Math. Biol. 15:267 (1982), doi:10.1007/BF00275687; "
    "Confavreux, Zenke, Agnes, Lillicrap & Vogels, NeurIPS 33 (2020)"
)
FULL_SPECTRUM = (1.0, *[0.9] * 3, *[0.8] * 3, *[0.7] * 3, *[0.5] * 8, *[0.1] * 10, *[1e-6] * 11)
MINI_SPECTRUM = (1.0, 0.5, 1e-6)


@dataclass(frozen=True, kw_only=True)
class PrincipalComponentTask(RateTask):
    """What the Oja tasks share: the neuron, the initial weights, the loss. Subclasses give the data."""

    presentation: Literal["batch", "stream"] = "batch"

    @property
    @abc.abstractmethod
    def n_inputs(self) -> int: ...

    @property
    def network(self) -> RateNetwork:
        return RateNetwork(n_inputs=self.n_inputs)

    @abc.abstractmethod
    def _data(self, seed: int) -> np.ndarray:
        """(n_items, n_inputs)"""

    def life(self, conditions: Mapping[str, Any], seed: int) -> Life:
        data = self._data(seed)
        first = np.linalg.svd(data - data.mean(0), full_matrices=False)[2][0]
        order = None
        if self.presentation == "stream":
            order = Stream(seed, "order").integers(len(data), (self.n_steps,))
        return Life(
            self.network, seed, self.n_steps, (WEIGHTS,), conditions, targets={"components": first[None]},
            presentations=Presentations(data, order), w_init={"ff": np.array([conditions["w_init"]])},
        )  # fmt: skip

    def loss(self, recordings: Recordings, lives: Sequence[Life]) -> Tensor:
        w = recordings[WEIGHTS]
        return distance_to_axis(w, targets_of(lives, "components", w)).mean(-1)

    def metrics(self, recordings: Recordings, lives: Sequence[Life]) -> dict[str, Tensor]:
        w = recordings[WEIGHTS]
        return {
            "angle_deg": angle_to_axis_deg(w, targets_of(lives, "components", w)).mean(-1),
            "weight_norm": w.norm(dim=-1).mean(-1),
        }


def w_init_of(n_inputs: int) -> dict[str, NormalVector]:
    """The condition that the Oja tasks share."""
    return {"w_init": NormalVector(n_inputs, 0.1, "w_init")}


@dataclass(frozen=True, kw_only=True)
class Oja(PrincipalComponentTask):
    """
    ## Description
    A linear neuron y = Σ_j w_j x_j sees 100 samples of a Gaussian whose covariance has the given eigenvalues in
    a random orthogonal basis, drawn anew for every lifetime. In the batch tasks one step presents all samples
    and applies the mean of the rule's Δw; in `OjaOnline` one step presents one sample, drawn at random.

    ## Observation and action
    Pathway `ff`: `pre` (n_presented, 1, n), `post` (n_presented, 1, 1), `w` (1, n). The action is Δw.

    ## Conditions
    `w_init`: the n initial weights, each 0.1·N(0, 1).

    ## Loss
    min(‖w − PC1‖, ‖w + PC1‖) at the end of life, with PC1 the first right singular vector of the centred data.
    ‖w‖ > 10 at step t of T is a blow-up: 2 + 2(1 − t/T).

    ## Version history
    v0: first version. The full task's leading eigenvalues 1 and 0.9 are slow to separate by design, so the
    angle to PC1 is reported beside the loss.
    """

    eigenvalues: tuple[float, ...]
    n_samples: int = 100

    @property
    def n_inputs(self) -> int:
        return len(self.eigenvalues)

    def _data(self, seed: int) -> np.ndarray:
        n = self.n_inputs
        basis = np.linalg.qr(Stream(seed, "basis").normal((n, n)))[0]
        samples = Stream(seed, "samples").normal((self.n_samples, n))
        return (samples * np.sqrt(self.eigenvalues)) @ basis.T


def _oja(name: str, **fields: Any) -> Oja:
    shared = {"reference": REFERENCE, "reference_rule": "oja", "families": ("polynomial", "mlp")}
    return Oja(id=f"plasticbench/{name}-v0", **{**shared, **fields})


register(
    _oja(
        "Oja",
        title="First principal component, 39 inputs",
        summary="A linear neuron with 39 inputs; its weights should become the data's first principal component.",
        eigenvalues=FULL_SPECTRUM,
        conditions=w_init_of(len(FULL_SPECTRUM)),
        n_steps=1000,
        null_loss=1.10294,
        blind_loss=0.981957,
        reference_loss=0.121443,
    )
)
register(
    _oja(
        "OjaMini",
        title="First principal component, 3 inputs",
        summary="A linear neuron with 3 inputs; its weights should become the data's first principal component.",
        eigenvalues=MINI_SPECTRUM,
        conditions=w_init_of(len(MINI_SPECTRUM)),
        n_steps=200,
        null_loss=0.936599,
        blind_loss=0.570727,
        reference_loss=0.012441,
    )
)
register(
    _oja(
        "OjaOnline",
        title="First principal component, one sample at a time",
        summary="A linear neuron with 39 inputs that sees one sample at a time, 5000 in a life.",
        eigenvalues=FULL_SPECTRUM,
        conditions=w_init_of(len(FULL_SPECTRUM)),
        n_steps=5000,
        presentation="stream",
        learning_rate=0.01,
        reference_rule="oja-online",
        null_loss=1.10294,
        blind_loss=0.972170,
        reference_loss=0.491922,
    )
)
