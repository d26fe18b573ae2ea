"""The protocol of a rate network's life: rewards that meet eligibilities, and what is refused."""

import numpy as np
import pytest

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.life import Life, Modulator, Presentations
from plasticbench.networks.rate import RateNetwork
from plasticbench.networks.recordings import FinalWeights
from plasticbench.rules import PathwayRule, Rule, group_rules
from plasticbench.simulation.engine import Measured
from plasticbench.simulation.rate.cpu_engine import run_cpu
from plasticbench.simulation.rate.torch_engine import run_torch

WEIGHTS = FinalWeights("ff")
N_CUES, TRIAL, N_TRIALS = 4, 6, 40  # steps of a trial: the cue, a delay of four, the reward
TAU_S = 4.0


def a_life(seed: int, first_reward: int = TRIAL - 1) -> Life:
    random = np.random.default_rng(seed)
    worth, cues = random.standard_normal(N_CUES), random.integers(N_CUES, size=N_TRIALS)
    order = np.full(TRIAL * N_TRIALS, N_CUES)  # the last item is silence
    order[::TRIAL] = cues
    return Life(
        RateNetwork(N_CUES), seed, len(order), (WEIGHTS,), targets={"worth": worth},
        modulator=Modulator(tuple(range(first_reward, len(order), TRIAL)), signals=worth[cues]),
        presentations=Presentations(np.eye(N_CUES + 1, N_CUES), order),
        w_init={"ff": random.standard_normal((1, N_CUES))},
    )  # fmt: skip


def final_weights(run, lives, events) -> np.ndarray:
    """(n_lives, N_CUES)"""
    rule = Rule("own", {"ff": PathwayRule.make(events, states={"e": {"tau_s": TAU_S}})})
    ((_, batch),) = group_rules([rule], ("ff",), ("on_step", "on_modulator"), {"ff": {"pre", "post", "w", "m"}})
    kept = []

    def measure(recordings, lives):
        kept.append(recordings[WEIGHTS][0, :, 0].numpy())
        nothing = recordings[WEIGHTS][..., 0, 0] * 0.0
        return Measured(nothing, recordings.blown_up, {}, nothing)

    run(lives, batch, measure)
    return kept[0]


@pytest.mark.parametrize("run", [run_cpu, run_torch])
def test_a_reward_moves_the_weight_of_an_earlier_cue_by_its_faded_eligibility(run):
    """An eligibility takes its cue's step and fades; a reward moves the weight that share of the way to itself."""
    lives = [a_life(seed) for seed in (0, 1)]
    found = final_weights(run, lives, {"on_step": {"e": "pre"}, "on_modulator": "e * (m - w)"})
    for life, weights in zip(lives, found, strict=True):
        w, worth, eligibility = life.w_init["ff"][0].copy(), life.targets["worth"], np.zeros(N_CUES)
        for cue in life.presentations.order[::TRIAL]:
            eligibility[cue] += 1.0
            eligibility *= np.exp(-(TRIAL - 1) / TAU_S)
            w += eligibility * (worth[cue] - w)
            eligibility *= np.exp(-1 / TAU_S)
        np.testing.assert_allclose(weights, w, rtol=1e-12)


@pytest.mark.parametrize("run", [run_cpu, run_torch])
def test_a_life_is_not_rewarded_at_the_steps_of_the_first(run):
    lives = [a_life(0), a_life(1, first_reward=TRIAL - 2)]
    with pytest.raises(PlasticbenchError, match="the same phases, recordings and modulator"):
        final_weights(run, lives, {"on_step": {"e": "pre"}, "on_modulator": "m * e"})
