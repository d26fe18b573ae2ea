"""
My learner
==========

A learner finds rules. It is a class with ``learn(problem)``; the problem counts lifetimes, hands out training seeds
that are never the official ones, and keeps the history. So a learner is only its mathematics.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from plasticbench.learning import learn, load_run

folder = Path(tempfile.mkdtemp())

# %%
# Its mathematics
# ---------------
# An evolution strategy with antithetic pairs, in a dozen lines. ``problem.losses(thetas)`` lives rules with these
# coefficients, a row each, in fresh lifetimes that are common to all of them.


class Antithetic:
    """Steps along the mean of random directions, weighted by how much better one end is than the other."""

    def __init__(self, std: float = 0.05, rate: float = 0.1, n_pairs: int = 8):
        self.std, self.rate, self.n_pairs = std, rate, n_pairs

    def learn(self, problem):
        theta = problem.family.initial(problem.seed)  # (d,): coefficients of the task's first family
        generator = torch.Generator().manual_seed(problem.seed)
        n_lives = 2 * self.n_pairs * 8  # a call lives each rule through 8 lifetimes
        while problem.budget_left >= n_lives:
            step = torch.randn(self.n_pairs, len(theta), generator=generator, dtype=theta.dtype)
            losses = problem.losses(torch.cat([theta + self.std * step, theta - self.std * step])).mean(1)
            gain = losses[self.n_pairs :] - losses[: self.n_pairs]  # (n_pairs,)
            slope = (gain[:, None] * step).mean(0)
            theta = theta + self.rate * slope / (slope.norm() + 1e-12)
            problem.log(loss=float(losses.mean()))
        return problem.rule(theta)


# %%
# A run
# -----
# A run folder keeps the rule, the result on the official lifetimes, the history and what it cost. Two runs of one
# seed are equal to the bit; a run that was killed goes on with ``resume=True``.

result = learn("plasticbench/OjaMini-v0", Antithetic, out=folder / "run", budget=12_800, seed=0)
print(f"official loss {result.loss:.4f}, score {result.score:.3f} (0 = frozen weights, 1 = Oja's rule)")
print(f"{result.learned['lifetimes']:,} lifetimes")

# %%
# The curve
# ---------

history = load_run(folder / "run").history
figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
axes.semilogy([row["lifetimes"] for row in history], [row["loss"] for row in history])
axes.set(xlabel="lifetimes simulated", ylabel="loss, mean over the generation")

# %%
# What it found
# -------------
# The largest terms of the 27 of its family; Oja's rule has post·pre and −post²·w.

terms = result.rule.equations(digits=2, drop=0.2)["ff"]
print("Δw =", terms["on_step"])

# %%
# From a shell the same class is ``plasticbench learn --task plasticbench/OjaMini-v0 --learner my_module:Antithetic
# --out runs/mine``; ``plasticbench show LEARNER`` prints the options of those that ship with the package, and
# ``plasticbench submit runs/mine/result.json`` puts the rule on a board.
