"""Patterns learned from reward, and what they need: rules that act at every step, weights of either sign, resets."""

import dataclasses
import math

import numpy as np
import pytest
import torch

import plasticbench
from plasticbench.errors import PlasticbenchError, RuleError
from plasticbench.networks.connections import RandomConnections
from plasticbench.networks.life import Life, Modulator
from plasticbench.networks.neurons import EscapeLIF
from plasticbench.networks.recordings import FinalWeights, Modulation, SpikeTrains
from plasticbench.networks.sources import SpikeTrainSource
from plasticbench.networks.spiking import Population, SpikingNetwork, SpikingPathway
from plasticbench.rules import PathwayRule, Rule, group_rules
from plasticbench.simulation.engine import EngineOptions, Measured, find_engine
from plasticbench.simulation.spiking.cpu_engine import run_cpu
from plasticbench.simulation.spiking.torch_engine import run_torch
from plasticbench.stepping.lifetimes import lifetimes

DT_S = 1e-4
FINAL, SPIKES, REWARD = FinalWeights("ff"), SpikeTrains("out"), Modulation()
PATTERNS = plasticbench.task("RewardedPatterns-v0")


def one_synapse(steps, weight=0.0, w_min=-5.0, w_max=5.0, n_steps=200, modulator=None, resets=()):
    """An input that spikes at `steps`, a synapse of `weight` nA with a delay of one step, and a neuron."""
    network = SpikingNetwork(
        (Population("out", 1, EscapeLIF()),),
        (SpikeTrainSource("in", 1, np.array(steps), np.zeros(len(steps))),),
        (SpikingPathway("ff", "in", "out", "exc", RandomConnections(1.0), weight, True, w_max, 1e-9, 1, w_min),),
        DT_S,
    )
    recordings = (FINAL, SPIKES) + ((REWARD,) if modulator else ())
    return Life(network, 0, n_steps, recordings, modulator=modulator, resets=resets)


def batch_of(life, rule):
    network = life.network
    variables = {"ff": network.variables(network.plastic_pathways[0]) | ({"m"} if life.modulator else set())}
    ((_, batch),) = group_rules([rule], ["ff"], ("on_pre", "on_post", "on_step", "on_modulator"), variables)
    return batch


def lived(life, rule, engine="cpu"):
    kept = []

    def measure(recordings, lives):
        kept.append(recordings)
        zero = torch.zeros((1, 1), dtype=torch.float64)
        return Measured(zero, zero > 0, {}, zero)

    if engine == "cpu":
        run_cpu([life], batch_of(life, rule), measure, 1, np.float64)
    else:
        run_torch([life], batch_of(life, rule), measure)
    return kept[0]


def rule_of(events, parameters=None, traces=None, states=None):
    return Rule("test", {"ff": PathwayRule.make(events, parameters or {}, traces, states=states)})


# ------------------------------------------------------------ on_step in spiking networks


@pytest.mark.parametrize("engine", ["cpu", "torch"])
def test_a_state_that_grows_at_every_step_is_the_integral_of_what_it_reads(engine):
    """de/dt = −e/τ + x, x a trace of one spike: e = (exp(−t/τ_x) − exp(−t/τ)) / (1/τ − 1/τ_x), delivered at the end."""
    tau_s, tau_x_s, n = 0.02, 0.005, 400
    rule = rule_of(
        {"on_post": {"e": "0"}, "on_step": {"e": f"{DT_S} * x_pre"}, "on_modulator": "m * e"},
        traces={"x_pre": tau_x_s}, states={"e": {"tau_s": tau_s}},
    )  # fmt: skip
    life = one_synapse([10], n_steps=n, modulator=Modulator((n - 1,), "1"))
    t_s = (n - 11) * DT_S
    exact = (math.exp(-t_s / tau_x_s) - math.exp(-t_s / tau_s)) / (1 / tau_s - 1 / tau_x_s)
    assert float(lived(life, rule, engine)[FINAL]) == pytest.approx(exact, rel=0.02)


def test_both_engines_do_the_same_at_every_step():
    rule = rule_of(
        {"on_pre": "0.1", "on_post": {"e": "x_pre"}, "on_step": {"e": "-1e-3 * x_pre * phi", "w": "-1e-3 * w - 1e-4"},
         "on_modulator": "0.3 * m * e"},
        traces={"x_pre": 0.01}, states={"e": {"tau_s": 0.5}},
    )  # fmt: skip
    modulator = Modulator((300, 899), "total - 1", population="out")
    life = one_synapse(range(5, 900, 7), 3.0, n_steps=900, modulator=modulator, resets=(500,))
    cpu, dense = (lived(life, rule, engine) for engine in ("cpu", "torch"))
    assert len(cpu[SPIKES][0][0].steps) > 3
    np.testing.assert_array_equal(cpu[SPIKES][0][0].steps, dense[SPIKES][0][0].steps)
    for recording in (FINAL, REWARD):
        torch.testing.assert_close(cpu[recording], dense[recording], rtol=1e-9, atol=1e-12)


def test_on_step_of_a_spiking_rule_needs_format_2_and_reads_no_modulator():
    assert rule_of({"on_pre": "0.1", "on_step": "-w"}).format == "plasticbench/rule@2"
    assert rule_of({"on_step": "-w"}).format == "plasticbench/rule@1"
    assert rule_of({"on_pre": "0.1", "on_step": "-w"}).kind == "spiking"
    life = one_synapse([1], modulator=Modulator((5,)))
    with pytest.raises(RuleError, match="on_step: reads m"):
        batch_of(life, rule_of({"on_step": "m * w"}))


