"""The first principal component of real data: scikit-learn's bundled 8x8 images of handwritten digits.

Data: Alpaydin & Kaynak, Optical Recognition of Handwritten Digits, UCI (1998), doi:10.24432/C50P49.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.simulation.random import Stream
from plasticbench.tasks.registry import register

from .oja import REFERENCE, PrincipalComponentTask, w_init_of

N_PIXELS = 64


@cache
def _images() -> np.ndarray:
    """(1797, 64), centred, in units in which the largest principal variance is 1."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise PlasticbenchError(
            "OjaDigits-v0 needs scikit-learn for its data: pip install 'plasticbench[data]'"
        ) from None
    images = load_digits().data.astype(np.float64)
    images -= images.mean(0)
    images /= np.sqrt(np.linalg.eigvalsh(images.T @ images / len(images))[-1])
    images.flags.writeable = False
    return images


@dataclass(frozen=True, kw_only=True)
class OjaDigits(PrincipalComponentTask):
    """
    ## Description
    The neuron of `Oja-v0` on data that nobody here made: 8x8 images of handwritten digits, 64 inputs, centred
    and scaled so that the largest principal variance is 1. A lifetime is a random subset of 500 images; one
    step presents all of them and applies the mean of the rule's Δw.

    ## Observation and action
    Pathway `ff`: `pre` (500, 1, 64), `post` (500, 1, 1), `w` (1, 64). The action is Δw.

    ## Conditions
    `w_init`: the 64 initial weights, each 0.1·N(0, 1).

    ## Loss
    As `Oja-v0`: the distance to the subset's first principal component, sign-invariant.

    ## Version history
    v0: first version.
    """

    n_images: int = 500

    @property
    def n_inputs(self) -> int:
        return N_PIXELS

    def _data(self, seed: int) -> np.ndarray:
        images = _images()
        return images[Stream(seed, "images").permutation(len(images))[: self.n_images]]


register(
    OjaDigits(
        id="plasticbench/OjaDigits-v0",
        title="First principal component of handwritten digits",
        summary="A linear neuron with 64 inputs sees 500 images of digits and should find their first component.",
        reference=f"{REFERENCE}; data: UCI Optical Recognition of Handwritten Digits (1998), doi:10.24432/C50P49",
        reference_rule="oja",
        families=("polynomial", "mlp"),
        conditions=w_init_of(N_PIXELS),
        n_steps=1000,
        null_loss=1.21603,
        blind_loss=0.974500,
        reference_loss=0.0337530,
    )
)
