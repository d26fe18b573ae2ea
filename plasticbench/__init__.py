"""plasticbench: environments whose policy is a synaptic plasticity rule.

>>> import gymnasium as gym, plasticbench
>>> env = gym.make("plasticbench/OjaMini-v0")
>>> rule = plasticbench.load_rule("oja")
"""

import importlib
from typing import TYPE_CHECKING, Any

from plasticbench.tasks.with_gymnasium import when_gymnasium_is_imported

if TYPE_CHECKING:
    from plasticbench.errors import BudgetExceeded, PlasticbenchError, RuleError
    from plasticbench.evaluation.official import evaluate
    from plasticbench.evaluation.result import Result
    from plasticbench.learning.run import learn
    from plasticbench.rules import Family, Rule, known_rules, load_rule, make_family
    from plasticbench.stepping.flat import FlatPathway
    from plasticbench.tasks.outcome import Outcome
    from plasticbench.tasks.registry import register, task, task_ids
    from plasticbench.tasks.task import Task

    __version__: str

__all__ = [
    "BudgetExceeded",
    "Family",
    "FlatPathway",
    "Outcome",
    "PlasticbenchError",
    "Result",
    "Rule",
    "RuleError",
    "Task",
    "evaluate",
    "known_rules",
    "learn",
    "load_rule",
    "make_family",
    "register",
    "task",
    "task_ids",
]

# Where each name is defined: imported when it is first used.
_PLACES = {
    **dict.fromkeys(("BudgetExceeded", "PlasticbenchError", "RuleError"), "errors"),
    "evaluate": "evaluation.official",
    "Result": "evaluation.result",
    "learn": "learning.run",
    **dict.fromkeys(("Family", "Rule", "known_rules", "load_rule", "make_family"), "rules"),
    "FlatPathway": "stepping.flat",
    "Outcome": "tasks.outcome",
    **dict.fromkeys(("register", "task", "task_ids"), "tasks.registry"),
    "Task": "tasks.task",
}
_PACKAGES = ("envs", "errors", "evaluation", "learning", "networks", "rules", "tasks")


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("plasticbench")
    elif name in _PACKAGES:
        value = importlib.import_module(f"plasticbench.{name}")
    elif name in _PLACES:
        value = getattr(importlib.import_module(f"plasticbench.{_PLACES[name]}"), name)
    else:
        raise AttributeError(f"module 'plasticbench' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})


def _register_tasks() -> None:
    from plasticbench.tasks.registry import load_tasks

    load_tasks()


when_gymnasium_is_imported(_register_tasks)
