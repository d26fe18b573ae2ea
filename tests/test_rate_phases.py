"""Resets and phases without plasticity in rate networks: what they mean, and the same on every engine."""

import dataclasses

import numpy as np
import pytest
import torch
from rate_cases import (
    ETA,
    FF,
    FIRST_FROZEN,
    FORGETFUL,
    LAST_FROZEN,
    LAT,
    MEMORY,
    N_INPUTS,
    N_OUTPUTS,
    N_STEPS,
    ONE_AT_A_TIME,
    RESET,
    SEEDS,
    TASK,
    TAU_S,
    School,
    rule_of,
)

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.life import Phase
from plasticbench.rules import load_rule
from plasticbench.simulation.engine import Measured
from plasticbench.simulation.rate import cpu_engine, torch_engine
from plasticbench.stepping.lifetimes import lifetimes
from plasticbench.tasks import check


def fused(run, task, rule):
    """Recordings of the lives of `SEEDS`."""
    kept = []

    def measure(recordings, lives):
        kept.append(recordings)
        return Measured(recordings[FF].sum((-1, -2, -3)), recordings.blown_up, {}, recordings.n_steps_lived * 1.0)

    ((_, batch),) = task.group(rule)
    run(task.draw(SEEDS), batch, measure)
    return kept[0]


def stepped(task, rule):
    life = lifetimes(task, SEEDS, rule=rule)
    while not life.finished:
        life.advance(rule(life.observe()))
    return life.recordings()[0][0]


@pytest.mark.parametrize("run", [cpu_engine.run_cpu, torch_engine.run_torch])
def test_where_nothing_is_plastic_weights_rest_traces_go_on_and_states_decay(run):
    """Analytic: Δw = η (r + e + n/10), r filters `pre`, e takes `pre` and fades, n keeps; a reset forgets all three."""
    found = fused(run, TASK, rule_of(MEMORY))[FF][0]
    for seed, weights in zip(SEEDS, found, strict=True):
        life = TASK.life({}, seed)
        w = life.w_init["ff"].copy()
        r, e, n = np.zeros(N_INPUTS), np.zeros(N_INPUTS), np.zeros(N_INPUTS)
        fade = np.exp(-1 / TAU_S)
        expected = [w.copy()]
        for t, x in enumerate(life.presentations.items):
            if t == RESET:
                r, e, n = np.zeros(N_INPUTS), np.zeros(N_INPUTS), np.zeros(N_INPUTS)
            if not FIRST_FROZEN <= t < LAST_FROZEN:
                w += ETA * (r + e + 0.1 * n)
                e, n = e + x, n + np.abs(x)
            r, e = r + (x - r) * (1 - fade), e * fade
            expected.append(w.copy())
        np.testing.assert_allclose(weights, expected, rtol=1e-12, atol=1e-14)
        assert weights[FIRST_FROZEN : LAST_FROZEN + 1].unique(dim=0).shape[0] == 1


@pytest.mark.parametrize("task", [TASK, ONE_AT_A_TIME, dataclasses.replace(ONE_AT_A_TIME, as_batch=True)])
def test_every_engine_rests_and_forgets_alike(task):
    """Also where one pathway rests alone, and each life of a call forgets at a time of its own."""
    rule = rule_of(FORGETFUL)
    torchs, steps = fused(torch_engine.run_torch, task, rule), stepped(task, rule)
    cpu = fused(cpu_engine.run_cpu, task, rule)
    assert not cpu.blown_up.any()
    for recording in task.example.recordings:
        np.testing.assert_allclose(torchs[recording], cpu[recording], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(steps[recording], cpu[recording], rtol=1e-9, atol=1e-12)
    resting = slice(FIRST_FROZEN, LAST_FROZEN + 1)
    assert (cpu[FF][0, :, resting] == cpu[FF][0, :, FIRST_FROZEN : FIRST_FROZEN + 1]).all()
    moves = (cpu[LAT][0, :, FIRST_FROZEN + 1] != cpu[LAT][0, :, LAST_FROZEN])[:, 1, 0]
    assert moves.tolist() == [bool(task.learning)] * len(SEEDS)


def test_a_life_that_rests_throughout_is_the_null_rules():
    rests = dataclasses.replace(TASK.life({}, 3), phases=(Phase("all", 0, N_STEPS, plastic=()),))
    learns = dataclasses.replace(TASK.life({}, 3), phases=(Phase("all", 0, N_STEPS),))
    for run in (cpu_engine.run_cpu, torch_engine.run_torch):
        found = []
        for life, rule in ((rests, rule_of(FORGETFUL)), (learns, load_rule("null"))):
            ((_, batch),) = TASK.group(rule)
            measured = run([life], batch, lambda recordings, lives: TASK.measure(recordings, lives))
            found.append(float((measured[0] if isinstance(measured, tuple) else measured).losses))
        assert found[0] == found[1]


def test_an_action_at_a_pathway_that_rests_changes_nothing():
    life = lifetimes(ONE_AT_A_TIME, [3])
    for _ in range(FIRST_FROZEN):
        life.advance({})
    before = life.weights
    with pytest.raises(PlasticbenchError, match=r"action\.ff: shape"):
        life.advance({"ff": torch.ones(1, 7)})
    life.advance({"ff": torch.ones(1, N_OUTPUTS, N_INPUTS), "lat": torch.ones(1, N_OUTPUTS, N_OUTPUTS)})
    assert life.weights["ff"].equal(before["ff"])
    assert not life.weights["lat"].equal(before["lat"])


def test_gradients_pass_a_rest_and_a_reset():
    """The derivative by η is the difference quotient's."""
    ((_, batch),) = TASK.group(rule_of(FORGETFUL))
    (values, other), lives = batch.parameters, TASK.draw(SEEDS)

    def loss(eta):
        there = dataclasses.replace(batch, parameters=(torch.where(is_eta, eta, values), other))
        return torch_engine.run_torch(lives, there, TASK.measure, gradients=True).losses.sum()

    is_eta = torch.tensor([[name == "eta" for name in batch.structure.pathways[0].parameters]])
    eta = torch.tensor(ETA, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(loss(eta), eta)
    up, down = (float(loss(eta.detach() + sign * 1e-6)) for sign in (1, -1))
    assert float(slope) == pytest.approx((up - down) / 2e-6, rel=1e-6)


@pytest.mark.parametrize("changes", [{"resets": (N_STEPS,)}, {"phases": (Phase("test", 0, 9, plastic=("ee",)),)}])
def test_what_leaves_the_life_or_its_network_is_refused(changes):
    with pytest.raises(PlasticbenchError, match=next(iter(changes))):
        dataclasses.replace(TASK.life({}, 3), **changes)


def test_a_check_finds_a_protocol_that_the_specification_leaves_out():
    careless = type("Careless", (School,), {"declares_lives": False})
    task = careless(**{field.name: getattr(TASK, field.name) for field in dataclasses.fields(TASK)})
    problems = " ".join(check._protocol(task))
    assert "leaves the resets out" in problems
    assert "leaves the phases without plasticity out" in problems
