"""The first minute with plasticbench: watch a plasticity rule being discovered, and find it on the leaderboard."""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path

from tqdm import tqdm

from .errors import PlasticbenchError
from .evaluation import evaluate
from .registry import task as find_task
from .result import Result
from .runs import learn

TRAINED_ON = "plasticbench/OjaMini-v0"
SCORED_ON = "plasticbench/Oja-v0"
BUDGET = 5120  # lifetimes: 160 gradient steps of 32


def quickstart(out: str | Path) -> None:
    """Learn on three inputs, evaluate on three and on thirty-nine, and place both results on the board.

    Everything is kept in the folder `out`; PlasticbenchError if it is there already and not a quickstart of before.
    """
    out = Path(out)
    if (out / "run.json").exists():
        shutil.rmtree(out)
    elif out.exists() and any(out.iterdir()):
        raise PlasticbenchError(f"out: {out} is a folder with other files; choose another with --out")
    print(
        "A linear neuron y = Σ w·x watches data go by. Which rule for its weights finds the data's first\n"
        "principal component? The rule is a polynomial Δw = 0.1·Σ A_abc preᵃ postᵇ wᶜ with 27 unknown numbers,\n"
        "all zero at the start. Gradient descent through whole simulated lifetimes looks for them:\n"
    )
    with tqdm(
        total=BUDGET, unit="life", desc="learning", file=sys.stderr, disable=None, leave=False
    ) as bar:
        learned = learn(
            TRAINED_ON, "gradient", out, budget=BUDGET, progress=lambda done, _: bar.update(done - bar.n)
        )
    for events in learned.rule.equations().values():
        for text in events.values():
            print(f"    discovered   Δw = {text}")
    print("    Oja (1982)   Δw = 0.1*(pre*post - post**2*w), up to its speed\n")
    transferred = evaluate(learned.rule, SCORED_ON, learned=learned.learned)
    transferred.save(out / "result-oja.json")
    _print_losses(learned, "3 inputs, where it was trained")
    _print_losses(transferred, "39 inputs, which it never saw")
    print("\nOn the leaderboard:")
    for result, file in ((learned, "result.json"), (transferred, "result-oja.json")):
        print(f"    {_place(out, out / file, result)}")
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
        f"no plasticity {null.loss:.4f}    score {result.score:.3f} (0 = none, 1 = {task.reference_rule})"
    )


def _place(out: Path, file: Path, result: Result) -> str:
    """The place that the result would take, found in a board of its own so that nothing is published."""
    leaderboard = importlib.import_module("plasticbench.leaderboard")
    entry = leaderboard.submit(file, out / "board")
    return f"{result.rule.name} {leaderboard.place_of(leaderboard.open_board(out / 'board').find(entry))}"
