"""Engines as a whole: which one runs, what its options mean, what a result says of it."""

import dataclasses
import sys
import threading
import types

import pytest
import torch

import plasticbench
from plasticbench.rules import PathwayRule, Rule, rule_from_json
from plasticbench.simulation import engine
from plasticbench.simulation.cpu import CPUEngine
from plasticbench.simulation.engine import register_engine
from plasticbench.simulation.rate import torch_engine
from plasticbench.simulation.threads import one_torch_thread

OJA = plasticbench.task("OjaMini-v0").shortened()
EE = plasticbench.task("StabilityEEMini-v0").shortened()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"device": "nonsense"}, "is no device"),
        ({"device": "nonsense", "engine": "torch"}, "is no device"),
        ({"device": "cuda", "engine": "cpu"}, "not its own"),
        ({"device": "meta", "engine": "torch"}, "holds no numbers"),
        ({"threads": 2, "engine": "torch"}, "threads"),
        ({"engine": "gpu"}, "unknown"),
        ({"engine": "stepping"}, "policies"),
    ],
)
def test_an_option_that_an_engine_cannot_honour_is_an_error_of_one_line(options, words):
    with pytest.raises(plasticbench.PlasticbenchError, match=words) as caught:
        OJA.losses("oja", [0], **options)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
@pytest.mark.parametrize("engine", ["auto", "torch"])
def test_a_device_that_is_not_there_is_an_error_of_one_line(engine):
    with pytest.raises(plasticbench.PlasticbenchError, match="'cuda' is not available here"):
        OJA.losses("oja", [0], engine, device="cuda")


def test_auto_takes_the_torch_engine_for_another_device_name_and_the_cpu_engine_else():
    assert OJA.run("oja", [0]).engine == "cpu"
    assert OJA.run("oja", [0], device="cpu").engine == "cpu"
    assert OJA.run("oja", [0], device="cpu:0").engine == "torch"


def test_a_stepped_policy_says_so_and_takes_its_time():
    outcome = OJA.run(lambda seen: {"ff": 0.0 * seen["ff"]["w"]}, [0])
    assert outcome.engine == "stepping"
    assert outcome.wall_s > 0


def test_a_module_of_single_precision_is_a_policy():
    module = torch.nn.Linear(3, 1)

    class Policy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = module

        def forward(self, seen):
            see = seen["ff"]
            x = torch.stack(torch.broadcast_tensors(see["pre"], see["post"], see["w"]), -1)
            return {"ff": 0.01 * self.inner(x).squeeze(-1)}

    losses = OJA.losses(Policy(), [0, 1])
    assert bool(losses.isfinite().all())
    losses.sum().backward()
    assert float(module.weight.grad.abs().sum()) > 0


def test_a_gradient_that_spiking_lifetimes_cannot_pass_on_is_an_error():
    scale = torch.tensor(1e-3, requires_grad=True)
    policy = {"rule": lambda seen: {"ee": scale * seen["ee"]["post_spike"]}}["rule"]
    with pytest.raises(plasticbench.PlasticbenchError, match="gradient"):
        EE.losses(policy, [0])
    with torch.no_grad():
        assert bool(EE.losses(policy, [0]).isfinite().all())


def test_a_vector_environment_of_a_rate_task_passes_gradients_on():
    import gymnasium

    env = gymnasium.make_vec("plasticbench/OjaMini-v0", num_envs=2)
    seen, _ = env.reset(seed=0)
    rate, total = torch.tensor(0.1, dtype=torch.float64, requires_grad=True), torch.zeros(2, dtype=torch.float64)
    for _ in range(200):
        see = seen["ff"]
        seen, reward, over, _, _ = env.step({"ff": rate * see["post"] * (see["pre"] - see["post"] * see["w"])})
        total = total + reward
    assert bool(over.all())
    total.sum().backward()
    assert float(rate.grad) != 0


