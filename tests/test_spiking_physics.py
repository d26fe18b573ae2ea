"""What the spiking simulator must do by arithmetic: order within a step, input statistics, drift of weights."""

import math

import numba
import numpy as np
import pytest
from spiking_cases import doublet, life_of, run, small_network

from plasticbench.errors import PlasticbenchError
from plasticbench.networks.connections import RandomConnections, ReceptiveFields
from plasticbench.networks.neurons import AdaptiveLIF, ConductanceLIF
from plasticbench.networks.sources import ModulatedSource, PoissonProcess, PoissonSource
from plasticbench.networks.spiking import Population, SpikingNetwork, SpikingPathway
from plasticbench.simulation.pointers import call_step
from plasticbench.simulation.spiking.inputs import draw_steps, input_processes, input_state
from plasticbench.simulation.spiking.neuron_source import NOT_A_NUMBER
from plasticbench.simulation.spiking.neurons import neuron_state, population_steps, state_views
from plasticbench.simulation.spiking.state import make_ring
from plasticbench.simulation.spiking.wiring import draw_wiring

ALL = RandomConnections(1.0)
NULL = doublet()


def one_synapse(rate_hz, weight, w_max=100.0):
    return SpikingNetwork(
        (Population("e", 1, ConductanceLIF()),),
        (PoissonSource("in", 1, (PoissonProcess(0, 1, rate_hz),)),),
        (SpikingPathway("ie", "in", "e", "exc", ALL, weight, True, w_max),),
    )


@numba.njit
def _step(address, t, n, frame):
    return call_step(address, t, 0, n, frame)


def input_steps(network, seed, n_steps):
    return draw_steps(seed, 0, n_steps, input_processes(network), input_state(network))


def test_one_synapse_is_what_the_definition_says_step_by_step():
    """The order of operations, written down once more in scalars."""
    theta = {
        "tau_pre": 0.015,
        "tau_post": 0.03,
        "alpha": 0.2,
        "beta": -0.5,
        "gamma": 0.8,
        "kappa": -0.6,
        "eta": 0.5,
    }
    network, n_steps = one_synapse(60.0, 6.0, w_max=12.0), 20_000
    (record,) = run(life_of(network, n_steps, seed=3), doublet(**theta), dtype=np.float64)
    arrivals = set((input_steps(network, 3, n_steps)[0] + 8).tolist())
    v, g, w, ready, x_pre, x_post, spikes = -0.06, 0.0, 6.0, 0, 0.0, 0.0, []
    for t in range(n_steps):
        v = v + 0.005 * ((-0.06 - v) - g * v) if t >= ready else -0.06
        fired = v > -0.05
        if fired:
            v, ready = -0.06, t + 51
            spikes.append(t)
        g *= math.exp(-1e-4 / 0.005)
        arrived = t in arrivals
        if arrived:
            g += w
            w = min(max(w + 0.5 * (0.2 - 0.6 * x_post), 0.0), 12.0)
        if fired:
            w = min(max(w + 0.5 * (-0.5 + 0.8 * x_pre), 0.0), 12.0)
        x_pre = (x_pre + arrived) * math.exp(-1e-4 / 0.015)
        x_post = (x_post + fired) * math.exp(-1e-4 / 0.03)
    assert len(spikes) > 30
    assert record.spike_steps.tolist() == spikes
    assert record.weights["ie"][0] == pytest.approx(w, rel=1e-9)


def test_a_strong_input_spike_fires_the_neuron_nine_steps_later():
    network = one_synapse(5.0, 50.0)
    (record,) = run(life_of(network, 20_000), NULL)
    emitted = input_steps(network, 7, 20_000)[0]
    assert record.spike_steps[0] == emitted[0] + 9


def test_the_filtered_rate_starts_mid_band_and_decays():
    network = one_synapse(0.0, 1.0)
    (record,) = run(life_of(network, 70_000, allowed_rate_hz=(0.1, 100.0)), NULL)
    assert record.status == "blow-up"  # silence leaves the band
    assert record.n_steps_lived == math.ceil(10_000 * math.log(50.05 / 0.1))
    assert record.rates_hz[9_999] == pytest.approx(50.05 / math.e, rel=1e-5)


