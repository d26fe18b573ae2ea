"""Which plasticity rule is at work? A hidden rule is to be inferred from activity that was recorded while it acted.

Mehta, Tyulmankov, Rajagopalan, Turner, Fitzgerald & Funke, NeurIPS 37 (2024), doi:10.1101/2023.12.11.571103.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from plasticbench.errors import PlasticbenchError, RuleError
from plasticbench.networks.life import Life, Presentations
from plasticbench.networks.rate import RateNetwork, rate_outputs
from plasticbench.networks.recordings import Recordings, Weights
from plasticbench.rules import Rule
from plasticbench.simulation.random import Stream
from plasticbench.tasks.activity import RecordedActivity
from plasticbench.tasks.conditions import Constant, Distribution, NormalVector
from plasticbench.tasks.losses import targets_of
from plasticbench.tasks.rate_task import RateTask
from plasticbench.tasks.registry import register

from .hidden_rules import ANTI_HEBBIAN, OJA, Coefficients, draw_hidden_rule, live, nearness
from .replayed import FRESH, Replayed, is_evaluation

if TYPE_CHECKING:
    from torch import Tensor

    from plasticbench.drawing.lives import LifeHistory

REFERENCE = (
    "Mehta, Tyulmankov, Rajagopalan, Turner, Fitzgerald & Funke, NeurIPS 37 (2024), doi:10.1101/2023.12.11.571103"
)
WORST = 2.0  # R² below -1 is no worse than -1


@dataclass(frozen=True, kw_only=True)
class RuleRecovery(RateTask):
    """
    ## Description
    In a network of tanh outputs a plasticity rule is at work that nobody tells: Δw = η Σ A_abc preᵃ postᵇ wᶜ with a
    few of the 27 coefficients A_abc (exponents up to 2) not zero. Twelve experiments were made, each with initial
    weights and 50 random inputs of its own, and some of the outputs were recorded, with noise. The weights were not.
    Which rule is it?

    The data are `problem.data` to a learner, `learner_data` of the task to anybody: inputs, the observed activity (NaN
    where nothing was observed) and, but for `RuleRecoveryUnknownStart`, the initial weights. Each task has one hidden
    rule. Lifetimes are of two kinds:

    - Where rules are evaluated (the official seeds, and those that a board draws to verify and rank, from 2**61 on),
      lifetimes are fresh experiments, with new inputs and new initial weights. The hidden rule and the candidate start
      from the same weights, and what is scored is the course of the weights.
    - Of every other seed, a lifetime replays one of the recorded experiments with the candidate rule, and is scored on
      the activity that was observed. These are the lifetimes that learners train on.

    `RuleRecovery`: Oja's rule. `RuleRecoveryDrawn`: a rule drawn from five families. `RuleRecoveryUnknownStart`: Oja's
    rule again, the initial weights of the experiments not recorded. `RuleRecoveryLateral`: hierarchical lateral weights
    follow a hidden rule of their own, y_i = tanh(Σ_j W_ij x_j + Σ_{k<i} U_ik y_k).

    ## Observation and action
    Pathway `ff`: `pre` = x (1, 1, n_inputs), `post` = y (1, n_outputs, 1), `w`. Pathway `lateral`, where there is one:
    `pre` = y_k, `post` = y_i, `w` = U; Δw on and above the diagonal is ignored. The action is Δw.

    ## Conditions
    `experiment`: which recorded experiment a lifetime replays, 1 to 12; 0 in fresh ones, and in no others. `w_init`
    (`RuleRecoveryUnknownStart`): the initial weights that a replay starts from, drawn from the distribution of the true
    ones; a learner may fix them, and so fit them.

    ## Loss
    Fresh lifetimes: Σ (ŵ − w)² / Σ (w − w(0))² over synapses and steps, ŵ the candidate's weights and w the hidden
    rule's: 1 − R² against the prediction that nothing changes, so frozen weights lose 1 and the hidden rule 0.
    Replays: 1 − R² of the observed activity, about each output's mean. Neither is more than 2. An output whose incoming
    weights in one pathway exceed norm 10 at step t of T is a blow-up: 2 + 2(1 − t/T).

    ## Metrics
    Of fresh lifetimes `r2_weights`, about each synapse's mean over time, and `r2_activity`, of all outputs without
    noise; of replays the latter of what was observed. Of the rule itself, where it is a polynomial of this form:
    `coefficient_l1` Σ|A − A*| and `coefficient_cosine` against the hidden coefficients, `term_precision` and
    `term_recall` of the terms whose coefficient is at least a twentieth of the rule's largest.

    ## Version history
    v0: first version.
    """

    hidden: Mapping[str, Coefficients]  # by pathway
    eta: float = 0.05  # the unit of the coefficients
    data_seed: int = 0  # of the recorded experiments
    n_inputs: int = 10
    n_outputs: int = 5
    n_steps: int = 50
    n_experiments: int = 12
    noise_std: float = 0.1
    observed_share: float = 0.3  # of outputs and steps, each observed independently of others
    w_init_std: float = 0.3
    start_known: bool = True
    all_fresh: bool = False  # no lifetime replays an experiment; see `fresh`
    learning_rate: float = 0.05
    families: tuple[str, ...] = ("polynomial", "mlp")

    declares_lives: ClassVar[bool] = True

    @property
    def network(self) -> RateNetwork:
        lateral = "lateral" if "lateral" in self.hidden else None
        return RateNetwork(self.n_inputs, self.n_outputs, "tanh", lateral=lateral)

    def shortened(self) -> RuleRecovery:
        return dataclasses.replace(self, n_steps=12)

    def fresh(self) -> RuleRecovery:
        """The same with no replays: every lifetime is scored on weights, as official ones are. Not for learners."""
        conditions = {**self.conditions, "experiment": Constant(FRESH, ())}
        return dataclasses.replace(self, all_fresh=True, conditions=conditions)

    # ------------------------------------------------------------ the recorded experiments

    @cached_property
    def learner_data(self) -> RecordedActivity:
        found = [self._experiment(number) for number in range(1, self.n_experiments + 1)]
        inputs, starts, activity = zip(*found, strict=True)
        known = {name: np.stack([start[name] for start in starts]) for name in self.network.pathways}
        return RecordedActivity(
            np.stack(inputs), np.stack(activity), self.noise_std, known if self.start_known else None
        )

    def _experiment(self, number: int) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
        """Inputs, initial weights, and activity as it was observed."""
        inputs, start = self._inputs(self.data_seed, f"/{number}"), self._start(self.data_seed, f"/{number}")
        _, activity = live(self.network, self.hidden, self.eta, inputs, start)
        noise = self.noise_std * Stream(self.data_seed, f"noise/{number}").normal(activity.shape)
        observed = Stream(self.data_seed, f"observed/{number}").uniform(activity.shape) < self.observed_share
        return inputs, start, np.where(observed, activity + noise, np.nan)

    def _inputs(self, seed: int, which: str = "") -> np.ndarray:
        return Stream(seed, f"inputs{which}").normal((self.n_steps, self.n_inputs))

    def _start(self, seed: int, which: str = "") -> dict[str, np.ndarray]:
        w = self.w_init_std * Stream(seed, f"w_init{which}").normal((self.n_outputs, self.n_inputs))
        return self._with_lateral(w)

    def _with_lateral(self, w: np.ndarray) -> dict[str, np.ndarray]:
        start = {"ff": w}
        if self.network.lateral:
            start["lateral"] = np.zeros((self.n_outputs, self.n_outputs))
        return start

    # ------------------------------------------------------------ a lifetime

    def life(self, conditions: Mapping[str, Any], seed: int) -> Life:
        network, number = self.network, conditions["experiment"]
        if number == FRESH and not (self.all_fresh or is_evaluation(seed, self.n_official)):
            raise PlasticbenchError(
                f"conditions.experiment: {FRESH}, a fresh experiment, is kept for evaluation; "
                f"give 1 to {self.n_experiments}"
            )
        if number == FRESH:
            inputs, start = self._inputs(seed), self._start(seed)
        else:
            data = self.learner_data
            inputs, start = data.inputs[number - 1], {k: w[number - 1] for k, w in (data.w_init or {}).items()}
        if not self.start_known:
            start = self._with_lateral(np.reshape(conditions["w_init"], network.shape("ff")))
        if number == FRESH:
            weights, activity = live(network, self.hidden, self.eta, inputs, start)
        else:  # what learners may not know is not there
            weights = {name: np.zeros((self.n_steps + 1, *w.shape)) for name, w in start.items()}
            activity = self.learner_data.activity[number - 1]
        observed = np.isfinite(activity)
        targets = {"fresh": np.array(number == FRESH), "observed": observed.astype(np.float64), **weights}
        targets["activity"] = np.where(observed, activity, 0.0)
        return Life(
            network, seed, self.n_steps, tuple(_course(name) for name in network.pathways), conditions,
            targets=targets, presentations=Presentations(inputs, np.arange(self.n_steps)), w_init=start,
        )  # fmt: skip

    def loss(self, recordings: Recordings, lives: Sequence[Life]) -> Tensor:
        import torch

        error, moved, _ = self._weight_squares(recordings, lives)
        fresh = targets_of(lives, "fresh", error)
        of_weights = error / torch.where(fresh, moved, torch.ones_like(moved))
        return torch.where(fresh, of_weights, self._activity_misfit(recordings, lives)).clamp(max=WORST)

    def metrics(self, recordings: Recordings, lives: Sequence[Life]) -> dict[str, Tensor]:
        import torch

        error, _, about_mean = self._weight_squares(recordings, lives)
        fresh = targets_of(lives, "fresh", error)
        r2_weights = torch.where(fresh, 1.0 - error / about_mean, torch.full_like(error, math.nan))
        return {"r2_weights": r2_weights, "r2_activity": 1.0 - self._activity_misfit(recordings, lives)}

    def _weight_squares(self, recordings: Recordings, lives: Sequence[Life]) -> tuple[Tensor, Tensor, Tensor]:
        """Σ (ŵ − w)² (n_rules, n_lives), Σ (w − w(0))² and Σ (w − mean over steps)² (n_lives,); 0 of replays."""
        error: Any = 0.0
        moved: Any = 0.0
        about_mean: Any = 0.0
        for name in self.network.pathways:
            found = recordings[_course(name)]  # (n_rules, n_lives, n_steps + 1, n_post, n_pre)
            true = targets_of(lives, name, found)
            error = error + ((found - true) ** 2).sum((-3, -2, -1))
            moved = moved + ((true - true[:, :1]) ** 2).sum((-3, -2, -1))
            about_mean = about_mean + ((true - true.mean(1, keepdim=True)) ** 2).sum((-3, -2, -1))
        return error, moved, about_mean

    def _activity_misfit(self, recordings: Recordings, lives: Sequence[Life]) -> Tensor:
        """1 − R² of what was observed, (n_rules, n_lives); of fresh lifetimes that is everything."""
        import torch

        weights = {name: recordings[_course(name)][:, :, :-1] for name in self.network.pathways}
        like = weights["ff"]
        inputs = torch.as_tensor(np.stack([life.presentations.items for life in lives]), device=like.device)  # type: ignore[union-attr]
        predicted = rate_outputs(self.network, weights, inputs.to(like))
        seen, true = (
            targets_of(lives, name, like) for name in ("observed", "activity")
        )  # (n_lives, n_steps, n_outputs)
        mean = (seen * true).sum(1, keepdim=True) / seen.sum(1, keepdim=True).clamp(min=1.0)
        return (seen * (predicted - true) ** 2).sum((-2, -1)) / (seen * (true - mean) ** 2).sum((-2, -1))

    # ------------------------------------------------------------ the rule itself, and the picture

    def rule_metrics(self, rule: Rule) -> dict[str, float]:
        family = self.make_family("polynomial")
        hidden = {f"{name}.{term}": value for name, terms in self.hidden.items() for term, value in terms.items()}
        try:
            found = family.theta(rule).numpy() * (self.learning_rate / self.eta)
        except RuleError:
            found = np.full(family.dimension, math.nan)  # no polynomial of this form
        return nearness(found, np.array([hidden.get(name, 0.0) for name in family.names]))

    def draw_life(self, figure: Any, history: LifeHistory) -> None:
        from plasticbench.drawing.recovery import draw_recovery

        draw_recovery(figure, history)


def _course(pathway: str) -> Weights:
    """The weights before every step, and at the end."""
    return Weights(pathway, every_s=1.0)


def rule_recovery(name: str, hidden: Mapping[str, Coefficients], **fields: Any) -> RuleRecovery:
    """A task of this kind, unregistered, with the conditions that its fields ask for."""
    task = RuleRecovery(
        id=f"plasticbench/{name}-v0", hidden=hidden,
        **{"reference": REFERENCE, "reference_rule": "oja-recovery", "null_loss": 1.0, "reference_loss": 0.0, **fields},
    )  # fmt: skip
    conditions: dict[str, Distribution] = {"experiment": Replayed(task.n_experiments, task.n_official)}
    if not task.start_known:
        conditions["w_init"] = NormalVector(task.n_outputs * task.n_inputs, task.w_init_std, "w_init")
    return dataclasses.replace(task, conditions=conditions)


DRAWN_SEED = 6  # the first whose rule has more than two terms and is not mostly decay

register(
    rule_recovery(
        "RuleRecovery",
        {"ff": OJA},
        title="Which rule was at work? Oja's",
        summary="A hidden rule changes a small network; it is to be inferred from noisy, partial recordings.",
        blind_loss=0.928508,
    )
)
register(
    rule_recovery(
        "RuleRecoveryDrawn",
        {"ff": draw_hidden_rule(DRAWN_SEED)[1]},
        title="Which rule was at work? One of five kinds",
        summary="A hidden rule, drawn from five families, is to be inferred from noisy, partial recordings.",
        reference_rule="drawn-recovery",
        blind_loss=0.598855,
        data_seed=1,
    )
)
register(
    rule_recovery(
        "RuleRecoveryUnknownStart",
        {"ff": OJA},
        title="Which rule was at work, from weights that nobody knows?",
        summary="A hidden rule is to be inferred from recordings that do not tell where the weights began.",
        start_known=False,
        blind_loss=0.928508,
    )
)
register(
    rule_recovery(
        "RuleRecoveryLateral",
        {"ff": OJA, "lateral": ANTI_HEBBIAN},
        title="Which two rules were at work? Feed-forward and lateral",
        summary="Two hidden rules, of feed-forward and lateral weights, are to be inferred from recordings.",
        reference_rule="oja-anti-hebb-recovery",
        blind_loss=0.920955,
        data_seed=2,
    )
)
