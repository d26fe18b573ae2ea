"""The weights at which rules are drawn: inside the range of a task that they live on."""

from __future__ import annotations

from typing import Any

import numpy as np

from plasticbench.drawing.protocols import Assumed
from plasticbench.errors import PlasticbenchError
from plasticbench.networks.clamped import ClampedNetwork
from plasticbench.networks.spiking import SpikingNetwork
from plasticbench.rules import Rule
from plasticbench.rules.check import runs_on
from plasticbench.tasks.registry import task as find_task
from plasticbench.tasks.registry import task_ids
from plasticbench.tasks.task import Task


def home_of(rule: Rule) -> Task | None:
    """The first registered task of spiking networks whose reference the rule is, else that it suits; None: none."""
    spiking = [task for task in map(find_task, task_ids()) if isinstance(task.example_network, SpikingNetwork)]
    own = [task for task in spiking if task.reference_rule == rule.name]
    return next((task for task in (*own, *spiking) if suits(rule, task)), None)


def suits(rule: Rule, task: Task) -> bool:
    """Whether a rule can live on a task."""
    variables = {name: task.variables(name) for name in task.pathways}
    arrays = task.arrays if rule.arrays else None
    return runs_on(task.part_of(rule), task.pathways, task.events, variables, arrays)


def assumed_on(rule: Rule, pathway: str, task: Task | None = None, w: float | None = None) -> Assumed:
    """What a picture of a rule holds still: on a task a synapse in the middle of where weights start there.

    `pathway` as the rule names it. `w` replaces the weight. PlasticbenchError if `w` lies outside of the task's range.
    """
    if w is not None and not np.isfinite(w):
        raise PlasticbenchError(f"w: {w} is not a finite weight")
    found = Assumed() if task is None else _at_start(rule, pathway, task)
    if w is None:
        return found
    if not 0.0 <= w <= found.w_max and task is not None and task.track != "rate":
        raise PlasticbenchError(f"w: {w:g} is not from 0 to {found.w_max:g}, the largest weight on {task.id}")
    bound = f", of at most {found.w_max:.3g}" if found.w_max < 1e9 else ""
    return Assumed(w, found.w_max, found.voltage, f"w = {w:.3g}{bound}{_voltage(rule, pathway, found)}")


def _at_start(rule: Rule, pathway: str, task: Task) -> Assumed:
    network, name = task.example_network, pathway if pathway in task.pathways else task.pathways[0]
    short = task.id.rpartition("/")[2]
    if isinstance(network, ClampedNetwork):
        own = rule.for_pathway(pathway)
        start = network.pathway.start_for(frozenset() if own is None else own.variables)
        return Assumed(start.weight, start.w_max, words=f"w = {start.weight:.3g}, as on {short}")
    if not isinstance(network, SpikingNetwork):
        return Assumed()
    declared = next(p for p in network.plastic_pathways if p.name == name)
    start_w = float(np.median(declared.weight))
    w = start_w if 0.0 < start_w < declared.w_max else 0.5 * declared.w_max
    made = Assumed(w, declared.w_max)
    where = "where they start" if w == start_w else "half of it"
    told = f"w = {w:.3g} of at most {declared.w_max:.3g}, {where} on {short}"
    return Assumed(w, declared.w_max, made.voltage, told + _voltage(rule, pathway, made))


def _voltage(rule: Rule, pathway: str, assumed: Assumed) -> str:
    own: Any = rule.for_pathway(pathway)
    reads = set() if own is None else own.variables
    return f", at {1e3 * assumed.voltage:g} mV" if reads & {"u", "v"} else ""
