"""
My STDP rule, from equation to board
====================================

You have an equation for how a synapse changes with the timing of spikes. Here it becomes a rule, is looked at, lived by
a network, compared with others and put on a board.
"""

import json
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

import plasticbench
from plasticbench.drawing.protocols import Assumed, timing_window
from plasticbench.leaderboard import board_table, open_board, submit, verify

folder = Path(tempfile.mkdtemp())

# %%
# The equation
# ------------
# A rule is data: what happens at a presynaptic and at a postsynaptic spike, as expressions over spike traces and
# the weight, with numbers. Here: pairs of spikes weaken a synapse where the presynaptic one is late, and strengthen
# it where it is early, the more the higher the weight is below its bound. Times are in seconds, weights in the
# task's units.

equation = {
    "format": "plasticbench/rule@1",
    "name": "my-stdp",
    "pathways": {
        "*": {
            "traces": {"x_pre": "tau_plus", "x_post": "tau_minus"},
            "on_pre": "-A_minus * x_post * w",
            "on_post": "A_plus * x_pre * (w_max - w)",
            "parameters": {"A_plus": 0.01, "A_minus": 0.011, "tau_plus": 0.017, "tau_minus": 0.034},
        }
    },
}
(folder / "my-stdp.json").write_text(json.dumps(equation))
rule = plasticbench.load_rule(folder / "my-stdp.json")
for event, text in rule.equations()["*"].items():
    print(event, " Δw =", text)

# %%
# An expression that the rule language does not know is refused in one line that says where it stands:

equation["pathways"]["*"]["on_pre"] = "-A_minus * x_past * w"
(folder / "misspelt.json").write_text(json.dumps(equation))
try:
    plasticbench.load_rule(folder / "misspelt.json")
except plasticbench.RuleError as error:
    print(str(error).partition(": ")[2])

# %%
# Its window
# ----------
# The change of the weight by one pair of spikes, against their delay, at half of the largest weight of excitatory
# synapses in the networks below.

window = timing_window(rule, "*", assumed=Assumed(w=0.15, w_max=0.3))
figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
axes.plot(1e3 * window.delay_s, window.change)
axes.axhline(0, color="0.7", linewidth=0.8)
axes.set(xlabel="post after pre (ms)", ylabel="Δw", title=rule.name)

# %%
# In a network
# ------------
# ``StabilityEEMini``: 800 excitatory and 200 inhibitory neurons; the synapses among excitatory ones are plastic,
# and the excitatory rate should stay at 10 Hz. ``evaluate`` lives the task's official lifetimes; here, to be quick,
# only the first five of them.

task = plasticbench.task("plasticbench/StabilityEEMini-v0")
mine = plasticbench.evaluate(rule, task, seeds=5)
known = plasticbench.evaluate("song-2000", task, seeds=5)
for result in (mine, known):
    blown = sum(status != "ok" for status in result.statuses)
    print(f"{result.rule.name:10} loss {result.loss:8.4g}, {blown} of 5 blew up")

# %%
# The lifetimes are common to both, so the difference is paired:

print(mine.compare(known).verdict)

# %%
# On a board
# ----------
# A whole official evaluation can be submitted; here that of a task that asks for data instead of function, the
# changes measured in slices of layer 5, whose life takes no time. A board is a folder; this one is your own and
# lies in a temporary place. Whoever verifies an entry simulates it again, on the official seeds and on fresh ones,
# drawn after it came in.

measured = plasticbench.evaluate(rule, "plasticbench/SliceL5-v0")
measured.save(folder / "result.json")
entry = submit(folder / "result.json", folder / "board", authors="Me")
print(verify(entry, folder / "board").reason)
print(board_table(open_board(folder / "board"), "plasticbench/SliceL5-v0"))
