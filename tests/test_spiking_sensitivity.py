"""Compiled gradients of spiking lifetimes are those that autograd takes through the torch engine."""

import dataclasses

import numpy as np
import pytest
import torch
from spiking_cases import batch_of, doublet, life_of, small_network

import plasticbench
from plasticbench.baselines.gradient import Gradient
from plasticbench.learning.problem import Problem
from plasticbench.networks.connections import RandomConnections
from plasticbench.networks.neurons import AdaptiveLIF, ConductanceLIF
from plasticbench.networks.recordings import PopulationRate, PopulationSpikes
from plasticbench.networks.sources import PoissonProcess, PoissonSource
from plasticbench.networks.spiking import Population, SpikingNetwork, SpikingPathway
from plasticbench.rules import PathwayRule, Rule
from plasticbench.simulation.engine import EngineOptions, Measured, find_engine
from plasticbench.simulation.spiking.gradients import run_with_losses
from plasticbench.simulation.spiking.torch_engine import run_torch
from plasticbench.tasks.conditions import Uniform

MINI = plasticbench.task("InhibitoryBalanceMini-v0")


def conditions(low, high):
    return {"w_init": Uniform(low, high), "input_gain": Uniform(1.0, 1.0)}


SHORT = dataclasses.replace(MINI, life_s=0.05, scored_share=0.8, conditions=conditions(0.1, 0.4))
SEEDS = (1, 2)


def rule_of(events, traces, **parameters):
    return Rule(name="test", reference="a test", pathways={"ie": PathwayRule.make(events, parameters, traces)})


def rich(eta, kappa, delta, gamma=1.0):
    """A rule that reads all it can and clips; a negative gamma makes it not a number."""
    return rule_of(
        {
            "on_pre": "eta * (max(w, 0.2) * x_post * (1 + x_post2) - relu(w - 0.2) * w**1.5 - delta * x_pre2 - 0.05)",
            "on_post": "eta * (x_pre * (1 + kappa * x_post2) - abs(w - 0.3) * sqrt(gamma + x_pre2))",
        },
        {"x_pre": "tau", "x_post": "tau", "x_pre2": "tau_slow", "x_post2": 0.05},
        eta=eta, kappa=kappa, delta=delta, gamma=gamma, tau=0.01, tau_slow=0.04,
    )  # fmt: skip


# A time constant so short that the trace's unit is renewed within the life.
DOUBLETS = [
    doublet(tau_pre=0.02, tau_post=0.03, alpha=-0.3, beta=0.1, gamma=1.0, kappa=1.2),
    doublet(tau_pre=5e-4, tau_post=5e-4, alpha=-0.1, beta=-0.1, gamma=3.0, kappa=2.0, eta=0.1),
]


def leaves_of(task, rules):
    ((_, batch),) = task.group(rules)
    return dataclasses.replace(batch, parameters=tuple(p.clone().requires_grad_() for p in batch.parameters))


def gradient_of(task, rules, engine, seeds=SEEDS, **options):
    """Outcome, and the derivatives of each rule's summed losses by its parameters."""
    batch = leaves_of(task, rules)
    outcome = task.run(batch, seeds, engine, **options)
    weights = torch.linspace(1.0, 2.0, outcome.losses.numel(), dtype=torch.float64).reshape(outcome.losses.shape)
    return outcome, torch.autograd.grad((weights * outcome.losses).sum(), batch.parameters)[0]


