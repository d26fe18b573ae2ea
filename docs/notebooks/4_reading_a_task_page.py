"""
Reading a task page
===================

What the numbers of a task's page on the board mean, reckoned anew from the entries.
"""

import matplotlib.pyplot as plt
import numpy as np

import plasticbench
from plasticbench.leaderboard import board_json, board_table, open_board

board = open_board()  # the entries that come with the package, and your own
task = plasticbench.task("plasticbench/OjaMini-v0")
print(board_table(board, task.id))

# %%
# Losses and scores
# -----------------
# A lifetime has a loss; a rule's *fresh loss* is the mean over lifetimes whose seeds were drawn after the rule came
# in. Its *official* loss is that over the public seeds. *p* says how often chance alone would make fresh lifetimes
# so much worse than official ones. A *score* puts losses of all tasks on one scale: 0 as frozen weights, 1 as the
# task's reference rule.

for name, loss in (("null", task.null_loss), (task.reference_rule, task.reference_loss)):
    print(f"{name:6} loss {loss:.4f}   score {task.score(loss):+.3f}")

# %%
# *Knows nothing*: where a constant weight, silence or a copy of the input loses less than frozen weights, the task
# has a ``blind_loss``. Down to it the score is nearly flat, and nobody is called best above it.

print(f"blind loss {task.blind_loss:.4f}   score {task.score(task.blind_loss):+.3f}")

# %%
# Letters and ranks
# -----------------
# Two rules are told apart where the 95 % interval of the difference of their means leaves out 0. Rules that share a
# letter are not; a rank is the range that this leaves.

found = board_json(board, task.id)
entries = [entry for entry in found["tasks"][0]["entries"] if entry["rank"]]
figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
for place, entry in enumerate(entries):
    low, high = entry["score_interval"]
    axes.plot([max(low, -1), max(high, -1)], [place, place], color="C0")
    axes.plot(max(entry["score"], -1), place, "o", color="C0")
names = [f"{entry['rule']}  ({''.join(entry['group'])})" for entry in entries]
axes.set_yticks(range(len(entries)), names)
axes.invert_yaxis()
axes.set(xlabel="score, cut at −1")

# %%
# The difference of a pair
# ------------------------
# In common lifetimes, what two rules share (network, data) cancels. That is why a difference can be sure where the
# two intervals overlap.

results = [plasticbench.evaluate(rule, task) for rule in ("oja", "oja-online")]
pair = results[0].compare(results[1])
print(pair.verdict)
print(
    f"difference {pair.difference:.4f}, 95 % {pair.interval[0]:.4f} to {pair.interval[1]:.4f}, p = {pair.p_value:.2g}"
)
spread = [np.std(r.losses) for r in results]
print(f"standard deviations of the two {spread[0]:.3f}, {spread[1]:.3f}")

# %%
# Files
# -----
# Below each table of the site stand its CSV and JSON; ``board.json`` is the whole board. Each entry links to what
# was claimed and to what simulating it again has found.
