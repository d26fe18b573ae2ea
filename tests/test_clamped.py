"""Clamped synapses: what a spike does, to the last digit, on every engine and by hand."""

import math

import numpy as np
import pytest
from slice_cases import L5, PAIRS, changes, own_task, rule, triplet

import plasticbench
from plasticbench.errors import PlasticbenchError, RuleError
from plasticbench.networks.clamped import ClampedNetwork, ClampedPathway, ClampedProtocol
from plasticbench.networks.life import Life
from plasticbench.networks.recordings import FinalWeights, Weights
from plasticbench.rules import Rule
from plasticbench.stepping.env import PlasticityEnv


@pytest.mark.parametrize("engine", ["cpu", "torch"])
def test_a_pair_changes_the_synapse_by_the_window_at_its_delay(engine):
    task = own_task(*(ClampedProtocol(f"p{k}", (0.0,), (dt,)) for k, dt in enumerate((0.01, 0.04, -0.01, -0.04))))
    pairs = rule(events={"on_pre": "-b*x_post", "on_post": "a*x_pre"}, **PAIRS)
    wanted = [0.01 * math.exp(-0.5), 0.01 * math.exp(-2), -0.02 * math.exp(-0.5), -0.02 * math.exp(-2)]
    assert changes(task, pairs, engine)[0] == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("engine", ["cpu", "torch"])
def test_many_pairs_are_the_sum_over_all_pairs_and_triplets_of_spikes(engine):
    """Against sums over earlier spikes, without traces: e^(-t/tau_plus) (a2 + a3 e^(-t'/tau_y)), and so on."""
    protocol = ClampedProtocol("trains", (0.0, 0.013), (0.005, 0.031), 3, 0.05, 2, 0.4)
    pre, post = (1e-9 * protocol.spike_times_ns(times) for times in (protocol.pre_s, protocol.post_s))
    a2_plus, a3_plus, a2_minus, a3_minus, tau_x, tau_y = 3e-3, 6e-3, 4e-3, 2e-3, 0.2, 0.09
    total = 0.0
    for t in post:
        r1 = np.exp(-(t - pre[pre < t]) / 0.0168).sum()
        total += r1 * (a2_plus + a3_plus * np.exp(-(t - post[post < t]) / tau_y).sum())
    for t in pre:
        o1 = np.exp(-(t - post[post < t]) / 0.0337).sum()
        total -= o1 * (a2_minus + a3_minus * np.exp(-(t - pre[pre < t]) / tau_x).sum())
    found = changes(own_task(protocol), triplet(a2_plus, a3_plus, a2_minus, a3_minus, tau_x, tau_y), engine)
    assert found[0, 0] == pytest.approx(total, rel=1e-11)


@pytest.mark.parametrize("engine", ["cpu", "torch"])
def test_spikes_at_the_same_time_read_the_traces_from_before_and_on_pre_comes_first(engine):
    task = own_task(ClampedProtocol("together", (0.0,), (0.0,), 2, 0.02))
    before = changes(task, rule(events={"on_pre": "-b*x_post", "on_post": "a*x_pre"}, **PAIRS), engine)
    assert before[0, 0] == pytest.approx((0.01 - 0.02) * math.exp(-1), rel=1e-12)  # of the second group alone
    ordered = changes(task, rule(events={"on_pre": "0.01", "on_post": "w"}), engine)[0, 0]  # starts at 0.03
    assert 0.03 * (1 + ordered) == pytest.approx(2 * (2 * (0.03 + 0.01) + 0.01), rel=1e-12)


@pytest.mark.parametrize("engine", ["cpu", "torch"])
def test_a_nearest_trace_counts_the_last_spike_alone(engine):
    task = own_task(ClampedProtocol("burst", (0.0, 0.01, 0.02), (0.03,)))
    nearest = {name: {"of": name[2:], "tau_s": "tau", "spikes": "nearest"} for name in ("x_pre", "x_post")}
    found = changes(task, rule(events={"on_post": "a*x_pre"}, **{**PAIRS, "traces": nearest}), engine)
    assert found[0, 0] == pytest.approx(0.01 * math.exp(-0.5), rel=1e-12)