def test_a_rule_means_what_it_says_to_the_last_bit():
    """(x + c) - c rounds to a grid; a compiler that reassociates would make it x."""
    rounded = Rule(
        "rounded", {"ff": PathwayRule.make({"on_step": "(0.1*(pre*post - post**2*w) + c) - c"}, {"c": 2.0**45})}
    )
    task = plasticbench.task("OjaMini-v0")
    cpu, other, plain = (
        task.losses(r, [0, 1, 2], e) for r, e in ((rounded, "cpu"), (rounded, "torch"), ("oja", "cpu"))
    )
    assert float((cpu - plain).abs().min()) > 1e-4
    torch.testing.assert_close(cpu, other, rtol=1e-6, atol=1e-9)


SOFT = "0.01 * (w_max - w)**0.4 * (1 - w/0.3)**0.4 - 1e-9"


@pytest.mark.parametrize("engine", ["cpu", "torch"])
def test_a_soft_bound_is_a_number_at_the_bound(engine):
    """Whatever the type of the state, w <= w_max, and the rule's own literal agrees."""
    part = {"on_pre": SOFT, "on_post": "0.05 * sqrt(1 - w/0.3) + 1"}
    rule = rule_from_json({"format": "plasticbench/rule@1", "name": "soft", "pathways": {"ee": part}})
    outcome = EE.run(rule, [0, 1], engine)
    assert outcome.statuses.tolist() == [["ok", "ok"]]
    assert float(outcome.metrics["mean_weight_ee"].max()) <= 0.3


def test_a_population_is_run_in_parts_unless_a_gradient_is_wanted(monkeypatch):
    monkeypatch.setattr(torch_engine, "_MOST_ELEMENTS", 1)
    parts = []
    whole = torch_engine._run
    monkeypatch.setattr(
        torch_engine, "_run", lambda lives, rules, device: parts.append(1) or whole(lives, rules, device)
    )
    family = OJA.make_family()
    thetas = torch.stack([family.initial(s) for s in range(5)])
    OJA.losses((family, thetas), [0], "torch")  # grad mode is on, but nothing requires grad
    assert len(parts) == 5
    OJA.losses((family, thetas.clone().requires_grad_()), [0], "torch")
    assert len(parts) == 6


def test_overlapping_calls_leave_the_number_of_torch_threads_as_it_was():
    before, seen = torch.get_num_threads(), []
    inside, leave = threading.Barrier(2), threading.Event()

    def other():
        with one_torch_thread():
            inside.wait()
            leave.wait()
        seen.append(torch.get_num_threads())

    def later():
        seen.append(torch.get_num_threads())

    thread = threading.Thread(target=other)
    with one_torch_thread():
        thread.start()
        inside.wait()
    leave.set()
    thread.join()
    newcomer = threading.Thread(target=later)
    newcomer.start()
    newcomer.join()
    assert [torch.get_num_threads(), *seen] == [before] * 3


def test_a_shortened_task_is_another_specification():
    assert dataclasses.replace(OJA, n_steps=39).spec_hash != OJA.spec_hash


class CountingEngine(CPUEngine):
    """An engine of somebody's own."""

    name = "counting"
    n_runs = 0

    def run(self, *arguments):
        CountingEngine.n_runs += 1
        return super().run(*arguments)


def test_an_engine_of_ones_own_is_found_by_its_name(monkeypatch):
    monkeypatch.setattr(engine, "_ENGINES", dict(engine._ENGINES))
    monkeypatch.setitem(sys.modules, "somebodys_engine", types.SimpleNamespace(CountingEngine=CountingEngine))
    register_engine("counting", "somebodys_engine:CountingEngine")
    outcome = OJA.run("oja", [0, 1], "counting")
    assert outcome.engine == "counting"
    assert CountingEngine.n_runs == 1
    assert outcome.losses.equal(OJA.losses("oja", [0, 1], "cpu"))
    with pytest.raises(plasticbench.PlasticbenchError, match="taken"):
        register_engine("counting", "another:Engine")