def test_poisson_inputs_have_their_rate_and_the_variance_of_poisson():
    process = (PoissonProcess(0, 400, 20.0), PoissonProcess(100, 50, 30.0, 5000, 15_000))
    network = SpikingNetwork((Population("e", 1, ConductanceLIF()),), (PoissonSource("in", 400, process),), ())
    steps, _, afferents = input_steps(network, 1, 20_000)
    counts = np.bincount(afferents, minlength=400)
    background = np.delete(counts, slice(100, 150))
    assert background.mean() == pytest.approx(40.0, abs=4 * math.sqrt(40 / 350))
    assert background.var() / background.mean() == pytest.approx(1.0, abs=0.3)
    assert counts[100:150].mean() == pytest.approx(70.0, abs=4 * math.sqrt(70 / 50))
    during = (steps >= 5000) & (steps < 15_000)
    assert during.mean() > 0.52
    per_step = np.bincount(steps, minlength=20_000)[:5000]
    assert per_step.var() / per_step.mean() == pytest.approx(1.0, abs=0.1)


def test_any_step_of_a_poisson_source_can_be_drawn_on_its_own():
    network = small_network()
    whole = np.stack(input_steps(network, 5, 2000))
    part = np.stack(draw_steps(5, 1200, 1300, input_processes(network), input_state(network)))
    assert np.array_equal(part, whole[:, (whole[0] >= 1200) & (whole[0] < 1300)])


@pytest.mark.parametrize("rate_hz", [0.5, 20.0, 1000.0])
def test_the_bound_that_spares_logarithms_changes_no_input_spike(rate_hz):
    source = PoissonSource("in", 40, (PoissonProcess(0, 40, rate_hz),))
    network = SpikingNetwork((Population("e", 1, ConductanceLIF()),), (source,), ())
    bounded = input_processes(network)
    assert 0.0 < bounded.row_none_below[0] < 1.0
    unbounded = bounded._replace(row_none_below=np.zeros(1))
    drawn = (draw_steps(6, 0, 20_000, p, input_state(network)) for p in (bounded, unbounded))
    assert np.array_equal(*map(np.stack, drawn))


@pytest.mark.parametrize("size", [1, 7, 8, 100, 128, 137, 263])
def test_a_neuron_fires_or_blows_up_wherever_it_lies(size):
    network = SpikingNetwork((Population("e", size, ConductanceLIF()),), (), ())
    for i in range(size):
        for voltage, found in ((-0.04, 1), (np.nan, NOT_A_NUMBER)):
            state, ring = neuron_state(network, np.float32), make_ring(network)
            compiled, v = population_steps(network, state, ring), state_views(network, state, 0)["v"]
            v[i] = voltage
            assert _step(compiled.addresses[0], 1, size, compiled.frames[0].ctypes.data) == found
            assert found != 1 or (ring.out[0] == i and v[i] == np.float32(-0.06))


def test_modulated_afferents_fire_at_37_hz_and_never_within_the_refractory_time():
    source = ModulatedSource("in", 1000, 8)
    network = SpikingNetwork((Population("e", 1, ConductanceLIF()),), (source,), ())
    steps, _, afferents = input_steps(network, 2, 200_000)
    assert 35.5 < len(steps) / 1000 / 20 < 39.0  # 37.3 Hz measured on the published script
    of_one = np.sort(steps[afferents == 17])
    assert np.diff(of_one).min() >= 50


