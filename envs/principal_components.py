"""Several principal components by Hebbian feedforward and anti-Hebbian lateral weights.

Rubner & Tavan, Europhys. Lett. 10:693 (1989), doi:10.1209/0295-5075/10/7/015; Földiák, Biol. Cybern. 64:165 (1990);
as a search for rules: Confavreux et al., NeurIPS 2020.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from plasticbench.networks.life import Life, Presentations
from plasticbench.networks.rate import RateNetwork
from plasticbench.networks.recordings import FinalWeights, Recordings
from plasticbench.simulation.random import Stream
from plasticbench.tasks.losses import angle_to_axis_deg, distance_to_axis, subspace_distance, targets_of
from plasticbench.tasks.rate_task import RateTask
from plasticbench.tasks.registry import register

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS, LATERAL = FinalWeights("ff"), FinalWeights("lateral")

REFERENCE = (
    "Rubner & Tavan, Europhys. Lett. 10:693 (1989), doi:10.1209/0295-5075/10/7/015; "
    "Confavreux, Zenke, Agnes, Lillicrap & Vogels, NeurIPS 33 (2020)"
)
FULL_SPECTRUM = (1.0, 0.75, 0.55, 0.4, 0.25, *[0.1] * 5, *[0.05] * 10)
MINI_SPECTRUM = (1.0, 0.5, 0.2, 0.05)


@dataclass(frozen=True, kw_only=True)
class PrincipalComponents(RateTask):
    """
    ## Description
    Linear outputs y_i = Σ_j W_ij x_j + Σ_{k<i} U_ik y_k see samples of a Gaussian with the given eigenvalues in
    a random orthogonal basis, drawn anew for every lifetime. The lateral weights are hierarchical (strictly
    lower triangular): a symmetric layer finds the subspace but not its axes. One step presents all samples and
    applies the mean of each rule's Δw. W starts at 0.1·N(0, 1), U at 0.

    ## Observation and action
    Pathway `ff`: `pre` = x (n_presented, 1, n_inputs), `post` = y (n_presented, n_outputs, 1), `w` = W, and
    `reconstruction` = Σ_{k<=i} y_k W_kj (what Sanger's rule subtracts; not local to the synapse). Pathway
    `lateral`: `pre` = y_k (n_presented, 1, n_outputs), `post` = y_i, `w` = U; Δw above the diagonal is ignored.

    ## Loss
    `components`: mean over outputs of min(‖W_i − PC_i‖, ‖W_i + PC_i‖), PC_i the right singular vectors of the
    centred data. `subspace`: the projection distance between the row space of W and that of the components.
    An output whose weights in one pathway exceed norm 10 at step t of T is a blow-up: 2 + 2(1 − t/T).

    ## Version history
    v0: first version. The full task's spectrum and sizes are this project's choice.
    """

    eigenvalues: tuple[float, ...]
    n_outputs: int
    n_samples: int
    scored: Literal["components", "subspace"] = "components"
    w_init_std: float = 0.1

    @property
    def network(self) -> RateNetwork:
        return RateNetwork(
            n_inputs=len(self.eigenvalues),
            n_outputs=self.n_outputs,
            lateral="lateral",
            offers_reconstruction=True,
        )

    def life(self, conditions: Mapping[str, Any], seed: int) -> Life:
        n = len(self.eigenvalues)
        basis = np.linalg.qr(Stream(seed, "basis").normal((n, n)))[0]
        samples = Stream(seed, "samples").normal((self.n_samples, n))
        data = (samples * np.sqrt(self.eigenvalues)) @ basis.T
        components = np.linalg.svd(data - data.mean(0), full_matrices=False)[2][: self.n_outputs]
        w_init = self.w_init_std * Stream(seed, "w_init").normal((self.n_outputs, n))
        lateral = np.zeros((self.n_outputs, self.n_outputs))
        return Life(
            self.network, seed, self.n_steps, (WEIGHTS, LATERAL), conditions, targets={"components": components},
            presentations=Presentations(data), w_init={"ff": w_init, "lateral": lateral},
        )  # fmt: skip

    def loss(self, recordings: Recordings, lives: Sequence[Life]) -> Tensor:
        w = recordings[WEIGHTS]
        components = targets_of(lives, "components", w)
        if self.scored == "subspace":
            return subspace_distance(w, components.expand_as(w))
        return distance_to_axis(w, components).mean(-1)

    def metrics(self, recordings: Recordings, lives: Sequence[Life]) -> dict[str, Tensor]:
        w = recordings[WEIGHTS]
        components = targets_of(lives, "components", w)
        return {
            "components_loss": distance_to_axis(w, components).mean(-1),
            "subspace_distance": subspace_distance(w, components.expand_as(w)),
            "angle_deg": angle_to_axis_deg(w, components).mean(-1),
            "lateral_norm": recordings[LATERAL].norm(dim=(-2, -1)),
        }


def _components(name: str, **fields: Any) -> None:
    mini = name.endswith("Mini")
    register(
        PrincipalComponents(
            id=f"plasticbench/{name}-v0",
            reference=REFERENCE,
            reference_rule="oja-anti-hebb",
            families=("polynomial", "mlp"),
            eigenvalues=MINI_SPECTRUM if mini else FULL_SPECTRUM,
            n_outputs=2 if mini else 5,
            n_samples=50 if mini else 100,
            n_steps=300 if mini else 1000,
            **fields,
        )
    )


_components(
    "PrincipalComponents",
    title="Five principal components, 20 inputs",
    summary="Five outputs with lateral inhibition should each find their own principal component.",
    null_loss=1.01213,
    blind_loss=0.954263,
    reference_loss=0.0375073,
)
_components(
    "PrincipalComponentsMini",
    title="Two principal components, 4 inputs",
    summary="Two outputs with lateral inhibition should each find their own principal component.",
    null_loss=0.937762,
    blind_loss=0.839756,
    reference_loss=0.0317301,
)
_components(
    "PrincipalSubspace",
    title="The space of five principal components, 20 inputs",
    summary="Five outputs should span the space of the first five principal components, in any basis.",
    scored="subspace",
    null_loss=0.863958,
    blind_loss=0.828270,
    reference_loss=0.0186982,
)
_components(
    "PrincipalSubspaceMini",
    title="The space of two principal components, 4 inputs",
    summary="Two outputs should span the space of the first two principal components, in any basis.",
    scored="subspace",
    null_loss=0.692374,
    blind_loss=0.642860,
    reference_loss=0.0183616,
)
