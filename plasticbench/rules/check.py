"""Whether a rule can live on a task: its pathways, events and variables, against what is on offer there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plasticbench.errors import RuleError
from plasticbench.language.vocabulary import on_offer, shorten
from plasticbench.rules.pathway import PathwayRule
from plasticbench.rules.rule import EVERY_PATHWAY, Rule
from plasticbench.rules.size import check_size
from plasticbench.rules.variables import MODULATOR, TRACES

Offered = Mapping[str, frozenset[str]] | frozenset[str]  # variables, of each pathway or of all


def check_rule(
    rule: Rule,
    pathways: Sequence[str],
    events: Sequence[str],
    variables: Offered,
    arrays: Mapping[str, tuple[int, ...]] | None = None,
) -> None:
    """Raise RuleError unless `rule` can live on these plastic pathways, events and variables, and is not too long.

    `variables` are those on offer, for all pathways or for each; `arrays` the shapes a rule has to bring
    along.
    """
    for key in rule.pathways:
        if key != EVERY_PATHWAY and key not in pathways:
            raise RuleError(f"rule {rule.name}: unknown pathway {shorten(key)}; {on_offer(key, pathways)}")
    for pathway in pathways:
        part = rule.for_pathway(pathway)
        if part is None:
            continue
        place = f"rule {rule.name}: pathways.{pathway if pathway in rule.pathways else EVERY_PATHWAY}"
        offered = variables[pathway] if isinstance(variables, Mapping) else variables
        _check_events(part, events, offered, place)
        _check_variables(part, offered, place)
    check_size(rule, pathways)
    wanted = arrays or {}
    for name in sorted(set(rule.arrays) ^ set(wanted)):
        found = "does not bring" if name in wanted else "brings"
        raise RuleError(f"rule {rule.name}: {found} the array {name!r}; the task takes: {', '.join(wanted) or 'none'}")
    for name, shape in wanted.items():
        if rule.arrays[name].shape != tuple(shape):
            raise RuleError(
                f"rule {rule.name}: arrays.{name} has shape {rule.arrays[name].shape}, needs {tuple(shape)}"
            )


def runs_on(
    rule: Rule,
    pathways: Sequence[str],
    events: Sequence[str],
    variables: Offered,
    arrays: Mapping[str, tuple[int, ...]] | None = None,
) -> bool:
    """Whether `check_rule` lets the rule pass: which known rules a board can list for a task."""
    try:
        check_rule(rule, pathways, events, variables, arrays)
    except RuleError:
        return False
    return True


def _check_events(part: PathwayRule, events: Sequence[str], offered: frozenset[str], place: str) -> None:
    for event in part.events:
        if event == "on_modulator" and MODULATOR not in offered:
            raise RuleError(f"{place}.on_modulator: this task delivers no modulator; {on_offer(MODULATOR, offered)}")
        if event != "on_modulator" and event not in events:
            raise RuleError(f"{place}: unknown event {shorten(event)}; {on_offer(event, events)}")
    if "on_pre" in events and MODULATOR in part.reads("on_step"):
        raise RuleError(
            f"{place}.on_step: reads {MODULATOR}, which spiking networks have only in on_modulator; "
            "collect in a state what the modulator is to act on"
        )


def _check_variables(part: PathwayRule, offered: frozenset[str], place: str) -> None:
    for name, trace in part.traces.items():
        # Where a network offers the plain trace of a side, it keeps traces of that side's spikes.
        needed = name if name in TRACES else f"x_{trace.side}"
        if trace.of is None and needed not in offered:
            raise RuleError(f"{place}: unknown trace {shorten(name)}; {on_offer(name, set(TRACES) & offered)}")
    for variable in sorted(part.variables - offered):
        why = "; this task delivers no modulator" if variable == MODULATOR else ""
        raise RuleError(f"{place}: unknown variable {shorten(variable)}; {on_offer(variable, offered)}{why}")
