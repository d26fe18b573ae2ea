"""Invariants of every registered task: metadata, determinism, batches, engines, stepping, conditions."""

import dataclasses
import warnings

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from registry_cases import TASKS, shortened, suited_rules

import plasticbench
from plasticbench.rules import known_rules
from plasticbench.stepping.env import PlasticityEnv
from plasticbench.stepping.lifetimes import lifetimes
from plasticbench.stepping.vector_env import PlasticityVectorEnv
from plasticbench.tasks.check import check_task

SEEDS = (0, 1, 2**40 + 7)


def step_through(env, rule, seed, options=None):
    """Live one lifetime by hand: the sum of rewards and the final info."""
    observation, info = env.reset(seed=seed, options=options)
    total, over = 0.0, False
    while not over:
        observation, reward, terminated, truncated, info = env.step(rule(observation))
        total, over = total + reward, terminated or truncated
    return total, info


@pytest.mark.parametrize("task_id", TASKS)
def test_metadata_is_complete(task_id):
    task = plasticbench.task(task_id)
    assert task_id.startswith("plasticbench/")
    assert task_id[-3:-1] == "-v"
    assert task.title
    assert len(task.summary.split()) >= 6
    assert "doi" in task.reference or "NeurIPS" in task.reference or "Science" in task.reference
    for section in ("## Description", "## Observation and action", "## Loss", "## Version history"):
        assert section in task.description, section
    assert task.reference_rule in known_rules()
    assert task.n_official >= (1 if task.track == "slice" else 10)  # clamped spikes leave nothing to chance
    assert len(set(task.official_seeds)) == task.n_official
    assert task.families
    for family in task.families:
        assert task.make_family(family).dimension > 0
    assert np.isfinite([task.null_loss, task.reference_loss]).all()
    assert task.reference_loss < (task.blind_loss or task.null_loss) <= task.null_loss
    best, worst = task.blow_up_losses()
    assert 0 < best <= worst
    assert task.score(task.null_loss) == pytest.approx(0.0)
    assert task.score(task.reference_loss) == pytest.approx(1.0)
    assert len(task.spec_hash) == 64


@pytest.mark.parametrize("task_id", [task_id for task_id in TASKS if "Mini" in task_id])
def test_every_task_passes_the_check_that_authors_use(task_id):
    check_task(plasticbench.task(task_id))


@pytest.mark.parametrize("task_id", TASKS)
def test_less_loss_is_a_better_score_and_nearly_all_of_it_lies_below_the_blind_loss(task_id):
    task = plasticbench.task(task_id)
    lowest = max(1e-3 * task.reference_loss, task.loss_floor)
    losses = np.geomspace(lowest, 10 * task.null_loss, 200)
    scores = [task.score(loss) for loss in losses]
    assert (np.diff(scores) < 0).all()
    if task.blind_loss is not None:
        assert 0 < task.score(task.blind_loss) < 0.03


@pytest.mark.parametrize("task_id", TASKS)
def test_the_null_rule_changes_no_weight_and_is_no_blow_up_by_itself(task_id):
    task = shortened(task_id)
    life = lifetimes(task, SEEDS[:1])
    before = {name: w.clone() for name, w in life.weights.items()}
    observation = life.observe()
    life.advance(plasticbench.load_rule("null")(observation))
    for name, w in life.weights.items():
        assert torch.equal(w, before[name])


@pytest.mark.parametrize("task_id", TASKS)
def test_same_seed_twice_is_the_same_bits(task_id):
    task = shortened(task_id)
    rules = list(suited_rules(task_id))[:3]
    first, second = (task.losses(rules, SEEDS) for _ in range(2))
    assert first.tolist() == second.tolist()


@pytest.mark.parametrize("task_id", TASKS)
def test_every_known_rule_has_a_finite_loss_and_a_status(task_id):
    task = shortened(task_id)
    rules = list(suited_rules(task_id))
    outcome = task.run(rules, SEEDS[:2])
    assert outcome.losses.shape == outcome.blown_up.shape == (len(rules), 2)
    assert bool(torch.isfinite(outcome.losses).all())
    smallest, largest = task.blow_up_losses()
    blown = outcome.losses[outcome.blown_up]
    assert bool(((blown >= smallest) & (blown <= largest)).all())
    assert set(outcome.statuses.ravel()) <= {"ok", "blow-up"}
    for name, values in outcome.metrics.items():
        assert values.shape == outcome.losses.shape, name


