"""The EvoTorch learner: same seed, same bits, whether killed, resumed, or spread over actors and machines."""

import json
import random
import signal
import subprocess
import sys
import time
from contextlib import closing

import numpy as np
import pytest
import torch

import plasticbench
from plasticbench.baselines._evotorch_search import ALGORITHMS
from plasticbench.baselines.evotorch import EvoTorch
from plasticbench.errors import PlasticbenchError, RuleError
from plasticbench.learning import learn
from plasticbench.learning.executors import RayActors
from plasticbench.learning.problem import Problem
from plasticbench.learning.run_directory import RunDirectory
from plasticbench.simulation.random import Stream

POPULATION, LIFETIMES = 8, 2
BUDGET = 16 * 10 + 2 * 16 + 10  # ten generations, two comparisons of eight finalists, a rest
SMALL = {"population": POPULATION, "lifetimes": LIFETIMES}


def problem_of(folder=None, resume=False, budget=BUDGET, seed=3, task_id="OjaMini-v0") -> Problem:
    task = plasticbench.task(task_id).shortened()
    run = None if folder is None else RunDirectory(folder, {"seed": seed}, resume)
    return Problem(task, task.make_family(), budget, seed, run)


def bits(problem: Problem, rule) -> tuple:
    return tuple(problem.family.theta(rule).tolist())


def history(folder) -> list[dict]:
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


class KilledError(Exception):
    pass


def kill_at(problem: Problem, checkpoint: int) -> None:
    """The run dies right after its n-th checkpoint, or (negative) right before."""
    keep, count = problem.checkpoint, 0

    def counting(state):
        nonlocal count
        count += 1
        if count == -checkpoint:
            raise KilledError
        keep(state)
        if count == checkpoint:
            raise KilledError

    problem.checkpoint = counting


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_run_keeps_to_its_budget_its_seeds_and_its_own_randomness(algorithm):
    problem, calls = problem_of(), []
    run = problem.execute

    def recording(rules, seeds, engine, **options):
        calls.append((len(rules[1]), seeds))
        return run(rules, seeds, engine, **options)

    problem.execute = recording
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    rule = EvoTorch(algorithm, **SMALL).learn(problem)
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert before == after
    assert bits(problem, rule) == bits(problem, EvoTorch(algorithm, **SMALL).learn(problem_of()))
    assert BUDGET - POPULATION * LIFETIMES - 16 <= problem.lifetimes_spent <= BUDGET
    generations = [seeds for n_rules, seeds in calls if n_rules == POPULATION and len(seeds) == LIFETIMES]
    assert len(generations) >= 8
    assert len(calls) <= len(generations) + 2  # a generation is one call; the others compare finalists
    assert len({seed for seeds in generations for seed in seeds}) == LIFETIMES * len(generations)
    assert not {seed for _, seeds in calls for seed in seeds} & set(problem.task.official_seeds)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("moment", [1, -4, 9])
def test_a_killed_run_goes_on_bit_for_bit(tmp_path, algorithm, moment):
    whole = problem_of(tmp_path / "whole")
    expected = bits(whole, EvoTorch(algorithm, **SMALL).learn(whole))
    broken = problem_of(tmp_path / "broken")
    kill_at(broken, moment)
    with pytest.raises(KilledError):
        EvoTorch(algorithm, **SMALL).learn(broken)
    np.random.rand(7), torch.rand(7)  # what another process's generators look like
    resumed = problem_of(tmp_path / "broken", resume=True)
    assert bits(resumed, EvoTorch(algorithm, **SMALL).learn(resumed)) == expected
    assert history(tmp_path / "broken") == history(tmp_path / "whole")
    assert resumed.lifetimes_spent == whole.lifetimes_spent


