"""Flies' choices: lives that begin anew, the readout of weights, simulated flies and a user's own copy of the data."""

import dataclasses
import math

import numpy as np
import pytest
import torch

import plasticbench
from plasticbench.envs import fly_choice
from plasticbench.envs.fly_choice_data import Flies, Generator, read_flies
from plasticbench.errors import PlasticbenchError
from plasticbench.networks.life import Life, Presentations
from plasticbench.networks.rate import RateNetwork
from plasticbench.networks.recordings import Weights
from plasticbench.rules import group_rules, rule_from_json
from plasticbench.simulation.engine import EngineOptions, Measured, find_engine
from plasticbench.tasks.choice_fit import held_out

SYNTHETIC = plasticbench.task("FlyChoiceSynthetic-v0")


@pytest.mark.parametrize("engine", ["cpu", "torch"])
def test_at_a_renewal_weights_and_states_are_those_of_the_start(engine):
    rule = rule_from_json(
        {"format": "plasticbench/rule@2", "name": "test", "pathways": {"ff": {"state": {"e": {}},
         "on_step": {"e": "1", "w": "pre + e"}}}}
    )  # fmt: skip
    samples = Weights("ff", 1.0)
    life = Life(
        RateNetwork(2, max_weight_norm=100.0), 0, 4, (samples,), renewals=(2,),
        presentations=Presentations(np.eye(2), np.array([0, 1, 0, 1])), w_init={"ff": np.array([[0.5, -0.5]])},
    )  # fmt: skip
    ((_, batch),) = group_rules([rule], ["ff"], ("on_step",), frozenset({"pre", "post", "w"}))
    kept = []

    def measure(recordings, lives):
        kept.append(recordings[samples][0, 0, :, 0].tolist())
        zero = torch.zeros((1, 1), dtype=torch.float64)
        return Measured(zero, zero > 0, {}, zero)

    find_engine(engine, [life], batch, EngineOptions()).run([life], batch, measure, EngineOptions())
    once = [[0.5, -0.5], [1.5, -0.5]]
    assert kept == [[*once, *once, [2.5, 1.5]]]


def test_only_rate_networks_begin_anew_with_their_weights():
    life = plasticbench.task("RewardedPatterns-v0").shortened().life({}, 0)
    with pytest.raises(PlasticbenchError, match=r"life\.renewals: only weights of rate networks"):
        dataclasses.replace(life, renewals=(3,))


def test_the_readout_finds_the_numbers_that_choices_were_drawn_with():
    rng = np.random.default_rng(0)
    z, fold = rng.normal(size=60_000), np.arange(60_000) % 6
    chosen = rng.random(60_000) < 1 / (1 + np.exp(-(0.8 * z + 0.3)))
    found = held_out(torch.from_numpy(5.0 * z), chosen, fold)
    assert found.slope == pytest.approx(0.8 / 5.0, abs=0.005)
    assert found.bias == pytest.approx(0.3, abs=0.02)
    assert float(held_out(torch.zeros(60_000, dtype=torch.float64), chosen, fold).nll) > float(found.nll)


def test_a_subject_has_no_part_in_its_own_prediction():
    """Another choice of one subject changes predictions of the other folds' subjects, never of its own fold."""
    rng = np.random.default_rng(1)
    z, fold = torch.from_numpy(rng.normal(size=120)), np.repeat(np.arange(6), 20)
    chosen = (rng.random(120) < 0.5).astype(float)
    other = chosen.copy()
    other[:20] = 1.0 - other[:20]
    change = (held_out(z, chosen, fold).log_odds - held_out(z, other, fold).log_odds).abs()
    assert float(change[:20].max()) < 1e-8
    assert float(change[20:].max()) > 1e-2


