"""Options: declared once, checked before the work, described; given as numpy numbers, infinities, paths."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import plasticbench
from plasticbench.baselines.evotorch import EvoTorch
from plasticbench.baselines.gradient import Gradient
from plasticbench.baselines.random_search import RandomSearch
from plasticbench.command_line.cli import main
from plasticbench.errors import PlasticbenchError
from plasticbench.learning import Option, OptionedLearner, describe_learner, learn, load_run
from plasticbench.learning.options import options_of
from plasticbench.tasks.registry import learner, learners

TASK = plasticbench.task("OjaMini-v0").shortened()
BUNDLED = sorted(learners())


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_learner_declares_its_options_with_default_range_and_meaning(name):
    kind = learner(name)
    made = kind()
    for option in options_of(kind):
        assert option.meaning
        assert option.checked(option.default) == option.default == getattr(made, option.name)
    with pytest.raises(PlasticbenchError, match="nonsense"):
        kind(nonsense=1)
    text = describe_learner(name)
    assert all(f"{option.name} " in text and option.allowed in " ".join(text.split()) for option in options_of(kind))


@pytest.mark.parametrize("name", BUNDLED)
def test_no_bundled_learner_takes_what_its_options_forbid(name):
    kind = learner(name)
    for option in options_of(kind):
        if option.choices or option.default is None:
            wrong = ["no such", 3, True]
        else:
            wrong = [float("nan"), float("inf"), -float("inf"), "text", None, True, [1], 1 + 2j, np.array([1.0, 2.0])]
            wrong += [option.low] if option.low_open else [option.low - 1] if math.isfinite(option.low) else []
            wrong += [option.high] if option.high_open else []
            wrong += [2.5] if isinstance(option.default, int) else []
        for value in wrong:
            with pytest.raises(PlasticbenchError, match=rf"^option\.{option.name}: "):
                kind(**{option.name: value})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"population": 0}, r"option\.population: 0 is not a whole number from 1 up"),
        ({"population": -1}, r"option\.population: -1 is not"),
        ({"population": 2.5}, r"option\.population: 2\.5 is not"),
        ({"population": "many"}, r"option\.population: 'many' is not"),
        ({"spread": "wide"}, r"option\.spread: 'wide' is not a number above 0"),
        ({"spread": 0}, r"option\.spread: 0 is not"),
    ],
)
def test_random_searchs_options_are_refused_before_anything_is_written(tmp_path, options, message):
    with pytest.raises(PlasticbenchError, match=message):
        learn(TASK, "random-search", tmp_path / "run", budget=64, options=options)
    assert list(tmp_path.iterdir()) == []


def test_options_may_stand_in_their_order_and_appear_in_the_signature():
    import inspect

    assert EvoTorch("pgpe", 6).population == 6
    assert list(inspect.signature(RandomSearch).parameters) == ["population", "spread"]
    assert inspect.signature(Gradient).parameters["lifetimes"].default == 32


def test_numpys_numbers_are_numbers(tmp_path):
    given = {"lifetimes": np.int64(4), "learning_rate": np.float32(0.25), "l1": np.float64(0.0)}
    first = learn(TASK, "gradient", tmp_path / "a", budget=np.int32(12), seed=np.uint8(3), options=given)
    plain = {"lifetimes": 4, "learning_rate": 0.25, "l1": 0.0}
    second = learn(TASK, "gradient", tmp_path / "b", budget=12, seed=3, options=plain)
    assert first.rule == second.rule
    assert first.learned["options"] == plain
    assert load_run(tmp_path / "a", TASK).settings["options"] == plain
    learn(TASK, "gradient", tmp_path / "a", budget=12, seed=3, options=given, resume=True)


class Takes:
    """A learner of one's own, without declared options."""

    def __init__(self, step=0.1, folder=None, grid=()):
        self.step, self.folder, self.grid = step, folder, grid

    def learn(self, problem):
        assert self.folder is None or isinstance(self.folder, Path)
        problem.losses(problem.family.initial(problem.seed)[None])
        return problem.rule(problem.family.initial(problem.seed))


