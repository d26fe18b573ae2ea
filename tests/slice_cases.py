"""Rules and tasks of one synapse under imposed spikes, for the tests of clamped networks and of slices."""

import torch

import plasticbench
from plasticbench.envs.slice import Slice, slice_task
from plasticbench.rules import PathwayRule, Rule
from plasticbench.tasks.experiment import Experiment, MeasuredChange

L5, ONE_TRAIN, CULTURE = "SliceL5-v0", "SliceL5PfisterGerstner-v0", "SliceHippocampus-v0"
SLICES = tuple(i for i in plasticbench.task_ids() if plasticbench.task(i).track == "slice")


def rule(pathways=("ee",), name="own", **parts):
    return Rule(name, {pathway: PathwayRule.make(**parts) for pathway in pathways})


def triplet(a2_plus, a3_plus, a2_minus, a3_minus, tau_x, tau_y, factor=1.0):
    """Pfister & Gerstner's rule with the time constants of pairs that all their fits share."""
    return rule(
        events={
            "on_pre": "-factor * x_post * (a2_minus + a3_minus*x_pre2)",
            "on_post": "factor * x_pre * (a2_plus + a3_plus*x_post2)",
        },
        parameters={
            "a2_plus": a2_plus, "a3_plus": a3_plus, "a2_minus": a2_minus, "a3_minus": a3_minus, "factor": factor,
            "tau_plus": 0.0168, "tau_minus": 0.0337, "tau_x": tau_x, "tau_y": tau_y,
        },
        traces={"x_pre": "tau_plus", "x_post": "tau_minus", "x_pre2": "tau_x", "x_post2": "tau_y"},
    )  # fmt: skip


# As published, all-to-all: visual cortex and hippocampus, full and minimal. Not compared with the paper's tables, but
# they reproduce its fits.
CORTEX_FULL = triplet(5e-10, 6.2e-3, 7e-3, 2.3e-4, 0.101, 0.125)
CORTEX_MINIMAL = triplet(0.0, 6.5e-3, 7.1e-3, 0.0, 0.1, 0.114)
CULTURE_FULL = triplet(6.1e-3, 6.7e-3, 1.6e-3, 1.4e-3, 0.946, 0.027)
CULTURE_MINIMAL = triplet(5.3e-3, 8e-3, 3.5e-3, 0.0, 0.1, 0.040)
PAIRS = {"parameters": {"a": 0.01, "b": 0.02, "tau": 0.02}, "traces": {"x_pre": "tau", "x_post": "tau"}}


def own_task(*protocols, **fields) -> Slice:
    """A task of these protocols, each measured as +0.1 ± 0.1."""
    rows = tuple(MeasuredChange(protocol, 0.1, 0.1, None, "nobody") for protocol in protocols)
    given = {
        "title": "Own", "summary": "a synapse under spikes of one's own choice", "reference": "doi", "null_loss": 1.0,
        "reference_rule": "pfister-gerstner-2006", "reference_loss": 0.5,
    }  # fmt: skip
    return slice_task("mylab/Own-v0", Experiment(rows), **{**given, **fields})


def changes(task, rules, engine="cpu"):
    """(n_rules, n_protocols): relative changes."""
    found = task.run(rules, [0], engine).metrics
    return torch.stack([found[f"dw_{name}"][:, 0] for name in task.experiment.names], 1).numpy()
