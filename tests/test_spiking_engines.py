"""The torch engine and the cpu engine are one simulator: same wiring, same inputs, same spikes, same weights."""

import dataclasses

import numpy as np
import pytest
import torch
from spiking_cases import Keep, batch_of, doublet, life_of, run, run_on_torch, small_network

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.life import Life, Phase
from plasticbench.networks.neurons import AdaptiveLIF, ConductanceLIF, MovingThresholdLIF
from plasticbench.networks.recordings import FinalWeights, SpikeCounts, SpikeTrains, Weights
from plasticbench.rules import PathwayRule, Rule
from plasticbench.simulation.spiking.cpu_engine import run_cpu
from plasticbench.simulation.spiking.torch_engine import run_torch

VOGELS = doublet(alpha=-0.4, gamma=1.0, kappa=1.0)
CODEPENDENT = Rule(
    name="codependent",
    reference="a test",
    pathways={
        "*": PathwayRule.make(
            traces={"x_pre": 0.02, "x_post": 0.03, "x_pre2": 0.1, "x_post2": 0.2},
            events={
                "on_pre": "1e-3 * (1 + 15*v) * (1 + x_post2 - x_pre2) * (1 + c_exc)",
                "on_post": "1e-3 * (x_pre * x_post2 - w + 10*c_inh)",
            },
        )
    },
)