def test_paths_and_arrays_reach_the_learner_and_are_kept_as_text_and_lists(tmp_path):
    options = {"folder": tmp_path, "grid": np.array([0.5, 1.0])}
    result = learn(TASK, Takes, tmp_path / "run", budget=8, options=options)
    assert result.learned["options"] == {"folder": str(tmp_path), "grid": [0.5, 1.0]}
    assert learn(TASK, Takes, tmp_path / "run", budget=8, options=options, resume=True).losses == result.losses


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("inf"), r"option\.step: inf cannot be kept in a JSON file; give a finite number"),
        (np.float64("nan"), r"option\.step: nan cannot"),
        (np.array([1.0, np.inf]), r"option\.step\[1\]: inf"),
        ({"a": [object()]}, r"option\.step\.a\[0\]: object cannot be kept"),
        ({1: 2}, r"option\.step: the key 1 is not text"),
        (lambda x: x, r"option\.step: function cannot be kept"),
    ],
)
def test_options_that_no_file_can_keep_are_refused_before_the_work(tmp_path, value, message):
    with pytest.raises(PlasticbenchError, match=message):
        learn(TASK, Takes, tmp_path / "run", budget=8, options={"step": value})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"budget": 2.5}, r"budget: 2\.5 is not a whole number from 1 up"),
        ({"budget": float("inf")}, "budget: inf"),
        ({"budget": True}, "budget: True"),
        ({"seed": -1}, "seed: -1"),
        ({"seed": 0.5}, r"seed: 0\.5"),
        ({"workers": -1}, "workers: -1"),
        ({"workers": 1.5}, r"workers: 1\.5"),
        ({"options": {"workers": 2}}, r"option\.workers: .* takes no such option; .*--workers N"),
    ],
)
def test_settings_are_checked_before_the_work(tmp_path, changed, message):
    with pytest.raises(PlasticbenchError, match=message):
        learn(TASK, "random-search", tmp_path / "run", **{"budget": 300, **changed})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("switched_off", [torch.no_grad, torch.inference_mode])
def test_gradients_that_are_switched_off_are_an_error(tmp_path, switched_off):
    with switched_off(), pytest.raises(PlasticbenchError, match="gradients are switched off"):
        learn(TASK, "gradient", tmp_path / "run", budget=64)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("learner", "settings", "message"),
    [
        ("persistent-es", {}, "workers: lifetimes that stop on the way"),
        ("gradient", {}, "workers: the gradient is computed in this process"),
        ("random-search", {"engine": "torch"}, "workers: .* not engine 'torch'"),
        ("random-search", {"device": "cuda"}, "workers: .* not device 'cuda'"),
    ],
)
def test_workers_for_what_they_cannot_do_are_an_error(tmp_path, learner, settings, message):
    with pytest.raises(PlasticbenchError, match=message):
        learn(TASK, learner, tmp_path / "run", budget=300, workers=2, **settings)
    assert list(tmp_path.iterdir()) == []


class Declared(OptionedLearner):
    """A learner with declared options.

    More words, which a list has no room for.
    """

    OPTIONS = (
        Option("temperature", 1.5, "of the walk", low=0.0, low_open=True, high=10.0),
        Option("n_steps", 3, "of the walk", low=1),
        Option("kind", "wide", "of walk", choices=("wide", "narrow")),
    )


class Bare:
    def __init__(self, step, width=2):
        pass

    def learn(self, problem):
        pass


def test_a_learner_is_described_by_name_or_by_module_and_class():
    import sys

    sys.modules["described_learners"] = sys.modules[__name__]
    try:
        text = describe_learner("described_learners:Declared")
        assert "a number above 0 to 10" in text
        assert "one of wide, narrow" in text
        assert "More words" not in text
        bare = describe_learner("described_learners:Bare")
        assert "step   has no default: give it" in bare
        assert "width  default: 2" in bare
    finally:
        del sys.modules["described_learners"]
    with pytest.raises(PlasticbenchError, match="gradient"):
        describe_learner("gradiant")


def test_the_command_line_shows_learners_and_their_options(capsys):
    assert main(["show", "random-search"]) == 0
    assert "population  default: 32" in capsys.readouterr().out
    assert main(["list"]) == 0
    assert "population=32, spread=1.0" in capsys.readouterr().out
    assert main(["list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert set(listed["learner_options"]) == set(BUNDLED)
    assert main(["learn", "--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in BUNDLED)
    assert "rules drawn at a time; a whole number from 1 up" in out


def test_the_modules_of_bundled_learners_import_neither_evotorch_nor_numba():
    import subprocess
    import sys

    code = (
        "import sys; import plasticbench; before = set(sys.modules);"
        "import plasticbench.learning.options;"
        "from plasticbench.tasks.registry import learners;"
        "modules = [__import__(kind.module_name) for kind in learners().values()];"
        "heavy = {'torch', 'numba', 'matplotlib', 'evotorch', 'ray', 'optuna', 'deap'} & (set(sys.modules) - before);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