def test_simulated_flies_are_what_their_generator_says():
    generator = Generator()
    flies = generator.flies(4, 18, 240)
    assert flies == generator.flies(4, 18, 240) != generator.flies(5, 18, 240)
    assert (len(flies.choices), flies.n_choices) == (18, 18 * 240)
    eager = dataclasses.replace(generator, slope=50.0, bias_std=0.0).flies(4, 18, 240)
    w, right = np.zeros(2), []
    for odour, reward in zip(eager.choices[0], eager.rewards[0], strict=True):
        right += [odour == (w[1] > w[0])] if w[0] != w[1] else []
        w *= 1 - generator.forgetting
        w[odour] += reward
    assert np.mean(right) > 0.95


def test_the_rules_tell_choices_in_the_order_that_was_measured():
    names = ["reward-forgetting", "rescorla-wagner-forgetting", "choice-kernel", "rescorla-wagner", "reward-alone"]
    losses = SYNTHETIC.losses([*names, "null"], SYNTHETIC.official_seeds[:8]).mean(1).tolist()
    assert losses == sorted(losses)
    assert losses[-1] == pytest.approx(math.log(2.0), abs=0.01)
    assert SYNTHETIC.score(losses[2]) < 0.05


def write_copy(path, flies):
    rows = [f"{k},{c},{r}" for k, fly in enumerate(zip(flies.choices, flies.rewards)) for c, r in zip(*fly)]  # noqa: B905
    path.write_text("fly,choice,reward\n" + "\n".join(rows) + "\n")


def test_a_copy_of_the_data_is_read_and_lived(tmp_path):
    flies = Generator().flies(0, 7, 30)
    write_copy(tmp_path / "flies.csv", flies)
    assert read_flies(tmp_path / "flies.csv") == flies
    task = fly_choice.load(tmp_path / "flies.csv")
    assert task.n_steps == 210
    assert task.not_ranked_because
    again = dataclasses.replace(SYNTHETIC, n_flies=7, n_choices=30, n_steps=210)
    life, simulated = task.life({}, 0), again.life({}, 0)
    assert life.renewals == simulated.renewals
    np.testing.assert_array_equal(life.targets["first_odour"], simulated.targets["first_odour"])
    other = dataclasses.replace(task, flies=Generator().flies(1, 7, 30))
    assert other.spec_hash != task.spec_hash


def test_matlab_files_of_flies_are_read(tmp_path):
    scipy_io = pytest.importorskip("scipy.io")
    for k in range(1, 8):
        met = np.eye(2)[[0, 1, 1, 0]]
        scipy_io.savemat(tmp_path / f"Fly{k}.mat", {"X": met, "Y": [1, 0, 1, 1], "R": [1, 0, k % 2]})
    flies = read_flies(tmp_path)
    assert flies.choices[0] == (0, 1, 0)
    assert [row[2] for row in flies.rewards] == [1, 0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fly,choice\n1,0\n", "needed: fly, choice, reward"),
        ("fly,choice,reward\n1,2,0\n", "line 2: choice: '2' is neither 0 nor 1"),
        ("fly,choice,reward\n1,1,0\n", "flies: 1; 6 or more"),
    ],
)
def test_a_copy_that_is_none_is_refused_in_one_line(tmp_path, text, message):
    (tmp_path / "flies.csv").write_text(text)
    with pytest.raises(PlasticbenchError, match=message) as found:
        fly_choice.load(tmp_path / "flies.csv")
    assert "\n" not in str(found.value)


def test_whoever_asks_for_flies_that_are_not_there_is_told_where_to_get_them():
    if "plasticbench/FlyChoice-v0" in plasticbench.task_ids():
        pytest.skip("a copy of the data is here")
    with pytest.raises(PlasticbenchError, match=r"zenodo\.7449214.*PLASTICBENCH_FLY_CHOICE"):
        plasticbench.task("FlyChoice-v0")


def test_a_fly_needs_as_many_rewards_as_choices():
    with pytest.raises(PlasticbenchError, match="fly 1: 2 choices, 1 rewards"):
        Flies(((0, 1),) * 6, ((1,),) * 6)
