"""The torch engine and the cpu engine are one simulator: same wiring, same inputs, same spikes, same weights."""

import numpy as np
import pytest
import torch
from spiking_cases import batch_of, doublet, life_of, run, small_network

from plasticbench.networks.neurons import AdaptiveLIF, ConductanceLIF
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
    ],
)
def test_both_engines_emit_the_same_spikes(plastic, neuron, rule, n_steps):
    network = small_network(plastic, neuron, rate_hz=30.0)
    life = life_of(network, n_steps)
    (cpu,) = run(life, rule, dtype=np.float64)
    recording = run_torch([life], batch_of(network, rule))
    other = recording.records[0][0]
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
    together = run_torch(lives, rules)
    for r in range(2):
        for s in range(2):
            alone = run_torch([lives[s]], rules.select([r])).records[0][0]
            one = together.records[r][s]
            assert one.n_steps_lived == alone.n_steps_lived
            assert np.array_equal(one.spikes, alone.spikes)
            assert np.array_equal(one.weights["ie"], alone.weights["ie"])


def test_bits_depend_neither_on_threads_nor_on_the_batch():
    lives = [life_of(small_network(), 3000, seed=s) for s in range(3)]
    rules = batch_of(lives[0].network, VOGELS, doublet(alpha=-1.0, kappa=1.0))
    one, many = (
        run_cpu(lives, rules, lambda s, record: record.weights["ie"].tobytes(), threads=threads)[0]
        for threads in (1, 3)
    )
    assert one == many
    assert len({w for row in one for w in row}) == 6


def test_plasticity_can_end_before_the_life():
    network = small_network()
    (stopped,) = run(life_of(network, 4000, plastic_until_step=2000), VOGELS)
    (short,) = run(life_of(network, 2000), VOGELS)
    assert np.array_equal(stopped.weights["ie"], short.weights["ie"])
    torch_life = run_torch([life_of(network, 600, plastic_until_step=300)], batch_of(network, VOGELS))
    (short,) = run(life_of(network, 300), VOGELS, dtype=np.float64)
    np.testing.assert_allclose(torch_life.records[0][0].weights["ie"], short.weights["ie"], rtol=1e-9)


def test_torch_is_differentiable_in_the_rule_parameters():
    network = small_network(weights={"ie": 0.2})
    batch = batch_of(network, doublet(alpha=-0.5, gamma=1.0, kappa=1.0, eta=0.3))
    theta = batch.parameters[0].clone().requires_grad_()
    rules = type(batch)(batch.structure, (theta,), batch.arrays)
    loss = run_torch([life_of(network, 400)], rules).rates_hz.mean()
    (gradient,) = torch.autograd.grad(loss, theta)
    assert bool(torch.isfinite(gradient).all())
    alpha = batch.structure.pathways[0].parameters.index("alpha")
    assert float(gradient[0, alpha]) < 0  # more inhibition, less rate


def test_probes_see_the_same_state_on_both_engines():
    network = small_network()
    life = life_of(network, 500, probe_steps=(0, 250, 500))

    def probe(snapshot):
        return snapshot.step, snapshot.weights["ie"].copy(), snapshot.spike_counts["in"].copy()

    batch = batch_of(network, VOGELS)
    rows, _ = run_cpu([life], batch, lambda s, record: record.probes, probe=probe, dtype=np.float64)
    others = run_torch([life], batch, probe).records[0][0].probes
    assert [p[0] for p in rows[0][0]] == [p[0] for p in others] == [0, 250, 500]
    for mine, other in zip(rows[0][0], others, strict=True):
        np.testing.assert_allclose(mine[1], other[1], rtol=1e-9)
        assert np.array_equal(mine[2], other[2])
