"""The cuda engine in the registry: what it refuses, when `auto` takes it, the self-check, the command line."""

import dataclasses
import sys
from contextlib import closing

import pytest
from cuda_cases import FOUR, batch_of, four_pathways, pair
from emulation_build import needs_compiler
from spiking_cases import small_network

import plasticbench
from plasticbench.command_line.cli import main
from plasticbench.learning.executors import make_executor
from plasticbench.networks.life import Life
from plasticbench.networks.neurons import ConductanceLIF
from plasticbench.simulation.cuda import driver
from plasticbench.simulation.cuda.engine import CudaEngine
from plasticbench.simulation.engine import EngineOptions, find_engine, verifying_engine
from plasticbench.simulation.spiking.cuda import run, self_check
from plasticbench.simulation.spiking.cuda.verified import has_passed, keep_outcome

ENGINE, DEFAULTS = CudaEngine(), EngineOptions()
MINI = plasticbench.task("StabilityIEMini-v0").shortened()
RATE = plasticbench.task("OjaMini-v0").shortened()


@pytest.fixture
def engine_on_fake_card(fake_card, monkeypatch):
    """The engine as users get it, on the fake driver."""
    monkeypatch.setattr(run, "Launching", lambda: fake_card.how())
    driver.card.cache_clear()
    yield fake_card
    driver.card.cache_clear()


@pytest.fixture
def no_card(monkeypatch):
    monkeypatch.setenv("PLASTICBENCH_LIBCUDA", "libcuda_of_nobody.so")
    driver.card.cache_clear()
    yield
    driver.card.cache_clear()


def refusal(life=None, batch=None, **options):
    life = life or four_pathways(10)
    return ENGINE.unsupported([life], batch or batch_of(life.network, pair()), EngineOptions(**options))


def test_without_a_card_it_says_so_in_one_line(no_card, capsys):
    assert refusal() == "no CUDA driver here (libcuda_of_nobody.so cannot be loaded); choose --engine cpu"
    with pytest.raises(plasticbench.PlasticbenchError, match="engine cuda: no CUDA driver here") as caught:
        MINI.losses("vogels-2011", [0], "cuda")
    assert "\n" not in str(caught.value)
    assert main(["bench", "--engine", "cuda"]) == 2
    assert capsys.readouterr().err.startswith("plasticbench: no CUDA driver here")


def test_auto_leaves_rate_networks_to_the_cpu(no_card):
    assert "starts sooner" in ENGINE.held_back(RATE.draw([0]), DEFAULTS)
    with pytest.raises(plasticbench.PlasticbenchError, match="engine cuda: no CUDA driver here"):
        RATE.losses("oja", [0], "cuda")


@dataclasses.dataclass(frozen=True, eq=False)
class LongerLife(Life):
    """A life with something that the engine has never heard of."""

    surprises: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class Leaky(ConductanceLIF):
    """A model whose conductance rules may read."""

    readable = {"v": "g_exc"}  # noqa: RUF012


def test_what_it_cannot_do_it_says(no_card):
    assert "gradients" in refusal(gradients=True)
    assert "threads" in refusal(threads=2)
    assert "'cpu' is not its own" in refusal(device="cpu")
    assert "'cuda:x' is not its own" in refusal(device="cuda:x")
    assert "Python policies" in ENGINE.unsupported([four_pathways(10)], print, DEFAULTS)
    plain = four_pathways(10)
    fields = {f.name: getattr(plain, f.name) for f in dataclasses.fields(Life)}
    assert "life.surprises" in refusal(LongerLife(**fields, surprises=(1,)))
    assert "no CUDA" in refusal(LongerLife(**fields))
    leaky = small_network(("ie",), Leaky())
    reads = plasticbench.rules.rule_from_json(
        {"format": "plasticbench/rule@1", "name": "x", "pathways": {"ie": {"on_pre": "0.01*v"}}}
    )
    life = Life(leaky, 0, 10)
    assert "cannot read 'v'" in refusal(life, batch_of(leaky, reads))


@needs_compiler
def test_a_network_too_large_for_a_block_is_refused(engine_on_fake_card):
    def life(n_exc):
        return Life(small_network(n_exc=n_exc, n_inh=20), 0, 10)

    assert refusal(life(20_000)) is None
    assert "shared memory, and no GPU (emulation) has 227" in refusal(life(31_000))
    assert "more than 32 for each thread" in refusal(life(40_000))
    assert "there are 1 cards" in refusal(device="cuda:1")


