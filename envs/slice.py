"""One synapse under the spikes that experimenters gave it in slices and cultures: does a rule do what tissue did?

Pfister & Gerstner, J. Neurosci. 26:9673 (2006), doi:10.1523/JNEUROSCI.1425-06.2006, for the loss and the triplet
models. The data of each task and their sources stand in its table, `slice_*.csv` beside this file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from plasticbench.networks.clamped import ClampedNetwork, ClampedPathway
from plasticbench.networks.life import Life
from plasticbench.networks.recordings import FinalWeights, InitialWeights, Recordings
from plasticbench.rules import Rule
from plasticbench.simulation.random import Stream
from plasticbench.tasks.conditions import Subset, Whole
from plasticbench.tasks.experiment import Experiment
from plasticbench.tasks.losses import best_scale, misfit, targets_of
from plasticbench.tasks.registry import register
from plasticbench.tasks.task import Task

from .slice_data import bundled

if TYPE_CHECKING:
    from torch import Tensor

    from plasticbench.drawing.lives import LifeHistory

PATHWAY = ClampedPathway("ee")
BEFORE, AFTER = InitialWeights(PATHWAY.name), FinalWeights(PATHWAY.name)
_MOST_RESAMPLES = 1_000_000
_SHORT_GROUPS, _SHORT_TRAINS = 6, 2  # of a shortened protocol


@dataclass(frozen=True, kw_only=True)
class Slice(Task):
    """
    ## Description
    One excitatory synapse (pathway `ee`), whose two neurons spike as experimenters made them: trains of pairs, triplets
    and quadruplets, each protocol with the train structure that was really given. There is no neuron and no time step.
    A life is the whole data set, each protocol from the same initial weight. It is 1, in effect without an upper bound,
    so that published relative amplitudes apply as they are; a rule that reads `w` or `w_max` starts at 0.03 with the
    bound 0.3, as in the functional tasks, which `initial_weight` tells. Of a rule for several pathways `ee` lives here.

    ## Observation and action
    (n_protocols,) each: `w`, traces `x_pre`, `x_post`, `x_pre2`, `x_post2`, `pre_spike`, `post_spike`, `w_max` (1e9
    where there is none). One step is the next moment at which anything spikes in each protocol; the action is Δw. Where
    both neurons spike at once, `on_pre` comes first, and both events read the traces from before.

    ## Conditions
    `protocols`: which of the scored ones the loss is of, all unless told; `loss_held_out` is of the others. `resample`:
    0 for the published means; k for the k-th parametric bootstrap N(mean, SEM), for intervals. Neither is drawn: every
    seed gives the same life, and there is one official one.

    ## Loss
    min over s >= 0 of mean ((Δw measured − s Δw of the rule)/SEM)², Δw relative to the initial weight: 1 is a fit as
    good as the error bars. Protocols in which both neurons spike at the same time are shown, never scored. Beside it
    `scale` s, `loss_unscaled` (s = 1), `dw_` and `z_` of every protocol. No loss exceeds that of no plasticity (s = 0),
    apart from a weight that is not a number, at a share t/T of the life: 100 (2 − t/T). The score is logarithmic and no
    better for a loss below 0.5, which is noise.

    ## Version history
    v0: first version.
    """

    data: Experiment
    n_official: int = 1
    score_scale: Literal["linear", "log"] = "log"
    learning_rate: float = 0.001
    blow_up_scale: float = 100.0
    families: tuple[str, ...] = ("minimal-triplet", "triplet", "pair", "doublet")

    has_modulator: ClassVar[bool] = False
    loss_floor: ClassVar[float] = 0.5

    @property
    def experiment(self) -> Experiment:
        return self.data

    @cached_property
    def network(self) -> ClampedNetwork:
        """The same for every lifetime."""
        return ClampedNetwork(PATHWAY, tuple(row.protocol for row in self.experiment.rows))

    @property
    def example_network(self) -> ClampedNetwork:
        return self.network

    def life(self, conditions: Mapping[str, Any], seed: int) -> Life:
        rows, k = self.experiment.rows, conditions["resample"]
        mean, sem = np.array([row.mean for row in rows]), np.array([row.sem for row in rows])
        if k:
            mean = mean + sem * Stream(k, "slice-resample").normal(mean.shape)
        scored = np.array([row.scored for row in rows])
        given = scored & np.isin(self.experiment.names, conditions["protocols"])
        targets = {"mean": mean, "sem": sem, "given": given, "held_out": scored & ~given}
        return Life(self.network, seed, self.network.n_steps, (BEFORE, AFTER), conditions, targets=targets)

    def loss(self, recordings: Recordings, lives: Sequence[Life]) -> Tensor:
        change = recordings[AFTER] / recordings[BEFORE] - 1.0
        mean, sem, given = (targets_of(lives, name, change) for name in ("mean", "sem", "given"))
        return misfit(best_scale(change, mean, sem, given)[..., None] * change, mean, sem, given)

    def metrics(self, recordings: Recordings, lives: Sequence[Life]) -> dict[str, Tensor]:
        change = recordings[AFTER] / recordings[BEFORE] - 1.0
        mean, sem, given = (targets_of(lives, name, change) for name in ("mean", "sem", "given"))
        scale = best_scale(change, mean, sem, given)
        scaled = scale[..., None] * change
        z = (scaled - mean) / sem
        return {
            "scale": scale,
            "loss_unscaled": misfit(change, mean, sem, given),
            "loss_held_out": misfit(scaled, mean, sem, targets_of(lives, "held_out", change)),
            "initial_weight": recordings[BEFORE][..., 0],
            **{f"dw_{name}": change[..., k] for k, name in enumerate(self.experiment.names)},
            **{f"z_{name}": z[..., k] for k, name in enumerate(self.experiment.names)},
        }

    def blow_up_loss(self, share_lived: float) -> float:
        return self.blow_up_scale * (2.0 - share_lived)

    def part_of(self, rule: Rule) -> Rule:
        """The rule of this pathway alone."""
        own = rule.for_pathway(PATHWAY.name)
        if own is None or len(rule.pathways) == 1:
            return rule
        return Rule(rule.name, {PATHWAY.name: own}, rule.reference, rule.note, rule.arrays)

    def shortened(self) -> Slice:
        rows = tuple(
            dataclasses.replace(
                row,
                protocol=dataclasses.replace(
                    row.protocol,
                    n_groups=min(row.protocol.n_groups, _SHORT_GROUPS),
                    n_trains=min(row.protocol.n_trains, _SHORT_TRAINS),
                ),
            )
            for row in self.experiment.rows
        )  # fmt: skip
        return dataclasses.replace(self, data=Experiment(rows))

    def draw_life(self, figure: Any, history: LifeHistory) -> None:
        """The data with their error bars, and the rule's changes so far in its best scale."""
        from plasticbench.drawing.experiment import draw_experiment

        outcome = history.life.outcome()
        scale, rows = float(outcome.metrics["scale"][0, 0]), self.experiment.rows
        figure.suptitle(f"{self.title}: loss {float(outcome.losses[0, 0]):.3g}", fontsize=10)
        draw_experiment(
            figure.subplots(), self.experiment.names, [row.mean for row in rows], [row.sem for row in rows],
            [row.scored for row in rows], scale * history.snapshots[-1]["change"], self.experiment.joined(),
            f"rule × {scale:.3g}",
        )  # fmt: skip

    def _family_options(self, name: str) -> dict[str, Any]:
        return {"eta": self.learning_rate}


