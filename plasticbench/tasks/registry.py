"""Where tasks and learners are found: every module of a room registers what it declares, and so may anybody's.

A task of one's own has an id in a namespace of one's own, `mylab/Memory-v0`. The module that registers it is imported
by its author, by `--import my_module` on the command line, as `my_module:mylab/Memory-v0`, or because an installed
distribution names it in the entry-point group `plasticbench.tasks`.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import importlib.metadata
import pkgutil
import re
import sys
import warnings
from types import ModuleType
from typing import Any

from plasticbench.errors import PlasticbenchError
from plasticbench.tasks.task import Task

NAMESPACE = "plasticbench/"  # of the rooms in this repository; others have their own
ENTRY_POINTS = "plasticbench.tasks"
_ID = re.compile(r"[A-Za-z0-9_-]+/[A-Za-z0-9_.-]+-v[0-9]+")
_ROOM = "plasticbench.envs."
_TASKS: dict[str, Task] = {}
_ABSENT: dict[str, str] = {}  # tasks that cannot be had here, and why


def register(task: Task) -> Task:
    """Make a task known to `plasticbench.task` and `gymnasium.make`.

    Raises PlasticbenchError if its id is taken (a changed task is a new version, never an edit), is no
    `namespace/Name-vN` or lies in this package's namespace, or if its references cannot make a score.
    """
    import gymnasium

    if task.id in _TASKS or task.id in gymnasium.registry:
        raise PlasticbenchError(f"task id {task.id!r} is registered already; give the new task a new version")
    if not _ID.fullmatch(task.id):
        raise PlasticbenchError(f"task id {task.id!r} is not like 'mylab/Memory-v0': namespace/Name-vN")
    if task.id.startswith(NAMESPACE) and not type(task).__module__.startswith(_ROOM):
        raise PlasticbenchError(
            f"task id {task.id!r}: {NAMESPACE!r} is kept for the suite; use a namespace of your own"
        )
    _check_references(task)
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


def register_absent(task_id: str, why: str) -> None:
    """Say why a task is not there, one whose data do not come with the package: whoever asks for it is told."""
    _ABSENT[task_id] = why


def _check_references(task: Task) -> None:
    """A score counts from ignorance to the reference rule, so the losses must be in that order."""
    if not task.reference_loss < task.null_loss:
        raise PlasticbenchError(
            f"task {task.id}: reference_loss: {task.reference_loss:g} is not below null_loss {task.null_loss:g}; "
            "measure both (plasticbench.tasks.references.measure_references) and take a better reference rule"
        )
    if task.blind_loss is not None and not task.reference_loss < task.blind_loss <= task.null_loss:
        raise PlasticbenchError(
            f"task {task.id}: blind_loss: {task.blind_loss:g} is not between reference_loss {task.reference_loss:g} "
            f"and null_loss {task.null_loss:g}; leave it out where no rule that knows nothing beats the null rule"
        )


def task(task_id: str) -> Task:
    """The task of this id; the suite's own namespace may be left out. PlasticbenchError names the nearest ids.

    `my_module:mylab/Memory-v0` imports the module first, as in `gymnasium.make`.
    """
    load_tasks()
    module_name, _, own = task_id.rpartition(":")
    if module_name:
        import_module(module_name)
    full = own if "/" in own else NAMESPACE + own
    if full in _ABSENT:
        raise PlasticbenchError(f"task: {full} {_ABSENT[full]}")
    if full not in _TASKS:
        raise PlasticbenchError(f"task: {task_id!r} does not exist; {_nearest(full, list(_TASKS))}")
    return _TASKS[full]


def import_module(name: str) -> ModuleType:
    """Import somebody's module, from the current folder too. PlasticbenchError if it cannot be."""
    if "" not in sys.path:
        sys.path.append("")
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise PlasticbenchError(
            f"import: {name!r} cannot be imported ({error}); its folder must be the current one or on PYTHONPATH"
        ) from error


def task_ids() -> tuple[str, ...]:
    """Every registered task, in order of registration."""
    load_tasks()
    return tuple(_TASKS)


def learner(name: str) -> type:
    """A learner's class by name (a module of the room `baselines`) or as `module:Class`."""
    if ":" in name:
        module_name, _, class_name = name.partition(":")
        module: Any = import_module(module_name)
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
    """Import every module of the room `envs`, and those that installed distributions name; all register their tasks."""
    importlib.import_module("gymnasium")  # first: its import calls this function (see `with_gymnasium`)
    import plasticbench.envs as room

    for info in pkgutil.iter_modules(room.__path__):
        importlib.import_module(f"{room.__name__}.{info.name}")
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        try:
            point.load()
        except Exception as error:  # whatever somebody's module does, the other tasks stay
            warnings.warn(f"tasks of {point.name} ({point.value}) left out: {error}", stacklevel=2)


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or known[:5]
    return f"nearest: {', '.join(close)}" if close else "none is registered"
