"""A hidden rule, the experiments that were recorded while it acted, and what may be learned from them."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch

import plasticbench
from plasticbench.baselines.gradient import Gradient
from plasticbench.envs.hidden_rules import FAMILIES, draw_hidden_rule, nearness
from plasticbench.envs.rule_recovery import DRAWN_SEED, rule_recovery
from plasticbench.errors import PlasticbenchError
from plasticbench.evaluation.official import evaluate
from plasticbench.evaluation.result import Result
from plasticbench.leaderboard.rounds import drawn_seeds
from plasticbench.learning.problem import Problem
from plasticbench.learning.run import learn
from plasticbench.networks.life import Life, Presentations
from plasticbench.networks.rate import RateNetwork, rate_outputs
from plasticbench.networks.recordings import FinalWeights, Weights
from plasticbench.rules import PathwayRule, Rule, group_rules
from plasticbench.simulation.engine import Measured
from plasticbench.simulation.rate.cpu_engine import run_cpu
from plasticbench.simulation.rate.torch_engine import run_torch
from plasticbench.stepping.env import PlasticityEnv
from plasticbench.tasks.task import TRAINING_SEED_BASE

NAMES = ("RuleRecovery-v0", "RuleRecoveryDrawn-v0", "RuleRecoveryUnknownStart-v0", "RuleRecoveryLateral-v0")
PLAIN, UNKNOWN, LATERAL = (plasticbench.task(NAMES[k]) for k in (0, 2, 3))
TRAINING = [TRAINING_SEED_BASE + k for k in range(24)]


@pytest.mark.parametrize("engine", ["cpu", "torch"])
@pytest.mark.parametrize("name", NAMES)
def test_the_hidden_rule_loses_nothing_and_frozen_weights_lose_one(name, engine):
    """The hidden course is computed apart from the engines, so this is a check of both."""
    task = plasticbench.task(name)
    outcome = task.run([task.reference_rule, "null"], task.official_seeds[:4], engine)
    assert (outcome.losses[0] < 1e-20).all()
    assert outcome.metrics["r2_weights"][0].tolist() == pytest.approx([1.0] * 4)
    assert outcome.metrics["r2_activity"][0].tolist() == pytest.approx([1.0] * 4)
    assert outcome.losses[1].tolist() == pytest.approx([1.0] * 4)


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_rule_is_the_hidden_one(name):
    task = plasticbench.task(name)
    found = task.rule_metrics(plasticbench.load_rule(task.reference_rule))
    assert found == pytest.approx(
        {"coefficient_l1": 0.0, "coefficient_cosine": 1.0, "term_precision": 1.0, "term_recall": 1.0}, abs=1e-12
    )


def test_an_official_lifetime_is_the_same_when_it_is_stepped():
    env, rule = PlasticityEnv(LATERAL), plasticbench.load_rule("oja-anti-hebb")
    observation, _ = env.reset(seed=LATERAL.official_seeds[0])
    over, info = False, {}
    while not over:
        observation, _, terminated, truncated, info = env.step(rule(observation))
        over = terminated or truncated
    assert info["loss"] == pytest.approx(float(LATERAL.losses(rule, LATERAL.official_seeds[:1])[0, 0]), rel=1e-9)
    assert info["loss"] > 0.01


@pytest.mark.parametrize("name", NAMES)
def test_only_lifetimes_that_evaluate_know_the_hidden_weights(name):
    task = plasticbench.task(name)
    for life in task.draw([0, 17, *TRAINING[:3]]):
        assert not life.targets["fresh"]
        assert 1 <= life.conditions["experiment"] <= 12
        assert not any(life.targets[pathway].any() for pathway in task.pathways)
    outcome = task.run(task.reference_rule, TRAINING[:3])
    assert outcome.metrics["r2_weights"].isnan().all()
    assert all(life.targets["fresh"] for life in task.draw([task.official_seeds[-1], *drawn_seeds("a board's", 3)]))


def test_a_learner_cannot_ask_for_a_fresh_experiment():
    problem = Problem(PLAIN, PLAIN.make_family(), budget=10)
    theta = problem.family.initial(0)[None]
    for seed in (5, PLAIN.official_seeds[-1] + 1, TRAINING[0]):
        with pytest.raises(PlasticbenchError, match="kept for evaluation"):
            problem.losses(theta, [seed], conditions={"experiment": 0})
    with pytest.raises(PlasticbenchError, match="kept for verification"):
        problem.losses(theta, drawn_seeds("a board's", 2))
    with pytest.raises(PlasticbenchError, match="official seed"):
        problem.losses(theta, PLAIN.official_seeds[:1])
    with pytest.raises(PlasticbenchError, match=r"conditions\.experiment: 13 is not"):
        problem.losses(theta, [5], conditions={"experiment": 13})


def test_a_problem_hands_out_the_data_and_those_without_have_none():
    problem = Problem(PLAIN, PLAIN.make_family(), budget=10)
    assert problem.data is PLAIN.learner_data
    oja = plasticbench.task("OjaMini-v0")
    assert Problem(oja, oja.make_family(), budget=10).data is None
    data = problem.data
    assert data.inputs.shape == (12, 50, 10)
    assert data.activity.shape == (12, 50, 5)
    assert data.w_init["ff"].shape == (12, 5, 10)
    assert 0.27 < data.observed.mean() < 0.33
    assert UNKNOWN.learner_data.w_init is None
    assert set(LATERAL.learner_data.w_init) == {"ff", "lateral"}


def test_the_hidden_rule_misses_the_data_by_the_noise():
    data, recording = PLAIN.learner_data, Weights("ff", every_s=1.0)
    lives = PLAIN.draw(TRAINING[:12], [{"experiment": k} for k in range(1, 13)])
    kept = []

    def measure(recordings, lives):
        kept.append(recordings[recording][0])
        return PLAIN.measure_loss(recordings, lives)

    ((_, batch),) = PLAIN.group(PLAIN.reference_rule)
    run_torch(lives, batch, measure)
    predicted = rate_outputs(PLAIN.network, {"ff": kept[0][:, :-1]}, torch.from_numpy(data.inputs)).numpy()
    missed = (predicted - data.activity)[data.observed]
    assert len(missed) > 800
    assert missed.std() == pytest.approx(data.noise_std, rel=0.06)
    assert abs(missed.mean()) < 0.01


def test_a_lifetime_replays_its_experiment_whatever_its_seed():
    experiments = [{"experiment": 7}] * 3
    losses = PLAIN.losses("hebb", TRAINING[:3], conditions=experiments)[0]
    assert len(set(losses.tolist())) == 1
    assert len(set(PLAIN.losses("hebb", TRAINING)[0].tolist())) > 6


def test_known_weights_are_what_an_unknown_start_lacks():
    """Fixed to those that nobody recorded, the initial weights make the hidden rule miss by the noise alone."""
    conditions = [
        {"experiment": k, "w_init": PLAIN.learner_data.w_init["ff"][k - 1].ravel().tolist()} for k in (1, 2, 3)
    ]
    told = UNKNOWN.losses(UNKNOWN.reference_rule, TRAINING[:3], conditions=conditions)
    assert (
        told.tolist()
        == PLAIN.losses(PLAIN.reference_rule, TRAINING[:3], conditions=[{"experiment": k} for k in (1, 2, 3)]).tolist()
    )
    assert float(UNKNOWN.losses(UNKNOWN.reference_rule, TRAINING).mean()) > 10 * float(told.mean())


def test_without_replays_every_lifetime_is_scored_as_official_ones_are():
    fresh = PLAIN.fresh()
    assert float(fresh.losses("null", TRAINING[:2]).mean()) == pytest.approx(1.0)
    assert fresh.losses("hebb", PLAIN.official_seeds[:3]).equal(PLAIN.losses("hebb", PLAIN.official_seeds[:3]))


def test_a_drawn_rule_follows_from_its_seed():
    assert plasticbench.task("RuleRecoveryDrawn-v0").hidden["ff"] == draw_hidden_rule(DRAWN_SEED)[1]
    assert {draw_hidden_rule(seed)[0] for seed in range(40)} == set(FAMILIES)
    assert draw_hidden_rule(3) == draw_hidden_rule(3) != draw_hidden_rule(10)


@pytest.mark.parametrize("seed", range(6))
def test_no_drawn_rule_blows_up(seed):
    task = rule_recovery("Own", {"ff": draw_hidden_rule(seed)[1]}, title="own", summary="own", data_seed=seed)
    for life in task.draw(task.official_seeds[:8]):
        assert np.linalg.norm(life.targets["ff"], axis=-1).max() < task.network.max_weight_norm


def test_nearness_counts_terms_and_distances():
    hidden = np.array([1.0, -1.0, 0.0, 0.0])
    assert nearness(hidden, hidden)["coefficient_l1"] == 0.0
    found = nearness(np.array([1.0, 0.0, 0.5, 0.01]), hidden)  # the last is too small to count
    assert found["coefficient_l1"] == pytest.approx(1.51)
    assert found["coefficient_cosine"] == pytest.approx(1.0 / math.sqrt(2.0 * 1.2501))
    assert (found["term_precision"], found["term_recall"]) == (0.5, 0.5)
    assert math.isnan(nearness(np.zeros(4), hidden)["term_precision"])


def test_a_result_tells_of_the_rule_itself_and_survives_a_file(tmp_path):
    result = evaluate("bcm-sliding", PLAIN, seeds=2)
    assert all(math.isnan(value) for value in result.metrics["coefficient_l1"])  # no polynomial
    known = evaluate("oja", PLAIN, seeds=2)
    assert known.metrics["coefficient_l1"] == pytest.approx((2.0, 2.0))  # twice the coefficients
    known.save(tmp_path / "result.json")
    assert Result.from_json(json.loads((tmp_path / "result.json").read_text())).metrics == known.metrics


@pytest.mark.parametrize("run", [run_cpu, run_torch])
@pytest.mark.parametrize("order", [None, np.array([1])])
def test_tanh_outputs_are_squashed_in_order(run, order):
    """Δw = post: after one step the weights tell the outputs, averaged over the items of a batch."""
    random = np.random.default_rng(0)
    items, w, u = random.standard_normal((3, 4)), random.standard_normal((2, 4)), np.array([[0.0, 0.0], [0.7, 0.0]])
    network = RateNetwork(4, 2, "tanh", lateral="lateral")
    life = Life(
        network, 0, 1, (FinalWeights("ff"),), presentations=Presentations(items, order),
        w_init={"ff": w, "lateral": u},
    )  # fmt: skip
    rule = Rule("own", {"ff": PathwayRule.make({"on_step": "post"}, {})})
    variables = {name: {"post", "w"} for name in network.pathways}
    ((_, batch),) = group_rules([rule], network.pathways, ("on_step",), variables)
    kept = []

    def measure(recordings, lives):
        kept.append(recordings[FinalWeights("ff")][0, 0].numpy())
        nothing = recordings[FinalWeights("ff")][..., 0, 0] * 0.0
        return Measured(nothing, recordings.blown_up, {}, nothing)

    run([life], batch, measure)
    shown = items if order is None else items[order]
    first = np.tanh(shown @ w[0])
    second = np.tanh(shown @ w[1] + 0.7 * first)
    expected = np.stack([first.mean(), second.mean()])
    np.testing.assert_allclose(kept[0] - w, np.repeat(expected[:, None], 4, 1), rtol=1e-12)
    weights = {
        "ff": torch.from_numpy(w).expand(len(shown), 2, 4),
        "lateral": torch.from_numpy(u).expand(len(shown), 2, 2),
    }
    outputs = rate_outputs(network, weights, torch.from_numpy(shown)).numpy()
    np.testing.assert_allclose(outputs, np.stack([first, second], 1), rtol=1e-12)


def recovered(task, budget, **options):
    problem = Problem(task, task.make_family("polynomial"), budget, seed=0)
    return Gradient(learning_rate=0.02, lifetimes=12, **options).learn(problem)


def test_the_gradient_learner_finds_where_ojas_rule_lies_from_the_data_alone():
    """Halfway: the two terms are the largest, and half of the course is explained, after a fifth of the steps."""
    task = dataclasses.replace(PLAIN, noise_std=0.0, observed_share=1.0)
    theta = task.make_family("polynomial").theta(recovered(task, 600, l1=1e-3))
    names = task.make_family("polynomial").names
    assert {names[int(k)] for k in theta.abs().argsort(descending=True)[:2]} == {"ff.A_110", "ff.A_021"}


def test_a_run_on_data_draws_its_curve_without_losses_of_another_kind(tmp_path):
    """The hidden rule's 0 has no place on a logarithmic axis: matplotlib would warn, which is an error here."""
    learn(PLAIN.id, "gradient", tmp_path / "run", budget=24, options={"lifetimes": 12})
    assert (tmp_path / "run" / "learning_curve.png").stat().st_size > 1000


@pytest.mark.slow
def test_the_gradient_learner_recovers_ojas_rule():
    rule = recovered(PLAIN, 3000, l1=1e-3)
    assert float(PLAIN.losses(rule, PLAIN.official_seeds).mean()) < 0.01
    assert PLAIN.rule_metrics(rule)["coefficient_cosine"] > 0.96


@pytest.mark.slow
def test_an_unknown_start_defeats_the_same_learner():
    rule = recovered(UNKNOWN, 3000, l1=1e-3)
    assert float(UNKNOWN.losses(rule, UNKNOWN.official_seeds).mean()) > 0.9
