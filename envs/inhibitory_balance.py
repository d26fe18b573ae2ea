"""One neuron with tuned excitation: plastic inhibition is to bring it to its target rate.

Confavreux, Zenke, Agnes, Lillicrap & Vogels, NeurIPS 33 (2020), last section; the neuron and its inputs are those
of Vogels, Sprekeler, Zenke, Clopath & Gerstner, Science 334:1569 (2011), doi:10.1126/science.1211095.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from plasticbench.networks.connections import RandomConnections
from plasticbench.networks.life import Life, Phase
from plasticbench.networks.neurons import ConductanceLIF
from plasticbench.networks.recordings import (
    FinalWeights,
    PopulationRate,
    PopulationSpikes,
    Recordings,
    SpikeCounts,
    Weights,
)
from plasticbench.networks.sources import ModulatedSource
from plasticbench.networks.spiking import Population, SpikingNetwork, SpikingPathway
from plasticbench.simulation.random import Stream
from plasticbench.tasks.conditions import Uniform
from plasticbench.tasks.losses import rate_deviation
from plasticbench.tasks.registry import register
from plasticbench.tasks.rule_map import RuleMap
from plasticbench.tasks.spiking_task import SpikingTask

from .balance_map import balance_map

if TYPE_CHECKING:
    from torch import Tensor

    from plasticbench.drawing.lives import LifeHistory

_N_SAMPLES = 10  # of the weights, during the scored part of a life
SPIKES = PopulationSpikes("e", "scored")
WEIGHTS = FinalWeights("ie")


@dataclass(frozen=True, kw_only=True)
class InhibitoryBalance(SpikingTask):
    """
    ## Description
    One ConductanceLIF neuron hears 800 excitatory and 200 inhibitory afferents in 8 groups of 100 and 25. Each
    group shares a rate that fluctuates with a time constant of 50 ms, 37 Hz on average. Excitation is tuned: an
    afferent of group g has weight 0.014 (0.3 + 1.1/(1 + (g − 5)⁴) + 0.1 U(0, 1)). Inhibition (pathway `ie`) is
    plastic; a spike adds 0.035 w to the inhibitory conductance. Without plasticity the neuron fires at 110 Hz.

    ## Observation and action
    Pathway `ie`, (200,) each: `w`, traces `x_pre`, `x_post`, `x_pre2`, `x_post2`, `pre_spike` (arrives now),
    `post_spike`, `w_max` = 20. One step is 0.1 ms; the action is Δw.

    ## Conditions
    `w_init` U(0.05, 1), the initial weight of all inhibitory synapses; `input_gain` U(0.6, 1.4), a factor on the
    rates of all afferents.

    ## Loss
    (r − 5)²/(r + 2), r (Hz) the mean rate over the last 30 % of life. A weight that is not a number ends life:
    200 (2 − t/T). Beside it `ei_correlation`: Pearson correlation over the 8 groups between the mean excitatory
    and the mean inhibitory input in that time; 1 is detailed balance.

    ## Published
    Any rule with −α r_pre = β r* + (κ τ_post + γ τ_pre) r_pre r*, roughly, holds the rate r*: the solutions form a
    manifold. Only its Hebbian part (κ, γ) makes inhibition follow the tuning of excitation.

    ## Version history
    v0: first version. `input_gain` is ours: without it a rule with no Hebbian term holds 5 Hz by proportion alone.
    """

    life_s: float
    n_groups: int = 8
    n_exc: int = 800
    n_inh: int = 200
    excitatory_scale: float = 0.014
    inhibitory_scale: float = 0.035
    largest_weight: float = 20.0
    target_hz: float = 5.0
    scored_share: float = 0.3

    def network(self, conditions: Mapping[str, Any], seed: int) -> SpikingNetwork:
        """Of the lifetime of a seed with these conditions."""
        gain = conditions["input_gain"]
        sources = tuple(
            ModulatedSource(name, size, self.n_groups, gain=gain)
            for name, size in (("exc", self.n_exc), ("inh", self.n_inh))
        )
        everyone = RandomConnections(1.0)
        tuned = tuple(self.excitatory_weights(seed).tolist())
        return SpikingNetwork(
            (Population("e", 1, ConductanceLIF()),),
            sources,
            (
                SpikingPathway("ee", "exc", "e", "exc", everyone, tuned),
                SpikingPathway(
                    "ie", "inh", "e", "inh", everyone, conditions["w_init"], True, self.largest_weight,
                    self.inhibitory_scale,
                ),
            ),
        )  # fmt: skip

    def excitatory_weights(self, seed: int) -> np.ndarray:
        """(n_exc,) in units of the leak conductance."""
        group = np.arange(self.n_exc) // (self.n_exc // self.n_groups) + 1
        noise = Stream(seed, "excitatory_weights").uniform((self.n_exc,))
        return self.excitatory_scale * (0.3 + 1.1 / (1.0 + (group - 5.0) ** 4) + 0.1 * noise)

    def life(self, conditions: Mapping[str, Any], seed: int) -> Life:
        network = self.network(conditions, seed)
        n_steps = round(self.life_s / network.dt_s)
        edges = np.linspace(n_steps - round(self.scored_share * n_steps), n_steps, _N_SAMPLES + 1).astype(int).tolist()
        parts = [Phase(f"scored_{k}", edges[k], edges[k + 1]) for k in range(_N_SAMPLES)]
        return Life(
            network, seed, n_steps,
            (
                PopulationRate("e"), SPIKES, WEIGHTS, self._samples(n_steps), SpikeCounts("exc", "scored"),
                *(SpikeCounts("inh", part.name) for part in parts),
            ),
            conditions, (Phase("scored", edges[0], n_steps), *parts),
        )  # fmt: skip

    def _samples(self, n_steps: int) -> Weights:
        every = round(self.scored_share * n_steps) // _N_SAMPLES
        return Weights("ie", every * 1e-4, phase="scored")

    def loss(self, recordings: Recordings, lives: Sequence[Life]) -> Tensor:
        return rate_deviation(self._rate_hz(recordings, lives), self.target_hz)

    def _rate_hz(self, recordings: Recordings, lives: Sequence[Life]) -> Tensor:
        """(n_rules, n_lives), while scored."""
        spikes = recordings[SPIKES]
        return spikes.sum(-1) / (spikes.shape[-1] * lives[0].dt_s)

    def blow_up_loss(self, share_lived: float) -> float:
        return 200.0 * (2.0 - share_lived)

    def metrics(self, recordings: Recordings, lives: Sequence[Life]) -> dict[str, Tensor]:
        return {
            "rate_hz": self._rate_hz(recordings, lives),
            "ei_correlation": self._ei_correlation(recordings, lives),
            "mean_weight_ie": recordings[WEIGHTS].mean(-1),
        }

    def _ei_correlation(self, recordings: Recordings, lives: Sequence[Life]) -> Tensor:
        """Over the groups, between excitatory and inhibitory conductance received while scored; 0 if undefined."""
        import torch

        weights = recordings[self._samples(lives[0].n_steps)]  # (n_rules, n_lives, n_samples, n_inh)
        inh = torch.stack([recordings[SpikeCounts("inh", f"scored_{k}")] for k in range(_N_SAMPLES)], -2)
        tuned = torch.stack([torch.tensor(life.network.pathways[0].weight).to(weights) for life in lives])  # type: ignore[union-attr]
        excitation = recordings[SpikeCounts("exc", "scored")] * tuned
        inhibition = (inh * (weights[..., 1:, :] + weights[..., :-1, :]) / 2).sum(-2)
        groups = [x.unflatten(-1, (self.n_groups, -1)).sum(-1).to(weights) for x in (excitation, inhibition)]
        spread = [x.std(-1, correction=0) for x in groups]
        largest = torch.stack([x.abs().amax(-1) for x in groups]).amax(0).clamp_min(1.0)
        defined = torch.minimum(*spread) > 1e-12 * largest
        centred = [x - x.mean(-1, keepdim=True) for x in groups]
        correlation = (centred[0] * centred[1]).mean(-1) / (spread[0] * spread[1])
        return torch.where(defined, correlation, torch.zeros_like(correlation))

    @property
    def rule_map(self) -> RuleMap:
        return balance_map(self.target_hz, self.make_family("doublet"))

    def shortened(self) -> InhibitoryBalance:
        return dataclasses.replace(self, life_s=0.04, scored_share=1.0)

    def draw_life(self, figure: Any, history: LifeHistory) -> None:
        from plasticbench.drawing.spiking import draw_balance_life

        draw_balance_life(figure, history, self.target_hz, self.n_groups)


for _name, _words, _life_s, _null_loss, _reference_loss, _blind_loss in (
    ("InhibitoryBalance", "", 60.0, 56.4878, 0.059739, 0.202402),
    ("InhibitoryBalanceMini", ", short", 10.0, 56.2731, 0.258891, 1.076237),
):
    register(
        InhibitoryBalance(
            id=f"plasticbench/{_name}-v0",
            title=f"Inhibition that balances tuned excitation{_words}",
            summary=(
                "A spiking neuron with tuned excitatory inputs; plastic inhibition should hold it at 5 Hz, "
                f"within {_life_s:g} s and at any input rate."
            ),
            reference=(
                "Confavreux et al., NeurIPS 33 (2020); Vogels et al., Science 334:1569 (2011), "
                "doi:10.1126/science.1211095"
            ),
            reference_rule="vogels-2011-5hz",
            conditions={"w_init": Uniform(0.05, 1.0, (0.0, 20.0)), "input_gain": Uniform(0.6, 1.4, (0.0, 10.0))},
            life_s=_life_s,
            n_official=40,
            null_loss=_null_loss,
            reference_loss=_reference_loss,
            blind_loss=_blind_loss,  # every weight set to 1.08, in short lives to 1.045
            families=("doublet", "mlp"),
        )
    )