def test_engines_that_do_not_know_it_say_so():
    for w_min, words in ((-5.0, "weights are not below 0"), (0.0, "does not know on_step")):
        life = one_synapse([1], w_min=w_min)
        batch = batch_of(life, rule_of({"on_pre": "0.1", "on_step": "-w"}))
        with pytest.raises(PlasticbenchError, match=words):
            find_engine("cuda", [life], batch, EngineOptions())


# ------------------------------------------------------------ weights of either sign


@pytest.mark.parametrize("engine", ["cpu", "torch"])
def test_weights_are_held_between_their_bounds(engine):
    for change, bound in ((-1.0, -2.0), (1.0, 3.0)):
        life = one_synapse(range(0, 100, 5), w_min=-2.0, w_max=3.0)
        assert float(lived(life, rule_of({"on_pre": str(change)}), engine)[FINAL]) == bound


def test_a_weight_below_its_least_is_refused_and_one_of_another_network_below_zero_too():
    with pytest.raises(PlasticbenchError, match=r"pathway ff: weight: -3\.0 is not a finite number of at least -2"):
        one_synapse([1], weight=-3.0, w_min=-2.0)
    with pytest.raises(PlasticbenchError, match="of at least 0"):
        one_synapse([1], weight=-3.0, w_min=0.0)
    with pytest.raises(PlasticbenchError, match="w_min: 1"):
        one_synapse([1], weight=2.0, w_min=1.0)


def test_a_negative_weight_pulls_the_voltage_down():
    lives = [one_synapse(range(5, 900, 7), weight, n_steps=900) for weight in (4.0, -4.0)]
    many, none = (len(lived(life, rule_of({}))[SPIKES][0][0].steps) for life in lives)
    assert many > 0 == none


# ------------------------------------------------------------ rewarded patterns


def test_a_reset_forgets_spikes_that_the_modulator_counts():
    """The neuron fires in the first half alone; a later delivery hears of it unless a reset came between."""
    for resets, heard in (((), True), ((450,), False)):
        modulator = Modulator((899,), "total", population="out")
        life = one_synapse(range(5, 400, 5), 4.0, n_steps=900, modulator=modulator, resets=resets)
        assert (float(lived(life, rule_of({}))[REWARD]) > 0) == heard


def test_patterns_targets_and_order_are_what_the_description_says():
    seed = 3
    assert sorted(PATTERNS.targets(seed).tolist()) == [-1.0] * 15 + [1.0] * 15
    spikes = PATTERNS.patterns(seed)
    assert len(spikes) == 30
    rate_hz = np.mean([len(steps) for steps, _ in spikes]) / PATTERNS.n_inputs / PATTERNS.trial_s
    assert rate_hz == pytest.approx(6.0, rel=0.06)
    life = PATTERNS.life({}, seed)
    assert life.n_steps == 500 * 5000
    assert len(life.resets) == 499
    weights = np.array(life.network.plastic_pathways[0].weight)
    assert weights.min() < 0 < weights.max()


def test_the_reward_says_whether_the_answer_was_right():
    """A neuron that is driven hard answers every pattern, one that is held down none: then half are right."""
    task = dataclasses.replace(PATTERNS.shortened(), n_trials=40, n_patterns=4)
    up, down = (rule_of({"on_pre": text}) for text in ("40", "-40"))
    outcome = task.run([up, down], [5])
    targets = task.targets(5)[task.order(5)]
    answered = outcome.metrics["sum_of_rewards"][:, 0].tolist()
    assert answered == pytest.approx([targets.sum(), -targets.sum()], abs=4)  # weights need some spikes to get there


def test_a_stepped_life_ends_with_the_weights_of_the_fused_one():
    """At a delivery the rule acts on what its events of this very step have added, once."""
    task, rule = PATTERNS.shortened(), plasticbench.load_rule("urbanczik-senn-2009")
    life = lifetimes(task, [3], None, rule)
    while not life.finished:
        life.advance(rule(life.observe()))
    stepped = float(life.weights["ff"].sum()) / len(life.synapses("ff")[0])
    (start,) = (p.weight for p in task.life({}, 3).network.plastic_pathways)
    assert stepped != pytest.approx(np.mean(start), abs=1e-3)
    assert stepped == pytest.approx(float(task.run(rule, [3]).metrics["mean_weight"]), rel=1e-9)


PUBLISHED = {  # sums of rewards over 500 trials of another port of the task, and how far from them 20 seeds may be
    "urbanczik-senn-2009": (201, 45), "urbanczik-senn-reward": (19, 30), "urbanczik-senn-no-escape": (36, 35),
    "urbanczik-senn-unrewarded": (-2, 30), "null": (14, 50),
}  # fmt: skip


@pytest.mark.slow
def test_the_known_rules_earn_what_was_measured():
    outcome = PATTERNS.run(list(PUBLISHED), range(20))
    for row, (name, (expected, margin)) in zip(outcome.metrics["sum_of_rewards"], PUBLISHED.items(), strict=True):
        assert float(row.mean()) == pytest.approx(expected, abs=margin), name
    assert float(outcome.metrics["share_at_bounds"][0].mean()) < 0.01


def test_the_family_holds_the_published_rule():
    family = PATTERNS.make_family("modulated-eligibility")
    assert family.names == ["ff.a", "ff.b", "ff.c"]
    learned = family.rule([1.0, -1.0, 0.0])
    known = plasticbench.load_rule("urbanczik-senn-2009")
    both = PATTERNS.shortened().run([learned, known], [0, 1])
    assert both.losses[0].tolist() == both.losses[1].tolist()
