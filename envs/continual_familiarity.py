"""Have I seen this before? A stream of patterns, some of which repeat after an interval.

Tyulmankov, Yang & Abbott, Neuron 110:544 (2022), doi:10.1016/j.neuron.2021.11.009 (HebbFF).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.life import Life, Presentations
from plasticbench.networks.rate import RateNetwork
from plasticbench.networks.recordings import FinalWeights, Readout, Recordings
from plasticbench.simulation.random import Stream
from plasticbench.tasks.conditions import WholeInTurn
from plasticbench.tasks.losses import binary_cross_entropy, targets_of
from plasticbench.tasks.rate_task import RateTask
from plasticbench.tasks.registry import register

if TYPE_CHECKING:
    from torch import Tensor

    from plasticbench.drawing.lives import LifeHistory

READOUT = Readout()
REFERENCE = "Tyulmankov, Yang & Abbott, Neuron 110:544 (2022), doi:10.1016/j.neuron.2021.11.009"
OFFICIAL_INTERVALS = (1, 3, 5, 8, 14, 20)
CURVE_INTERVALS = (1, 2, 3, 5, 8, 14, 20, 28, 40, 60, 100)
N_SHOWN = 80  # answers in a picture
BASE_RATE = 1.0 / 3.0  # of familiar items: repeats with probability 1/2, of items that were new themselves


@dataclass(frozen=True, kw_only=True)
class ContinualFamiliarity(RateTask):
    """
    ## Description
    A stream of random ±1 vectors of length d. With probability 1/2, where the item shown R steps ago was new,
    that item is shown again; else a new one is. No item is shown more than twice, so a third of the items is
    familiar and always answering "novel" is right two times in three. The network
    h = σ((W1 + A) x + b1), ŷ = σ(w2·h + b2) answers before the item changes A; A starts at 0.

    ## Observation and action
    Pathway `hidden`: `pre` = x (1, d), `post` = h (d, 1), `w` = A (d, d). The action is ΔA. W1 (d, d), b1 (d),
    w2 (d) and b2 (1) are slow weights, which a rule brings along as `arrays` (an environment takes them from
    `reset(options={"rule": …})`, from the reference rule by default). A rule that brings none gets a readout that
    knows the base rate and nothing else.

    ## Conditions
    `interval`: R, the official intervals 1, 3, 5, 8, 14, 20 in turn over consecutive seeds.
    `n_steps`: length of the stream, equal for all lifetimes of one call.

    ## Loss
    Binary cross-entropy in nats (logits clipped to ±10), averaged over the stream after the first R items.
    An output whose plastic weights exceed norm 1000 at step t of T is a blow-up: 10 + 10(1 − t/T).

    ## Version history
    v0: first version.
    """

    n_inputs: int
    blow_up_scale: float = 10.0

    def shortened(self) -> ContinualFamiliarity:
        return dataclasses.replace(self, n_steps=40, conditions=_conditions(40))

    @property
    def network(self) -> RateNetwork:
        return RateNetwork(
            n_inputs=self.n_inputs,
            n_outputs=self.n_inputs,
            activation="sigmoid",
            feedforward="hidden",
            max_weight_norm=1000.0,
            readout_bias=float(np.log(BASE_RATE / (1.0 - BASE_RATE))),
        )

    def life(self, conditions: Mapping[str, Any], seed: int) -> Life:
        interval, n_steps = conditions["interval"], conditions["n_steps"]
        if interval >= n_steps:
            raise PlasticbenchError(f"conditions.interval: {interval} must be less than the {n_steps} items shown")
        items = np.where(Stream(seed, "items").uniform((n_steps, self.n_inputs)) < 0.5, -1.0, 1.0)
        repeats = Stream(seed, "repeats").uniform((n_steps,)) < 0.5
        shown = np.arange(n_steps)
        familiar = np.zeros(n_steps)
        for t in range(interval, n_steps):
            if repeats[t] and not familiar[t - interval]:
                shown[t], familiar[t] = shown[t - interval], 1.0
        return Life(
            self.network, seed, n_steps, (READOUT, FinalWeights("hidden")), conditions,
            targets={"familiar": familiar, "scored": (np.arange(n_steps) >= interval).astype(np.float64)},
            presentations=Presentations(items, shown),
            w_init={"hidden": np.zeros((self.n_inputs, self.n_inputs))},
        )  # fmt: skip

    def _costs(self, recordings: Recordings, lives: Sequence[Life]) -> tuple[Tensor, Tensor]:
        """Of each answer that counts, and how many count: (n_rules, n_lives, n_steps), (n_lives,)."""
        logits = recordings[READOUT]
        familiar, scored = (targets_of(lives, name, logits) for name in ("familiar", "scored"))
        n_shown = logits.shape[-1]
        return binary_cross_entropy(logits, familiar[:, :n_shown]) * scored[:, :n_shown], scored.sum(-1)

    def loss(self, recordings: Recordings, lives: Sequence[Life]) -> Tensor:
        costs, n_scored = self._costs(recordings, lives)
        return costs.sum(-1) / n_scored

    def step_losses(self, recordings: Recordings, lives: Sequence[Life]) -> Tensor:
        costs, n_scored = self._costs(recordings, lives)
        return costs / n_scored[:, None]

    def metrics(self, recordings: Recordings, lives: Sequence[Life]) -> dict[str, Tensor]:
        logits = recordings[READOUT]
        said = (logits >= 0.0).to(logits.dtype)
        familiar, scored = (targets_of(lives, name, logits) for name in ("familiar", "scored"))
        novel = (1.0 - familiar) * scored
        familiar = familiar * scored
        right = said * familiar + (1.0 - said) * novel
        return {
            "accuracy": right.sum(-1) / scored.sum(-1),
            "true_positive_rate": (said * familiar).sum(-1) / familiar.sum(-1).clamp_min(1.0),
            "false_positive_rate": (said * novel).sum(-1) / novel.sum(-1).clamp_min(1.0),
        }

    def draw_life(self, figure: Any, history: LifeHistory) -> None:
        """The last answers against the truth, and the plastic weights' size over the life."""
        from plasticbench.drawing.lives import MUTED, PLASTIC, TARGET

        life = history.life
        logits = life.readout[0].detach().cpu().numpy()[-N_SHOWN:]
        first = life.readout.shape[1] - len(logits)
        familiar = life.first.targets["familiar"][first : first + len(logits)] > 0
        items = np.arange(first, first + len(logits))
        answers, size = figure.subplots(2, 1, gridspec_kw={"height_ratios": [1.6, 1]})
        figure.suptitle(f"{self.title}, interval {life.first.conditions['interval']}", fontsize=11)
        answers.axhline(0.0, color=MUTED, lw=1, ls="--")
        for chosen, colour, label in ((familiar, PLASTIC, "familiar"), (~familiar, TARGET, "novel")):
            answers.plot(items[chosen], logits[chosen], "o", ms=4, color=colour, label=label)
        answers.set(ylabel="logit (above 0: “familiar”)", xlabel="item")
        answers.legend(fontsize=8, ncols=2, loc="lower left", framealpha=0.85, edgecolor="none")
        weights = history.series("hidden")
        size.plot(history.steps, np.sqrt((weights**2).mean((1, 2))), color=PLASTIC)
        size.set(ylabel="rms plastic weight", xlabel="item", ylim=(0, None))
        for axes in (answers, size):
            axes.spines[["top", "right"]].set_visible(False)