@pytest.mark.parametrize(
    ("rules", "w_init", "w_max"),
    [
        (DOUBLETS, (0.1, 0.4), 20.0),
        ([rich(0.02, 2.0, 0.3), rich(0.05, -1.0, 0.1)], (0.1, 0.4), 20.0),
        # Clipped at both ends, and one life starts at w_max, where half of the gradient passes.
        ([rich(0.3, 2.0, 0.3), rich(0.1, -1.0, 1.0)], (0.3, 0.45), 0.35),
    ],
    ids=["doublet", "rich", "clipped"],
)
def test_losses_and_gradients_are_those_of_the_torch_engine(rules, w_init, w_max):
    task = dataclasses.replace(SHORT, conditions=conditions(*w_init), largest_weight=w_max)
    ours, gradient = gradient_of(task, rules, "cpu")
    theirs, expected = gradient_of(task, rules, "torch")
    assert ours.losses.shape == (2, 2)
    assert float(ours.metrics["rate_hz"].min()) > 20  # several spikes in each life
    np.testing.assert_allclose(ours.losses.detach(), theirs.losses.detach(), rtol=1e-12)
    for name, values in theirs.metrics.items():
        np.testing.assert_allclose(ours.metrics[name], values, rtol=1e-6)
    assert bool((expected != 0).any(0).all())
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-9 * float(expected.abs().max()))


def feedforward(neuron=None):
    """Two populations; the first hears two plastic pathways of different rules, delays and receptors."""
    source = PoissonSource("in", 40, (PoissonProcess(0, 20, 40.0), PoissonProcess(20, 20, 60.0)))
    everyone = RandomConnections(0.6)
    return SpikingNetwork(
        (Population("e", 6, neuron or ConductanceLIF()), Population("i", 3, ConductanceLIF())),
        (source,),
        (
            SpikingPathway("plain", "in", "i", "exc", everyone, 0.3),
            SpikingPathway("ee", "in", "e", "exc", everyone, 0.25, True, 0.5, 1.5, delay_steps=3),
            SpikingPathway("ie", "in", "e", "inh", everyone, 0.2, True, 1.0, delay_steps=12),
            SpikingPathway("ii", "in", "i", "inh", everyone, 0.2, True, 1.0),
        ),
    )


def test_several_plastic_pathways_and_a_loss_of_rates():
    network = feedforward()
    life = life_of(network, 600, tau_rate_s=0.02, plastic_until_step=500)
    slow = {"x_pre": 0.02, "x_post": "tau"}
    rule = Rule(
        name="test",
        reference="a test",
        pathways={
            "ee": PathwayRule.make({"on_pre": "eta * (0.2 - x_post)"}, {"eta": 0.05, "tau": 0.02}, slow),
            "ie": PathwayRule.make({"on_post": "eta * (x_pre - w)"}, {"eta": 0.1, "tau": 0.01}, slow),
        },
    )
    batch = batch_of(network, rule)
    leaves = tuple(p.clone().requires_grad_() for p in batch.parameters)
    generator = torch.Generator().manual_seed(0)
    of_rates, of_spikes = (torch.randn(600, generator=generator, dtype=torch.float64) for _ in range(2))
    rate, spikes = (next(r for r in life.recordings if isinstance(r, k)) for k in (PopulationRate, PopulationSpikes))
    found = []

    def measure(recordings, lives):
        loss = (recordings[rate] * of_rates + recordings[spikes] * of_spikes).sum(-1)
        found.append(recordings[spikes].detach().numpy())
        return Measured(loss, recordings.blown_up, {}, loss.detach())

    loss = run_torch([life], dataclasses.replace(batch, parameters=leaves), measure).losses
    expected = torch.cat(torch.autograd.grad(loss.sum(), leaves, materialize_grads=True, allow_unused=True), 1)[0]
    own = tuple(p.clone().requires_grad_() for p in batch.parameters)
    losses = run_with_losses([life], dataclasses.replace(batch, parameters=own), measure, 1)[0].losses
    gradient = torch.cat(torch.autograd.grad(losses.sum(), own), 1)[0]
    assert found[1].sum() > 10
    np.testing.assert_array_equal(*found)
    assert int((expected != 0).sum()) >= 3
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-9 * float(expected.abs().max()))


