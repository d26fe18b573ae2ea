"""Learners, the problems they are given, and their runs."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plasticbench.learning.callbacks import Callback
    from plasticbench.learning.history import History
    from plasticbench.learning.options import Option, OptionedLearner, describe_learner
    from plasticbench.learning.problem import Learner, Problem
    from plasticbench.learning.record import Run, load_run
    from plasticbench.learning.rule_set import RuleSet
    from plasticbench.learning.run import learn, repeat

_PLACES = {
    "Callback": "callbacks",
    "History": "history",
    "Learner": "problem",
    "Option": "options",
    "OptionedLearner": "options",
    "Problem": "problem",
    "RuleSet": "rule_set",
    "Run": "record",
    "describe_learner": "options",
    "learn": "run",
    "load_run": "record",
    "repeat": "run",
}
__all__ = [
    "Callback",
    "History",
    "Learner",
    "Option",
    "OptionedLearner",
    "Problem",
    "RuleSet",
    "Run",
    "describe_learner",
    "learn",
    "load_run",
    "repeat",
]


def __getattr__(name: str) -> Any:
    """Imported when first asked for, so that a learner's options can be listed without the simulators."""
    import importlib

    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
