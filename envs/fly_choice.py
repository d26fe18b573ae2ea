"""A rule lives what flies chose between two odours and were rewarded for, and is to tell what they choose next.

Rajagopalan, Darshan, Hibbard, Fitzgerald & Turner, PNAS 120:e2221415120 (2023), doi:10.1073/pnas.2221415120; as an
inference of rules: Mehta et al., NeurIPS 37 (2024). The data are the user's own copy; simulated flies stand in.
"""

from __future__ import annotations

import abc
import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.life import Life, Modulator, Presentations
from plasticbench.networks.rate import RateNetwork
from plasticbench.networks.recordings import Recordings, Weights
from plasticbench.simulation.random import Stream
from plasticbench.tasks.choice_fit import HeldOut, held_out
from plasticbench.tasks.rate_task import RateTask
from plasticbench.tasks.registry import register, register_absent

from .fly_choice_data import N_FOLDS, WHERE_FROM, Flies, Generator, read_flies

if TYPE_CHECKING:
    from torch import Tensor

    from plasticbench.drawing.lives import LifeHistory

PATHWAY = "ff"
WEIGHTS = Weights(PATHWAY, every_s=1.0)  # before every choice, and at the end
COPY = "PLASTICBENCH_FLY_CHOICE"  # the environment variable that says where a copy of the data is
_SHORT_FLIES, _SHORT_CHOICES = 6, 7


@dataclass(frozen=True, kw_only=True)
class FlyChoiceTask(RateTask):
    """What both tasks share; subclasses say which flies."""

    max_weight_norm: float = 1000.0
    n_official: int = 20

    has_modulator: ClassVar[bool] = True
    declares_lives: ClassVar[bool] = True

    @abc.abstractmethod
    def flies_of(self, seed: int) -> Flies:
        """Whose choices the life of a seed is made of."""

    @property
    def network(self) -> RateNetwork:
        return RateNetwork(n_inputs=2, max_weight_norm=self.max_weight_norm)

    def life(self, conditions: Mapping[str, Any], seed: int) -> Life:
        flies = self.flies_of(seed)
        lengths = [len(row) for row in flies.choices]
        odour = np.concatenate([np.array(row, np.int64) for row in flies.choices])
        reward = np.concatenate([np.array(row, np.float64) for row in flies.rewards])
        fold = Stream(seed, "folds").permutation(len(lengths)) % N_FOLDS  # of each fly
        targets = {"first_odour": (odour == 0).astype(np.float64), "fold": np.repeat(fold, lengths)}
        return Life(
            self.network, seed, self.n_steps, (WEIGHTS,), conditions, targets=targets,
            modulator=Modulator(tuple(range(self.n_steps)), signals=reward),
            renewals=tuple(np.cumsum(lengths)[:-1].tolist()), presentations=Presentations(np.eye(2), odour),
            w_init={PATHWAY: np.zeros((1, 2))},
        )  # fmt: skip

    def loss(self, recordings: Recordings, lives: Sequence[Life]) -> Tensor:
        import torch

        return torch.stack([torch.stack([one.nll for one in row]) for row in self.fits(recordings, lives)])

    def fits(self, recordings: Recordings, lives: Sequence[Life]) -> list[list[HeldOut]]:
        """[n_rules][n_lives]: the readout of each life's weights."""
        w = recordings[WEIGHTS][..., :-1, 0, :]
        difference = w[..., 0] - w[..., 1]  # (n_rules, n_lives, n_steps)
        return [
            [
                held_out(row[s], life.targets["first_odour"], life.targets["fold"])
                for s, life in enumerate(lives)
            ]
            for row in difference
        ]  # fmt: skip

    def metrics(self, recordings: Recordings, lives: Sequence[Life]) -> dict[str, Tensor]:
        import torch

        fits = self.fits(recordings, lives)

        def each(of: Any) -> Tensor:
            return torch.tensor([[of(one, life) for one, life in zip(row, lives, strict=True)] for row in fits])

        return {
            "deviance_explained": each(lambda one, _: 1.0 - float(one.nll) / math.log(2.0)),
            "share_predicted": each(
                lambda one, life: float(((one.log_odds.cpu().numpy() > 0) == (life.targets["first_odour"] > 0)).mean())
            ),
            "slope": each(lambda one, _: one.slope),
            "bias": each(lambda one, _: one.bias),
        }

    def draw_life(self, figure: Any, history: LifeHistory) -> None:
        """The weights of both odours, and choices beside what they predict."""
        from plasticbench.drawing.reward import draw_choices

        ((recordings, lives),) = history.life.recordings()
        predicted = self.fits(recordings, lives)[0][0].log_odds.cpu().numpy()
        draw_choices(
            figure, self.title, history.steps[-1], recordings[WEIGHTS][0, 0, :, 0].detach().cpu().numpy(),
            lives[0].targets["first_odour"], 1.0 / (1.0 + np.exp(-predicted)), (0, *lives[0].renewals),
        )  # fmt: skip

    def _family_options(self, name: str) -> dict[str, Any]:
        return {"eta": self.learning_rate}


