"""What a checkpoint takes is read back as it was; the rest is refused when it is saved, by type and place."""

import random
from collections import Counter, OrderedDict, defaultdict, deque
from pathlib import Path

import numpy as np
import pytest
import torch

import plasticbench
from plasticbench.errors import PlasticbenchError
from plasticbench.learning import Problem, learn
from plasticbench.learning.run_directory import RunDirectory

TASK = plasticbench.task("OjaMini-v0").shortened()


def problem(folder, resume=False) -> Problem:
    return Problem(TASK, TASK.make_family(), 100, 0, RunDirectory(folder, {}, resume))


def kept(folder, state):
    """The state after a checkpoint and a resumption."""
    problem(folder).checkpoint(state)
    return problem(folder, resume=True).resumed_state


def same(a, b) -> bool:
    """Equal in type, shape and every bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.requires_grad == b.requires_grad and bool(torch.equal(a, b))
    if isinstance(a, (np.ndarray, np.generic)):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple, deque)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b or (a != a and b != b)


TAKEN = {
    "numbers": [1, -(2**70), True, None, 0.1, float("inf"), float("-inf"), float("nan"), 1j, "text", b"\x00\xff"],
    "containers": {"tuple": (1, (2, [3])), "set": {1, 2}, "frozen": frozenset({(1, 2)}), 3: {"a": {}}, (1, "k"): ()},
    "a tuple like ours": ("array", ("<f8", (1,), 2)),
    "numpy numbers": [np.float64(0.1), np.float32(0.1), np.int64(-3), np.uint8(7), np.bool_(True), np.complex64(1j)],
    "numpy arrays": [
        np.arange(6.0).reshape(2, 3).T, np.array(3), np.zeros((0, 4), np.int16), np.array(["a", "Ü"]),
        np.array([1.5], ">f4"), np.array([np.nan, -0.0]), np.arange(3, dtype=np.uint64) + 2**63,
        np.array(["2020-01-01"], "datetime64[D]"), np.arange(10)[::-2],
    ],
    "keys": {np.int64(3): "x", Path("a"): "y", None: "z", 2.5: "f"},
    "collections": [
        OrderedDict([("b", 1), ("a", (2,))]), Counter("aab"), deque([1, (2,)], maxlen=3), deque(),
        defaultdict(list, {"a": [np.int64(1)]}), defaultdict(int), defaultdict(None, {1: 2}),
    ],
    "tensors": [
        torch.tensor(0.1, dtype=torch.float64), torch.arange(4, dtype=torch.int8), torch.ones(2, requires_grad=True),
        torch.zeros(0, 3), torch.tensor([True]), torch.Size([2, 3]), torch.float64, torch.device("cpu"),
        torch.nn.Parameter(torch.ones(2)),
    ],
    "paths": [Path("a/b"), Path("/tmp")],
    "python's generator": random.Random(3).getstate(),
    "numpy's old generator": np.random.RandomState(3).get_state(),
    "numpy's generator": np.random.default_rng(3).bit_generator.state,
    "numpy's Philox": np.random.Generator(np.random.Philox(3)).bit_generator.state,
    "torch's generator": torch.Generator().manual_seed(3).get_state(),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_taken_is_read_back_as_it_was(tmp_path, name):
    assert same(kept(tmp_path / "run", TAKEN[name]), TAKEN[name])


def test_an_optimizers_state_goes_on_to_the_bit(tmp_path):
    def steps(optimizer, leaf, n):
        for _ in range(n):
            optimizer.zero_grad()
            (leaf**2).sum().backward()
            optimizer.step()

    leaf = torch.ones(3, requires_grad=True)
    optimizer = torch.optim.Adam([leaf])
    steps(optimizer, leaf, 3)
    state = kept(tmp_path / "run", {"leaf": leaf.detach().clone(), "optimizer": optimizer.state_dict()})
    again = state["leaf"].requires_grad_()
    resumed = torch.optim.Adam([again])
    resumed.load_state_dict(state["optimizer"])
    steps(optimizer, leaf, 3)
    steps(resumed, again, 3)
    assert torch.equal(leaf, again)


class Own:
    pass


LOOP: list = []
LOOP.append(LOOP)
REFUSED = {
    "an object": ({"best": [Own()]}, r"checkpoint\['state'\]\['best'\]\[0\]: a .*Own could not be read back"),
    "a function": ((1, len), r"\['state'\]\[1\]: a builtins.builtin_function_or_method"),
    "a generator object": ({"rng": np.random.default_rng(0)}, r"\['rng'\]: a numpy.random.*Generator"),
    "an array of objects": (np.array([{}, []], dtype=object), "numpy ndarray of object"),
    "a masked array": (np.ma.array([1.0], mask=[True]), "MaskedArray"),
    "a default of one's own": (defaultdict(Own), "defaultdict"),
    "a sparse tensor": (torch.ones(2).to_sparse(), "sparse"),
    "itself": (LOOP, "nested deeper than 64, or in itself"),
    "a rule": (plasticbench.load_rule("oja"), "Rule could not be read back"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_not_be_read_back_is_refused_when_it_is_saved(tmp_path, name):
    state, message = REFUSED[name]
    with pytest.raises(PlasticbenchError, match=message):
        problem(tmp_path / "run").checkpoint(state)
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_a_refused_state_leaves_the_last_checkpoint(tmp_path):
    one = problem(tmp_path / "run")
    one.checkpoint({"n": np.float64(1.0)})
    with pytest.raises(PlasticbenchError):
        one.checkpoint({"n": Own()})
    assert problem(tmp_path / "run", resume=True).resumed_state == {"n": 1.0}


class KeepsNumpy:
    """Keeps a numpy number, as almost any learner that tracks its best loss does; dies once."""

    def learn(self, problem):
        if problem.resumed_state is None:
            theta = problem.family.initial(problem.seed)
            best = problem.losses(theta[None]).numpy().min()
            problem.checkpoint({"theta": theta, "best": best})
            raise KeyboardInterrupt
        assert type(problem.resumed_state["best"]) is np.float64
        return problem.rule(problem.resumed_state["theta"])


def test_a_learner_that_keeps_numpys_numbers_is_resumed(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        learn(TASK, KeepsNumpy, tmp_path / "run", budget=16)
    assert learn(TASK, KeepsNumpy, tmp_path / "run", budget=16, resume=True).learned["lifetimes"] == 8


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x80\x02cposix\nsystem\n"])
def test_a_damaged_checkpoint_is_named_and_can_be_overwritten(tmp_path, content):
    problem(tmp_path).checkpoint({"a": 1})
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(PlasticbenchError, match=r"checkpoint\.pt: not a checkpoint of this version .*--overwrite"):
        RunDirectory(tmp_path, {}, resume=True)
    RunDirectory(tmp_path, {}, overwrite=True).begin()
    assert not (tmp_path / "checkpoint.pt").exists()
