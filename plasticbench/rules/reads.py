"""Who may read what: the modulator where it is there, and a neuron's own state only what that neuron has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plasticbench.errors import RuleError
from plasticbench.language.vocabulary import on_offer, shorten
from plasticbench.rules.variables import MODULATOR, TRACES, VARIABLES

if TYPE_CHECKING:
    from plasticbench.rules.pathway import PathwayRule

_OWN_EVENT = {"pre": "on_pre", "post": "on_post"}


def check_reads(rule: PathwayRule, where: str) -> None:
    """Raise RuleError, with the variable and the reason, where a change reads what is not there for it."""
    undeclared = sorted((rule.variables & set(TRACES)) - set(rule.traces))
    if undeclared:
        raise RuleError(f"{where}: {undeclared[0]} is used without a time constant; declare it in traces (seconds)")
    for event, changes in rule.events.items():
        if rule.kind != "rate" and event != "on_modulator" and MODULATOR in rule.reads(event):
            raise RuleError(
                f"{where}.{event}: reads {MODULATOR}, which spiking networks have only in on_modulator; "
                "collect in a state what the modulator is to act on"
            )
        for target in changes:
            if target in rule.states and rule.states[target].scope != "synapse":
                _check_neuron(rule, event, target, f"{where}.{event}.{target}")


def _check_neuron(rule: PathwayRule, event: str, target: str, place: str) -> None:
    """A state of a neuron changes when that neuron acts, by what it has itself."""
    scope = rule.states[target].scope
    own = _OWN_EVENT[scope]
    if event in _OWN_EVENT.values() and event != own:
        raise RuleError(
            f"{place}: {target} is a state of the {scope}synaptic neuron, which does not act in {event}; "
            f"change it in {own} or on_modulator, or give it the scope 'synapse'"
        )
    its = {MODULATOR}
    its |= {name for name, variable in VARIABLES.items() if variable.scope == scope and name not in TRACES}
    its |= {name for name, trace in rule.traces.items() if trace.side == scope}
    its |= {name for name, state in rule.states.items() if state.scope == scope}
    foreign = sorted(rule.reads(event, target) - its)
    if foreign:
        raise RuleError(
            f"{place}: reads {shorten(foreign[0])}, which the {scope}synaptic neuron, whose state {target} is, "
            f"does not have; {on_offer(foreign[0], its)}"
        )