@needs_compiler
def test_a_task_runs_on_it_and_loses_the_same_as_on_the_integer_cpu_engine(engine_on_fake_card):
    short = dataclasses.replace(MINI)
    outcome = short.run(["vogels-2011", "vogels-2011-5hz"], [0, 1], "cuda", conditions={"training_s": 0.0})
    assert outcome.engine == "cuda"
    expected = short.run(["vogels-2011", "vogels-2011-5hz"], [0, 1], "cpu-integer", conditions={"training_s": 0.0})
    assert outcome.losses.equal(expected.losses)
    assert all(expected.metrics[name].equal(values) for name, values in outcome.metrics.items())
    assert expected.engine == "cpu-integer"


@needs_compiler
def test_auto_takes_it_only_where_the_self_check_has_passed(engine_on_fake_card, monkeypatch, tmp_path):
    monkeypatch.setenv("PLASTICBENCH_CACHE", str(tmp_path))
    life = four_pathways(10)
    batch = batch_of(FOUR, pair())

    def chosen(lives, options=DEFAULTS):
        return find_engine("auto", lives, batch, options).name

    assert not has_passed()
    assert chosen([life]) == "cpu"
    keep_outcome(engine_on_fake_card.device, passed=True)
    assert has_passed()
    assert chosen([life]) == "cuda"
    assert chosen([life], EngineOptions(threads=2)) == "cpu"
    assert "cpu engine is faster" in ENGINE.held_back([Life(small_network(n_exc=1, n_inh=1), 0, 10)], DEFAULTS)
    keep_outcome(engine_on_fake_card.device, passed=False)
    assert chosen([life]) == "cpu"


@needs_compiler
def test_the_self_check_finds_nothing_here_and_what_is_wrong_elsewhere(fake_card, monkeypatch, tmp_path):
    monkeypatch.setenv("PLASTICBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(self_check, "_STEPS", 1500)
    monkeypatch.setattr(self_check, "_SEEDS", (0, 1))
    driver.card.cache_clear()
    assert self_check.check(fake_card.device, [fake_card.how(threads=64)]) == []
    assert has_passed()

    def wrong(source):
        return source.replace("t - 8)", "t - 7)") if "live(Life*" in source else source

    failures = self_check.check(fake_card.device, [fake_card.how(threads=64, edit=wrong)])
    assert len(failures) == 8
    assert "numbers differ from the cpu engine's" in failures[0]
    assert not has_passed()
    driver.card.cache_clear()


def test_an_entry_of_the_cuda_engine_is_verified_on_any_machine():
    assert verifying_engine("cuda") == "cpu-integer"
    assert verifying_engine("cpu") == "cpu"
    assert verifying_engine("of nobody") == "auto"


class InProcessRay:
    """As much of Ray as the executor asks for, in this process."""

    class exceptions:  # noqa: N801
        class RayTaskError(Exception):
            pass

    def __init__(self, **resources):
        self.resources, self.asked, self.calls = resources, [], []

    def is_initialized(self):
        return True

    def cluster_resources(self):
        return self.resources

    def remote(self, **needs):
        self.asked.append(needs)
        ray = self

        class Actor:
            def __init__(self, kind, task):
                self._actor = kind(task)
                self.run = self

            def remote(self, *arguments):
                ray.calls.append(self._actor.run(*arguments))
                return len(ray.calls) - 1

        def decorated(kind):
            return type("Remote", (), {"remote": staticmethod(lambda task: Actor(kind, task))})

        return decorated

    def wait(self, running, num_returns):
        return running[:num_returns], running[num_returns:]

    def get(self, reference):
        return self.calls[reference]

    def kill(self, actor):
        pass


@needs_compiler
def test_workers_have_a_card_each_and_lose_the_same_as_one(engine_on_fake_card, monkeypatch):
    ray = InProcessRay(CPU=4.0, GPU=2.0)
    monkeypatch.setitem(sys.modules, "ray", ray)
    rules = ["vogels-2011", "vogels-2011-5hz", "null"]
    options = {"conditions": {"training_s": 0.0}}
    with closing(make_executor(MINI, 2, "cuda")) as workers:
        outcome = workers(rules, [0, 1], "cuda", **options)
    assert ray.asked == [{"num_cpus": 1, "num_gpus": 1}]
    assert len(ray.calls) == 2
    assert {call.engine for call in ray.calls} == {"cuda"}
    assert outcome.losses.equal(MINI.run(rules, [0, 1], "cpu-integer", **options).losses)


def test_workers_without_enough_cards_are_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", InProcessRay(CPU=4.0, GPU=1.0))
    with pytest.raises(plasticbench.PlasticbenchError, match="2 actors, one GPU each, but Ray has 1"):
        make_executor(MINI, 2, "cuda").start()
    with pytest.raises(plasticbench.PlasticbenchError, match="not device 'cuda:1'"):
        make_executor(MINI, 2, "cuda", "cuda:1")