def slice_task(id: str, experiment: Experiment, **fields: Any) -> Slice:
    """A task of one's own from a table (`slice_data.read_experiment`), not registered."""
    conditions = {"protocols": Subset(experiment.scored_names), "resample": Whole(0, (0, _MOST_RESAMPLES))}
    return Slice(id=id, data=experiment, conditions=conditions, **fields)


_FITTED = "; triplet models: Pfister & Gerstner, J. Neurosci. 26:9673 (2006), doi:10.1523/JNEUROSCI.1425-06.2006"
# Losses, measured by this code, of no plasticity, of the minimal triplet rule refitted to the data, and of the best
# rule that sees no postsynaptic spike.
_MEASURED = {
    "SliceL5": (15.1307, 1.02433, 8.53271),
    "SliceL5PfisterGerstner": (9.19822, 0.131881, 4.65898),
    "SliceHippocampus": (20.3564, 2.18294, 12.932),
    "SliceL23": (17.7804, 5.50702, 8.90992),
    "SliceL4": (21.5346, 0.460849, 5.08412),
}


def _register(name: str, table: str, fitted: str, title: str, summary: str, reference: str) -> None:
    null, best, blind = _MEASURED[name]
    register(
        slice_task(
            f"plasticbench/{name}-v0",
            bundled(table),
            title=title,
            summary=summary,
            reference=reference + _FITTED,
            reference_rule=f"minimal-triplet-{fitted}",
            null_loss=null,
            reference_loss=best,
            blind_loss=blind,
        )
    )


_register(
    "SliceL5", "slice_l5", "l5", "Slices of layer 5",
    "Pairs of layer-5 pyramidal neurons spike in trains of pairs at 0.1 to 50 Hz; a rule should change the synapse as "
    "the tissue did in 21 protocols.",
    "Sjöström, Turrigiano & Nelson, Neuron 32:1149 (2001), doi:10.1016/S0896-6273(01)00542-6; Markram et al., Science "
    "275:213 (1997), doi:10.1126/science.275.5297.213; Sjöström & Häusser, Neuron 51:227 (2006), "
    "doi:10.1016/j.neuron.2006.06.017",
)  # fmt: skip
_register(
    "SliceL5PfisterGerstner", "slice_l5_pfister_gerstner", "l5-one-train",
    "Slices of layer 5 as the triplet models were fitted to them",
    "The ten frequency protocols of visual cortex as 60 pairs in one train each: the reproduction of a published fit.",
    "Sjöström, Turrigiano & Nelson, Neuron 32:1149 (2001), doi:10.1016/S0896-6273(01)00542-6",
)  # fmt: skip
_register(
    "SliceHippocampus", "slice_hippocampus", "hippocampus", "Cultures of hippocampus",
    "Pairs of cultured hippocampal neurons spike in pairs, triplets and quadruplets, 60 times once a second; a rule "
    "should change the synapse as the culture did in 13 protocols.",
    "Wang, Gerkin, Nauen & Bi, Nat. Neurosci. 8:187 (2005), doi:10.1038/nn1387",
)  # fmt: skip
_register(
    "SliceL23", "slice_l23", "l23", "Slices of layer 2/3",
    "Pairs of layer-2/3 pyramidal neurons spike in single pairs and trains of pairs; a rule should change the synapse "
    "as the tissue did in 6 protocols.",
    "Zilberter et al., Cereb. Cortex 19:2308 (2009), doi:10.1093/cercor/bhn247; Egger, Feldmeyer & Sakmann, Nat. "
    "Neurosci. 2:1098 (1999), doi:10.1038/16026",
)  # fmt: skip
_register(
    "SliceL4", "slice_l4", "l4", "Slices of layer 4",
    "Pairs of spiny stellate neurons of layer 4 spike in trains of pairs at 1 to 50 Hz; a rule should change the "
    "synapse as the tissue did in 4 protocols.",
    "Egger, Feldmeyer & Sakmann, Nat. Neurosci. 2:1098 (1999), doi:10.1038/16026",
)  # fmt: skip