def _conditions(n_steps: int) -> dict[str, WholeInTurn]:
    return {"interval": WholeInTurn(OFFICIAL_INTERVALS), "n_steps": WholeInTurn((n_steps,))}


register(
    ContinualFamiliarity(
        id="plasticbench/ContinualFamiliarity-v0",
        title="Continual familiarity, 100 inputs",
        summary="A stream of patterns, some repeating after an interval: the network says which are familiar.",
        reference=REFERENCE,
        reference_rule="anti-hebbian-decay",
        families=("hebbian-decay", "polynomial"),
        n_inputs=100,
        n_steps=1000,
        conditions=_conditions(1000),
        n_official=60,
        null_loss=0.637229,
        reference_loss=0.0606629,
    )
)
register(
    ContinualFamiliarity(
        id="plasticbench/ContinualFamiliarityMini-v0",
        title="Continual familiarity, 25 inputs",
        summary="A stream of patterns, some repeating after an interval: the network says which are familiar.",
        reference=REFERENCE,
        reference_rule="anti-hebbian-decay-mini",
        families=("hebbian-decay", "polynomial"),
        n_inputs=25,
        n_steps=500,
        conditions=_conditions(500),
        n_official=60,
        null_loss=0.639672,
        reference_loss=0.110267,
    )
)