EVERYTHING = {
    "events": {
        "on_pre": {"e": "-0.3*x_post", "p": "0.2 - 0.1*p*q", "w": "0.01*p + 0.002*e"},
        "on_post": {"e": "r + 0.1*theta", "theta": "1 - 0.05*theta", "w": "0.02*e - 0.001*theta*p"},
    },
    "parameters": {"tau": 0.02, "tau_e": 0.5},
    "traces": {
        "x_post": "tau",
        "r": {"of": "pre", "tau_s": 0.03, "spikes": "nearest"},
        "q": {"of": "pre", "tau_s": 0.1},
    },
    "states": {"e": {"tau_s": "tau_e"}, "p": {"scope": "pre", "tau_s": 1.0}, "theta": {"scope": "post"}},
}


def test_states_and_traces_of_every_kind_are_the_same_on_all_engines_and_by_hand():
    task = own_task(
        ClampedProtocol("a", (0.0, 0.02), (0.01,), 4, 0.1), ClampedProtocol("b", (0.01,), (0.0, 0.015), 5, 0.06, 2, 3.0)
    )
    own = rule(**EVERYTHING)
    found = changes(task, own)
    assert np.abs(found).min() > 1e-3
    assert changes(task, own, "torch") == pytest.approx(found, rel=1e-12)
    env = PlasticityEnv(task)
    observation, _ = env.reset(seed=0, options={"rule": own})
    over = False
    while not over:
        observation, _, over, _, info = env.step(own(observation))
    stepped = [info["metrics"][f"dw_{name}"] for name in task.experiment.names]
    assert stepped == pytest.approx(found[0], rel=1e-12)


def test_the_weight_stays_between_zero_and_its_bound():
    task = own_task(ClampedProtocol("train", (0.0,), (0.01,), 50, 0.05))
    down = rule(events={"on_post": "-0.4*x_pre"}, traces={"x_pre": 0.02})
    up = rule(events={"on_post": "w*x_pre"}, traces={"x_pre": 0.02})
    assert changes(task, [down, up]).ravel() == pytest.approx([-1.0, 0.3 / 0.03 - 1.0], rel=1e-12)


def test_a_rule_that_reads_the_weight_starts_as_in_functional_networks_and_says_so():
    task = plasticbench.task(L5).shortened()
    readers = ["van-rossum-2000", rule(events={"on_pre": "0.001*(w_max - 1)"})]
    outcome = task.run(["song-2000", "null", *readers], [0])
    assert outcome.metrics["initial_weight"][:, 0].tolist() == [1.0, 1.0, 0.03, 0.03]
    hidden = rule(events={"on_pre": "0.001*w_max"}, parameters={"w_max": 2.0})  # a parameter of that name
    assert float(task.run(hidden, [0]).metrics["initial_weight"]) == 1.0


def test_only_the_rule_of_this_synapse_counts():
    task = plasticbench.task(L5).shortened()
    both = plasticbench.load_rule("confavreux-2025-familiarity-eeie")
    alone = Rule("alone", {"ee": both.pathways["ee"]})
    assert task.losses([both], [0]).equal(task.losses([alone], [0]))
    with pytest.raises(RuleError, match=r"unknown pathway 'ie'; .*ee"):
        task.losses("vogels-2011", [0])


def test_a_rule_that_needs_a_neuron_is_refused_with_what_is_offered():
    task = plasticbench.task(L5).shortened()
    for name in ("v", "u", "c_exc", "phi", "err"):
        with pytest.raises(RuleError, match=rf"unknown variable '{name}'.*x_post.*x_pre"):
            task.losses(rule(events={"on_pre": f"0.1*{name}"}), [0])
    with pytest.raises(RuleError, match="modulator"):
        task.losses("reward-modulated-stdp", [0])
    with pytest.raises(RuleError, match="unknown event 'on_step'"):
        task.losses(rule(events={"on_step": "0.1*pre"}), [0])


def test_a_life_of_a_clamped_network_has_its_protocols_and_nothing_else():
    network = ClampedNetwork(ClampedPathway("ee"), (ClampedProtocol("p", (0.0,), (0.01,)),))
    Life(network, 0, 2, (FinalWeights("ee"),))
    for changed, message in (
        ({"n_steps": 3}, "n_steps: 3; the protocols have 2"),
        ({"resets": (1,)}, "resets"),
        ({"recordings": (Weights("ee", 1.0),)}, "InitialWeights and FinalWeights"),
    ):
        with pytest.raises(PlasticbenchError, match=message):
            Life(**{"network": network, "seed": 0, "n_steps": 2, **changed})
