"""Many rules at once: a hashable structure (what engines compile) and a matrix of numbers for each pathway.

Rules of equal structure share one compiled kernel, however their numbers differ. The structure holds no
numbers except literals that stand in the expressions; parameters and time constants are columns of the
matrix.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from plasticbench.errors import RuleError
from plasticbench.language.program import Expression
from plasticbench.language.vocabulary import on_offer, shorten
from plasticbench.rules.event import Event, ExpressionEvent
from plasticbench.rules.neural import NetworkEvent
from plasticbench.rules.pathway import PathwayRule
from plasticbench.rules.rule import EVERY_PATHWAY, Rule
from plasticbench.rules.variables import TRACES

Variables = Mapping[str, frozenset[str]] | frozenset[str]


@dataclass(frozen=True)
class TraceStructure:
    """A trace of a pathway: one number for each neuron of one side, that decays, and that spikes add to."""

    name: str
    side: Literal["pre", "post"]
    tau: int  # column of its time constant (s)
    nearest: bool = False  # set to 1 by a spike, instead of incremented by 1
    of: Event | None = None  # rate networks: what is low-pass filtered, of `pre` or of `post`; None: spikes


@dataclass(frozen=True)
class StateStructure:
    """A further variable beside the weight, which events change; it starts at 0."""

    name: str
    scope: Literal["synapse", "pre", "post"]
    tau: int | None = None  # column of its time constant (s); None: it keeps its value


@dataclass(frozen=True)
class PathwayStructure:
    """One plastic pathway: its parameters, traces and states, and what each event changes."""

    pathway: str
    parameters: tuple[str, ...] = ()
    traces: tuple[TraceStructure, ...] = ()
    states: tuple[StateStructure, ...] = ()
    event_items: tuple[tuple[str, tuple[tuple[str, Event], ...]], ...] = ()  # event: ((target, change), ...)

    @property
    def events(self) -> dict[str, dict[str, Event]]:
        """Event -> what it changes ("w" or a state) -> how; absent ones change nothing."""
        return {name: dict(changes) for name, changes in self.event_items}

    def targets(self, event: str) -> dict[str, Event]:
        """What one event changes; empty where it is absent."""
        return self.events.get(event, {})

    def variables_of(self, event: str) -> frozenset[str]:
        """Every variable, trace and state that an event's changes depend on."""
        return frozenset().union(*(change.variables for change in self.targets(event).values()))


@dataclass(frozen=True)
class Structure:
    """The plastic pathways in the task's order, and the shapes of the arrays that the rules bring along."""

    pathways: tuple[PathwayStructure, ...]
    arrays: tuple[tuple[str, tuple[int, ...]], ...] = ()


@dataclass(frozen=True)
class RuleBatch:
    """`n_rules` rules of one structure."""

    structure: Structure
    parameters: tuple[Tensor, ...]  # per pathway (n_rules, n_parameters)
    arrays: Mapping[str, Tensor] = field(default_factory=dict)  # name: (n_rules, *shape)

    @property
    def n_rules(self) -> int:
        return len(self.parameters[0])

    def time_constants_s(self, pathway: int) -> dict[str, Tensor]:
        """The time constant (s) of each trace and decaying state of the k-th pathway, (n_rules,)."""
        found = self.structure.pathways[pathway]
        columns = {item.name: item.tau for item in (*found.traces, *found.states) if item.tau is not None}
        return {name: self.parameters[pathway][:, column] for name, column in columns.items()}

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> RuleBatch:
        """The same rules on another device or in another precision."""
        return self._mapped(lambda tensor: tensor.to(device=device, dtype=dtype))

    def select(self, rules: slice | Sequence[int] | Tensor) -> RuleBatch:
        """The rules at these positions, as a batch."""
        return self._mapped(lambda tensor: tensor[rules])

    def _mapped(self, change) -> RuleBatch:
        return replace(
            self,
            parameters=tuple(change(tensor) for tensor in self.parameters),
            arrays={name: change(tensor) for name, tensor in self.arrays.items()},
        )


