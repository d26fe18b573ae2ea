"""One neuron with tuned excitation: plastic inhibition is to bring it to its target rate.

Confavreux, Zenke, Agnes, Lillicrap & Vogels, NeurIPS 33 (2020), last section; the neuron and its inputs are those
of Vogels, Sprekeler, Zenke, Clopath & Gerstner, Science 334:1569 (2011), doi:10.1126/science.1211095.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from plasticbench.drawing.lives import LifeHistory
from plasticbench.drawing.spiking import draw_balance_life
from plasticbench.networks.neurons import ConductanceLIF
from plasticbench.networks.sources import ModulatedSource
from plasticbench.networks.spiking import Population, RandomConnections, SpikingNetwork, SpikingPathway
from plasticbench.simulation.random import Stream
from plasticbench.simulation.spiking.lives import Snapshot, SpikingLife, SpikingRecord
from plasticbench.tasks.losses import rate_deviation
from plasticbench.tasks.registry import register
from plasticbench.tasks.rule_map import RuleMap
from plasticbench.tasks.spiking_task import SpikingTask

from .balance_map import balance_map

_N_PROBES = 10  # of the weights, during the scored part of a life


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
    `post_spike`, `w_max` = 20, `m` = 0. One step is 0.1 ms; the action is Δw.

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
    w_init: tuple[float, float] = (0.05, 1.0)
    input_gain: tuple[float, float] = (0.6, 1.4)

    condition_names: ClassVar[tuple[str, ...]] = ("w_init", "input_gain")
    condition_limits: ClassVar[Mapping[str, tuple[float, float]]] = {
        "w_init": (0.0, 20.0),
        "input_gain": (0.0, 10.0),
    }

    def _network(self, conditions: Mapping[str, Any], seed: int) -> SpikingNetwork:
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

    def _life(self, network: SpikingNetwork, conditions: Mapping[str, Any], seed: int) -> SpikingLife:
        n_steps = round(self.life_s / network.dt_s)
        probes = np.unique(np.linspace(n_steps - self._n_scored(n_steps), n_steps, _N_PROBES + 1).astype(int))
        return SpikingLife(
            network, seed, n_steps, watched="e", allowed_rate_hz=None, probe_steps=tuple(probes.tolist())
        )

    def _n_scored(self, n_steps: int) -> int:
        return round(self.scored_share * n_steps)

    def _loss(self, rates_hz: Tensor, spikes: Tensor, life: SpikingLife) -> Tensor:
        return rate_deviation(self._rate_hz(spikes, life), self.target_hz)

    def _rate_hz(self, spikes: Any, life: SpikingLife) -> Any:
        n_scored = self._n_scored(life.n_steps)
        return spikes[..., life.n_steps - n_scored :].sum(-1) / (n_scored * life.network.dt_s)

    def blow_up_loss(self, share_lived: float) -> float:
        return 200.0 * (2.0 - share_lived)

    def _probe(self, snapshot: Snapshot) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        counts = snapshot.spike_counts
        return snapshot.weights["ie"].copy(), counts["exc"].copy(), counts["inh"].copy()

    def _metrics(self, record: SpikingRecord, life: SpikingLife) -> dict[str, float]:
        return {
            "rate_hz": float(self._rate_hz(record.spikes.astype(np.float64), life)),
            "ei_correlation": self._ei_correlation(record, life),
            "mean_weight_ie": float(record.weights["ie"].mean()),
        }

    def _ei_correlation(self, record: SpikingRecord, life: SpikingLife) -> float:
        """Over the groups, between excitatory and inhibitory conductance received while scored; 0 if undefined."""
        if len(record.probes) < 2 or record.status != "ok":
            return 0.0
        weights, exc, inh = (np.array(column) for column in zip(*record.probes, strict=True))
        excitation = (exc[-1] - exc[0]) * np.asarray(life.network.pathways[0].weight)
        inhibition = (np.diff(inh, axis=0) * (weights[1:] + weights[:-1]) / 2).sum(0)
        groups = [x.reshape(self.n_groups, -1).sum(1) for x in (excitation, inhibition)]
        if min(x.std() for x in groups) <= 1e-12 * max(1.0, *(abs(x).max() for x in groups)):
            return 0.0
        return float(np.corrcoef(*groups)[0, 1])

    @property
    def rule_map(self) -> RuleMap:
        return balance_map(self.target_hz, self.make_family("doublet"))

    def shortened(self) -> InhibitoryBalance:
        return dataclasses.replace(self, life_s=0.04, scored_share=1.0)

    def draw_life(self, figure: Figure, history: LifeHistory) -> None:
        draw_balance_life(figure, history, self.target_hz, self.n_groups)


for _name, _words, _life_s, _null_loss, _reference_loss, _blind_loss in (
    ("InhibitoryBalance", "", 60.0, 56.4878, 0.059739, 0.382647),
    ("InhibitoryBalanceMini", ", short", 10.0, 56.2731, 0.258891, 1.636583),
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
            plastic=("ie",),
            life_s=_life_s,
            n_official=40,
            null_loss=_null_loss,
            reference_loss=_reference_loss,
            blind_loss=_blind_loss,  # every weight set to 1.1
            families=("doublet", "mlp"),
        )
    )
