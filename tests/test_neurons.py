"""Every neuron model is one physics: compiled, in torch, in derivatives, and as its equations say in scalars."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from neuron_cases import DRIVEN, DT_S, Compiled, ExponentialIF, InTorch, arrivals_of
from spiking_cases import batch_of, doublet, life_of, run, small_network
from test_spiking_sensitivity import feedforward

from plasticbench.errors import PlasticbenchError
from plasticbench.networks import neurons
from plasticbench.networks.neurons import AdaptiveLIF, ConductanceLIF, EscapeLIF, MovingThresholdLIF, NeuronModel
from plasticbench.simulation.engine import Measured
from plasticbench.simulation.spiking.gradients import run_with_losses
from plasticbench.simulation.spiking.neuron_source import NOT_A_NUMBER
from plasticbench.simulation.spiking.torch_engine import run_torch

models = pytest.mark.parametrize(("model", "jump"), DRIVEN, ids=lambda x: type(x).__name__)


def test_every_shipped_threshold_model_is_tested_here():
    shipped = {getattr(neurons, name) for name in neurons.__all__} - {NeuronModel}
    assert {kind for kind in shipped if getattr(kind, "hazard_hz", None) is None} <= {type(m) for m, _ in DRIVEN}


@models
def test_compiled_and_torch_give_the_same_spikes_and_states(model, jump):
    size, n_steps, n_spikes = 37, 3000, 0
    ours, theirs = Compiled(model, size, np.float64), InTorch(model, size)
    for t, arrivals in enumerate(arrivals_of(model, size, n_steps, jump)):
        spikes = ours.step(t)
        np.testing.assert_array_equal(spikes, theirs.step(t))
        n_spikes += len(spikes)
        ours.add(arrivals)
        theirs.add(arrivals)
        if t % 50 == 0:
            for name, values in theirs.values.items():
                np.testing.assert_allclose(ours.values[name], values, rtol=1e-9, atol=1e-15, err_msg=name)
    assert n_spikes > size


# ---------------------------------------------------------------- what the sources say, in scalars


class HandWrittenLIF:
    """The step of ConductanceLIF as it was written by hand before models were equations, in single precision."""

    def __init__(self, model, size):
        one = np.float32
        self.step, self.rest, self.threshold = one(DT_S / model.tau_membrane_s), one(model.v_rest), model.v_threshold
        self.e_exc, self.e_inh = one(model.e_exc), one(model.e_inh)
        self.decay_exc, self.decay_inh = (one(math.exp(-DT_S / tau)) for tau in (model.tau_exc_s, model.tau_inh_s))
        self.n_held = round(model.refractory_s / DT_S)
        self.v, self.g_exc, self.g_inh = (np.full(size, x, one) for x in (model.v_rest, 0, 0))
        self.ready = np.zeros(size, int)

    def advance(self, t):
        u, ge, gi = self.v, self.g_exc, self.g_inh
        u = u + self.step * ((self.rest - u) - ge * (u - self.e_exc) - gi * (u - self.e_inh))
        self.v = np.where(self.ready <= t, u, self.rest)
        self.g_exc, self.g_inh = ge * self.decay_exc, gi * self.decay_inh
        if t & 255 == 0:
            for g in (self.g_exc, self.g_inh):
                g[~(g > np.float32(1e-30))] = 0
        fired = ~(self.v <= np.float32(self.threshold))
        self.v[fired], self.ready[fired] = self.rest, t + self.n_held + 1
        return np.flatnonzero(fired)


def test_conductance_lif_has_the_bits_of_the_hand_written_step():
    model, size = ConductanceLIF(), 137
    ours, theirs = Compiled(model, size, np.float32), HandWrittenLIF(model, size)
    for t, arrivals in enumerate(arrivals_of(model, size, 3000, 0.4)):
        np.testing.assert_array_equal(ours.step(t), theirs.advance(t))
        for name in model.state:
            assert np.array_equal(ours.values[name], getattr(theirs, name)), (t, name)
        ours.add(arrivals)
        theirs.g_exc = theirs.g_exc + arrivals[0].astype(np.float32)
        theirs.g_inh = theirs.g_inh + arrivals[1].astype(np.float32)


def moving_threshold_step(s):
    """IF: currents of the last step's conductances, NMDA with m = 1 - exp(-dt/tau), then decay."""
    i_exc = -(0.3 / 1.3 * s["g_exc"] + 1 / 1.3 * s["g_nmda"]) * s["v"]
    i_inh = s["g_inh"] * (s["v"] + 0.08)
    m = 1 - math.exp(-DT_S / 0.1)
    s["g_nmda"] = (s["g_nmda"] + m * s["g_exc"]) * (1 - m)
    s["g_exc"] *= math.exp(-DT_S / 0.005)
    s["g_inh"] *= math.exp(-DT_S / 0.01)
    s["excess"] *= math.exp(-DT_S / 0.005)
    s["v"] = min(max(s["v"] + DT_S / 0.02 * (i_exc - i_inh - (s["v"] + 0.07)), -0.08), 0.0)
    fired = s["v"] > -0.05 + s["excess"]
    if fired:
        s["v"], s["excess"] = -0.07, 0.1
    return fired