@pytest.mark.parametrize(
    ("plastic", "neuron", "rule", "n_steps"),
    [
        (("ie",), ConductanceLIF(), VOGELS, 10_000),
        (
            ("ee", "ei", "ie", "ii"),
            ConductanceLIF(),
            doublet(alpha=-0.2, beta=-0.1, gamma=0.5, kappa=0.3),
            3000,
        ),
        (("ee", "ie"), AdaptiveLIF(), CODEPENDENT, 3000),
        (("ee", "ie"), MovingThresholdLIF(), VOGELS, 3000),
    ],
)
def test_both_engines_emit_the_same_spikes(plastic, neuron, rule, n_steps):
    network = small_network(plastic, neuron, rate_hz=30.0)
    life = life_of(network, n_steps)
    (cpu,) = run(life, rule, dtype=np.float64)
    other = run_on_torch([life], batch_of(network, rule))[life.seed][0]
    assert cpu.spike_counts["e"].sum() > n_steps // 50  # or there would be nothing to compare
    assert np.array_equal(cpu.spikes, other.spikes)
    for name, counts in cpu.spike_counts.items():
        assert np.array_equal(counts, other.spike_counts[name]), name
    for name, w in cpu.weights.items():
        assert w.std() > 0
        np.testing.assert_allclose(w, other.weights[name], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(cpu.rates_hz, other.rates_hz, rtol=1e-6)


def test_single_precision_lives_nearly_the_same_life():
    life = life_of(small_network(), 10_000)
    (single,), (double,) = run(life, VOGELS), run(life, VOGELS, dtype=np.float64)
    assert single.spike_counts["e"].sum() == pytest.approx(
        double.spike_counts["e"].sum(), rel=0.1
    )  # chaos: one spike's rounding changes them all


def test_a_batch_of_lives_is_each_life_alone_on_torch():
    lives = [life_of(small_network(rate_hz=rate), n, seed=s) for rate, n, s in ((15.0, 300, 1), (25.0, 500, 2))]
    rules = batch_of(lives[0].network, VOGELS, doublet(alpha=-1.0, kappa=1.0))
    together = run_on_torch(lives, rules)
    for r in range(2):
        for s in range(2):
            seed = lives[s].seed
            alone = run_on_torch([lives[s]], rules.select([r]))[seed][0]
            one = together[seed][r]
            assert one.n_steps_lived == alone.n_steps_lived
            assert np.array_equal(one.spikes, alone.spikes)
            assert np.array_equal(one.weights["ie"], alone.weights["ie"])


def test_bits_depend_neither_on_threads_nor_on_the_batch():
    lives = [life_of(small_network(), 3000, seed=s) for s in range(3)]
    rules = batch_of(lives[0].network, VOGELS, doublet(alpha=-1.0, kappa=1.0))
    found = []
    for threads in (1, 3):
        keep = Keep()
        run_cpu(lives, rules, keep, threads=threads)
        found.append({s: sorted(r.weights["ie"].tobytes() for r in rows) for s, rows in keep.records().items()})
    assert found[0] == found[1]
    assert len({w for rows in found[0].values() for w in rows}) == 6


def test_plasticity_can_end_before_the_life():
    network = small_network()
    (stopped,) = run(life_of(network, 4000, plastic_until_step=2000), VOGELS)
    (short,) = run(life_of(network, 2000), VOGELS)
    assert np.array_equal(stopped.weights["ie"], short.weights["ie"])
    torch_life = run_on_torch([life_of(network, 600, plastic_until_step=300)], batch_of(network, VOGELS))[7][0]
    (short,) = run(life_of(network, 300), VOGELS, dtype=np.float64)
    np.testing.assert_allclose(torch_life.weights["ie"], short.weights["ie"], rtol=1e-9)


def test_torch_is_differentiable_in_the_rule_parameters():
    network = small_network(weights={"ie": 0.2})
    batch = batch_of(network, doublet(alpha=-0.5, gamma=1.0, kappa=1.0, eta=0.3))
    theta = batch.parameters[0].clone().requires_grad_()
    rules = type(batch)(batch.structure, (theta,), batch.arrays)
    life, keep = life_of(network, 400), Keep()
    run_torch([life], rules, keep)
    loss = keep.kept[0][0][life.recordings[0]].mean()
    (gradient,) = torch.autograd.grad(loss, theta)
    assert bool(torch.isfinite(gradient).all())
    alpha = batch.structure.pathways[0].parameters.index("alpha")
    assert float(gradient[0, alpha]) < 0  # more inhibition, less rate


def test_weights_over_time_spike_trains_and_counts_are_the_same_on_both_engines():
    network = small_network()
    phases = (Phase("early", 0, 250), Phase("late", 250, 500))
    kept = (
        Weights("ie", 0.005, phase="late"), Weights("ie", 0.0125, n=7), FinalWeights("ie"),
        SpikeTrains("i", 5, "late"), SpikeTrains("in", phase="early"), SpikeCounts("in", "late"),
    )  # fmt: skip
    life = Life(network, 3, 500, kept, phases=phases)
    batch, cpu, other = batch_of(network, VOGELS), Keep(), Keep()
    run_cpu([life], batch, cpu, dtype=np.float64)
    run_torch([life], batch, other)
    mine, theirs = cpu.kept[0][0], other.kept[0][0]
    assert mine[kept[0]].shape[2] == 6  # 250, 300, ..., 500
    assert mine[kept[1]].shape[2:] == (5, 7)
    assert mine[kept[0]][0, 0, -1].equal(mine[kept[2]][0, 0])
    for recording in kept[:3]:
        np.testing.assert_allclose(mine[recording], theirs[recording].detach(), rtol=1e-9)
    for recording in kept[3:5]:
        a, b = mine[recording][0][0], theirs[recording][0][0]
        assert len(a.steps) > 0
        assert np.array_equal(a.steps, b.steps)
        assert np.array_equal(a.neurons, b.neurons)
    assert torch.equal(mine[kept[5]], theirs[kept[5]])


def test_a_spike_log_is_never_cut_off():
    network = small_network(weights={"ee": 3.0}, plastic=("ie",))  # some 200 Hz
    life = Life(network, 3, 8000, (SpikeTrains("e"), SpikeCounts("e")))
    keep = Keep()
    run_cpu([life], batch_of(network, doublet()), keep)
    train, counts = keep.kept[0][0][life.recordings[0]][0][0], keep.kept[0][0][life.recordings[1]][0, 0]
    assert len(train.steps) == int(counts.sum()) > 8192
    assert np.array_equal(np.bincount(train.neurons, minlength=80), counts.numpy())


def test_lives_of_one_call_may_differ_in_all_numbers_on_torch():
    """Weights, constants and rates of the first life are not taken for all."""
    slow = small_network(neuron=ConductanceLIF(tau_membrane_s=0.03), rate_hz=15.0, weights={"ee": 0.02})
    lives = [life_of(small_network(rate_hz=30.0), 400, seed=1), life_of(slow, 400, seed=2)]
    batch = batch_of(lives[0].network, VOGELS)
    together = run_on_torch(lives, batch)
    for life in lives:
        (alone,) = run(life, VOGELS, dtype=np.float64)
        assert np.array_equal(together[life.seed][0].spikes, alone.spikes)


def test_lives_that_cannot_be_lived_side_by_side_are_refused_on_torch():
    other = dataclasses.replace(small_network(), dt_s=2e-4)
    lives = [life_of(small_network(), 10), life_of(other, 10)]
    with pytest.raises(PlasticbenchError, match="one by one"):
        run_on_torch(lives, batch_of(other, VOGELS))
