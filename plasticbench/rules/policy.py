"""A rule as the policy of an environment: observation in, weight changes out.

Rate: Δw of `on_step` at every synapse. Spiking: a step's events at every synapse in the engine's order,
`on_pre` where a presynaptic spike arrives, `on_post` where the neuron spikes, `on_step`, each followed by the clip to
[w_min, w_max]. In both, `on_modulator` comes last, where the observation's `modulator` is 1. The rule's traces and
states stand in the observation under their names: who makes it keeps them. What a spiking event changes of them is
seen by the events that follow it in the step, and then forgotten; in rate networks `on_modulator` reads the same values
as `on_step`, and both changes are added.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from plasticbench.errors import RuleError
from plasticbench.language.vocabulary import on_offer, shorten
from plasticbench.rules.batch import PathwayStructure, structure_of
from plasticbench.rules.rule import EVERY_PATHWAY, Rule

if TYPE_CHECKING:
    from torch import Tensor

# The events in order, and the 0/1 entry of the observation that says where each happens (None: everywhere).
_WHERE = {"on_pre": "pre_spike", "on_post": "post_spike", "on_step": None, "on_modulator": "modulator"}


def act(rule: Rule, observation: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Δw for `observation[pathway][variable]`, arrays that broadcast against the pathway's weights.

    numpy in, numpy out; torch in, torch out (differentiable in the observation). The action has the common
    shape of the pathway's variables. Pathways that the rule leaves alone get zeros. Raises RuleError where
    the rule names a pathway or variable that the observation lacks.
    """
    return {pathway: found["w"] for pathway, found in changes(rule, observation).items()}


def changes(rule: Rule, observation: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """As `act`, the change of the weight ("w") and of every state: `changes(...)[pathway][target]`."""
    from torch import Tensor

    for key in rule.pathways:
        if key != EVERY_PATHWAY and key not in observation:
            raise RuleError(f"rule {rule.name}: unknown pathway {shorten(key)}; {on_offer(key, observation)}")
    found: dict[str, dict[str, Any]] = {}
    for pathway, seen in observation.items():
        as_torch = any(isinstance(value, Tensor) for value in seen.values())
        changed = _changes(rule, pathway, _tensors(seen))
        found[pathway] = changed if as_torch else {target: change.numpy() for target, change in changed.items()}
    return found


def _tensors(found: Mapping[str, Any]) -> dict[str, Tensor]:
    """The variables as tensors of equal rank; numpy ones are copied, since they may be read-only."""
    import torch
    from torch import Tensor

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


def _changes(rule: Rule, pathway: str, variables: dict[str, Tensor]) -> dict[str, Tensor]:
    import torch

    structure, numbers = structure_of(pathway, rule.for_pathway(pathway))
    first = next(iter(variables.values()))
    shape = torch.broadcast_shapes(*(value.shape for value in variables.values()))
    _check_seen(rule, structure, variables)
    parameters = torch.tensor([numbers], dtype=torch.float64, device=first.device)
    targets = ["w", *(state.name for state in structure.states)]
    now = {**variables, **{name: variables[name].broadcast_to(shape) for name in targets if name in variables}}
    total = {name: torch.zeros(shape, dtype=first.dtype, device=first.device) for name in targets}
    for event, happens in _WHERE.items():
        found = {name: change.evaluate(now, parameters) for name, change in structure.targets(event).items()}
        for name, change in found.items():
            if "on_step" in structure.events and "pre_spike" not in variables:
                if happens is not None:
                    change = torch.where(variables[happens] > 0, change, torch.zeros_like(change))
                total[name] = total[name] + change
                continue
            changed = now[name] + change
            if name == "w" and "w_max" in variables:
                lowest = variables.get("w_min")
                changed = changed.clamp(min=0.0) if lowest is None else torch.maximum(changed, lowest)
                changed = torch.minimum(changed, variables["w_max"])
            now[name] = changed if happens is None else torch.where(variables[happens] > 0, changed, now[name])
            total[name] = now[name] - variables[name]
    return total


def _check_seen(rule: Rule, structure: PathwayStructure, variables: Mapping[str, Tensor]) -> None:
    for event in structure.events:
        needed = structure.variables_of(event) | (set(structure.targets(event)) - {"w"})
        for name in sorted(needed - set(variables)):
            place = f"rule {rule.name}: pathways.{structure.pathway}"
            raise RuleError(f"{place}: unknown variable {shorten(name)}; {on_offer(name, variables)}")
    wanted = {where for event, where in _WHERE.items() if event in structure.events and where}
    wanted |= {"w", "w_max"} if wanted & {"pre_spike", "post_spike"} else {"w"} if wanted else set()
    missing = sorted(wanted - set(variables))
    if missing:
        raise RuleError(f"rule {rule.name}: the observation of {structure.pathway} lacks {', '.join(missing)}")
