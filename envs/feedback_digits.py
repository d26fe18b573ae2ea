"""A deep network that learns digits online, with errors that come back along fixed random weights.

Shervani-Tabar & Rosenbaum, Nat. Commun. 14:1805 (2023), doi:10.1038/s41467-023-37562-1, on images that ship
with a library: Alpaydin & Kaynak, Optical Recognition of Handwritten Digits, UCI (1998), doi:10.24432/C50P49.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.layered import LayeredNetwork
from plasticbench.networks.life import LabelledPresentations, Life, Phase
from plasticbench.networks.recordings import FinalWeights, Readout, Recording, Recordings
from plasticbench.simulation.random import Stream
from plasticbench.tasks.conditions import Constant
from plasticbench.tasks.losses import cross_entropy
from plasticbench.tasks.metrics.feedback import accuracy, feedback_angle_deg, shown_labels
from plasticbench.tasks.rate_task import RateTask
from plasticbench.tasks.registry import register

if TYPE_CHECKING:
    from torch import Tensor

    from plasticbench.drawing.lives import LifeHistory

N_PIXELS = 64
READOUT = Readout()


@cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    """Images (1797, 64), grey levels of 0 to 1 less each pixel's mean; and which digit each is (1797,)."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise PlasticbenchError(
            "FeedbackDigits-v0 needs scikit-learn for its data: pip install 'plasticbench[data]'"
        ) from None
    found = load_digits()
    images = found.data.astype(np.float64) / 16.0
    images -= images.mean(0)
    images.flags.writeable = False
    return images, found.target.astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class FeedbackDigits(RateTask):
    """
    ## Description
    A network of 64 inputs, hidden layers of 60, 50, 40 and 30 and 5 outputs, without biases, is shown 8x8 images of
    handwritten digits of five classes, one image at a time and each once: 250 to learn from, 50 of a class, in random
    order, then 100 others without plasticity. Hidden neurons: y = softplus(10 z)/10; outputs: a softmax. After each
    image the error of the outputs, their activity minus the right answer, goes back layer by layer through weights that
    are as random as the forward ones and never change: e_l = (B_l e_{l+1}) y'(z_l). Classes, images and all weights
    (normal, variance 2/(n_pre + n_post)) are drawn anew for every lifetime.

    With so few images feedback alignment learns deep layers badly; what a rule makes of the two errors that meet at a
    synapse is what is asked for. All layers follow one rule, unless a rule file says otherwise.

    ## Observation and action
    Pathways `layer_1` to `layer_5`: `pre` (1, n_pre), `post` (n_post, 1), `w` (n_post, n_pre), `err` (n_post, 1), the
    error of the postsynaptic neuron, and `err_pre` (1, n_pre), that of the presynaptic one, 0 for the inputs. One step
    is one image; the action is Δw.

    ## Conditions
    `feedback`: "fixed"; a caller may fix "transposed" instead: errors come back along the forward weights, as in
    backpropagation. That is for comparison, not for scores.

    ## Loss
    Cross-entropy, in nats, of the network's answer to each of the 250 images before its weights change, at most 10 an
    image; the mean. To answer nothing costs ln 5 = 1.609. A neuron whose incoming weights exceed a norm of 100 at step
    t of T is a blow-up: 10 + 10(1 − t/T).

    ## Metrics
    `training_accuracy`, of these answers; `test_accuracy`, of the 100 images after learning; `feedback_angle_deg`
    between forward weights and the feedback beside them at the end of life, the mean over hidden layers: 90 means
    unrelated.

    ## Version history
    v0: first version.
    """

    sizes: tuple[int, ...] = (N_PIXELS, 60, 50, 40, 30, 5)
    n_test: int = 20  # images of each class, after the others

    declares_lives: ClassVar[bool] = True  # phases
    shares_rule: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.n_steps % self.n_classes or not 0 < self.n_test < self.n_steps // self.n_classes:
            raise PlasticbenchError(
                f"task {self.id}: n_steps: {self.n_steps} with n_test {self.n_test}; "
                f"give {self.n_classes} classes as many images each, more than n_test"
            )

    @property
    def n_classes(self) -> int:
        return self.sizes[-1]

    @property
    def n_trained(self) -> int:
        """Images to learn from, all classes together."""
        return self.n_steps - self.n_classes * self.n_test

    @property
    def network(self) -> LayeredNetwork:
        return LayeredNetwork(self.sizes)

    @cached_property
    def example(self) -> Life:
        """A lifetime of blank images: what is declared needs no data."""
        labels = np.tile(np.arange(self.n_classes), self.n_steps // self.n_classes)
        return self._life({"feedback": "fixed"}, 0, np.zeros((self.n_steps, N_PIXELS)), labels)

    def life(self, conditions: Mapping[str, Any], seed: int) -> Life:
        images, digits = _digits()
        classes = Stream(seed, "classes").permutation(10)[: self.n_classes]
        shuffled = Stream(seed, "images").permutation(len(images))
        each = self.n_steps // self.n_classes
        own = np.stack([shuffled[digits[shuffled] == digit][:each] for digit in classes], 1)  # (each, n_classes)
        labels = np.tile(np.arange(self.n_classes), each)
        return self._life(conditions, seed, images[own.ravel()], labels)

    def _life(self, conditions: Mapping[str, Any], seed: int, items: np.ndarray, labels: np.ndarray) -> Life:
        """Items are of each class in turn; those to learn from come first."""
        network = LayeredNetwork(self.sizes, feedback=conditions["feedback"])
        order = np.arange(self.n_steps)
        order[: self.n_trained] = Stream(seed, "order").permutation(self.n_trained)
        weights = {
            name: math.sqrt(2.0 / sum(network.shape(name))) * Stream(seed, f"w_init/{name}").normal(network.shape(name))
            for name in network.given_pathways
        }
        phases = (Phase("training", 0, self.n_trained), Phase("test", self.n_trained, self.n_steps, ()))
        recordings: tuple[Recording, ...] = (READOUT, *(FinalWeights(name) for name in network.pathways[1:]))
        return Life(
            network, seed, self.n_steps, recordings, conditions, phases,
            presentations=LabelledPresentations(items, order, labels=labels), w_init=weights,
        )  # fmt: skip

    def step_losses(self, recordings: Recordings, lives: Sequence[Life]) -> Tensor:
        import torch

        logits = recordings[READOUT]
        lost = cross_entropy(logits, shown_labels(lives, logits))
        return torch.where(torch.arange(self.n_steps, device=lost.device) < self.n_trained, lost / self.n_trained, 0.0)

    def loss(self, recordings: Recordings, lives: Sequence[Life]) -> Tensor:
        return self.step_losses(recordings, lives).sum(-1)

    def metrics(self, recordings: Recordings, lives: Sequence[Life]) -> dict[str, Tensor]:
        right = accuracy(recordings[READOUT], lives)
        return {
            "training_accuracy": right[..., : self.n_trained].mean(-1),
            "test_accuracy": right[..., self.n_trained :].mean(-1),
            "feedback_angle_deg": feedback_angle_deg(recordings, lives).mean(-1),
        }

    def shortened(self) -> FeedbackDigits:
        return dataclasses.replace(self, sizes=(N_PIXELS, 8, 7, 6, 6, 5), n_steps=40, n_test=2)

    def draw_life(self, figure: Any, history: LifeHistory) -> None:
        from plasticbench.drawing.layers import draw_layers

        draw_layers(figure, history, self.n_trained)

    def _family_options(self, name: str) -> dict[str, Any]:
        if name == "mlp":
            return {"inputs": ("pre", "post", "w", "err", "err_pre")}
        return {"eta": self.learning_rate}


register(
    FeedbackDigits(
        id="plasticbench/FeedbackDigits-v0",
        title="Digits in five layers, with random feedback",
        summary="A deep network learns five classes of digits online, its errors coming back along random weights.",
        reference="Shervani-Tabar & Rosenbaum, Nat. Commun. 14:1805 (2023), doi:10.1038/s41467-023-37562-1; "
        "data: UCI Optical Recognition of Handwritten Digits (1998), doi:10.24432/C50P49",
        reference_rule="error-hebbian",
        families=("error-hebbian", "mlp"),
        conditions={"feedback": Constant("fixed", ("transposed",))},
        n_steps=350,
        n_official=32,
        blow_up_scale=10.0,
        null_loss=1.622074,
        blind_loss=1.609507,  # silence
        reference_loss=0.998150,
    )
)
