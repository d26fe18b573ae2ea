"""Rate networks on the fake driver: the cpu engine's bits, on every task, for every known rule."""

import dataclasses

import fake_card as fake_card_orders
import pytest
import torch
from emulation_build import needs_compiler
from rate_cases import FORGETFUL, MEMORY, ONE_AT_A_TIME, rule_of

from plasticbench.networks.rate import RateNetwork
from plasticbench.simulation.cuda import driver, nvrtc
from plasticbench.simulation.cuda.driver import CudaError
from plasticbench.simulation.rate.cuda.run import Population, run_cuda
from plasticbench.simulation.rate.lives import RateLives, with_slow_arrays
from plasticbench.tasks.registry import task, task_ids

SEEDS = (3, 4, 5)
pytestmark = needs_compiler


def rate_tasks() -> list[str]:
    return [name for name in task_ids() if isinstance(task(name).example_network, RateNetwork)]


@pytest.fixture
def card(fake_card, monkeypatch):
    """The engine as users get it, on the fake driver."""
    how = fake_card.how()
    monkeypatch.setattr("plasticbench.simulation.rate.cuda.run.compiled", how.compiled)
    driver.card.cache_clear()
    yield fake_card
    driver.card.cache_clear()


def the_same(found, expected) -> None:
    assert found.statuses.tolist() == expected.statuses.tolist()
    assert found.losses.equal(expected.losses)
    for name, values in expected.metrics.items():
        torch.testing.assert_close(found.metrics[name], values, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("task_id", rate_tasks())
def test_every_rate_task_has_the_bits_of_the_cpu_engine(card, task_id):
    short = task(task_id).shortened()
    rules = [short.reference_rule, "null"]
    before = card.n_launches
    found = short.run(rules, SEEDS, "cuda")
    assert found.engine == "cuda"
    assert card.n_launches == before + 2
    the_same(found, short.run(rules, SEEDS, "cpu"))


@pytest.mark.parametrize("as_batch", [False, True])
@pytest.mark.parametrize("part", [MEMORY, FORGETFUL])
def test_whatever_a_life_may_have_has_the_bits_of_the_cpu_engine(card, as_batch, part):
    school = dataclasses.replace(ONE_AT_A_TIME, as_batch=as_batch)
    the_same(school.run(rule_of(part), SEEDS, "cuda"), school.run(rule_of(part), SEEDS, "cpu"))


@pytest.mark.parametrize("order", [fake_card_orders.FORWARD, fake_card_orders.REVERSE, fake_card_orders.SHUFFLED])
def test_no_bit_depends_on_the_order_of_threads(fake_card, order):
    lives, rules = ONE_AT_A_TIME.draw(SEEDS), ONE_AT_A_TIME.group(rule_of(FORGETFUL))[0][1]
    how = fake_card.how(order, seed=7)
    found, _ = run_cuda(lives, rules, ONE_AT_A_TIME.measure, fake_card.device, how.compiled)
    assert found.losses.equal(ONE_AT_A_TIME.run(rule_of(FORGETFUL), SEEDS, "cpu").losses)


def test_a_missing_barrier_is_noticed(fake_card):
    def edit(source):
        changed = source.replace("__syncthreads();\n        settle(p);", "settle(p);")
        assert changed != source
        return changed

    lives, rules = ONE_AT_A_TIME.draw(SEEDS), ONE_AT_A_TIME.group(rule_of(FORGETFUL))[0][1]
    expected = ONE_AT_A_TIME.run(rule_of(FORGETFUL), SEEDS, "cpu").losses
    runs = [
        run_cuda(lives, rules, ONE_AT_A_TIME.measure, fake_card.device, fake_card.how(order, 3, edit).compiled)[0]
        for order in (fake_card_orders.FORWARD, fake_card_orders.REVERSE, fake_card_orders.SHUFFLED)
    ]
    assert not all(run.losses.equal(expected) for run in runs)


def test_blown_up_lives_end_where_they_do_on_the_cpu(card):
    short = task("OjaMini-v0").shortened()
    family = short.make_family()
    thetas = torch.zeros((3, family.dimension), dtype=torch.float64)
    thetas[:, family.names.index("ff.A_110")] = torch.tensor([0.0, 3.0, float("inf")], dtype=torch.float64)
    found, expected = (short.run((family, thetas), SEEDS, engine) for engine in ("cuda", "cpu"))
    assert "blow-up" in found.statuses
    the_same(found, expected)


def test_a_population_is_split_where_memory_is_short(card, monkeypatch):
    short = task("OjaMini-v0").shortened()
    rules = ["oja", "hebb", "null", "covariance"] * 8
    monkeypatch.setenv("FAKE_CUDA_MEMORY", "30000")
    before = card.n_launches
    found = short.run(rules, SEEDS, "cuda")
    assert card.n_launches - before > 4
    assert card.n_allocations == 0
    the_same(found, short.run(rules, SEEDS, "cpu"))
    monkeypatch.setenv("FAKE_CUDA_MEMORY", "2000")
    with pytest.raises(CudaError, match="are free"):
        short.run("oja", SEEDS, "cuda")


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90", "sm_100", "sm_120"])
def test_kernels_compile_for_every_architecture(architecture):
    for of, rule in ((ONE_AT_A_TIME, rule_of(FORGETFUL)), (task("ContinualFamiliarityMini-v0"), "hebbian-decay-mini")):
        lives = RateLives.of(of.draw(SEEDS))
        kernel = Population(lives, with_slow_arrays(lives.rate_network, of.group(rule)[0][1])).kernel
        image, log = nvrtc.compiler().compile(kernel.source(), architecture)
        assert image
        assert nvrtc.resources(log)["spill_stores"] <= 64
