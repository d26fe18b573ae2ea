"""A rate task with all that a life may have: lateral weights, phases, resets, a modulator, samples of the weights."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from plasticbench.networks.life import Life, Modulator, Phase, Presentations
from plasticbench.networks.rate import RateNetwork
from plasticbench.networks.recordings import Modulation, Weights
from plasticbench.rules import rule_from_json
from plasticbench.tasks.rate_task import RateTask

N_STEPS, FIRST_FROZEN, LAST_FROZEN, RESET = 40, 12, 24, 30
N_INPUTS, N_OUTPUTS, TAU_S, ETA = 3, 2, 5.0, 0.02
FF, LAT = Weights("ff", 1.0), Weights("lat", 1.0)
SEEDS = (3, 4)

MEMORY = {
    "traces": {"r": {"of": "pre", "tau_s": TAU_S}},
    "state": {"e": {"tau_s": TAU_S}, "n": {"scope": "pre"}},
    "on_step": {"w": "eta * (r + e + 0.1*n)", "e": "pre", "n": "abs(pre)"},
    "parameters": {"eta": ETA},
}
FORGETFUL = {
    "traces": {"y2": {"of": "post**2", "tau_s": TAU_S}, "x": {"of": "pre", "tau_s": 2.0}},
    "state": {"e": {"tau_s": TAU_S}, "theta": {"scope": "post", "tau_s": 9.0}},
    "on_step": {"w": "eta * (post*x - y2*w + 0.1*theta)", "e": "post*pre", "theta": "post"},
    "on_modulator": {"w": "eta * m * e", "theta": "0.1*m"},
    "parameters": {"eta": ETA},
}


def rule_of(part):
    return rule_from_json({"format": "plasticbench/rule@2", "name": "own", "pathways": {"*": part}})


@dataclass(frozen=True, kw_only=True)
class School(RateTask):
    """Lessons, then a phase in which only `learning` may change, then lessons again, with the traces forgotten."""

    has_modulator = True
    declares_lives = True
    learning: tuple[str, ...] = ()
    offset: int = 0  # of the reset, from life to life
    as_batch: bool = False

    @property
    def network(self):
        return RateNetwork(N_INPUTS, N_OUTPUTS, lateral="lat")

    def life(self, conditions, seed):
        random = np.random.default_rng(seed)
        phases = (Phase("test", FIRST_FROZEN, min(LAST_FROZEN, self.n_steps), plastic=self.learning),)
        order = None if self.as_batch else np.arange(self.n_steps)
        return Life(
            self.network, seed, self.n_steps, (FF, LAT, Modulation()), conditions, phases,
            Modulator(tuple(range(1, self.n_steps, 4)), "signal + 0.1*activity", random.normal(size=self.n_steps // 4),
                      "y"),
            (RESET + seed % 2 * self.offset,), {}, Presentations(random.normal(size=(self.n_steps, N_INPUTS)), order),
            {"ff": random.normal(size=(N_OUTPUTS, N_INPUTS)), "lat": np.tril(np.full((N_OUTPUTS, N_OUTPUTS), 0.1), -1)},
        )  # fmt: skip

    def loss(self, recordings, lives):
        return (recordings[FF] ** 2).mean((-1, -2, -3)) + (recordings[LAT] ** 2).mean((-1, -2, -3))

    def blow_up_loss(self, share_lived):
        return 200.0


TASK = School(
    id="tests/School-v0", title="School", summary="Lessons with a rest.", reference="none", reference_rule="null",
    null_loss=1.0, reference_loss=0.1, n_steps=N_STEPS,
)  # fmt: skip
ONE_AT_A_TIME = dataclasses.replace(TASK, learning=("lat",), offset=3)
