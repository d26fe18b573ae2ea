"""Which rules find a source that is not Gaussian: the table of docs/independent_component.md.

python docs/independent_directions.py [N]: over the first N official lifetimes (default: all).
"""

import sys

import plasticbench

TASK = plasticbench.task("IndependentComponent-v0")
NEAR_DEG = 25.0  # from the source: it is found
RULES = (
    "nonlinear-hebb-cubic", "nonlinear-hebb-square", "bcm-sliding-fast", "nonlinear-hebb-rectified", "bcm-sliding",
    "bcm", "oja", "null",
)  # fmt: skip


def main(n: int) -> None:
    seeds = TASK.official_seeds[:n]
    found = [TASK.run(RULES, seeds, conditions={"source": source}) for source in ("exponential", "laplace")]
    print("| rule | exponential | found | Laplace | found | blown up |\n|---|---|---|---|---|---|")
    for k, name in enumerate(RULES):
        cells = [
            f"{float(o.losses[k].mean()):.3f} | {int((o.metrics['angle_deg'][k] < NEAR_DEG).sum())}" for o in found
        ]
        blown = ", ".join(str(int(o.blown_up[k].sum())) for o in found)
        print(f"| `{name}` | {' | '.join(cells)} | {blown} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else TASK.n_official)
