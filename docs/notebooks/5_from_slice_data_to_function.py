"""
From slice data to function
===========================

A rule that does to one synapse what was measured in tissue: what does it do to a network?
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import plasticbench
from plasticbench.learning import learn

folder = Path(tempfile.mkdtemp())

# %%
# Fit to data
# -----------
# ``SliceL5``: 21 protocols of layer 5, the trains as they were given. A life is the whole data set, and takes a
# fraction of a millisecond. The loss is the mean squared misfit in units of the standard error: 1 is as good as the
# error bars.

fitted = learn(
    "plasticbench/SliceL5-v0", "evotorch", family="minimal-triplet", budget=1_200, seed=0,
    options={"lifetimes": 1, "l1": 0, "refit": 0}, out=folder / "fit",
)  # fmt: skip
for name in ("null", "song-2000", "minimal-triplet-l5"):
    print(f"{name:20} loss {plasticbench.evaluate(name, 'plasticbench/SliceL5-v0').loss:6.3f}")
print(f"{'fitted here':20} loss {fitted.loss:6.3f}")
for event, text in next(iter(fitted.rule.equations().values())).items():
    print(event, " Δw =", text)

# %%
# Protocol by protocol
# --------------------

experiment = plasticbench.task("plasticbench/SliceL5-v0").experiment
rows = [row for row in experiment.rows if row.scored]
scale = fitted.metrics["scale"][0]
model = np.array([scale * fitted.metrics[f"dw_{row.name}"][0] for row in rows])
figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
places = np.arange(len(rows))
axes.errorbar(places, [row.mean for row in rows], [row.sem for row in rows], fmt="o", color="0.3", label="measured")
axes.plot(places, model, "s", color="C0", label="fitted rule")
axes.set_xticks(places, [row.name for row in rows], rotation=90, fontsize=7)
axes.set(ylabel="relative change")
axes.legend(frameon=False)

# %%
# In a network
# ------------
# The same equations in a recurrent network whose excitatory synapses among excitatory neurons are plastic, and
# whose rate should stay at 10 Hz. (Two lifetimes; the board has all of them.)

network = plasticbench.task("plasticbench/StabilityEEMini-v0")
for rule in (network.reference_rule, "song-2000", fitted.rule):
    result = plasticbench.evaluate(rule, network, seeds=2)
    blown = sum(status != "ok" for status in result.statuses)
    print(f"{result.rule.name:30} loss {result.loss:9.3g}   {blown} of 2 blew up")

# %%
# What fits the data need not keep a network stable, and what keeps it stable need not fit the data: the board's
# page *Data* shows all rules on both, and which ones no other beats in both.
