"""A task of one's own: familiarity with a pattern, told from two windows in which nothing is learned.

Use it with `--import memory_task`, or `import memory_task` in Python.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

import plasticbench
from plasticbench.networks.connections import RandomConnections, ReceptiveFields
from plasticbench.networks.life import Life, Phase
from plasticbench.networks.neurons import AdaptiveLIF
from plasticbench.networks.recordings import FinalWeights, SpikeCounts
from plasticbench.networks.sources import PoissonProcess, PoissonSource, Schedule
from plasticbench.networks.spiking import Population, SpikingNetwork, SpikingPathway
from plasticbench.simulation.random import Stream
from plasticbench.tasks.conditions import Choice, Uniform
from plasticbench.tasks.spiking_task import SpikingTask

FAMILIAR, NOVEL, WEIGHTS = SpikeCounts("e", "familiar"), SpikeCounts("e", "novel"), FinalWeights("input_e")
SIDE = 12  # of the sheet of afferents


@dataclass(frozen=True, kw_only=True)
class Memory(SpikingTask):
    """
    ## Description
    Afferents on a sheet drive excitatory neurons through plastic receptive fields, and inhibitory ones. A stripe of the
    sheet is shown for a while; then, with plasticity off, the same stripe and another one, in one order or the other.

    ## Observation and action
    The synapses of `input_e`: `w`, `w_max`, traces, spikes, and `v`, `c_exc`, `c_inh` of the neuron. The action is Δw.

    ## Conditions
    `w_init` U(0.1, 0.3); `order`, which of the two is shown first in the test.

    ## Loss
    (novel / familiar)² of the spikes that the two stripes evoke: below 1 where the familiar one evokes more.

    ## Version history
    v0: first version.
    """

    training_s: float = 2.0
    test_s: float = 0.5
    pattern_hz: float = 60.0
    background_hz: float = 5.0
    n_exc: int = 40
    n_inh: int = 10

    def life(self, conditions, seed):
        names = ("familiar", "novel") if conditions["order"] == "familiar first" else ("novel", "familiar")
        dt_s = 1e-4
        train, test = (round(s / dt_s) for s in (self.training_s, self.test_s))
        windows = [Phase(name, train + k * test, train + (k + 1) * test, plastic=()) for k, name in enumerate(names)]
        stripes = dict(zip(("familiar", "novel"), Stream(seed, "stripes").permutation(4)[:2].tolist(), strict=True))
        steps = np.array([0, train, train + test, train + 2 * test])
        first = {name: 0.0 if name == "novel" else self.pattern_hz for name in names}
        processes = [PoissonProcess(0, SIDE * SIDE, self.background_hz)]
        for name, stripe in stripes.items():
            shown = [first[name], *(self.pattern_hz if name == window else 0.0 for window in names), 0.0]
            rows = SIDE // 4
            processes.append(PoissonProcess(stripe * rows * SIDE, rows * SIDE, Schedule(steps, np.array(shown))))
        fields = ReceptiveFields(SIDE, 4.0)
        network = SpikingNetwork(
            (Population("e", self.n_exc, AdaptiveLIF()), Population("i", self.n_inh, AdaptiveLIF())),
            (PoissonSource("input", SIDE * SIDE, tuple(processes)),),
            (
                SpikingPathway("input_e", "input", "e", "exc", fields, conditions["w_init"], True, 1.0),
                SpikingPathway("input_i", "input", "i", "exc", RandomConnections(0.3), 0.1),
                SpikingPathway("ie", "i", "e", "inh", RandomConnections(0.5), 0.3),
            ),
        )
        return Life(network, seed, train + 2 * test, (FAMILIAR, NOVEL, WEIGHTS), conditions, tuple(windows))

    def loss(self, recordings, lives):
        return ((recordings[NOVEL].sum(-1) + 1.0) / (recordings[FAMILIAR].sum(-1) + 1.0)) ** 2

    def metrics(self, recordings, lives):
        return {"mean_weight": recordings[WEIGHTS].mean(-1)}

    def blow_up_loss(self, share_lived):
        return 100.0 * (2.0 - share_lived)

    def shortened(self):
        return dataclasses.replace(self, training_s=0.05, test_s=0.02)

    def draw_life(self, figure, history):
        figure.subplots().hist(history.life.weights["input_e"].ravel(), 30)


plasticbench.register(
    Memory(
        id="mylab/Memory-v0",
        title="Memory of a stripe",
        summary="A stripe of the sheet is shown for two seconds; it should evoke more spikes than a new one.",
        reference="An example of the documentation",
        reference_rule="pfister-gerstner-2006",
        conditions={"w_init": Uniform(0.1, 0.3), "order": Choice(("familiar first", "novel first"))},
        n_official=10,
        null_loss=1.1545702102267401,  # measure_references; no blind_loss: a copy of the input (0.149) is a memory here
        reference_loss=0.7405991554260254,
        families=("doublet",),
    )
)