def test_a_life_that_blows_up_has_its_loss_and_no_gradient():
    batch = leaves_of(SHORT, [rich(0.02, 2.0, 0.3, gamma=-1.0), rich(0.02, 2.0, 0.3)])
    outcome = SHORT.run(batch, SEEDS, "cpu")
    outcome.losses.sum().backward()
    assert outcome.blown_up.tolist() == [[True, True], [False, False]]
    low, high = SHORT.blow_up_losses()
    assert bool(((outcome.losses[0] > low) & (outcome.losses[0] <= high)).all())
    assert bool((batch.parameters[0].grad[0] == 0).all())
    assert bool((batch.parameters[0].grad[1] != 0).all())


def test_bits_depend_neither_on_the_run_nor_on_threads():
    runs = [gradient_of(SHORT, DOUBLETS, "cpu", threads=threads, metrics=False) for threads in (1, 1, 4)]
    for outcome, gradient in runs[1:]:
        assert torch.equal(outcome.losses, runs[0][0].losses)
        assert torch.equal(gradient, runs[0][1])


def test_without_a_gradient_asked_for_the_plain_life_is_lived():
    task = dataclasses.replace(SHORT, life_s=0.3)
    plain = task.losses(DOUBLETS, SEEDS, "cpu")
    with torch.no_grad():
        assert torch.equal(task.losses(leaves_of(task, DOUBLETS), SEEDS), plain)
    attached = task.losses(leaves_of(task, DOUBLETS), SEEDS)
    assert attached.requires_grad
    assert not plain.requires_grad
    # The plain life is in single precision: over a short life its spikes are the same, or nearly.
    np.testing.assert_allclose(attached.detach(), plain, rtol=0.2)


@pytest.mark.parametrize("task_id", ["InhibitoryBalanceMini-v0", "StabilityIEMini-v0", "OjaMini-v0"])
def test_auto_chooses_an_engine_that_gives_gradients_where_they_are_wanted(task_id):
    task = plasticbench.task(task_id).shortened()
    batch = leaves_of(task, task.reference_rule)
    outcome = task.run(batch, [0])
    assert outcome.losses.requires_grad or "Stability" in task_id  # where no plastic synapse is used in time
    assert outcome.engine == ("cpu" if "Inhibitory" in task_id else "torch")
    if outcome.engine == "torch":
        with pytest.raises(plasticbench.PlasticbenchError, match="gradients"):
            task.run(batch, [0], "cpu")


def test_another_neuron_model_has_its_own_derivatives():
    network = feedforward(AdaptiveLIF(v_threshold=-0.065))
    life, batch = life_of(network, 300), batch_of(network, doublet(eta=0.05, gamma=1.0, kappa=1.0))
    rate = life.recordings[0]

    def measure(recordings, lives):
        loss = recordings[rate].mean(-1)
        return Measured(loss, recordings.blown_up, {}, loss.detach())

    found = []
    for runs in (run_torch, lambda *given: run_with_losses(*given, 1)[0]):
        leaves = tuple(p.clone().requires_grad_() for p in batch.parameters)
        losses = runs([life], dataclasses.replace(batch, parameters=leaves), measure).losses
        grads = torch.autograd.grad(losses.sum(), leaves, allow_unused=True, materialize_grads=True)
        found.append(torch.cat(grads, 1)[0])
    assert int((found[0] != 0).sum()) >= 3
    np.testing.assert_allclose(*found, rtol=1e-6, atol=1e-9 * float(found[0].abs().max()))


def test_recurrent_networks_have_no_compiled_derivatives():
    network = small_network()
    with pytest.raises(plasticbench.PlasticbenchError, match="choose torch"):
        find_engine("cpu", [life_of(network, 10)], batch_of(network, doublet()), EngineOptions(gradients=True))


def test_the_gradient_learner_lowers_the_loss_of_a_spiking_task():
    task = dataclasses.replace(MINI, life_s=1.0)
    problem = Problem(task, task.make_family("doublet", eta=0.1), budget=60)
    start = problem.family.rule(problem.family.initial(0))
    found = Gradient(learning_rate=0.1, lifetimes=4).learn(problem)
    before, after = task.losses([start, found], range(8)).mean(1).tolist()
    assert after < before / 2
