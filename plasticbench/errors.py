"""Errors that a user can mend. Everything else is a defect of ours and keeps its traceback."""


class PlasticbenchError(ValueError):
    """Bad input: one line that names the field, what was found, and the remedy. The command line exits with 2."""


class RuleError(PlasticbenchError):
    """A rule that cannot be parsed, checked or run on a task."""


class RuleWarning(UserWarning):
    """A rule that is sound and probably not what its author meant, such as seconds where milliseconds were meant."""


class BudgetExceeded(PlasticbenchError):  # noqa: N818  (the name is part of the learner contract)
    """A call needs more lifetimes than the budget has left; nothing was run."""
