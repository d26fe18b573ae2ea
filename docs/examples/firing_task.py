"""A task whose loss is made of spike trains: neurons are to fire as irregularly as a Poisson process (CV of 1)."""

import dataclasses
from dataclasses import dataclass

import torch
from quadratic_lif import QuadraticLIF  # beside this file

import plasticbench
from plasticbench.networks.connections import RandomConnections
from plasticbench.networks.life import Life, Phase
from plasticbench.networks.recordings import FinalWeights, SpikeTrains
from plasticbench.networks.sources import PoissonProcess, PoissonSource
from plasticbench.networks.spiking import Population, SpikingNetwork, SpikingPathway
from plasticbench.tasks.conditions import Uniform
from plasticbench.tasks.metrics.spikes import cv_isi, mean_rate_hz
from plasticbench.tasks.spiking_task import SpikingTask

TRAINS, WEIGHTS = SpikeTrains("e", phase="scored"), FinalWeights("ie")


@dataclass(frozen=True, kw_only=True)
class IrregularFiring(SpikingTask):
    """
    ## Description
    Neurons of a model of one's own with Poisson excitation and inhibition; the inhibition is plastic.

    ## Observation and action
    The synapses of `ie`: `w`, `w_max`, traces and spikes. The action is Δw.

    ## Loss
    (CV − 1)² + ((rate − 10 Hz) / 10 Hz)² in the scored window; a CV that is undefined counts as 0.

    ## Version history
    v0: first version.
    """

    training_s: float = 2.0
    scoring_s: float = 2.0

    def life(self, conditions, seed):
        train, score = round(self.training_s / 1e-4), round(self.scoring_s / 1e-4)
        network = SpikingNetwork(
            (Population("e", 20, QuadraticLIF()),),
            tuple(PoissonSource(n, 80, (PoissonProcess(0, 80, conditions["input_rate_hz"]),)) for n in ("exc", "inh")),
            (
                SpikingPathway("ee", "exc", "e", "exc", RandomConnections(1.0), 0.1),
                SpikingPathway("ie", "inh", "e", "inh", RandomConnections(1.0), 0.1, True, 1.0),
            ),
        )
        return Life(
            network, seed, train + score, (TRAINS, WEIGHTS), conditions, (Phase("scored", train, train + score),)
        )

    def _of_trains(self, measure, recordings):
        values = [[measure(trains) for trains in row] for row in recordings[TRAINS]]
        return torch.tensor(values, dtype=torch.float64)

    def loss(self, recordings, lives):
        cv, rate_hz = (self._of_trains(measure, recordings) for measure in (cv_isi, mean_rate_hz))
        return (cv.nan_to_num(0.0) - 1.0) ** 2 + ((rate_hz - 10.0) / 10.0) ** 2

    def metrics(self, recordings, lives):
        return {"rate_hz": self._of_trains(mean_rate_hz, recordings), "cv_isi": self._of_trains(cv_isi, recordings)}

    def blow_up_loss(self, share_lived):
        return 1e4 * (2.0 - share_lived)

    def shortened(self):
        return dataclasses.replace(self, training_s=0.02, scoring_s=0.05)

    def draw_life(self, figure, history):
        figure.subplots().hist(history.life.weights["ie"].ravel(), 30)


plasticbench.register(
    IrregularFiring(
        id="mylab/IrregularFiring-v0",
        title="Irregular firing",
        summary="Plastic inhibition should make twenty neurons fire at 10 Hz, with intervals like a Poisson process.",
        reference="An example of the documentation",
        reference_rule="vogels-2011",
        conditions={"input_rate_hz": Uniform(15.0, 25.0)},
        n_official=10,
        null_loss=1.886,  # measure_references
        reference_loss=0.17043514914160496,
        blind_loss=1.8027318776907655,
        families=("doublet",),
    )
)
