"""One pathway as flat boxes: the same life, in the shapes that learners of other libraries take."""

import re
import runpy
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import plasticbench
from plasticbench.errors import PlasticbenchError
from plasticbench.stepping.env import PlasticityEnv

DOCS = Path(__file__).parents[1] / "docs"


def flat(name="OjaMini-v0", **options):
    return plasticbench.FlatPathway(PlasticityEnv(plasticbench.task(name).shortened()), **options)


@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version:UserWarning")  # it is a wrapper
def test_gymnasium_finds_nothing_wrong():
    check_env(flat(variables=("w", "post")), skip_render_check=True)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("OjaMini-v0", "oja"),
        ("OjaOnline-v0", "oja"),
        ("StabilityIEMini-v0", "vogels-2011"),
        ("SliceL5-v0", ""),
    ],
)
def test_the_life_is_the_one_of_the_environment_inside(name, rule):
    env = flat(name, scale=0.5)
    rule = plasticbench.load_rule(rule or env.unwrapped.task.reference_rule)
    inside = PlasticityEnv(plasticbench.task(name).shortened())
    seen, _ = inside.reset(seed=4)
    found, _ = env.reset(seed=4)
    for _ in range(4):
        assert found.dtype == np.float32
        assert env.observation_space.contains(found)
        assert found == pytest.approx(
            np.concatenate([np.ravel(seen[env.pathway][name]) for name in env.variables]), rel=1e-6
        )
        delta = np.broadcast_to(np.asarray(rule(seen)[env.pathway]), inside.action_space[env.pathway].shape)
        delta = delta.reshape(-1, *seen[env.pathway]["w"].shape).mean(0)
        seen, reward, *_ = inside.step({env.pathway: delta})
        found, same, *_ = env.step((delta / 0.5).ravel())
        assert same == pytest.approx(reward, rel=1e-9)


def test_a_flat_policy_is_judged_as_any_other():
    env = flat(variables=("w", "post"), scale=0.1)
    policy = env.policy(lambda seen: np.zeros((len(seen), 3)))
    task = env.unwrapped.task
    assert float(task.losses(policy, [1])[0, 0]) == pytest.approx(float(task.losses("null", [1])[0, 0]), rel=1e-9)
    pushed = env.policy(lambda seen: np.ones((len(seen), 3)))
    env.reset(seed=1)
    total, over = 0.0, False
    while not over:
        _, reward, over, _, _ = env.step(np.ones(3))
        total += reward
    assert float(task.losses(pushed, [1])[0, 0]) == pytest.approx(-total, rel=1e-9)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pathway": "fff"}, "pathway: unknown 'fff'; did you mean 'ff'"),
        ({"variables": ("w", "voltage")}, "variables: unknown 'voltage'; on offer: post, pre, w"),
        ({"scale": 0.0}, "scale: 0.0 is not a positive number"),
    ],
)
def test_what_does_not_exist_is_named(options, words):
    with pytest.raises(PlasticbenchError, match=re.escape(words)):
        flat(**options)


def test_a_task_of_two_pathways_asks_which():
    with pytest.raises(PlasticbenchError, match="pathway: this task has ff, lateral; name one"):
        flat("PrincipalComponentsMini-v0")
    with pytest.raises(PlasticbenchError, match="not an environment of plasticbench"):
        plasticbench.FlatPathway(gymnasium.make("CartPole-v1"))


@pytest.mark.parametrize("action", [None, "left", np.zeros(4), np.zeros((1, 3)), [1.0, None, 2.0], {"ff": 0.0}])
def test_what_is_no_action_is_one_line_that_names_the_shape(action):
    env = flat()
    env.reset(seed=0)
    with pytest.raises(
        PlasticbenchError, match=r"action: .* is not 3 real numbers, one a synapse, shape \(3,\)"
    ) as found:
        env.step(action)
    assert "\n" not in str(found.value)


def blocks():
    """(needed module or None, code) of the Python in the pages about watching and reinforcement learning."""
    for page in ("rl.md", "watching.md"):
        text = (DOCS / page).read_text()
        for needs, code in re.findall(r"(?:<!-- needs (\w+) -->\n)?```python\n(.*?)```", text, re.DOTALL):
            yield pytest.param(needs, code, id=f"{page} {code.strip().splitlines()[-1][:30]}")


@pytest.mark.parametrize(("needs", "code"), list(blocks()))
def test_the_recipes_run_from_an_empty_folder(tmp_path, monkeypatch, capsys, needs, code):
    if needs:
        pytest.importorskip(needs)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.py").write_text(code)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other libraries' own
        runpy.run_path("recipe.py")
    assert capsys.readouterr().out
