"""One neuron that learns from reward alone which patterns of spikes it is to answer.

Urbanczik & Senn, Nat. Neurosci. 12:250 (2009), doi:10.1038/nn.2264, as a search for rules by Jordan et al., eLife
10:e66273 (2021), doi:10.7554/eLife.66273, whose numbers these are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.connections import RandomConnections
from plasticbench.networks.life import Life, Modulator
from plasticbench.networks.neurons import EscapeLIF
from plasticbench.networks.recordings import FinalWeights, Modulation, Recordings
from plasticbench.networks.sources import SpikeTrainSource
from plasticbench.networks.spiking import Population, SpikingNetwork, SpikingPathway
from plasticbench.simulation.random import Stream
from plasticbench.tasks.registry import register
from plasticbench.tasks.spiking_task import SpikingTask

if TYPE_CHECKING:
    from torch import Tensor

    from plasticbench.drawing.lives import LifeHistory

PATHWAY = "ff"
REWARD, WEIGHTS = Modulation(), FinalWeights(PATHWAY)
DT_S = 1e-4
NANOAMPERE = 1e-9
DELAY_S = 1e-3
W_MAX = 20.0  # nA, of either sign: 20 standard deviations of the initial weights


@dataclass(frozen=True, kw_only=True)
class RewardedPatterns(SpikingTask):
    """
    ## Description
    One integrate-and-fire neuron with escape noise hears 50 inputs, each connected with probability 0.8. There are 30
    frozen patterns of input spikes, each input Poisson at 6 Hz for 0.5 s, drawn anew for every lifetime; half of them
    are to be answered (with one spike or more), half are not. A trial shows one pattern, drawn at random. In its last
    time step the task delivers the reward m = R: 1 if the neuron did as it should, −1 if not. Then the neuron, spikes
    on their way, traces and states begin anew, and the next trial follows, 500 in all; weights stay. Nobody tells the
    neuron what would have been right, nor which synapse or spike the reward is for.

    ## Observation and action
    Pathway `ff`: `w` in nA, from −20 to 20 (`w_min`, `w_max`); traces `x_pre`, `x_post`, `x_pre2`, `x_post2`;
    `pre_spike`, `post_spike`; the neuron's voltage `u` (V) and escape rate `phi` (Hz); `m` and `modulator` (1 where m
    is delivered). All (n_synapses,). One step is 0.1 ms. The action is Δw.

    ## Conditions
    None are drawn: initial weights N(0, 1 nA), patterns, targets and their order follow from the seed.

    ## Loss
    1 − the share of right answers in the second half of the trials: 0.5 knows nothing. A weight or voltage that is not
    a number, at a share t/T of the life, is a blow-up: 2 − t/T. Beside it `sum_of_rewards` over all trials, which is
    the source's fitness, `share_correct_first` and `share_correct_last`, of the first and last fifth.

    ## Version history
    v0: first version. The source draws every target by itself; here half are of each kind, so that a rule gains
    nothing from the more frequent answer.
    """

    n_inputs: int = 50
    n_patterns: int = 30
    n_trials: int = 500
    trial_s: float = 0.5
    input_rate_hz: float = 6.0
    probability: float = 0.8
    w_init_std: float = 1.0  # nA
    score_scale: Literal["linear", "log"] = "linear"
    n_official: int = 40
    families: tuple[str, ...] = ("modulated-eligibility", "doublet")

    has_modulator: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.n_trials < 5 or self.n_patterns < 2:
            raise PlasticbenchError(f"n_trials {self.n_trials}, n_patterns {self.n_patterns}: at least 5, and 2")

    @property
    def trial_steps(self) -> int:
        """Time steps of a trial."""
        return round(self.trial_s / DT_S)

    def targets(self, seed: int) -> np.ndarray:
        """(n_patterns,): 1 for the patterns to be answered, −1 for the others."""
        return np.where(Stream(seed, "targets").permutation(self.n_patterns) < self.n_patterns // 2, 1.0, -1.0)

    def order(self, seed: int) -> np.ndarray:
        """(n_trials,) int64: which pattern a trial shows."""
        return Stream(seed, "order").integers(self.n_patterns, (self.n_trials,))

    def patterns(self, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Each pattern's spikes: steps of a trial, ascending, and afferents; an afferent spikes once a step at most."""
        stream, n_bins = Stream(seed, "patterns"), self.n_inputs * self.trial_steps
        mean = self.input_rate_hz * self.trial_s * self.n_inputs
        found = []
        for _ in range(self.n_patterns):
            n_spikes = _poisson(mean, float(stream.uniform()))
            bins = np.unique(stream.integers(n_bins, (n_spikes,)))
            found.append(np.divmod(bins, self.n_inputs))
        return found

    def source(self, seed: int) -> SpikeTrainSource:
        """The inputs of a whole life."""
        patterns = self.patterns(seed)
        shown = [(trial * self.trial_steps, patterns[pattern]) for trial, pattern in enumerate(self.order(seed))]
        steps = np.concatenate([start + spikes[0] for start, spikes in shown])
        return SpikeTrainSource("input", self.n_inputs, steps, np.concatenate([spikes[1] for _, spikes in shown]))

    def life(self, conditions: Mapping[str, Any], seed: int) -> Life:
        w_init = self.w_init_std * Stream(seed, "w_init").normal((self.n_inputs,))
        synapses = SpikingPathway(
            PATHWAY, "input", "output", "exc", RandomConnections(self.probability),
            tuple(w_init.clip(-W_MAX, W_MAX).tolist()), True, W_MAX, NANOAMPERE, round(DELAY_S / DT_S), -W_MAX,
        )  # fmt: skip
        neuron = Population("output", 1, EscapeLIF())
        network = SpikingNetwork((neuron,), (self.source(seed),), (synapses,), DT_S)
        starts = range(0, self.n_trials * self.trial_steps, self.trial_steps)
        reward = Modulator(
            tuple(start + self.trial_steps - 1 for start in starts), "signal * (2 * min(total, 1) - 1)",
            self.targets(seed)[self.order(seed)], "output",
        )  # fmt: skip
        return Life(
            network, seed, self.n_trials * self.trial_steps, (REWARD, WEIGHTS), conditions, modulator=reward,
            resets=tuple(starts[1:]),
        )  # fmt: skip

    def loss(self, recordings: Recordings, lives: Sequence[Life]) -> Tensor:
        return _share_wrong(recordings[REWARD][..., self.n_trials // 2 :])

    def metrics(self, recordings: Recordings, lives: Sequence[Life]) -> dict[str, Tensor]:
        reward, fifth = recordings[REWARD], self.n_trials // 5
        return {
            "sum_of_rewards": reward.sum(-1),
            "share_correct_first": 1.0 - _share_wrong(reward[..., :fifth]),
            "share_correct_last": 1.0 - _share_wrong(reward[..., -fifth:]),
            "mean_weight": recordings[WEIGHTS].mean(-1),
            "share_at_bounds": (recordings[WEIGHTS].abs() >= W_MAX).to(reward).mean(-1),
        }

    def blow_up_loss(self, share_lived: float) -> float:
        return 2.0 - share_lived

    def shortened(self) -> RewardedPatterns:
        return dataclasses.replace(self, n_trials=6, trial_s=0.006, n_patterns=2, input_rate_hz=150.0)

    def draw_life(self, figure: Any, history: LifeHistory) -> None:
        """The reward so far and the weights over time."""
        from plasticbench.drawing.reward import draw_rewarded_life

        ((recordings, _),) = history.life.recordings()
        draw_rewarded_life(figure, history, recordings[REWARD][0, 0].numpy(), self.trial_steps, PATHWAY)

    def _family_options(self, name: str) -> dict[str, Any]:
        return {} if name == "modulated-eligibility" else super()._family_options(name)


def _share_wrong(reward: Tensor) -> Tensor:
    return (1.0 - reward.mean(-1)) / 2.0


def _poisson(mean: float, u: float) -> int:
    """The Poisson number at which the distribution function passes u."""
    n = np.arange(int(mean + 20.0 * np.sqrt(mean) + 20.0))
    logs = n * np.log(mean) - mean - np.cumsum(np.log(np.maximum(n, 1)))
    return int(np.searchsorted(np.cumsum(np.exp(logs)), u))


register(
    RewardedPatterns(
        id="plasticbench/RewardedPatterns-v0",
        title="Patterns learned from reward",
        summary=(
            "One neuron with escape noise sees 30 patterns of input spikes and is told after each only whether its "
            "answer was right; it should learn which to answer."
        ),
        reference=(
            "Urbanczik & Senn, Nat. Neurosci. 12:250 (2009), doi:10.1038/nn.2264; Jordan et al., eLife 10:e66273 "
            "(2021), doi:10.7554/eLife.66273"
        ),
        reference_rule="urbanczik-senn-2009",
        null_loss=0.4952,
        reference_loss=0.2617,
        blind_loss=0.4886,
    )
)