@pytest.mark.parametrize("task_id", TASKS)
def test_a_lifetime_alone_equals_itself_in_a_batch(task_id):
    task = shortened(task_id)
    rules = list(suited_rules(task_id))[:4]
    together = task.run(rules, SEEDS)
    # Matrix products round by how a matrix lies in memory: what is made of them is near, all else has the same bits.
    of_products = {"loss", "subspace_distance"} if getattr(task, "scored", "") == "subspace" else set()
    of_products |= {"subspace_distance"}
    for r, rule in enumerate(rules):
        for s, seed in enumerate(SEEDS[:2]):
            alone = task.run(rule, [seed])
            pairs = {name: (values[0, 0], together.metrics[name][r, s]) for name, values in alone.metrics.items()}
            for name, (one, other) in {**pairs, "loss": (alone.losses[0, 0], together.losses[r, s])}.items():
                rel = 1e-15 if name in of_products else 0.0
                assert float(one) == pytest.approx(float(other), rel=rel, abs=0.0, nan_ok=True), name


@pytest.mark.parametrize("task_id", TASKS)
def test_stepping_with_a_rule_is_the_fused_run(task_id):
    task = shortened(task_id)
    env = PlasticityEnv(task)
    for name in ("null", task.reference_rule):
        rule = plasticbench.load_rule(name)
        total, info = step_through(env, rule, SEEDS[0], {"rule": rule})
        for engine in ("cpu", "torch"):
            fused = float(task.losses(rule, SEEDS[:1], engine)[0, 0])
            assert info["loss"] == pytest.approx(fused, rel=1e-5, abs=1e-9), (name, engine)
        assert -total == pytest.approx(info["loss"], rel=1e-9, abs=1e-12)
        assert info["score"] == pytest.approx(task.score(info["loss"]))
        assert info["status"] in ("ok", "blow-up")
        assert set(info["conditions"]) == set(task.condition_names)


@pytest.mark.parametrize("task_id", TASKS)
def test_gymnasium_accepts_the_environment_without_a_warning(task_id):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make(task_id) if shortened(task_id).track == "rate" else PlasticityEnv(shortened(task_id))
        check_env(env.unwrapped, skip_render_check=True)


