"""One linear neuron that is to find the one direction of its input that is not Gaussian.

Nonlinear Hebbian rules as independent component analysis: Hyvärinen & Oja, Signal Process. 64:301 (1998),
doi:10.1016/S0165-1684(98)00029-7; Brito & Gerstner, PLOS Comput. Biol. 12:e1005070 (2016),
doi:10.1371/journal.pcbi.1005070.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from plasticbench.networks.life import Life, Presentations
from plasticbench.networks.rate import RateNetwork
from plasticbench.networks.recordings import FinalWeights, Recordings
from plasticbench.simulation.random import Stream
from plasticbench.tasks.conditions import Constant, NormalVector
from plasticbench.tasks.losses import angle_to_axis_deg, direction_distance, targets_of
from plasticbench.tasks.rate_task import RateTask
from plasticbench.tasks.registry import register

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = FinalWeights("ff")
HIDDEN_BELOW = 1e-6  # noise that tells nothing, above what rounding leaves of the source in means and covariances


@dataclass(frozen=True, kw_only=True)
class IndependentComponent(RateTask):
    """
    ## Description
    A linear neuron y = Σ_j w_j x_j sees 2000 samples of 8 inputs: one source that is not Gaussian and seven that are,
    mixed by a random rotation and then whitened exactly (mean 0, covariance the identity, of these samples, up to noise
    of 1e-6). So means, variances and correlations are the same in every direction, and only higher moments tell where
    the source is: a rule whose mean change is Hebbian learns nothing here. One step presents all samples and applies
    the mean of the rule's Δw; a life has 300.

    ## Observation and action
    Pathway `ff`: `pre` (2000, 1, 8), `post` (2000, 1, 1), `w` (1, 8). The action is Δw.

    ## Conditions
    `source`: "exponential" (skewed, and with heavy tails); a caller may fix "laplace" (symmetric, heavy tails) instead.
    `w_init`: the 8 initial weights, each 0.35·N(0, 1).

    ## Loss
    sqrt(2 − 2|cos|) at the end of life, cos being that of the angle between w and the source's direction in the
    whitened samples: the distance of the two as unit vectors, the sign being free. 0 is the source, sqrt(2) a right
    angle. ‖w‖ > 10 at step t of T is a blow-up: 2 + 2(1 − t/T).

    ## Metrics
    `angle_deg` between w and the source; `weight_norm`.

    ## Version history
    v0: first version.
    """

    n_inputs: int = 8
    n_samples: int = 2000

    @property
    def network(self) -> RateNetwork:
        return RateNetwork(n_inputs=self.n_inputs)

    def samples(self, source: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """The whitened inputs (n_samples, n_inputs), and the source's direction in them (n_inputs,), a unit vector."""
        shape = (self.n_samples, self.n_inputs)
        sources = Stream(seed, "samples").normal(shape)
        sources[:, 0] = -np.log(Stream(seed, "source").uniform((self.n_samples,)))  # exponential, mean and variance 1
        if source == "laplace":
            sources[:, 0] *= np.where(Stream(seed, "sign").uniform((self.n_samples,)) < 0.5, -1.0, 1.0)
        sources -= sources.mean(0)
        basis = np.linalg.qr(Stream(seed, "basis").normal((self.n_inputs, self.n_inputs)))[0]
        mixed = sources @ basis.T
        variances, axes = np.linalg.eigh(mixed.T @ mixed / self.n_samples)
        white = mixed @ (axes / np.sqrt(variances)) @ axes.T
        white += HIDDEN_BELOW * Stream(seed, "noise").normal(shape)
        direction = white.T @ sources[:, 0]
        return white, direction / np.linalg.norm(direction)

    def life(self, conditions: Mapping[str, Any], seed: int) -> Life:
        samples, direction = self.samples(conditions["source"], seed)
        return Life(
            self.network, seed, self.n_steps, (WEIGHTS,), conditions, targets={"components": direction[None]},
            presentations=Presentations(samples), w_init={"ff": np.array([conditions["w_init"]])},
        )  # fmt: skip

    def loss(self, recordings: Recordings, lives: Sequence[Life]) -> Tensor:
        w = recordings[WEIGHTS]
        return direction_distance(w, targets_of(lives, "components", w)).mean(-1)

    def metrics(self, recordings: Recordings, lives: Sequence[Life]) -> dict[str, Tensor]:
        w = recordings[WEIGHTS]
        return {
            "angle_deg": angle_to_axis_deg(w, targets_of(lives, "components", w)).mean(-1),
            "weight_norm": w.norm(dim=-1).mean(-1),
        }

    def _family_options(self, name: str) -> dict[str, Any]:
        more = {"degree": 4} if name == "polynomial" else {}  # the reference rule's; lower degrees hold worse ones
        return {**super()._family_options(name), **more}


register(
    IndependentComponent(
        id="plasticbench/IndependentComponent-v0",
        title="One independent component, 8 whitened inputs",
        summary="A linear neuron should turn to the one direction of white input that is not Gaussian.",
        reference="Hyvärinen & Oja, Signal Process. 64:301 (1998), doi:10.1016/S0165-1684(98)00029-7; "
        "Brito & Gerstner, PLOS Comput. Biol. 12:e1005070 (2016), doi:10.1371/journal.pcbi.1005070",
        reference_rule="nonlinear-hebb-cubic",
        families=("polynomial", "mlp"),
        conditions={"source": Constant("exponential", ("laplace",)), "w_init": NormalVector(8, 0.35, "w_init")},
        n_steps=300,
        null_loss=1.125570,
        blind_loss=1.125256,
        reference_loss=0.2537489,
    )
)