def test_a_process_killed_by_the_system_is_resumed_by_the_command_line(tmp_path):
    def arguments(name, *more):
        return [
            sys.executable, "-m", "plasticbench", "learn", "--task", "OjaMini-v0", "--learner", "evotorch",
            "--budget", "1500", "--seed", "1", "--option", "population=8", "--option", "lifetimes=2",
            "--out", str(tmp_path / name), *more,
        ]  # fmt: skip

    subprocess.run(arguments("whole"), check=True, capture_output=True)
    process = subprocess.Popen(arguments("broken"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rows, deadline = tmp_path / "broken" / "history.jsonl", time.monotonic() + 120
    while not (rows.exists() and rows.read_text().count("\n") >= 10) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "broken" / "rule.json").exists()
    subprocess.run(arguments("broken", "--resume"), check=True, capture_output=True)
    assert history(tmp_path / "broken") == history(tmp_path / "whole")
    assert (tmp_path / "broken" / "rule.json").read_text() == (tmp_path / "whole" / "rule.json").read_text()


def test_the_refit_searches_only_what_the_penalty_has_spared(tmp_path):
    problem = problem_of(tmp_path / "run", budget=2000)
    EvoTorch(**SMALL, l1=0.1, refit=0.5).learn(problem)
    rows = history(tmp_path / "run")
    stages = [row["stage"] for row in rows]
    assert stages == sorted(stages)
    assert all((row["penalty"] > 0) == (row["stage"] == 0) for row in rows)
    assert all(np.isfinite(list(row.values())).all() for row in rows)


def test_a_flat_search_starts_again_with_fresh_numbers(tmp_path):
    problem = problem_of(tmp_path / "run", budget=1500)
    run = problem.execute

    def flat(*given, **options):
        outcome = run(*given, **options)
        outcome.losses.fill_(0.5)
        return outcome

    problem.execute = flat
    EvoTorch(**SMALL, l1=0.0).learn(problem)
    restarts = [row for row in history(tmp_path / "run") if "restart" in row]
    assert len(restarts) >= 2
    assert restarts[0]["lifetimes"] == 20 * POPULATION * LIFETIMES


def test_fixed_conditions_reach_every_lifetime():
    problem, seen = problem_of(task_id="ContinualFamiliarityMini-v0"), []
    run = problem.execute

    def recording(*given, **options):
        seen.append(options["conditions"])
        return run(*given, **options)

    problem.execute = recording
    name = problem.task.condition_names[0]
    EvoTorch(**SMALL, conditions={name: 3}).learn(problem)
    assert seen
    assert all(conditions == {name: 3} for conditions in seen)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"algorithm": "cmaes"}, "option.algorithm: 'cmaes' is none of cma-es, xnes"),
        ({"population": 2}, "option.population: 2 is not a whole number from 4 up"),
        ({"population": 9, "algorithm": "pgpe"}, "9 is odd; pgpe"),
        ({"lifetimes": 1.5}, "option.lifetimes: 1.5 is not"),
        ({"std": 0}, "option.std: 0 is not a number above 0"),
        ({"l1": float("nan")}, "option.l1: nan is not a number from 0 up"),
        ({"refit": 1.0}, r"option.refit: 1.0 is not"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(PlasticbenchError, match=message):
        EvoTorch(**options)


def test_a_budget_below_one_generation_is_refused():
    with pytest.raises(PlasticbenchError, match="budget: 20 lifetimes; a generation takes 96"):
        EvoTorch().learn(problem_of(budget=20))


def test_a_checkpoint_holds_numbers_only(tmp_path):
    problem = problem_of(tmp_path / "run")
    EvoTorch(**SMALL).learn(problem)
    saved = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["content"]["state"]
    assert all(isinstance(value, (int, float, torch.Tensor)) for value in saved.values())


def test_the_core_does_without_evotorch_and_ray():
    unwanted = "{'evotorch', 'ray', 'cma'}"
    code = f"import sys, plasticbench, plasticbench.learning; assert not {unwanted} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---------------------------------------------------------------- workers


@pytest.fixture
def own_ray(monkeypatch):
    """No Ray before, none after."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    assert not ray.is_initialized()
    yield ray
    assert not ray.is_initialized(), "the learner left its Ray running"


def problem_on(executor, *arguments, **settings) -> Problem:
    problem = problem_of(*arguments, **settings)
    problem.executor = problem.execute = executor
    return problem


@pytest.mark.filterwarnings("ignore")  # Ray's own threads and sockets
def test_two_actors_give_the_same_bits_as_none_to_every_kind_of_call(own_ray, tmp_path):
    alone = problem_of(tmp_path / "alone")
    with closing(RayActors(alone.task, 2)) as actors:
        shared = problem_on(actors, tmp_path / "shared")
        expected = bits(alone, EvoTorch(**SMALL).learn(alone))
        assert bits(shared, EvoTorch(**SMALL).learn(shared)) == expected
        assert history(tmp_path / "shared") == history(tmp_path / "alone")
        assert shared.simulated_s == alone.simulated_s

        alone, shared = problem_of(), problem_on(actors)
        theta = alone.family.initial(0)
        rules = [alone.rule(theta + 0.01 * k) for k in range(9)]
        rules[4] = "oja"
        assert torch.equal(shared.losses_of(rules), alone.losses_of(rules))
        thetas = torch.stack([theta + 0.01 * k for k in range(5)])
        ours, theirs = shared.outcome(thetas), alone.outcome(thetas)
        assert torch.equal(ours.losses, theirs.losses)
        assert set(ours.metrics) == set(theirs.metrics) != set()
        assert all(torch.equal(ours.metrics[name], theirs.metrics[name]) for name in ours.metrics)
        with pytest.raises(PlasticbenchError, match="carry gradients"):
            shared.losses(thetas.requires_grad_())
        with pytest.raises(RuleError, match="pathway"):
            shared.losses_of(["vogels-2011"])  # the actor's error, as it would be here


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("task_id", ["PrincipalComponentsMini-v0", "ContinualFamiliarityMini-v0"])
def test_a_population_in_parts_lives_as_in_one(own_ray, task_id):
    problem, seeds = problem_of(task_id=task_id), tuple(range(2**41, 2**41 + 5))
    thetas = 0.3 * torch.from_numpy(Stream(0, "thetas").normal((13, problem.family.dimension)))
    rules = problem.family, thetas
    expected = problem.task.run(rules, seeds, "cpu", metrics=False)
    for workers in (1, 2, 3):
        with closing(RayActors(problem.task, workers)) as actors:
            outcome = actors(rules, seeds, "cpu", metrics=False)
        assert torch.equal(outcome.losses, expected.losses)
        assert torch.equal(outcome.blown_up, expected.blown_up)
        assert outcome.simulated_s == expected.simulated_s


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_of_two_nodes_gives_the_same_bits(own_ray, tmp_path, monkeypatch):
    from ray.cluster_utils import Cluster

    alone = problem_of()
    expected = bits(alone, EvoTorch(**SMALL).learn(alone))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        with closing(RayActors(alone.task, 2)) as actors:  # needs both nodes' cores
            problem = problem_on(actors)
            assert bits(problem, EvoTorch(**SMALL).learn(problem)) == expected
        with (
            closing(RayActors(alone.task, 3)) as actors,
            pytest.raises(PlasticbenchError, match="3 actors, one core each, but Ray has 2"),
        ):
            EvoTorch(**SMALL).learn(problem_on(actors))
    finally:
        own_ray.shutdown()
        cluster.shutdown()


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_is_not_there_is_named_before_anything_is_written(own_ray, monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(PlasticbenchError, match=r"RAY_ADDRESS: '127\.0\.0\.1:1' cannot be joined"):
        learn("OjaMini-v0", "random-search", tmp_path / "run", budget=300, workers=1)
    assert list(tmp_path.iterdir()) == []