def adaptive_step(s):
    """CVAIF: decay first, NMDA with m = dt/tau, then currents, the inhibitory one with adaptation; filters last."""
    s["g_exc"] *= math.exp(-DT_S / 0.005)
    s["g_inh"] *= math.exp(-DT_S / 0.01)
    s["g_adaptation"] *= math.exp(-DT_S / 0.1)
    m = DT_S / 0.1
    s["g_nmda"] = (s["g_nmda"] + m * s["g_exc"]) * (1 - m)
    i_exc = -(0.3 / 1.3 * s["g_exc"] + 1 / 1.3 * s["g_nmda"]) * s["v"]
    i_inh = (s["g_inh"] + s["g_adaptation"]) * (s["v"] + 0.08)
    s["excess"] *= math.exp(-DT_S / 0.005)
    s["v"] = min(max(s["v"] + DT_S / 0.02 * (i_exc - i_inh - (s["v"] + 0.07)), -0.08), 0.0)
    for name, signal, tau_s in (("v_trace", s["v"], 0.1), ("c_exc", i_exc, 0.01), ("c_inh", i_inh, 0.1)):
        s[name] = (s[name] + DT_S / tau_s * signal) * (1 - DT_S / tau_s)
    fired = s["v"] > -0.05 + s["excess"]
    if fired:
        s["v"], s["excess"], s["g_adaptation"] = -0.07, 0.1, s["g_adaptation"] + 0.1
    return fired


@pytest.mark.parametrize(
    ("model", "step"), [(MovingThresholdLIF(), moving_threshold_step), (AdaptiveLIF(), adaptive_step)]
)
def test_the_two_published_orders_are_followed(model, step):
    ours, n_spikes = Compiled(model, 1, np.float64), 0
    s = {**dict.fromkeys(model.state, 0.0), "v": -0.07, "v_trace": -0.07}
    for t, arrivals in enumerate(arrivals_of(model, 1, 10_000, 1.5, seed=2)):
        spikes = ours.step(t)
        assert len(spikes) == step(s), t
        n_spikes += len(spikes)
        for name in model.state:
            assert ours.values[name][0] == pytest.approx(s[name], rel=1e-9, abs=1e-14), (t, name)
        ours.add(arrivals)
        s["g_exc"] += arrivals[0, 0]
        s["g_inh"] += arrivals[1, 0]
    assert n_spikes > 10


# ---------------------------------------------------------------- numbers that are none, or hardly any


@models
def test_what_decays_never_stays_denormal(model, jump):
    ours = Compiled(model, 8, np.float32)
    decaying = [name for name in model.decaying if name not in ("v_trace", "c_exc", "c_inh")]
    for name in decaying:
        ours.values[name][:] = np.float32(1e-35)
    ours.step(256)
    assert all((ours.values[name] == 0).all() for name in decaying)
    assert {"v_trace", "c_exc", "c_inh"} & set(model.state) <= set(model.decaying)


@models
def test_a_conductance_that_is_not_a_number_is_not_made_zero(model, jump):
    ours = Compiled(model, 8, np.float64)
    state = model.receptors["exc"]
    ours.values[state][3] = np.nan
    assert ours.step(256) == NOT_A_NUMBER
    assert np.isnan(ours.values[state][3])


def test_a_voltage_that_is_not_a_number_spikes_in_torch_as_it_does_compiled():
    theirs = InTorch(ConductanceLIF(), 4)
    theirs.neurons.values["v"][0, 0, 2] = math.nan
    assert theirs.step(0).tolist() == [2]


# ---------------------------------------------------------------- models of one's own


def declared(**changed):
    """ConductanceLIF with other declarations."""
    return dataclasses.dataclass(frozen=True)(type("Own", (ConductanceLIF,), changed))


NAMES = {
    "field_v": ({"__annotations__": {"g_exc": "float"}, "g_exc": 1.0}, "'g_exc' is a field"),
    "derived": ({"derived": {**ConductanceLIF.derived, "v_rest": "1"}}, "'v_rest' is a field"),
    "state": ({"state": {**ConductanceLIF.state, "step": "0"}}, "'step' is a derived"),
    "updates": ({"updates": (("e_inh", "v"), *ConductanceLIF.updates)}, "'e_inh' is a field"),
    "dt_s": ({"state": {**ConductanceLIF.state, "dt_s": "0"}}, "'dt_s' is a constant"),
    "identifier": ({"state": {**ConductanceLIF.state, "x;y": "0"}}, "'x;y' is no name"),
    "keyword": ({"updates": (("while", "v"), *ConductanceLIF.updates)}, "'while' is no name"),
    "at_spike": (
        {"updates": (("drop", "v"), *ConductanceLIF.updates), "at_spike": {"v": "drop"}},
        r"at_spike\.v.*drop",
    ),
}


