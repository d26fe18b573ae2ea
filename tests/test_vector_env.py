"""The native vector environment beside Gymnasium's: masks, its wrappers, and lives that began at other steps."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics

import plasticbench
from plasticbench.errors import PlasticbenchError
from plasticbench.simulation.threads import one_torch_thread
from plasticbench.stepping.vector_env import PlasticityVectorEnv

OJA = plasticbench.task("OjaMini-v0").shortened()
FAMILIARITY = plasticbench.task("ContinualFamiliarityMini-v0").shortened()
EE = plasticbench.task("StabilityEEMini-v0").shortened()


def blows_up(seen, at):
    """No change, but at these lifetimes a weight change that no network survives."""
    w = seen["ff"]["w"]
    return {"ff": torch.full_like(w, 1e3) * at.reshape(-1, *[1] * (w.dim() - 1))}


@pytest.mark.parametrize("task", [OJA, FAMILIARITY, EE], ids=lambda task: task.id)
def test_a_lifetime_that_begins_anew_is_that_of_its_seed_and_the_others_go_on(task):
    rule = plasticbench.load_rule(task.reference_rule)
    vector = PlasticityVectorEnv(task, num_envs=3)
    seen, _ = vector.reset(seed=5)
    returns, losses = torch.zeros(3, dtype=torch.float64), [None] * 3
    for step in range(10**6):
        if step == 7:
            before = seen
            seen, info = vector.reset(seed=[None, 21, None], options={"reset_mask": np.array([False, True, False])})
            returns[1] = 0.0
            assert info["seed"][1] == 21
            assert info["_seed"].tolist() == info["_conditions"].tolist() == [False, True, False]
            for pathway, variables in seen.items():
                for name, value in variables.items():
                    assert value[[0, 2]].equal(before[pathway][name][[0, 2]])
        with torch.no_grad(), one_torch_thread():
            seen, reward, over, _, infos = vector.step(rule(seen))
        returns += reward
        for i, final in enumerate(infos.get("final_info", ())):
            losses[i] = final["loss"] if final else losses[i]
        if bool(over.all()):
            break
    fused = task.losses(rule, [5, 21, 7])[0].tolist()
    assert losses == pytest.approx(fused, rel=1e-5, abs=1e-9)
    assert (-returns).tolist() == pytest.approx(losses, rel=1e-9, abs=1e-12)


def test_a_masked_reset_draws_as_a_whole_one_and_keeps_to_its_mask():
    vector = gymnasium.make_vec("plasticbench/OjaMini-v0", num_envs=3)
    assert vector.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    with pytest.raises(PlasticbenchError, match="no lifetimes yet"):
        vector.reset(options={"reset_mask": np.array([True, False, False])})
    vector.reset(seed=3)
    options = {"reset_mask": np.array([True, False, True])}
    assert vector.reset(seed=30, options=options)[1]["seed"].tolist() == [30, 0, 32]
    assert list(options) == ["reset_mask"]
    assert vector.reset(options=options)[1]["seed"].min() == 0
    for mask in (np.array([False] * 3), np.array([True]), np.array([1, 0, 1]), "yes"):
        with pytest.raises(PlasticbenchError, match=r"options\.reset_mask: shape .* give \(3,\) bool"):
            vector.reset(options={"reset_mask": mask})
    with pytest.raises(PlasticbenchError, match=r"options\.rule: with reset_mask"):
        vector.reset(options={**options, "rule": "oja"})
    with pytest.raises(PlasticbenchError, match="seed: 2 given for 3"):
        vector.reset(seed=[1, 2])


def test_an_ended_lifetime_begins_anew_while_another_goes_on():
    vector = PlasticityVectorEnv(OJA, num_envs=2)
    seen, _ = vector.reset(seed=0)
    seen, reward, over, _, infos = vector.step(blows_up(seen, torch.tensor([1.0, 0.0])))
    assert over.tolist() == [True, False]
    assert infos["final_info"][0]["status"] == "blow-up"
    assert infos["final_info"][1] is None
    assert float(reward[0]) == -infos["final_info"][0]["loss"]
    _, reward, over, _, infos = vector.step({})
    assert (over.tolist(), float(reward[0]), infos) == ([True, False], 0.0, {})
    vector.reset(seed=9, options={"reset_mask": over.numpy()})
    for step in range(2, OJA.n_steps + 2):
        *_, over, _, infos = vector.step({})
        assert over.tolist() == [step == OJA.n_steps + 1, step >= OJA.n_steps - 1]
    assert infos["final_info"][0]["status"] == "ok"


def test_gymnasiums_vector_wrappers_take_it_as_it_is():
    """Statistics of episodes and infos as lists, around torch tensors; a mask passes them all."""
    vector = gymnasium.make_vec("plasticbench/OjaMini-v0", num_envs=2)
    wrapped = DictInfoToList(RecordEpisodeStatistics(vector))
    rule = plasticbench.load_rule("oja")
    seen, infos = wrapped.reset(seed=3)
    assert [info["seed"] for info in infos] == [3, 4]
    over = torch.zeros(2, dtype=torch.bool)
    while not bool(over.all()):
        assert torch.is_tensor(seen["ff"]["w"])
        seen, reward, over, truncated, infos = wrapped.step(rule(seen))
        assert all(torch.is_tensor(each) for each in (reward, over, truncated))
    for info in infos:
        assert info["episode"]["r"] == pytest.approx(-info["final_info"]["loss"], rel=1e-9)
        assert info["episode"]["l"] == 200
    _, infos = wrapped.reset(options={"reset_mask": np.array([True, False])})
    assert "seed" in infos[0]
    assert infos[1] == {}
    assert wrapped.step({})[2].tolist() == [False, True]


def test_rewards_are_arrays_to_numpy_and_plain_tensors_to_torch():
    vector = PlasticityVectorEnv(OJA, num_envs=2)
    seen, _ = vector.reset(seed=0)
    rate = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    for _ in range(OJA.n_steps):
        see = seen["ff"]
        seen, reward, over, _, _ = vector.step({"ff": rate * see["post"] * (see["pre"] - see["post"] * see["w"])})
    assert reward.requires_grad
    assert type(reward + 1) is type(over | over) is torch.Tensor
    assert type(np.logical_not(over)) is type(np.add(reward, 1)) is np.ndarray
    total = np.zeros(2)
    total[[True, False]] += reward[np.array([True, False])]
    assert total[0] == reward[0].item() != 0
    (slope,) = torch.autograd.grad(reward.sum(), rate)
    assert float(slope) != 0


@pytest.mark.parametrize("device", ["nonsense", "meta", "cuda:99"])
def test_a_device_that_is_not_there_is_one_line(device):
    with pytest.raises(PlasticbenchError, match=f"device '{device}'"):
        gymnasium.make_vec("plasticbench/OjaMini-v0", num_envs=2, device=device)
