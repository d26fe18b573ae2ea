"""How well the gradient learner infers hidden rules: the tables of rule_recovery.md.

python recover_rules.py [DATA ...]    (default: all)
"""

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

import plasticbench
from plasticbench.baselines.gradient import Gradient
from plasticbench.envs.hidden_rules import FAMILIES, draw_hidden_rule
from plasticbench.envs.rule_recovery import RuleRecovery, rule_recovery
from plasticbench.learning.problem import Problem

BUDGET = 3000
OPTIONS: dict[str, Any] = {"learning_rate": 0.05, "lifetimes": 12, "l1": 1e-3}


def tasks() -> dict[str, RuleRecovery]:
    """Everything that is measured, by name: noise and observed share, the other tasks, a rule of each other family."""
    plain, drawn, unknown, lateral = (
        plasticbench.task(f"RuleRecovery{kind}-v0") for kind in ("", "Drawn", "UnknownStart", "Lateral")
    )
    found = {
        f"noise {noise:g}, {100 * share:g} % observed": dataclasses.replace(
            plain, noise_std=noise, observed_share=share
        )
        for noise, share in ((0.0, 1.0), (0.1, 1.0), (0.1, 0.3), (0.3, 0.3))
    }
    found |= {"drawn": drawn, "unknown start": unknown, "lateral": lateral}
    for name in sorted(set(FAMILIES) - {"oja", "covariance"}):
        seed = next(seed for seed in range(100) if draw_hidden_rule(seed)[0] == name)
        hidden = {"ff": draw_hidden_rule(seed)[1]}
        found[f"{name}, drawn with {seed}"] = rule_recovery("Own", hidden, title=name, summary=name, data_seed=seed)
    return found


def seeds_of(task: RuleRecovery) -> tuple[int, ...]:
    """Of the learner: three on the registered tasks, one on what is made here."""
    registered = task.id in plasticbench.task_ids() and task == plasticbench.task(task.id)
    return (0, 1, 2) if registered else (0,)


def measured(task: RuleRecovery, seed: int) -> list[float]:
    """Of one run of the learner, the columns of the table; NaN where undefined."""
    problem = Problem(task, task.make_family("polynomial"), BUDGET, seed)
    rule = Gradient(**OPTIONS).learn(problem)
    outcome = task.run(rule, task.official_seeds)
    means = [outcome.losses.mean(), *(outcome.metrics[name].nanmean() for name in ("r2_weights", "r2_activity"))]
    return [*map(float, means), *task.rule_metrics(rule).values()]


def row(name: str, runs: Sequence[Sequence[float]]) -> str:
    """A row of the table: medians over runs."""
    medians = (sorted(column)[len(runs) // 2] for column in zip(*runs, strict=True))
    return f"| {name} | " + " | ".join(f"{value:.3g}" for value in medians) + " |"


if __name__ == "__main__":
    print("| data | loss | R² weights | R² activity | Σ\\|A − A*\\| | cosine | precision | recall |")
    print("|---|---|---|---|---|---|---|---|")
    for name, task in tasks().items():
        if not sys.argv[1:] or name in sys.argv[1:]:
            print(row(name, [measured(task, seed) for seed in seeds_of(task)]), flush=True)
