"""A run as it lies on disk, finished or not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plasticbench.errors import PlasticbenchError
from plasticbench.evaluation.result import Result
from plasticbench.files import read_json
from plasticbench.learning.history import History, read_history
from plasticbench.learning.rule_set import TABLE, RuleSet
from plasticbench.learning.run_directory import HISTORY, RESULT, RULE, SETTINGS, Cost, cost_of, ended
from plasticbench.rules import Rule, load_rule
from plasticbench.tasks.task import Task


@dataclass(frozen=True)
class Run:
    """`rule`, `rules`, `cost` and `result` are None where the run has not come so far, or found no set of rules."""

    path: Path
    settings: dict[str, Any]  # task, learner, options, family, budget, seed, engine, ...
    history: History  # a row (an object) for each logged iteration
    rule: Rule | None
    rules: RuleSet | None
    cost: Cost | None
    result: Result | None

    def __repr__(self) -> str:
        state = "not ended" if self.result is None else f"loss {self.result.loss:.5g}"
        return f"<Run {self.path}: {self.settings.get('learner')} on {self.settings.get('task')}, {state}>"


def load_run(path: str | Path, unregistered: Task | None = None) -> Run:
    """The run in a folder; `unregistered` is its task, where no id leads to it.

    Raises PlasticbenchError if there is none, or a file of it is damaged.
    """
    path = Path(path)
    if not (path / SETTINGS).exists():
        raise PlasticbenchError(f"{path}: holds no run ({SETTINGS} is missing); name a folder that `learn` has written")
    outcome = ended(path)
    over = outcome is not None
    return Run(
        path=path,
        settings=read_json(path / SETTINGS),
        history=read_history(path / HISTORY),
        rule=load_rule(str(path / RULE)) if over else None,
        rules=RuleSet.load(path) if over and (path / TABLE).exists() else None,
        cost=None if outcome is None else cost_of(outcome),
        result=Result.load(path / RESULT, unregistered) if over and (path / RESULT).exists() else None,
    )
