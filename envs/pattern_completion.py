"""A recurrent network with an imprinted assembly: inhibitory plasticity decides whether a part of it calls the whole.

Kania, Confavreux & Vogels, "Ingrams for engrams" (2026). Rule: Vogels et al., Science 334:1569 (2011).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from plasticbench.networks.connections import Block, RandomConnections
from plasticbench.networks.excursions import Excursion
from plasticbench.networks.life import Life, Phase
from plasticbench.networks.neurons import DrivenLIF
from plasticbench.networks.recordings import FinalWeights, PopulationRate, Recordings, SpikeCounts, SpikeTrains
from plasticbench.networks.sources import PoissonProcess, PoissonSource
from plasticbench.networks.spiking import Population, SpikingNetwork, SpikingPathway
from plasticbench.networks.weight_changes import WeightChange
from plasticbench.tasks.conditions import LogUniform, Uniform
from plasticbench.tasks.registry import register
from plasticbench.tasks.spiking_task import SpikingTask

if TYPE_CHECKING:
    from torch import Tensor

    from plasticbench.drawing.lives import LifeHistory

_REFERENCE = (
    'Kania, Confavreux & Vogels, "Ingrams for engrams" (2026); rules after Vogels et al., Science 334:1569 (2011), '
    "doi:10.1126/science.1211095"
)
_BAND_HZ = (0.0, 150.0)
_SMALLEST_HZ = 0.1  # to a completion's denominator, so that silence completes nothing
DT_S = SpikingNetwork.dt_s


@dataclass(frozen=True, kw_only=True)
class PatternCompletion(SpikingTask):
    """
    ## Description
    """

    n_exc: int
    n_inh: int
    probability: float
    n_assembly: int  # excitatory neurons, the first ones
    n_assembly_inh: int
    cued: tuple[int, ...]  # assembly neurons, the first ones, that each cue reaches
    exc_weight: float = 0.03
    assembly_weight: float = 0.15
    w_max: float = 3.0
    n_cue: int = 1000  # afferents
    cue_probability: float = 0.05
    cue_weight: float = 0.3
    cue_rate_hz: float = 100.0
    cue_s: float = 1.0
    rest_s: float = 5.0  # before the cues
    target_hz: float = 3.0
    rate_share: float = 0.1  # of the loss
    score_scale: Literal["linear", "log"] = "linear"

    def network(self, conditions: Mapping[str, Any]) -> SpikingNetwork:
        """Of a lifetime with these conditions."""
        neuron = DrivenLIF(drive_v=conditions["drive_v"])
        random = RandomConnections(self.probability)
        strengthened = {"ee": self.n_assembly, "ei": self.n_assembly_inh}
        pathways = []
        for post in "ei":
            pathways.append(SpikingPathway(f"e{post}", "e", post, "exc", random, self.exc_weight, delay_steps=1))
            block = Block(random, (0, self.n_assembly), (0, strengthened[f"e{post}"]), f"e{post}")
            pathways.append(SpikingPathway(f"assembly_e{post}", "e", post, "exc", block, 0.0, delay_steps=1))
            gain = conditions[f"gain_i{post}"]
            pathways.append(SpikingPathway(f"i{post}", "i", post, "inh", random, 0.0, True, self.w_max, gain, 1))
        sources = []
        for n_cued, window in zip(self.cued, self._cues(conditions), strict=True):
            name = f"cue_{n_cued}"
            process = PoissonProcess(0, self.n_cue, self.cue_rate_hz, window.start, window.stop)
            sources.append(PoissonSource(name, self.n_cue, (process,)))
            reached = Block(RandomConnections(self.cue_probability), None, (0, n_cued))
            pathways.append(SpikingPathway(name, name, "e", "exc", reached, self.cue_weight, delay_steps=1))
        return SpikingNetwork(
            (Population("e", self.n_exc, neuron), Population("i", self.n_inh, neuron)),
            tuple(sources),
            tuple(pathways),
        )

    def _cues(self, conditions: Mapping[str, Any]) -> list[Excursion]:
        first = round(conditions["settling_s"] / DT_S) + round(conditions["imprinted_s"] / DT_S)
        n = round(self.cue_s / DT_S)
        return [Excursion(first + k * n, first + (k + 1) * n) for k in range(len(self.cued))]

    def life(self, conditions: Mapping[str, Any], seed: int) -> Life:
        imprinted = round(conditions["settling_s"] / DT_S)
        cues = self._cues(conditions)
        rest = Phase("rest", cues[0].start - round(self.rest_s / DT_S), cues[0].start)
        phases = (rest, *(Phase(f"cue_{n}", cue.start, cue.stop) for n, cue in zip(self.cued, cues, strict=True)))
        changes = tuple(
            WeightChange(f"assembly_{name}", imprinted, self.assembly_weight - self.exc_weight) for name in ("ee", "ei")
        )
        rate = PopulationRate("e", 1.0, _BAND_HZ, "rest")
        weights = [FinalWeights(name) for name in ("ie", "ii")]
        recordings = (rate, *(SpikeCounts("e", phase.name) for phase in phases), SpikeCounts("i", "rest"), *weights)
        return Life(
            self.network(conditions), seed, cues[-1].stop, recordings, conditions, phases, excursions=tuple(cues),
            weight_changes=changes,
        )  # fmt: skip

    def group_rates_hz(self, recordings: Recordings, n_cued: int, phase: str) -> dict[str, Tensor]:
        """Mean rates of cued, uncued and other excitatory neurons in a phase, (n_rules, n_lives) each."""
        counts = recordings[SpikeCounts("e", phase)] / (self.rest_s if phase == "rest" else self.cue_s)
        edges = (0, n_cued, self.n_assembly, self.n_exc)
        return {
            name: counts[..., edges[k] : edges[k + 1]].mean(-1) for k, name in enumerate(("cued", "uncued", "other"))
        }

    def completion(self, recordings: Recordings, n_cued: int) -> Tensor:
        """(uncued - other)/(uncued + other + 0.1 Hz), (n_rules, n_lives)."""
        rates = self.group_rates_hz(recordings, n_cued, f"cue_{n_cued}")
        return (rates["uncued"] - rates["other"]) / (rates["uncued"] + rates["other"] + _SMALLEST_HZ)

    def loss(self, recordings: Recordings, lives: Sequence[Life]) -> Tensor:
        import torch

        completed = torch.stack([self.completion(recordings, n) for n in self.cued]).mean(0)
        rate_hz = recordings[SpikeCounts("e", "rest")].mean(-1) / self.rest_s
        away = (rate_hz.clamp(min=_SMALLEST_HZ) / self.target_hz).log10().abs()
        return 1.0 - completed + self.rate_share * away

    def metrics(self, recordings: Recordings, lives: Sequence[Life]) -> dict[str, Tensor]:
        found = {f"completion_{n}": self.completion(recordings, n) for n in self.cued}
        for n in self.cued:
            rates = self.group_rates_hz(recordings, n, f"cue_{n}")
            rates["before"] = self.group_rates_hz(recordings, n, "rest")["uncued"]
            found |= {f"{name}_{n}_hz": rate for name, rate in rates.items()}
        before = self.group_rates_hz(recordings, self.n_assembly, "rest")
        found |= {"assembly_rest_hz": before["cued"], "other_rest_hz": before["other"]}
        found["rate_e_hz"] = recordings[SpikeCounts("e", "rest")].mean(-1) / self.rest_s
        found["rate_i_hz"] = recordings[SpikeCounts("i", "rest")].mean(-1) / self.rest_s
        return found | {f"mean_weight_{name}": recordings[FinalWeights(name)].mean(-1) for name in ("ie", "ii")}

    def blow_up_loss(self, share_lived: float) -> float:
        return 2.0 + math.exp(-share_lived)

    def shortened(self) -> PatternCompletion:
        return dataclasses.replace(
            self, n_exc=80, n_inh=20, probability=0.3, n_assembly=24, n_assembly_inh=6, cued=(6, 12), n_cue=50,
            cue_probability=0.3, cue_s=0.003, rest_s=0.002,
            conditions={
                **self.conditions,
                **{name: Uniform(0.02, 0.02, (0.0, 3600.0)) for name in ("settling_s", "imprinted_s")},
            },
        )  # fmt: skip

    def draw_life(self, figure: Any, history: LifeHistory) -> None:
        from plasticbench.drawing.spiking import draw_population_life

        draw_population_life(figure, history, self.target_hz)


_FULL = {"n_exc": 8000, "n_inh": 2000, "probability": 0.02, "n_assembly": 784, "n_assembly_inh": 196}
_MINI = {"n_exc": 800, "n_inh": 200, "probability": 0.2, "n_assembly": 80, "n_assembly_inh": 20}
_CUED = {"": (98, 196, 392), "Mini": (10, 20, 40)}

for _suffix, _size, _n_official in (("", _FULL, 10), ("Mini", _MINI, 16)):
    register(
        PatternCompletion(
            id=f"plasticbench/PatternCompletion{_suffix}-v0",
            title=f"Pattern completion by inhibitory plasticity{', small' if _suffix else ''}",
            summary=f"{_size['n_exc'] + _size['n_inh']} x",
            reference=_REFERENCE,
            reference_rule="vogels-2011",
            conditions={
                "drive_v": Uniform(0.02, 0.02, (0.0, 0.1)),
                "gain_ie": LogUniform(0.5, 2.0, (0.0, 100.0)),
                "gain_ii": LogUniform(0.5, 2.0, (0.0, 100.0)),
                "settling_s": Uniform(25.0, 25.0, (0.0, 3600.0)),
                "imprinted_s": Uniform(40.0, 40.0, (5.0, 3600.0)),
            },
            cued=_CUED[_suffix],
            n_official=_n_official,
            null_loss=1.2,
            reference_loss=0.1,
            families=("doublet",),
            **_size,  # type: ignore[arg-type]
        )
    )
