"""A rule as the policy of an environment: observation in, weight changes out.

Rate: Δw of `on_step` at every synapse. Spiking: a step's events at every synapse in the engine's order,
`on_pre` where a presynaptic spike arrives, then `on_post` where the neuron spikes, each followed by the clip
to [0, w_max].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plasticbench.errors import RuleError
from plasticbench.language.vocabulary import on_offer, shorten
from plasticbench.rules.batch import structure_of
from plasticbench.rules.rule import EVERY_PATHWAY, Rule


def act(rule: Rule, observation: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Δw for `observation[pathway][variable]`, arrays that broadcast against the pathway's weights.

    numpy in, numpy out; torch in, torch out (differentiable in the observation). The action has the common
    shape of the pathway's variables. Pathways that the rule leaves alone get zeros. Raises RuleError where
    the rule names a pathway or variable that the observation lacks.
    """
    for key in rule.pathways:
        if key != EVERY_PATHWAY and key not in observation:
            raise RuleError(f"rule {rule.name}: unknown pathway {shorten(key)}; {on_offer(key, observation)}")
    action: dict[str, Any] = {}
    for pathway, found in observation.items():
        as_torch = any(isinstance(value, Tensor) for value in found.values())
        change = _change(rule, pathway, _tensors(found))
        action[pathway] = change if as_torch else change.numpy()
    return action


def _tensors(found: Mapping[str, Any]) -> dict[str, Tensor]:
    """The variables as tensors of equal rank; numpy ones are copied, since they may be read-only."""
    tensors = {
        name: value if isinstance(value, Tensor) else torch.tensor(np.asarray(value)) for name, value in found.items()
    }
    weights = tensors.get("w", next(iter(tensors.values())))
    n_axes = max(value.ndim for value in tensors.values())
    return {
        name: value.to(weights.dtype)[(None,) * (n_axes - value.ndim)]
        if value.ndim < n_axes
        else value.to(weights.dtype)
        for name, value in tensors.items()
    }


def _change(rule: Rule, pathway: str, variables: dict[str, Tensor]) -> Tensor:
    part = rule.for_pathway(pathway)
    structure, numbers = structure_of(pathway, part)
    first = next(iter(variables.values()))
    parameters = torch.tensor([numbers], dtype=torch.float64, device=first.device)
    shape = torch.broadcast_shapes(*(value.shape for value in variables.values()))
    for event in structure.events:
        for name in sorted(structure.variables_of(event) - set(variables)):
            place = f"rule {rule.name}: pathways.{pathway}"
            raise RuleError(f"{place}: unknown variable {shorten(name)}; {on_offer(name, variables)}")
    if "on_step" in structure.events:
        return structure.targets("on_step")["w"].evaluate(variables, parameters).broadcast_to(shape).clone()
    if not structure.events:
        return torch.zeros(shape, dtype=first.dtype, device=first.device)
    missing = {"w", "w_max", "pre_spike", "post_spike"} - set(variables)
    if missing:
        raise RuleError(f"rule {rule.name}: the observation of {pathway} lacks {', '.join(sorted(missing))}")
    start = variables["w"].broadcast_to(shape)
    weights = start
    for name, spike in (("on_pre", "pre_spike"), ("on_post", "post_spike")):
        if name in structure.events:
            change = structure.targets(name)["w"].evaluate({**variables, "w": weights}, parameters)
            changed = torch.minimum((weights + change).clamp(min=0.0), variables["w_max"])
            weights = torch.where(variables[spike] > 0, changed, weights)
    return weights - start
