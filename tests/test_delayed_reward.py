"""Reward that comes later than what it is for: an eligibility rule of format @2, learned by gradient and by CMA-ES."""

import dataclasses
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from plasticbench.learning import learn
from plasticbench.networks.life import Life, Modulator, Presentations
from plasticbench.networks.rate import RateNetwork
from plasticbench.networks.recordings import FinalWeights
from plasticbench.rules import rule_from_json
from plasticbench.rules.families import Coordinate, TemplateFamily
from plasticbench.simulation.random import Stream
from plasticbench.tasks import check
from plasticbench.tasks.rate_task import RateTask

WEIGHTS = FinalWeights("ff")
N_INPUTS, STEPS_A_TRIAL = 4, 3
ELIGIBILITY = {
    "format": "plasticbench/rule@2",
    "name": "eligibility",
    "pathways": {
        "ff": {
            "state": {"e": {"tau_s": 2.0}},
            "on_step": {"e": "a * pre"},
            "on_modulator": {"w": "b * m * e - c * w"},
            "parameters": {"a": 0.0, "b": 0.1, "c": 0.0},
        }
    },
}


class EligibilityFamily(TemplateFamily):
    name = "eligibility"

    def template(self, pathway):
        return rule_from_json(ELIGIBILITY).pathways["ff"]

    def coordinates(self, pathway):
        return [Coordinate(name, -2.0, 2.0, start=start) for name, start in (("a", 0.1), ("b", 0.1), ("c", 0.0))]


@dataclass(frozen=True, kw_only=True)
class DelayedReward(RateTask):
    """A stimulus, two steps of nothing, then how much it was worth: the weights are to become the stimuli's worths."""

    has_modulator = True
    declares_lives = True  # its deliveries are part of the specification

    @property
    def network(self):
        return RateNetwork(n_inputs=N_INPUTS)

    def life(self, conditions, seed):
        worth = Stream(seed, "worth").normal((N_INPUTS,))
        shown = Stream(seed, "shown").integers(N_INPUTS, (self.n_steps // STEPS_A_TRIAL,))
        order = np.full((len(shown), STEPS_A_TRIAL), N_INPUTS)
        order[:, 0] = shown
        delivered = tuple(range(STEPS_A_TRIAL - 1, self.n_steps, STEPS_A_TRIAL))
        return Life(
            self.network, seed, self.n_steps, (WEIGHTS,), conditions,
            modulator=Modulator(delivered, signals=worth[shown]), targets={"worth": worth},
            presentations=Presentations(np.vstack([np.eye(N_INPUTS), np.zeros(N_INPUTS)]), order.ravel()),
            w_init={"ff": np.zeros((1, N_INPUTS))},
        )  # fmt: skip

    def loss(self, recordings, lives):
        w = recordings[WEIGHTS][..., 0, :]
        worth = w.new_tensor(np.stack([life.targets["worth"] for life in lives]))
        return ((w - worth) ** 2).mean(-1)


TASK = DelayedReward(
    id="tests/DelayedReward-v0",
    title="Delayed reward",
    summary="Weights are to become the worth of stimuli, told two steps after each.",
    reference="none",
    reference_rule="null",
    null_loss=1.0,
    reference_loss=0.1,
    n_steps=60 * STEPS_A_TRIAL,
)


def null_loss():
    return float(TASK.losses("null", range(20)).mean())


def test_without_memory_of_the_stimulus_nothing_is_learned():
    spec = {**ELIGIBILITY["pathways"]["ff"], "on_step": {"e": "0 * pre"}}
    forgetful = rule_from_json({**ELIGIBILITY, "pathways": {"ff": spec}})
    assert float(TASK.losses(forgetful, range(20)).mean()) == pytest.approx(null_loss())


@pytest.mark.parametrize(
    ("learner", "engine", "budget", "options"),
    [
        ("gradient", "torch", 640, {"lifetimes": 8, "learning_rate": 0.1, "l1": 0.0}),
        ("evotorch", "cpu", 2000, {"lifetimes": 4, "l1": 0.0}),
    ],
)
def test_an_eligibility_rule_is_learned(tmp_path, learner, engine, budget, options):
    family = EligibilityFamily(("ff",))
    found = learn(TASK, learner, tmp_path, budget=budget, family=family, engine=engine, options=options, seed=0)
    losses = {name: float(TASK.losses(found.rule, range(20), name).mean()) for name in ("cpu", "torch")}
    assert losses["cpu"] == pytest.approx(losses["torch"], rel=1e-6)
    assert losses["cpu"] < 0.5 * null_loss()


def test_when_the_reward_comes_is_part_of_the_specification(monkeypatch):
    before = dataclasses.replace(TASK).spec_hash
    monkeypatch.setattr(sys.modules[__name__], "STEPS_A_TRIAL", 5)
    assert dataclasses.replace(TASK).spec_hash != before


def test_a_check_finds_a_modulator_that_is_not_told():
    for changed, words in (("has_modulator", "has_modulator: False"), ("declares_lives", "leaves the modulator out")):
        careless = type("Careless", (DelayedReward,), {changed: False})
        task = careless(**{field.name: getattr(TASK, field.name) for field in dataclasses.fields(TASK)})
        assert any(words in problem for problem in check._modulator(task))
    assert list(check._modulator(TASK)) == []
