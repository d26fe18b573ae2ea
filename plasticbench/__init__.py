"""plasticbench: environments whose policy is a synaptic plasticity rule.

>>> import gymnasium as gym, plasticbench
>>> env = gym.make("plasticbench/OjaMini-v0")
>>> rule = plasticbench.load_rule("oja")
"""

from importlib.metadata import version as _version

from plasticbench.errors import BudgetExceeded, PlasticbenchError, RuleError
from plasticbench.evaluation.official import evaluate
from plasticbench.evaluation.result import Result
from plasticbench.rules import Family, Rule, known_rules, load_rule, make_family
from plasticbench.tasks.outcome import Outcome
from plasticbench.tasks.registry import load_tasks as _load_tasks
from plasticbench.tasks.registry import register, task, task_ids
from plasticbench.tasks.task import Task

__version__ = _version("plasticbench")

__all__ = [
    "BudgetExceeded",
    "Family",
    "Outcome",
    "PlasticbenchError",
    "Result",
    "Rule",
    "RuleError",
    "Task",
    "evaluate",
    "known_rules",
    "load_rule",
    "make_family",
    "register",
    "task",
    "task_ids",
]

_load_tasks()
