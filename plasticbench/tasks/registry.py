"""Where tasks and learners are found: every module of a room registers what it declares."""

from __future__ import annotations

import difflib
import functools
import importlib
import pkgutil
from typing import Any

from plasticbench.errors import PlasticbenchError
from plasticbench.tasks.task import Task

NAMESPACE = "plasticbench/"
_TASKS: dict[str, Task] = {}


def register(task: Task) -> Task:
    """Make a task known to `plasticbench.task` and `gymnasium.make`.

    Raises PlasticbenchError if its id is taken: a changed task is a new version, never an edit.
    """
    import gymnasium

    if task.id in _TASKS or task.id in gymnasium.registry:
        raise PlasticbenchError(f"task id {task.id!r} is registered already; give the new task a new version")
    if not task.id.startswith(NAMESPACE):
        raise PlasticbenchError(f"task id {task.id!r} does not start with {NAMESPACE!r}")
    _TASKS[task.id] = task
    gymnasium.register(
        id=task.id,
        entry_point="plasticbench.stepping.env:PlasticityEnv",
        vector_entry_point="plasticbench.stepping.vector_env:PlasticityVectorEnv",
        kwargs={"task_id": task.id},
        order_enforce=True,
        disable_env_checker=True,  # the suite checks every task; per step the wrapper would double the cost
    )
    return task


def task(task_id: str) -> Task:
    """The task of this id; the namespace may be left out. PlasticbenchError names the nearest ids."""
    load_tasks()
    full = task_id if task_id.startswith(NAMESPACE) else NAMESPACE + task_id
    if full not in _TASKS:
        raise PlasticbenchError(f"task: {task_id!r} does not exist; {_nearest(full, list(_TASKS))}")
    return _TASKS[full]


def task_ids() -> tuple[str, ...]:
    """Every registered task, in order of registration."""
    load_tasks()
    return tuple(_TASKS)


def learner(name: str) -> type:
    """A learner's class by name (a module of the room `baselines`) or as `module:Class`."""
    if ":" in name:
        module_name, _, class_name = name.partition(":")
        try:
            module: Any = importlib.import_module(module_name)
        except ImportError as error:
            raise PlasticbenchError(
                f"learner: {name!r} cannot be imported ({error}); its folder must be on PYTHONPATH"
            ) from error
        if not hasattr(module, class_name):
            raise PlasticbenchError(f"learner: module {module_name!r} has no {class_name!r}")
        return getattr(module, class_name)
    known = learners()
    if name not in known:
        raise PlasticbenchError(f"learner: {name!r} does not exist; {_nearest(name, list(known))}, or module:Class")
    return known[name].load()


class _LearnerModule:
    """A baseline's module, imported only when it is used."""

    def __init__(self, module_name: str):
        self.module_name = module_name

    def load(self) -> type:
        return importlib.import_module(self.module_name).LEARNER


def learners() -> dict[str, _LearnerModule]:
    """Baseline learners by name: the public modules of the room `baselines`, each with its class as `LEARNER`."""
    import plasticbench.baselines as room

    return {
        info.name.replace("_", "-"): _LearnerModule(f"{room.__name__}.{info.name}")
        for info in pkgutil.iter_modules(room.__path__)
        if not info.name.startswith("_")
    }


@functools.cache
def load_tasks() -> None:
    """Import every module of the room `envs`, each of which registers its tasks."""
    importlib.import_module("gymnasium")  # first: its import calls this function (see `with_gymnasium`)
    import plasticbench.envs as room

    for info in pkgutil.iter_modules(room.__path__):
        importlib.import_module(f"{room.__name__}.{info.name}")


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or known[:5]
    return f"nearest: {', '.join(close)}" if close else "none is registered"
