"""
My task and neuron model
========================

A neuron model is equations; a task is a network, a protocol and a loss of what is recorded. Both live in a module of
your own. The two of this page lie in ``docs/examples`` and are explained in :doc:`/extending`.
"""

import inspect
import sys
from pathlib import Path

import matplotlib.pyplot as plt

import plasticbench

sys.path.insert(0, str(Path.cwd().parent / "examples"))  # docs/examples
from firing_task import IrregularFiring
from quadratic_lif import QuadraticLIF

# %%
# The neuron
# ----------
# State and its start, the equations of one step in order, a threshold, what a spike sets, and which state a
# receptor's synapses add to. Every engine lowers the same equations.

print(inspect.getsource(QuadraticLIF))

# %%
# The task
# --------
# ``life`` says what a network is and lives through, from the conditions and the seed of one lifetime; ``loss`` is a
# function of what was recorded.

print(inspect.getsource(IrregularFiring.life))
print(inspect.getsource(IrregularFiring.loss))

# %%
# Importing its module has registered it, under a namespace of its own:

task = plasticbench.task("mylab/IrregularFiring-v0")
print(task.title, "·", task.n_official, "official lifetimes · plastic:", ", ".join(task.pathways))

# %%
# It is a task like any other
# ---------------------------
# Any rule lives it, learners search on it, and it is a Gymnasium environment
# (``gymnasium.make("mylab/IrregularFiring-v0")``). ``plasticbench.tasks.check.check_task(task)`` runs what this
# package's own tests run over its own tasks.

results = [plasticbench.evaluate(rule, task) for rule in ("null", "vogels-2011")]
for result in results:
    print(f"{result.rule.name:12} loss {result.loss:.3f}, score {result.score:.2f}")

# %%
# A metric of each lifetime, beside the loss:

figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
for result in results:
    axes.plot(result.metrics["rate_hz"], result.metrics["cv_isi"], "o", label=result.rule.name)
axes.axhline(1.0, color="0.7", linewidth=0.8)
axes.axvline(10.0, color="0.7", linewidth=0.8)
axes.set(xlabel="rate (Hz)", ylabel="CV of the intervals")
axes.legend(frameon=False)

# %%
# Its marks
# ---------
# Before a task is published, null, reference and the best rule that knows nothing are measured and written into it:
# ``plasticbench.tasks.references.measure_references(task)``. A reference that is no better than frozen weights is
# refused.
