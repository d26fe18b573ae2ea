"""The Oja tasks against mathematics and against numbers measured elsewhere."""

import numpy as np
import pytest
import torch

import plasticbench
from plasticbench.stepping.lifetimes import lifetimes
from plasticbench.tasks.losses import angle_to_axis_deg, binary_cross_entropy, distance_to_axis, subspace_distance

MINI = plasticbench.task("OjaMini-v0")


def test_ojas_rule_ends_at_weight_norm_one():
    # Oja 1982: the fixed points of the averaged rule are the unit eigenvectors.
    outcome = MINI.run("oja", MINI.official_seeds)
    assert outcome.metrics["weight_norm"][0].tolist() == pytest.approx([1.0] * MINI.n_official, abs=5e-3)


def test_one_batch_step_of_ojas_rule_is_the_formula():
    life = lifetimes(MINI, [3])
    x, w = life.first.presentations.items, life.first.w_init["ff"][0]
    life.advance(plasticbench.load_rule("oja")(life.observe()))
    y = x @ w
    expected = w + 0.1 * ((y[:, None] * x).mean(0) - (y**2).mean() * w)
    assert life.weights["ff"][0, 0].numpy() == pytest.approx(expected, rel=1e-12)


def test_measured_losses_match_the_prototype():
    """Oja mini mean 0.012, median 0.007; null 0.937; full Oja 0.113 (independent prototypes of these tasks)."""
    oja = MINI.losses("oja", MINI.official_seeds)[0]
    assert 0.008 <= float(oja.mean()) <= 0.018
    assert float(oja.median()) == pytest.approx(0.007, abs=0.003)
    assert float(MINI.losses("null", MINI.official_seeds).mean()) == pytest.approx(0.937, abs=0.03)
    full = plasticbench.task("Oja-v0")
    assert float(full.losses("oja", full.official_seeds).mean()) == pytest.approx(0.113, abs=0.03)


def test_plain_hebb_blows_up_in_every_lifetime_with_the_tasks_loss():
    outcome = MINI.run("hebb", MINI.official_seeds)
    assert bool(outcome.blown_up.all())
    assert set(outcome.statuses.ravel()) == {"blow-up"}
    assert bool(((outcome.losses >= 2.0) & (outcome.losses <= 4.0)).all())
    # The weight along PC1 grows by 1 + 0.1 λ a step from about 0.1 to 10: 2 + 2 (1 − t/T) with t = ln(100)/ln(1.1).
    t = np.log(10 / 0.1) / np.log(1 + 0.1)
    assert float(outcome.losses.median()) == pytest.approx(2 + 2 * (1 - t / 200), abs=0.15)


def test_a_lifetime_alone_is_the_same_within_a_thousand():
    rules = [plasticbench.load_rule("oja"), plasticbench.load_rule("hebb")]
    seeds = range(500)
    for engine, tolerance in (("cpu", 0.0), ("torch", 1e-9)):
        together = MINI.losses(rules, seeds, engine)
        for seed in (0, 17, 499):
            alone = MINI.losses(rules[0], [seed], engine)[0, 0]
            assert float(alone) == pytest.approx(float(together[0, seed]), rel=tolerance, abs=tolerance)


@pytest.mark.parametrize("engine", ["cpu", "torch"])
def test_step_loop_equals_fused_run_over_the_whole_life(engine):
    import gymnasium

    env = gymnasium.make("plasticbench/OjaMini-v0")
    for name in ("oja", "hebb", "covariance", "bcm"):
        rule = plasticbench.load_rule(name)
        observation, _ = env.reset(seed=42)
        total, over = 0.0, False
        while not over:
            observation, reward, over, _, info = env.step(rule(observation))
            total += reward
        fused = float(MINI.losses(rule, [42], engine)[0, 0])
        assert -total == pytest.approx(fused, rel=1e-5)
        assert info["loss"] == pytest.approx(fused, rel=1e-5)


def test_gradients_equal_finite_differences():
    family = MINI.make_family()
    generator = torch.Generator().manual_seed(0)
    theta = 0.2 * torch.randn(27, dtype=torch.float64, generator=generator)
    theta[:4] = 0.0
    leaf = theta.clone().requires_grad_(True)
    shortened = MINI.shortened()
    shortened.losses((family, leaf[None]), [1, 2], "torch").mean().backward()
    for i in (0, 3, 7, 12, 20, 26):
        step = torch.zeros(27, dtype=torch.float64)
        step[i] = 1e-6
        up, down = (float(shortened.losses((family, (theta + s * step)[None]), [1, 2]).mean()) for s in (1, -1))
        assert float(leaf.grad[i]) == pytest.approx((up - down) / 2e-6, rel=1e-4, abs=1e-7)


def test_rules_that_divide_by_zero_blow_up_instead_of_crashing():
    rule = plasticbench.rules.Rule("reciprocal", {"ff": plasticbench.rules.PathwayRule.make({"on_step": "1/(w - w)"})})
    for engine in ("cpu", "torch"):
        outcome = MINI.run(rule, [0, 1], engine)
        assert bool(outcome.blown_up.all())
        assert outcome.losses[0].tolist() == [4.0, 4.0]


def test_distances_have_their_known_values():
    axis = torch.tensor([1.0, 0.0], dtype=torch.float64)
    assert float(distance_to_axis(-axis, axis)) == 0.0
    assert float(distance_to_axis(torch.zeros(2, dtype=torch.float64), axis)) == 1.0
    assert float(angle_to_axis_deg(torch.tensor([1.0, 1.0], dtype=torch.float64), axis)) == pytest.approx(45.0)
    assert float(angle_to_axis_deg(torch.zeros(2, dtype=torch.float64), axis)) == pytest.approx(90.0)
    basis = torch.eye(4, dtype=torch.float64)[:2]
    mixed = torch.tensor([[2.0, 1.0, 0, 0], [0.3, -5.0, 0, 0]], dtype=torch.float64)
    assert float(subspace_distance(mixed, basis)) == pytest.approx(0.0, abs=1e-4)
    assert float(subspace_distance(torch.eye(4, dtype=torch.float64)[2:], basis)) == pytest.approx(1.0)
    assert float(subspace_distance(torch.zeros(2, 4, dtype=torch.float64), basis)) == pytest.approx(1.0)
    label = torch.tensor([1.0, 0.0], dtype=torch.float64)
    cost = binary_cross_entropy(torch.tensor([0.0, 50.0], dtype=torch.float64), label)
    assert cost.tolist() == pytest.approx([np.log(2), 10.0], abs=1e-4)
