"""One environment at its edges: lives cut off, actions that are none, copies, policies of another precision."""

import copy
import pickle

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.wrappers import TimeLimit

import plasticbench
from plasticbench.errors import PlasticbenchError
from plasticbench.stepping.env import PlasticityEnv

SOME = ["plasticbench/OjaMini-v0", "plasticbench/ContinualFamiliarityMini-v0", "plasticbench/StabilityEEMini-v0"]


def limited(task_id, by_hand):
    if by_hand:
        return TimeLimit(gymnasium.make(task_id), 5)
    return gymnasium.make(task_id, max_episode_steps=5)


@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize("task_id", SOME)
def test_a_life_cut_off_loses_more_than_any_rule(task_id, by_hand):
    env = limited(task_id, by_hand)
    rule = plasticbench.load_rule(env.unwrapped.task.reference_rule)
    seen, _ = env.reset(seed=0)
    total, truncated = 0.0, False
    while not truncated:
        seen, reward, terminated, truncated, info = env.step(rule(seen))
        assert not terminated
        total += reward
        assert total == pytest.approx(-info["loss"], rel=1e-12)
    task = env.unwrapped.task
    assert info["status"] == "unfinished"
    assert set(info) == {"loss", "score", "status", "conditions", "metrics"}
    assert info["loss"] >= task.blow_up_loss(1.0) > max(task.null_loss, task.reference_loss)
    assert info["score"] == task.score(info["loss"])


@pytest.mark.parametrize("task_id", SOME[:2])
def test_what_is_charged_in_advance_is_given_back(task_id):
    """The return of a whole life is minus its loss, however large the blow-up's."""
    task = plasticbench.task(task_id).shortened()
    env = PlasticityEnv(task)
    rule = plasticbench.load_rule(task.reference_rule)
    seen, _ = env.reset(seed=1)
    total, over = 0.0, False
    while not over:
        seen, reward, over, _, info = env.step(rule(seen))
        total += reward
    assert total == pytest.approx(-info["loss"], rel=1e-12)
    assert info["status"] == "ok"


ACTIONS = [
    (np.zeros((1, 16)), r"action: an array of shape \(1, 16\); give an object by pathway, {'ff': Δw of shape"),
    (torch.zeros(3), r"action: a tensor of shape \(3,\); give an object"),
    (None, "action: NoneType None; give an object"),
    ("left", "action: str 'left'; give an object"),
    (0, "action: int 0; give an object"),
    ([0.1, 0.2], r"action: list \[0.1, 0.2\]; give an object"),
    ({"ff": None}, r"action\.ff: NoneType None; give real numbers that broadcast against \(1, "),
    ({"ff": "0.1"}, r"action\.ff: str '0.1'; give real numbers"),
    ({"ff": [[1.0], [1.0, 2.0]]}, r"action\.ff: list .*; give real numbers"),
    ({"ff": np.array([{}])}, r"action\.ff: an array of shape \(1,\) and type object; give real numbers"),
    ({"ff": np.zeros(2, complex)}, r"action\.ff: an array of shape \(2,\) and type complex128; give real"),
    ({"ff": torch.zeros(2, dtype=torch.complex64)}, r"action\.ff: a tensor of shape \(2,\) and complex"),
    ({"ff": {"w": 1.0}}, r"action\.ff: dict {'w': 1.0}; give real numbers"),
    ({"ff": np.zeros(7)}, r"action\.ff: shape \(7,\) does not broadcast against \(1, "),
    ({"ee": 0.1}, r"action\.ee: no such plastic pathway; plasticbench/OjaMini-v0 has ff"),
]


@pytest.mark.parametrize(("action", "words"), ACTIONS)
def test_what_is_no_action_is_one_line_that_names_its_shape(action, words):
    env = gymnasium.make("plasticbench/OjaMini-v0", disable_env_checker=True)
    env.reset(seed=0)
    vector = gymnasium.make_vec("plasticbench/OjaMini-v0", num_envs=2)
    vector.reset(seed=0)
    for step in (env.step, vector.step):
        many = step == vector.step and "broadcast against" in words and "(7,)" in words.replace("\\", "")
        with pytest.raises(PlasticbenchError, match=words) as found:
            step({"ff": np.zeros((2, 7))} if many else action)
        assert "\n" not in str(found.value)
    with pytest.raises(PlasticbenchError, match=r"^action"):
        plasticbench.task("OjaMini-v0").losses(lambda observation: action, [0])


@pytest.mark.parametrize("task_id", [SOME[0], SOME[2]])
def test_a_gradient_is_refused_where_it_would_be_lost(task_id):
    env = PlasticityEnv(plasticbench.task(task_id).shortened())
    env.reset(seed=0)
    (name,) = env.action_space
    delta = torch.zeros(env.action_space[name].shape, requires_grad=True)
    with pytest.raises(PlasticbenchError, match=rf"action\.{name}: a tensor of shape .* carries a gradient"):
        env.step({name: delta})
    with torch.no_grad():
        env.step({name: delta})
    env.step({name: delta.detach()})


def pickled(env):
    return pickle.loads(pickle.dumps(env))  # noqa: S301  (this test's own)


@pytest.mark.parametrize("task_id", SOME)
@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
def test_a_copy_goes_on_alike(task_id, copied):
    env = gymnasium.make(task_id)
    rule = plasticbench.load_rule(env.unwrapped.task.reference_rule)
    seen, _ = env.reset(seed=1)
    for _ in range(5):
        seen, *_ = env.step(rule(seen))
    other, again = copied(env), seen
    for _ in range(5):
        seen, reward, *_ = env.step(rule(seen))
        again, same, *_ = other.step(rule(again))
        assert same == reward
    for pathway, variables in seen.items():
        for name, values in variables.items():
            assert np.array_equal(values, again[pathway][name]), name


def linear(dtype):
    torch.manual_seed(0)
    return torch.nn.Linear(2, 1, dtype=dtype)


def as_function(net):
    def policy(seen):
        pre, post = torch.broadcast_tensors(seen["ff"]["pre"], seen["ff"]["post"])
        return {"ff": 0.01 * net(torch.stack([pre, post], -1)).squeeze(-1)}

    return policy


class AsModule(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, seen):
        return as_function(self.net)(seen)


def test_a_policy_of_torchs_own_precision_is_a_policy():
    """A module, or a function around one; as nearly as float32 allows, the one of float64."""
    net = linear(torch.float32)
    task = plasticbench.task("OjaMini-v0")
    with torch.no_grad():
        single = [float(task.losses(make(net), [0])) for make in (AsModule, as_function)]
        double = float(task.losses(as_function(copy.deepcopy(net).double()), [0]))
    assert single[0] == single[1] == pytest.approx(double, rel=1e-3)


def test_another_error_of_a_policy_is_its_own():
    def policy(seen):
        raise RuntimeError("no dtype was ever to blame")

    with pytest.raises(RuntimeError, match="to blame"):
        plasticbench.task("OjaMini-v0").losses(policy, [0])
