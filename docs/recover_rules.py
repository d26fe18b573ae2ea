"""How well the gradient learner infers hidden rules: the tables of rule_recovery.md.

python recover_rules.py [DATA ...]    (default: all)
"""

import dataclasses
import sys
from typing import Any

import plasticbench
from plasticbench.baselines.gradient import Gradient
from plasticbench.envs.hidden_rules import FAMILIES, draw_hidden_rule
from plasticbench.envs.rule_recovery import RuleRecovery, rule_recovery
from plasticbench.learning.problem import Problem

BUDGET, SEEDS = 3000, (0, 1, 2)
OPTIONS: dict[str, Any] = {"learning_rate": 0.05, "lifetimes": 12, "l1": 1e-3}


def tasks() -> dict[str, RuleRecovery]:
    """Everything that is measured, by name: noise and observed share, starts, a rule of each family, two pathways."""
    plain, unknown, lateral = (plasticbench.task(f"RuleRecovery{kind}-v0") for kind in ("", "UnknownStart", "Lateral"))
    found = {
        f"noise {noise:g}, observed {share:g}": dataclasses.replace(plain, noise_std=noise, observed_share=share)
        for noise, share in ((0.0, 1.0), (0.1, 1.0), (0.1, 0.3), (0.3, 0.3))
    }
    found |= {"unknown start": unknown, "lateral": lateral, "drawn": plasticbench.task("RuleRecoveryDrawn-v0")}
    for name in FAMILIES:
        seed = next(seed for seed in range(100) if draw_hidden_rule(seed)[0] == name)
        hidden = draw_hidden_rule(seed)[1]
        found[f"{name}, seed {seed}"] = rule_recovery("Own", {"ff": hidden}, title=name, summary=name, data_seed=seed)
    return found


def row(name: str, task: RuleRecovery) -> str:
    """One row of the table: medians over the learner's seeds."""
    found = []
    for seed in SEEDS:
        problem = Problem(task, task.make_family("polynomial"), BUDGET, seed)
        rule = Gradient(**OPTIONS).learn(problem)
        outcome = task.run(rule, task.official_seeds)
        nearness = task.rule_metrics(rule)
        means = [outcome.losses.mean(), *(outcome.metrics[metric].mean() for metric in ("r2_weights", "r2_activity"))]
        found.append([*map(float, means), *nearness.values()])
    columns = [sorted(column)[len(SEEDS) // 2] for column in zip(*found, strict=True)]
    return f"| {name} | " + " | ".join(f"{value:.3g}" for value in columns) + " |"


if __name__ == "__main__":
    print("| data | loss | R² weights | R² activity | Σ|A − A*| | cosine | precision | recall |")
    print("|---|---|---|---|---|---|---|---|")
    for name, task in tasks().items():
        if not sys.argv[1:] or name in sys.argv[1:]:
            print(row(name, task), flush=True)