def structure_of(pathway: str, rule: PathwayRule | None) -> tuple[PathwayStructure, list[float]]:
    """The structure of one pathway, and the numbers in the order of its parameters.

    `rule` None: the pathway stays frozen.
    """
    if rule is None:
        return PathwayStructure(pathway), []
    names = sorted(rule.parameters)
    values = [rule.parameters[name] for name in names]
    n_named = len(names)
    traces = []
    for trace in sorted(rule.traces):
        constant = rule.traces[trace]
        if isinstance(constant, str):
            traces.append(TraceStructure(trace, _side(trace), names.index(constant)))
        else:
            traces.append(TraceStructure(trace, _side(trace), len(names)))
            names.append(f"tau({trace})")  # never an identifier, so never a parameter's name
            values.append(constant)
    first = len(names)
    if rule.network is not None:
        names += [f"network.{name}" for name in rule.network.shape.number_names]
        values += rule.network.numbers.tolist()
    events: list[tuple[str, tuple[tuple[str, Event], ...]]] = []
    for name in sorted(rule.events):
        event = rule.events[name]
        if isinstance(event, Expression):
            used = tuple(names[:n_named])
            events.append((name, (("w", ExpressionEvent(event.program, used)),)))
        else:
            events.append((name, (("w", NetworkEvent(event.network.shape, event.event, first)),)))
    return PathwayStructure(pathway, tuple(names), tuple(traces), (), tuple(events)), values


def _side(trace: str) -> Literal["pre", "post"]:
    return "pre" if trace.startswith("x_pre") else "post"


def check_rule(
    rule: Rule,
    pathways: Sequence[str],
    events: Sequence[str],
    variables: Variables,
    arrays: Mapping[str, tuple[int, ...]] | None = None,
) -> None:
    """Raise RuleError unless `rule` can live on these plastic pathways, events and variables.

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
        for event in part.events:
            if event not in events:
                raise RuleError(f"{place}: unknown event {shorten(event)}; {on_offer(event, events)}")
        for trace in part.traces:
            if trace not in offered:
                raise RuleError(f"{place}: unknown trace {shorten(trace)}; {on_offer(trace, set(TRACES) & offered)}")
        for variable in sorted(part.variables - offered):
            raise RuleError(f"{place}: unknown variable {shorten(variable)}; {on_offer(variable, offered)}")
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
    variables: Variables,
    arrays: Mapping[str, tuple[int, ...]] | None = None,
) -> bool:
    """Whether `check_rule` lets the rule pass: which known rules a board can list for a task."""
    try:
        check_rule(rule, pathways, events, variables, arrays)
    except RuleError:
        return False
    return True


def group_rules(
    rules: Iterable[Rule],
    pathways: Sequence[str],
    events: Sequence[str],
    variables: Variables,
    arrays: Mapping[str, tuple[int, ...]] | None = None,
) -> list[tuple[list[int], RuleBatch]]:
    """Batches of rules of equal structure, each with the positions of its rules in `rules`.

    Numbers are float64. Raises RuleError for the first rule that cannot live on the task (see `check_rule`).
    """
    groups: dict[Structure, tuple[list[int], list[list[list[float]]], list[Rule]]] = {}
    for position, rule in enumerate(rules):
        check_rule(rule, pathways, events, variables, arrays)
        parts = [structure_of(pathway, rule.for_pathway(pathway)) for pathway in pathways]
        shapes = tuple((name, rule.arrays[name].shape) for name in sorted(rule.arrays))
        structure = Structure(tuple(part for part, _ in parts), shapes)
        positions, numbers, members = groups.setdefault(structure, ([], [], []))
        positions.append(position)
        numbers.append([values for _, values in parts])
        members.append(rule)
    batches = []
    for structure, (positions, numbers, members) in groups.items():
        parameters = tuple(
            torch.tensor([row[k] for row in numbers], dtype=torch.float64).reshape(len(numbers), -1)
            for k in range(len(structure.pathways))
        )
        stacked = {
            name: torch.stack([torch.tensor(rule.arrays[name]) for rule in members]) for name, _ in structure.arrays
        }
        batches.append((positions, RuleBatch(structure, parameters, stacked)))
    return batches
