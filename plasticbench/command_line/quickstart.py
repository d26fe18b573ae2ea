"""The first minute with plasticbench: watch a plasticity rule being discovered, and find it on the leaderboard."""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path

from plasticbench.command_line.progress import ProgressBar
from plasticbench.evaluation.official import evaluate
from plasticbench.evaluation.result import Result
from plasticbench.learning.run import learn
from plasticbench.tasks.registry import task as find_task

TRAINED_ON = "plasticbench/OjaMini-v0"
SCORED_ON = "plasticbench/Oja-v0"
BUDGET = 5120  # lifetimes: 160 gradient steps of 32


def quickstart(out: str | Path) -> None:
    """Learn on three inputs, evaluate on three and on thirty-nine, and place both results on the board.

    Everything is kept in the folder `out`; called again, it shows what is there.
    """
    out = Path(out)
    print(
        "A linear neuron y = Σ w·x watches data go by. Which rule for its weights finds the data's first\n"
        "principal component? The rule is a polynomial Δw = 0.1·Σ A_abc preᵃ postᵇ wᶜ with 27 unknown numbers,\n"
        "all zero at the start. Gradient descent through whole simulated lifetimes looks for them:\n"
    )
    with ProgressBar("learning") as bar:
        learned = learn(TRAINED_ON, "gradient", out, budget=BUDGET, progress=bar, resume=True)
    for events in learned.rule.equations().values():
        for text in events.values():
            print(f"    discovered   Δw = {text}")
    print("    Oja (1982)   Δw = 0.1*(pre*post - post**2*w), up to its speed\n")
    transferred = evaluate(learned.rule, SCORED_ON, learned=learned.learned)
    transferred.save(out / "result-oja.json")
    _print_losses(learned, "3 inputs, where it was trained")
    _print_losses(transferred, "39 inputs, which it never saw")
    print("\nOn the leaderboard:")
    for file in ("result.json", "result-oja.json"):
        print(f"    {_place(out / file)}")
    print(
        f"\nKept in {out}: rule.json, learning_curve.png, result.json, result-oja.json.\n"
        f"Next:  plasticbench show {out / 'rule.json'} --png rule.png\n"
        f"       plasticbench board --task {SCORED_ON}\n"
        f"       plasticbench submit {out / 'result-oja.json'}"
    )


def _print_losses(result: Result, label: str) -> None:
    task = find_task(result.task)
    reference = evaluate(task.reference_rule, task.id)
    null = evaluate("null", task.id)
    print(
        f"{result.task} ({label}), mean loss over {len(result.seeds)} lifetimes:\n"
        f"    discovered {result.loss:.4f}    {task.reference_rule} {reference.loss:.4f}    "
        f"no plasticity {null.loss:.4f}    score {result.score:z.3f} (0 = none, 1 = {task.reference_rule})"
    )


def _place(file: Path) -> str:
    """The place that the result would take, found on a board of its own, so that nothing is published."""
    leaderboard = importlib.import_module("plasticbench.leaderboard")
    with tempfile.TemporaryDirectory() as folder:
        entry = leaderboard.open_board(folder).find(leaderboard.submit(file, folder))
        return f"the discovered rule {leaderboard.place_of(entry)}"
