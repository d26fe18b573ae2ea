"""A rule called on an observation does at every synapse what the engines do at one."""

import numpy as np
import pytest
import torch

from plasticbench.rules import PathwayRule, Rule, RuleError, load_rule


def test_oja_on_a_batch_of_presentations():
    generator = np.random.default_rng(0)
    pre, post = generator.normal(size=(10, 1, 3)), generator.normal(size=(10, 2, 1))
    w = generator.normal(size=(2, 3))
    action = load_rule("oja")({"ff": {"pre": pre, "post": post, "w": w, "m": np.zeros(())}})["ff"]
    np.testing.assert_allclose(action, 0.1 * (pre * post - post**2 * w), rtol=1e-12)


def spikes(**changed):
    """Four synapses: no spike, presynaptic, postsynaptic, both."""
    found = {
        "w": [0.5, 0.5, 0.5, 0.5],
        "x_pre": [0.2] * 4,
        "x_post": [0.3] * 4,
        "pre_spike": [0, 1, 0, 1],
        "post_spike": [0, 0, 1, 1],
        "w_max": 1.0,
    }
    return {"ie": {name: np.array(value, float) for name, value in {**found, **changed}.items()}}


def spiking(on_pre="0", on_post="0"):
    taus = {"x_pre": 0.02, "x_post": 0.02}
    return Rule("probe", {"ie": PathwayRule.make({"on_pre": on_pre, "on_post": on_post}, {}, taus)})


def test_events_act_only_where_their_spikes_are():
    action = spiking("x_post", "-x_pre")(spikes())["ie"]
    np.testing.assert_allclose(action, [0.0, 0.3, -0.2, 0.1])


def test_the_weight_is_clipped_after_each_event():
    action = spiking("5", "-0.25")(spikes())["ie"]
    np.testing.assert_allclose(action, [0.0, 0.5, -0.25, 0.25])
    action = spiking("-5", "0.25")(spikes())["ie"]
    np.testing.assert_allclose(action, [0.0, -0.5, 0.25, -0.25])


def test_on_post_sees_the_weight_that_on_pre_left():
    action = spiking("0.1", "w")(spikes())["ie"]
    np.testing.assert_allclose(action, [0.0, 0.1, 0.5, 0.5])
    action = spiking("-0.1", "-w")(spikes())["ie"]
    np.testing.assert_allclose(action, [0.0, -0.1, -0.5, -0.5])


def test_a_change_that_is_not_a_number_stays_at_its_synapse():
    action = spiking("log(w - 1)", "0")(spikes())["ie"]
    assert np.isnan(action).tolist() == [False, True, False, True]


def test_a_torch_observation_is_differentiable():
    w = torch.full((2, 3), 0.5, requires_grad=True)
    load_rule("oja")({"ff": {"pre": torch.ones(1, 3), "post": torch.ones(2, 1), "w": w}})["ff"].sum().backward()
    torch.testing.assert_close(w.grad, torch.full((2, 3), -0.1))


def test_read_only_observations_are_accepted():
    states = {"pre": np.ones((1, 3)), "post": np.ones((2, 1)), "w": np.ones((2, 3))}
    for value in states.values():
        value.flags.writeable = False
    assert load_rule("hebb")({"ff": states})["ff"].flags.writeable


def test_an_observation_that_lacks_something_is_named():
    with pytest.raises(RuleError, match="unknown pathway 'ff'; on offer: ie"):
        load_rule("oja")(spikes())
    with pytest.raises(RuleError, match="unknown variable 'x_pre'; on offer"):
        load_rule("vogels-2011")({"ie": {"w": np.ones(3), "x_post": np.ones(3)}})
    states = spikes()["ie"]
    silent = {"ie": {name: states[name] for name in ("w", "x_pre", "x_post", "w_max")}}
    with pytest.raises(RuleError, match="lacks post_spike, pre_spike"):
        load_rule("vogels-2011")(silent)