@pytest.mark.parametrize("numbers", [{"alpha": 1.0}, {"beta": 1.0}, {"gamma": 1.0}, {"kappa": 1.0}])
def test_weights_drift_as_the_mean_field_says(numbers):
    """η(α r_pre + β r_post + (κ τ_post + γ τ_pre) r_pre r_post) for unrelated spikes (Confavreux et al. 2025)."""
    eta, tau_pre, tau_post = 1e-4, 0.02, 0.04
    network = SpikingNetwork(
        (Population("e", 40, ConductanceLIF()),),
        (
            PoissonSource("in", 100, (PoissonProcess(0, 100, 20.0),)),
            PoissonSource("drive", 40, (PoissonProcess(0, 40, 40.0),)),
        ),
        (
            SpikingPathway("drive", "drive", "e", "exc", RandomConnections(0.5), 1.5),
            SpikingPathway("ie", "in", "e", "exc", ALL, 1.0, True, 10.0, gain=0.0),
        ),
    )
    life_s = 20.0
    rule = doublet(tau_pre, tau_post, eta=eta, **numbers)
    (record,) = run(life_of(network, round(life_s * 1e4)), rule)
    r_pre, r_post = (record.spike_counts[name].mean() / life_s for name in ("in", "e"))
    n = {"alpha": 0.0, "beta": 0.0, "gamma": 0.0, "kappa": 0.0, **numbers}
    pairs = (n["kappa"] * tau_post + n["gamma"] * tau_pre) * r_pre * r_post
    expected = 1.0 + eta * life_s * (n["alpha"] * r_pre + n["beta"] * r_post + pairs)
    assert r_post > 5
    assert record.weights["ie"].mean() - 1.0 == pytest.approx(expected - 1.0, rel=0.03)


def test_wiring_has_its_density_no_self_connections_and_a_true_transpose():
    network = small_network(("ee",), n_exc=300, n_inh=100)
    wiring = draw_wiring(network, 4)
    pre, post = wiring.synapses(2, 300)
    assert len(pre) == pytest.approx(300 * 299 * 0.3, rel=0.03)
    assert not (pre == post).any()
    assert (np.diff(pre * 300 + post) > 0).all()  # sorted, each pair once
    columns = np.repeat(np.arange(300), np.diff(wiring.column_start))
    assert np.array_equal(pre[wiring.column_synapse], wiring.column_source)
    assert np.array_equal(post[wiring.column_synapse], columns)


def test_receptive_fields_reach_the_inputs_near_their_centre():
    network = SpikingNetwork(
        (Population("e", 200, ConductanceLIF()),),
        (PoissonSource("in", 5000, (PoissonProcess(0, 5000, 1.0),)),),
        (SpikingPathway("in_e", "in", "e", "exc", ReceptiveFields(70, 8.0), 0.1),),
    )
    pre, post = draw_wiring(network, 0).synapses(0, 5000)
    sizes = np.bincount(post, minlength=200)
    assert sizes.max() == 193  # grid points nearer than 8
    for neuron in range(0, 200, 17):
        heard = pre[post == neuron]
        x, y = heard // 70, heard % 70
        assert x.max() - x.min() <= 14
        assert y.max() - y.min() <= 14


def test_an_adaptive_neuron_adapts_and_a_threshold_moves():
    def spikes(model):
        network = SpikingNetwork(
            (Population("e", 20, model),),
            (PoissonSource("in", 100, (PoissonProcess(0, 100, 50.0),)),),
            (SpikingPathway("ie", "in", "e", "exc", ALL, 0.02, True, 1.0),),
        )
        return run(life_of(network, 10_000), NULL)[0].spike_counts["e"].sum()

    assert 0 < spikes(AdaptiveLIF()) < 0.8 * spikes(AdaptiveLIF(adaptation_jump=0.0))


def test_impossible_networks_are_named():
    with pytest.raises(PlasticbenchError, match="tau_membrane_s"):
        ConductanceLIF(tau_membrane_s=0.0)
    with pytest.raises(PlasticbenchError, match="rate_hz"):
        PoissonSource("in", 5, (PoissonProcess(0, 5, float("nan")),))
    with pytest.raises(PlasticbenchError, match="probability"):
        RandomConnections(0.0)
    with pytest.raises(PlasticbenchError, match="w_max"):
        one_synapse(1.0, 1.0, w_max=float("inf"))
    with pytest.raises(PlasticbenchError, match="afferents"):
        PoissonSource("in", 5, (PoissonProcess(3, 5, 1.0),))
