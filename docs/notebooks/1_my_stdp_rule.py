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
from plasticbench.drawing.rules import timing_window
from plasticbench.leaderboard import board_table, open_board, submit, verify

folder = Path(tempfile.mkdtemp())

# %%
# The equation
# ------------
# A rule is data: what happens at a presynaptic and at a postsynaptic spike, as expressions over spike traces and the
# weight, with numbers. Here: inhibitory spike-timing-dependent plasticity with a window that is symmetric in the delay,
# less a constant at each presynaptic spike. Times are in seconds, weights in the task's units.

equation = {
    "format": "plasticbench/rule@1",
    "name": "my-stdp",
    "pathways": {
        "*": {
            "traces": {"x_pre": "tau", "x_post": "tau"},
            "on_pre": "eta * (x_post - 2*rho*tau)",
            "on_post": "eta * x_pre",
            "parameters": {"eta": 0.02, "rho": 8.0, "tau": 0.02},
        }
    },
}
(folder / "my-stdp.json").write_text(json.dumps(equation))
rule = plasticbench.load_rule(folder / "my-stdp.json")
for event, text in rule.equations()["*"].items():
    print(event, " Δw =", text)

# %%
# An expression that the rule language does not know is refused in one line that says where it stands:

equation["pathways"]["*"]["on_pre"] = "eta * x_past"
(folder / "misspelt.json").write_text(json.dumps(equation))
try:
    plasticbench.load_rule(folder / "misspelt.json")
except plasticbench.RuleError as error:
    print(str(error).removeprefix(str(folder)))

# %%
# Its window
# ----------
# The change of the weight by one pair of spikes, against their delay.

window = timing_window(rule, "*")
figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
axes.plot(1e3 * window.delay_s, window.change)
axes.axhline(0, color="0.7", linewidth=0.8)
axes.set(xlabel="post after pre (ms)", ylabel="Δw", title=rule.name)

# %%
# In a network
# ------------
# ``StabilityIEMini``: 800 excitatory and 200 inhibitory neurons; the synapses from inhibitory to excitatory ones are
# plastic, and should hold the excitatory rate at 10 Hz. ``evaluate`` lives the task's official lifetimes; here, to be
# quick, only the first five of them.

task = plasticbench.task("plasticbench/StabilityIEMini-v0")
mine = plasticbench.evaluate(rule, task, seeds=5)
known = plasticbench.evaluate("vogels-2011", task, seeds=5)
nothing = plasticbench.evaluate("null", task, seeds=5)
for result in (mine, known, nothing):
    print(f"{result.rule.name:12} loss {result.loss:8.4g}   rate {sum(result.metrics['rate_hz']) / 5:5.1f} Hz")

# %%
# The lifetimes are common to both, so the difference is paired:

print(mine.compare(nothing).verdict)
print(mine.compare(known).verdict)

# %%
# On a board
# ----------
# A whole official evaluation can be submitted. A board is a folder; this one is your own and lies in a temporary place.
# Whoever verifies an entry simulates it again on the official seeds and on fresh ones, drawn after it came in. (On a task
# whose lives are short; everything is the same on the others.)

measured = plasticbench.evaluate(rule, "plasticbench/InhibitoryBalanceMini-v0")
measured.save(folder / "result.json")
entry = submit(folder / "result.json", folder / "board", authors="Me")
print(verify(entry, folder / "board").reason)
print(board_table(open_board(folder / "board"), "plasticbench/InhibitoryBalanceMini-v0"))
