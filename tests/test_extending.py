"""The examples of docs/extending.md, as their readers would run them."""

import dataclasses
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import gymnasium
import pytest

import plasticbench
from plasticbench.rules.families import families, register_family
from plasticbench.rules.families.polynomial import Polynomial
from plasticbench.tasks import registry
from plasticbench.tasks.check import check_task
from plasticbench.tasks.references import measure_references

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"


@pytest.fixture
def examples(monkeypatch):
    """Import an example; what it registers is gone afterwards."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    known = set(plasticbench.task_ids())
    yield importlib.import_module
    for task_id in set(registry._TASKS) - known:
        del registry._TASKS[task_id], gymnasium.registry[task_id]
    for name in ("memory_task", "firing_task", "quadratic_lif"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("module", "task_id"), [("memory_task", "mylab/Memory-v0"), ("firing_task", "mylab/IrregularFiring-v0")]
)
def test_an_example_is_a_task_like_any_other(examples, module, task_id):
    examples(module)
    check_task(plasticbench.task(task_id))
    assert gymnasium.make(task_id).unwrapped.task.id == task_id


def test_examples_are_as_short_as_their_guide_says():
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in EXAMPLES.glob("*.py")}
    guide = (EXAMPLES.parent / "extending.md").read_text(encoding="utf-8")
    for name, length in lengths.items():
        assert f"[{name}](examples/{name}) {length}" in guide
    assert max(lengths.values()) < 120
    assert lengths["quadratic_lif.py"] < 40


def test_declared_references_are_measured_ones(examples):
    examples("firing_task")
    task = plasticbench.task("mylab/IrregularFiring-v0")
    for name, value in measure_references(task).items():
        assert getattr(task, name) == pytest.approx(value, rel=1e-3), name


def test_the_command_line_imports_what_it_is_told(tmp_path):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "plasticbench", *arguments], capture_output=True, text=True, cwd=EXAMPLES,
            env={**os.environ, "PYTHONPATH": str(EXAMPLES.parents[1]), "PYTHONDONTWRITEBYTECODE": "1"}, timeout=300,
        )  # fmt: skip

    done = run("--import", "memory_task", "evaluate", "codependent.json", "--task", "mylab/Memory-v0", "--seeds", "1",
               "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["task"] == "mylab/Memory-v0"
    listed = run("list", "--json", "--import", "firing_task", "--import", "memory_task")
    assert {"mylab/Memory-v0", "mylab/IrregularFiring-v0"} <= {t["id"] for t in json.loads(listed.stdout)["tasks"]}
    refused = run("list", "--import", "no_such_module")
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": "mylab/Memory"}, "namespace/Name-vN"),
        ({"id": "plasticbench/Mine-v0"}, "namespace of your own"),
        ({"id": "mylab/Other-v0", "reference_loss": 2.0}, "better reference"),
        ({"id": "mylab/Other-v0", "blind_loss": 0.1}, "blind_loss"),
    ],
)
def test_a_task_that_cannot_be_registered_is_told_why(examples, changes, words):
    task = dataclasses.replace(examples("memory_task") and plasticbench.task("mylab/Memory-v0"), **changes)
    with pytest.raises(plasticbench.PlasticbenchError, match=words):
        plasticbench.register(task)
    assert task.id not in plasticbench.task_ids()


def test_a_check_names_what_is_wrong(examples):
    module = examples("memory_task")

    class Careless(module.Memory):
        def blow_up_loss(self, share_lived):
            return 0.0

    task = plasticbench.task("mylab/Memory-v0")
    careless = Careless(**{field.name: getattr(task, field.name) for field in dataclasses.fields(task)})
    with pytest.raises(plasticbench.PlasticbenchError, match="blow_up_loss: from 0 to 0; it must be positive"):
        check_task(careless)


def test_a_family_of_ones_own_has_a_name():
    class Mine(Polynomial):
        name = "mine"

    try:
        register_family(Mine)
        assert "mine" in families()
        with pytest.raises(plasticbench.RuleError, match="registered already"):
            register_family(type("Other", (Polynomial,), {"name": "mine"}))
    finally:
        from plasticbench.rules.families import _FAMILIES

        _FAMILIES.pop("mine", None)