@pytest.mark.parametrize("task_id", TASKS)
def test_the_vector_environment_lives_the_same_lifetimes(task_id):
    task = shortened(task_id)
    rule = plasticbench.load_rule(task.reference_rule)
    vector = PlasticityVectorEnv(task, num_envs=2)
    observation, _ = vector.reset(seed=11, options={"rule": rule})
    for pathway, variables in observation.items():
        for name, value in variables.items():
            assert value.shape == vector.observation_space[pathway][name].shape, (pathway, name)
    total, final, over = torch.zeros(2, dtype=torch.float64), [None, None], False
    while not over:
        observation, reward, terminated, _truncated, infos = vector.step(rule(observation))
        total += reward
        for i, info in enumerate(infos.get("final_info", [])):
            final[i] = info or final[i]
        over = bool(terminated.all())
    fused = task.losses(rule, [11, 12], "torch")[0]
    assert [f["loss"] for f in final] == pytest.approx(fused.tolist(), rel=1e-5, abs=1e-9)
    assert (-total).tolist() == pytest.approx(fused.tolist(), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("task_id", TASKS)
def test_conditions_are_fixed_by_name_and_unknown_ones_refused(task_id):
    task = shortened(task_id)
    env = PlasticityEnv(task)
    _, info = env.reset(seed=5)
    drawn = info["conditions"]
    _, again = env.reset(seed=99, options={"conditions": drawn})
    assert again["conditions"] == drawn
    with pytest.raises(plasticbench.PlasticbenchError, match=r"conditions\.no_such_thing"):
        env.reset(seed=5, options={"conditions": {"no_such_thing": 1.0}})
    with pytest.raises(plasticbench.PlasticbenchError, match=r"options\.nonsense"):
        env.reset(seed=5, options={"nonsense": 1})


@pytest.mark.parametrize("task_id", TASKS)
def test_render_draws_a_picture(task_id):
    env = PlasticityEnv(shortened(task_id), render_mode="rgb_array")
    rule = plasticbench.load_rule(env.task.reference_rule)
    observation, _ = env.reset(seed=0, options={"rule": rule.name})
    for _ in range(10):
        observation, *_ = env.step(rule(observation))
    picture = env.render()
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert picture.std() > 5


@pytest.mark.parametrize("task_id", TASKS)
def test_python_policies_are_stepped(task_id):
    task = shortened(task_id)
    rule = plasticbench.load_rule(task.reference_rule)
    policy = task.losses(lambda observation: rule(observation), SEEDS[:1])
    assert float(policy[0, 0]) == pytest.approx(float(task.losses(rule, SEEDS[:1], "torch")[0, 0]), rel=1e-5, abs=1e-9)
    assert task.losses(lambda observation: rule(observation), SEEDS[:1], "torch").equal(policy)
    with pytest.raises(plasticbench.PlasticbenchError, match="policies"):
        task.losses(lambda observation: {}, SEEDS[:1], engine="cpu")


@pytest.mark.parametrize("task_id", [i for i in TASKS if plasticbench.task(i).track != "spiking"])
def test_frozen_references_are_what_this_code_measures(task_id):
    task = plasticbench.task(task_id)
    for rule, frozen in (("null", task.null_loss), (task.reference_rule, task.reference_loss)):
        measured = float(task.losses(rule, task.official_seeds).mean())
        assert measured == pytest.approx(frozen, rel=1e-4), rule


def test_unknown_tasks_and_engines_are_named_with_what_there_is():
    with pytest.raises(plasticbench.PlasticbenchError, match="OjaMini-v0"):
        plasticbench.task("OjaMin-v0")
    with pytest.raises(plasticbench.PlasticbenchError, match="auto, cpu, cpu-integer, cuda, stepping, torch"):
        plasticbench.task("OjaMini-v0").losses("oja", [0], engine="abacus")


def test_a_task_id_cannot_be_registered_twice():
    with pytest.raises(plasticbench.PlasticbenchError, match="registered already"):
        plasticbench.register(plasticbench.task("OjaMini-v0"))


def perturbed(batch, pathway, column, step):
    """The same rules with one parameter moved."""
    parameters = [p.detach().clone() for p in batch.parameters]
    parameters[pathway][:, column] += step
    return dataclasses.replace(batch, parameters=tuple(parameters))


@pytest.mark.parametrize("task_id", [i for i in TASKS if plasticbench.task(i).track == "rate"])
def test_gradients_are_finite_and_equal_finite_differences(task_id):
    """Of every known rule's parameters, in float64: torch's gradient against differences of the cpu engine."""
    task = shortened(task_id)
    for rule in suited_rules(task_id):
        for _, batch in task.group(rule):
            leaves = tuple(p.clone().requires_grad_(True) for p in batch.parameters)
            outcome = task.run(dataclasses.replace(batch, parameters=leaves), SEEDS[:1], "torch", metrics=False)
            if not outcome.losses.requires_grad or bool(outcome.blown_up.any()):
                continue
            gradients = torch.autograd.grad(outcome.losses.sum(), leaves, allow_unused=True, materialize_grads=True)
            for k, gradient in enumerate(gradients):
                assert bool(torch.isfinite(gradient).all()), rule.name
                for column in range(gradient.shape[1]):
                    h = 1e-6
                    up, down = (
                        float(task.losses(perturbed(batch, k, column, sign * h), SEEDS[:1])[0, 0]) for sign in (1, -1)
                    )
                    measured = (up - down) / (2 * h)
                    assert float(gradient[0, column]) == pytest.approx(measured, rel=1e-3, abs=1e-6), rule.name