@pytest.mark.parametrize(("changed", "words"), NAMES.values(), ids=NAMES)
def test_a_name_that_means_two_things_is_an_error_when_the_model_is_made(changed, words):
    with pytest.raises(PlasticbenchError, match=words):
        declared(**changed)()


def test_names_of_a_model_never_clash_with_those_of_generated_code():
    """Names that generated code uses itself mean the same as any other name."""
    taken = ("spike", "frame", "math", "np", "i8", "s_v", "t_v", "c_step", "x_v", "d_v", "r_v", "threshold", "step")

    @dataclasses.dataclass(frozen=True)
    class Taken(ConductanceLIF):
        frame: float = 2.0
        np: float = 3.0
        derived = {**ConductanceLIF.derived, "math": "frame * np"}  # noqa: RUF012
        state = {**ConductanceLIF.state, **{n: "0" for n in taken if n not in ("frame", "np", "math", "step")}}  # noqa: RUF012
        updates = (
            *ConductanceLIF.updates, ("i8", "i8 + math"), ("s_v", "s_v + i8"), ("x_v", "s_v - math"), ("d_v", "x_v"),
            ("spike", "spike + 1"), ("t_v", "v + 0"),
        )  # fmt: skip
        at_spike = {"v": "v_rest", "r_v": "r_v + math", "threshold": "t_v"}  # noqa: RUF012

    size = 16
    ours, theirs, plain = Compiled(Taken(), size, np.float64), InTorch(Taken(), size), InTorch(ConductanceLIF(), size)
    for t, arrivals in enumerate(arrivals_of(Taken(), size, 1500, 0.4)):
        spikes = ours.step(t)
        np.testing.assert_array_equal(spikes, theirs.step(t))
        np.testing.assert_array_equal(spikes, plain.step(t))
        for population in (ours, theirs, plain):
            population.add(arrivals)
    assert ours.values["i8"][0] == 1500 * 6
    assert ours.values["r_v"].max() > 0
    for name, values in theirs.values.items():
        np.testing.assert_allclose(ours.values[name], values, rtol=1e-9, atol=1e-15, err_msg=name)
    agree_on_derivatives(Taken())


def test_a_subclass_is_simulated_as_itself():
    @dataclasses.dataclass(frozen=True)
    class Leaky(ConductanceLIF):
        tau_membrane_s: float = 0.01

    @dataclasses.dataclass(frozen=True)
    class Eager(ConductanceLIF):
        threshold = "v_threshold - 0.003"

    rasters = [
        run(life_of(small_network(neuron=kind()), 2000), doublet())[0].spikes.tolist()
        for kind in (ConductanceLIF, Leaky, Eager)
    ]
    assert rasters[0] != rasters[1] != rasters[2] != rasters[0]


def test_rules_may_read_the_voltage_of_every_model():
    for model, _ in DRIVEN:
        assert model.reads["u"] == "v"
        assert "u" in model.variables
    assert EscapeLIF().reads == {"u": "v", "phi": "phi"}
    assert AdaptiveLIF().reads["v"] == "v_trace"


# ---------------------------------------------------------------- derivatives


def agree_on_derivatives(model):
    """Gradients of a rate by a rule's numbers, compiled and through torch."""
    network = feedforward(model)
    life, batch = life_of(network, 300), batch_of(network, doublet(eta=0.05, gamma=1.0, kappa=1.0))
    rate, found = life.recordings[0], []

    def measure(recordings, lives):
        loss = recordings[rate].mean(-1)
        return Measured(loss, recordings.blown_up, {}, loss.detach())

    for runs in (run_torch, lambda *given: run_with_losses(*given, 1)[0]):
        leaves = tuple(p.clone().requires_grad_() for p in batch.parameters)
        losses = runs([life], dataclasses.replace(batch, parameters=leaves), measure).losses
        grads = torch.autograd.grad(losses.sum(), leaves, allow_unused=True, materialize_grads=True)
        found.append(torch.cat(grads, 1)[0])
    assert int((found[0] != 0).sum()) >= 3
    np.testing.assert_allclose(*found, rtol=1e-6, atol=1e-9 * float(found[0].abs().max()))


LOW = [
    ConductanceLIF(), MovingThresholdLIF(v_threshold=-0.065), AdaptiveLIF(v_threshold=-0.065),
    ExponentialIF(tau_syn_s=0.001, v_peak=-0.05),
]  # fmt: skip


@pytest.mark.parametrize("model", LOW, ids=lambda x: type(x).__name__)
def test_compiled_derivatives_are_those_of_torch(model):
    agree_on_derivatives(model)
