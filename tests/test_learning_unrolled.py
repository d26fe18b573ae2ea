"""Lifetimes lived a stretch at a time, and the learner that learns on the way."""

import pytest
import torch

import plasticbench
from plasticbench.baselines.persistent_es import PersistentES
from plasticbench.errors import BudgetExceeded, PlasticbenchError
from plasticbench.learning import Problem
from plasticbench.learning.unrolled import Unrolled

TASKS = ("OjaMini-v0", "OjaOnline-v0", "PrincipalComponentsMini-v0", "ContinualFamiliarityMini-v0")
SEEDS = (2**41, 2**41 + 1)


def thetas_of(family, n, seed=0, width=0.3):
    noise = torch.randn((n, family.dimension), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return family.initial(seed) + width * family.initial_std * noise


def lives_of(task_id, n_rules):
    task = plasticbench.task(task_id).shortened()
    family = task.make_family()
    return task, family, Unrolled(task, family, n_rules, task.draw(SEEDS))


@pytest.mark.parametrize("task_id", TASKS)
@pytest.mark.parametrize("stretch", [1, 7, 1000])
def test_what_stretches_add_sums_up_to_the_loss_of_the_life(task_id, stretch):
    task, family, lives = lives_of(task_id, 3)
    thetas = thetas_of(family, 3)
    total = torch.zeros((3, 2), dtype=torch.float64)
    n = 0
    while not lives.finished:
        total += lives.advance(thetas, stretch)
        n += 1
    assert n == -(-lives.n_steps // stretch)
    whole = task.losses((family, thetas), SEEDS, "torch")
    torch.testing.assert_close(total, whole.detach(), rtol=1e-12, atol=1e-12)


def test_a_rule_counts_from_the_stretch_it_is_given_for():
    _, family, lives = lives_of("OjaMini-v0", 1)
    oja = family.theta(plasticbench.load_rule("oja"))[None]
    frozen = torch.zeros_like(oja)
    half = lives.n_steps // 2
    changes = [lives.advance(theta, half) for theta in (frozen, frozen)]
    assert changes[1].abs().max() == 0.0
    _, _, lives = lives_of("OjaMini-v0", 1)
    changes = [lives.advance(theta, half) for theta in (frozen, oja)]
    assert (changes[1] < 0.0).all()


def test_a_blown_up_life_ends_at_the_blow_up_loss_and_adds_no_more():
    task, family, lives = lives_of("OjaMini-v0", 2)
    thetas = torch.zeros((2, family.dimension), dtype=torch.float64)
    thetas[0, family.names.index("ff.A_110")] = 10.0
    total = sum(lives.advance(thetas, 8) for _ in range(5))
    torch.testing.assert_close(total, task.losses((family, thetas), SEEDS, "torch"))
    assert total[0].min() >= task.blow_up_losses()[0]


def test_ended_lifetimes_and_thetas_of_another_shape_are_refused():
    _, family, lives = lives_of("OjaMini-v0", 2)
    with pytest.raises(PlasticbenchError, match=r"expected \(2, 27\)"):
        lives.advance(torch.zeros((1, 27)), 5)
    lives.advance(thetas_of(family, 2), 1000)
    with pytest.raises(PlasticbenchError, match="have ended"):
        lives.advance(thetas_of(family, 2), 5)


def test_they_are_charged_when_they_begin():
    task = plasticbench.task("OjaMini-v0").shortened()
    problem = Problem(task, task.make_family(), 10)
    problem.unrolled(4, problem.training_seeds(2))
    assert (problem.budget_left, problem.simulated_s) == (2, 8 * 40.0)
    with pytest.raises(BudgetExceeded):
        problem.unrolled(4, problem.training_seeds(2))
    with pytest.raises(PlasticbenchError, match="official"):
        problem.unrolled(1, task.official_seeds[:1])


@pytest.mark.parametrize(
    ("task_id", "settings", "message"),
    [
        ("StabilityIEMini-v0", {}, "one piece"),
        ("OjaMini-v0", {"engine": "cpu"}, "on torch, not 'cpu'"),
    ],
)
def test_what_cannot_be_stopped_on_the_way_is_said(task_id, settings, message):
    task = plasticbench.task(task_id)
    problem = Problem(task, task.make_family(), 100, **settings)
    with pytest.raises(PlasticbenchError, match=message):
        problem.unrolled(2)
    assert problem.budget_left == 100


def test_the_estimated_gradient_is_the_true_one():
    """Averaged over many particles at a θ that stands still, against the derivative of the whole lives' loss."""
    task = plasticbench.task("OjaMini-v0").shortened()
    family = task.make_family()
    theta = 0.3 * family.theta(plasticbench.load_rule("oja"))
    wanted = theta.clone().requires_grad_(True)
    task.losses((family, wanted[None]), SEEDS, "torch").mean().backward()

    class Listening(PersistentES):
        def _descend(self, state, gradient, problem):
            state["sum"] = state["sum"] + gradient

    learner = Listening(particles=4_000, stretch=20, std=0.05)
    problem = Problem(task, family, 8_000)
    state = {"theta": theta, "sum": torch.zeros_like(theta)}
    learner._live(problem, problem.unrolled(4_000, SEEDS), state, torch.Generator().manual_seed(0))
    found = state["sum"] / family.initial_std
    assert torch.nn.functional.cosine_similarity(found, wanted.grad, dim=0) > 0.9
    assert 0.7 < found.norm() / wanted.grad.norm() < 1.4


def test_an_odd_number_of_particles_is_refused():
    with pytest.raises(PlasticbenchError, match="in pairs"):
        PersistentES(particles=5)
