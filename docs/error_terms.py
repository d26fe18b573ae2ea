"""Which terms of the errors help a deep network learn: the table of docs/layers.md.

python docs/error_terms.py [N]: over the first N official lifetimes of FeedbackDigits-v0 (default: all).
"""

import dataclasses
import sys

import plasticbench
from plasticbench.rules import PathwayRule, Rule

TASK = plasticbench.task("FeedbackDigits-v0")
SHALLOW = dataclasses.replace(TASK, sizes=(64, 50, 30, 5))
ROWS = (  # task, feedback, (η₀, η₁, η₂)
    (TASK, "fixed", ((0, 0, 0), (0.03, 0, 0), (0.1, 0, 0), (0.3, 0, 0))),
    (TASK, "fixed", ((0.1, 0.03, 0), (0.1, 0.1, 0), (0.1, 0.3, 0), (0.2, 0.3, 0), (0.1, -0.1, 0))),
    (TASK, "fixed", ((0.1, 0, 0.001), (0.1, 0.3, 0.001))),
    (TASK, "transposed", ((0.03, 0, 0), (0.1, 0, 0), (0.3, 0, 0), (0.1, 0.1, 0))),
    (SHALLOW, "fixed", ((0.03, 0, 0), (0.03, 0.03, 0), (0.1, 0, 0))),
    (SHALLOW, "transposed", ((0.03, 0, 0), (0.1, 0, 0))),
)


def rule_of(*numbers: float) -> Rule:
    """With these three coefficients, the same at all layers."""
    text = "-eta_0*err*pre + eta_1*err*err_pre + eta_2*(post*pre - post**2*w)"
    named = {f"eta_{k}": float(number) for k, number in enumerate(numbers)}
    return Rule("error-terms", {"*": PathwayRule.make({"on_step": text}, named)})


def main(n: int) -> None:
    print("| layers | feedback | η₀, η₁, η₂ | loss | test accuracy | angle to feedback | blown up |")
    print("|---|---|---|---|---|---|---|")
    for task, feedback, terms in ROWS:
        rules = [rule_of(*numbers) for numbers in terms]
        found = task.run(rules, task.official_seeds[:n], conditions={"feedback": feedback})
        for k, numbers in enumerate(terms):
            accuracy = found.metrics["test_accuracy"][k]
            lived = accuracy[~found.blown_up[k]]
            sem = f" ± {float(lived.std()) / len(lived) ** 0.5:.3f}" if len(lived) > 1 else ""
            angle = float(found.metrics["feedback_angle_deg"][k].nanmean())
            print(
                f"| {len(task.sizes) - 1} | {feedback} | {', '.join(f'{x:g}' for x in numbers)} "
                f"| {float(found.losses[k].mean()):.4g} | {float(lived.mean()):.3f}{sem} | {angle:.0f}° "
                f"| {int(found.blown_up[k].sum())} |",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else TASK.n_official)