@dataclass(frozen=True, kw_only=True)
class FlyChoice(FlyChoiceTask):
    """
    ## Description
    Eighteen fruit flies chose between two odours, about 240 times each, and were rewarded with probabilities that
    changed twice. A rule lives every fly's own choices and rewards: one weight an odour, both 0 when a fly begins; a
    step is one choice. It is to give weights that tell the fly's next choice: P(odour 0) = σ(g (w_0 − w_1) + b). The
    flies do not come with this package: set `PLASTICBENCH_FLY_CHOICE` to a copy (see `docs/reward.md`).

    ## Observation and action
    Pathway `ff`: `pre` (1, 2), 1 for the chosen odour; `post` (1, 1), its weight; `w` (1, 2); `m`, the reward of this
    choice, 0 or 1, delivered at every step. The action is Δw.

    ## Conditions
    None are drawn; the seed decides which of six folds each fly is in.

    ## Loss
    Mean negative log-likelihood of a choice (nats), each predicted before it is made with g and b that were fitted to
    the flies of the other five folds; ln 2 = 0.693 is chance. Beside it `deviance_explained` = 1 − loss / ln 2,
    `share_predicted`, and `slope` and `bias`, means over the folds. ‖w‖ > 1000 at a share t/T of the life is a blow-up:
    2 (2 − t/T).

    ## Version history
    v0: first version.
    """

    flies: Flies

    def __post_init__(self) -> None:
        if self.n_steps != self.flies.n_choices:
            raise PlasticbenchError(f"n_steps: {self.n_steps}; the flies made {self.flies.n_choices} choices")

    def flies_of(self, seed: int) -> Flies:
        return self.flies

    def shortened(self) -> FlyChoice:
        flies = self.flies.first(_SHORT_FLIES, _SHORT_CHOICES)
        return dataclasses.replace(self, flies=flies, n_steps=flies.n_choices)


@dataclass(frozen=True, kw_only=True)
class FlyChoiceSynthetic(FlyChoiceTask):
    """
    ## Description
    As FlyChoice, with simulated flies, drawn anew for every lifetime: 18 that make 240 choices each between two odours.
    They learn by Δw = x R − λ w, x 1 for the chosen odour, R the reward, λ = 0.1 for both odours, and choose odour 0
    with probability σ(0.17 (w_0 − w_1) + b), b of each fly's own, N(0, 0.2). Every choice baits odours with
    probabilities 0.2 and 0.8, then 0.9 and 0.1, then 0.2 and 0.8, for a third of the choices each (every second fly:
    the other way round); a bait stays until it is taken. A rule lives every fly's own choices and rewards: one weight
    an odour, both 0 when a fly begins; a step is one choice. It is to give weights that tell the fly's next choice.

    ## Observation and action
    Pathway `ff`: `pre` (1, 2), 1 for the chosen odour; `post` (1, 1), its weight; `w` (1, 2); `m`, the reward of this
    choice, 0 or 1, delivered at every step. The action is Δw.

    ## Conditions
    None are drawn; flies and the fold that each is in follow from the seed.

    ## Loss
    Mean negative log-likelihood of a choice (nats), each predicted before it is made by P(odour 0) = σ(g (w_0 − w_1)
    + b) with g and b that were fitted to the flies of the other five of six folds; ln 2 = 0.693 is chance. Beside it
    `deviance_explained` = 1 − loss / ln 2, `share_predicted`, and `slope` and `bias`, means over the folds. ‖w‖ > 1000
    at a share t/T of the life is a blow-up: 2 (2 − t/T).

    ## Version history
    v0: first version.
    """

    generator: Generator = field(default_factory=Generator)
    n_flies: int = 18
    n_choices: int = 240

    def __post_init__(self) -> None:
        if self.n_steps != self.n_flies * self.n_choices:
            raise PlasticbenchError(f"n_steps: {self.n_steps} for {self.n_flies} flies of {self.n_choices} choices")

    def flies_of(self, seed: int) -> Flies:
        return self.generator.flies(seed, self.n_flies, self.n_choices)

    def shortened(self) -> FlyChoiceSynthetic:
        return dataclasses.replace(
            self, n_flies=_SHORT_FLIES, n_choices=_SHORT_CHOICES, n_steps=_SHORT_FLIES * _SHORT_CHOICES
        )


_REFERENCE = (
    "Rajagopalan, Darshan, Hibbard, Fitzgerald & Turner, PNAS 120:e2221415120 (2023), doi:10.1073/pnas.2221415120; "
    "Mehta et al., NeurIPS 37 (2024)"
)
_ID = "plasticbench/FlyChoice-v0"


def load(path: str | Path) -> FlyChoice:
    """FlyChoice-v0 on a copy of the data (see `read_flies` for its form), not registered.

    Its marks were measured with another program on the 18 flies, 4283 choices, of one conversion of the data.
    """
    flies = read_flies(path)
    return FlyChoice(
        id=_ID,
        title="What flies choose",
        summary=(
            "A rule lives the choices and rewards of 18 fruit flies; its weights should tell what each fly chooses "
            "next."
        ),
        reference=_REFERENCE,
        reference_rule="reward-forgetting",
        null_loss=0.6923,
        blind_loss=0.6429,
        reference_loss=0.6368,
        not_ranked_because=(
            "Its data are everybody's own copy, so that entries cannot be verified here; its marks come from another "
            "program."
        ),
        families=("modulated-volterra", "polynomial"),
        flies=flies,
        n_steps=flies.n_choices,
    )


def _register_copy() -> None:
    path = os.environ.get(COPY)
    if not path:
        register_absent(_ID, f"needs {WHERE_FROM}; set {COPY} to it, or use FlyChoiceSynthetic-v0")
        return
    try:
        register(load(path))
    except PlasticbenchError as error:  # whatever is wrong with the copy, the other tasks stay
        register_absent(_ID, f"cannot be had: {COPY}: {error}")


_register_copy()
register(
    FlyChoiceSynthetic(
        id="plasticbench/FlyChoiceSynthetic-v0",
        title="What simulated flies choose",
        summary=(
            "A rule lives the choices and rewards of 18 simulated flies; its weights should tell what each fly chooses "
            "next."
        ),
        reference=_REFERENCE,
        reference_rule="reward-forgetting",
        null_loss=0.693964,
        blind_loss=0.639443,
        reference_loss=0.627037,
        families=("modulated-volterra", "polynomial"),
        n_steps=18 * 240,
    )
)
