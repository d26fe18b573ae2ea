"""Many rules at once: a hashable structure (what engines compile) and a matrix of numbers for each pathway.

Rules of equal structure share one compiled kernel, however their numbers differ. The structure holds no
numbers except literals that stand in the expressions; parameters and time constants are columns of the
matrix.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from plasticbench.errors import RuleError
from plasticbench.language.program import Expression
from plasticbench.rules.check import Offered, check_rule
from plasticbench.rules.event import Event, ExpressionEvent
from plasticbench.rules.memory import Trace
from plasticbench.rules.neural import NetworkEvent
from plasticbench.rules.pathway import PathwayRule
from plasticbench.rules.rule import Rule
from plasticbench.rules.variables import VARIABLES

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class TraceStructure:
    """A trace of a pathway: one number for each neuron of one side; see `memory` for what it does."""

    name: str
    side: Literal["pre", "post"]
    tau: int  # column of its time constant (s)
    nearest: bool = False  # set to 1 by a spike, instead of incremented by 1
    of: Event | None = None  # rate networks: what is low-pass filtered, of `pre` or of `post`; None: spikes


@dataclass(frozen=True)
class StateStructure:
    """A further variable beside the weight, which events change; see `memory` for what it does."""

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
        columns = {trace.name: trace.tau for trace in found.traces}
        columns |= {state.name: state.tau for state in found.states if state.tau is not None}
        return {name: self.parameters[pathway][:, column] for name, column in columns.items()}

    def check_numbers(self) -> None:
        """RuleError unless every parameter is a finite number and every time constant positive."""
        import torch

        for k, pathway in enumerate(self.structure.pathways):
            values = self.parameters[k].detach()
            for column, name in enumerate(pathway.parameters):
                if not bool(torch.isfinite(values[:, column]).all()):
                    raise RuleError(f"rule: pathways.{pathway.pathway}.parameters.{name} is not a finite number")
            for item, tau in self.time_constants_s(k).items():
                if not bool((tau > 0).all()):
                    worst = float(tau.detach().min())
                    raise RuleError(
                        f"rule: pathways.{pathway.pathway}.{item}: {worst!r} s is not a positive time constant"
                    )

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
    # A parameter that hides a variable must not be taken for it by an engine that passes the variable.
    inside = {name: f"parameter({name})" if name in VARIABLES else name for name in names}

    def column(name: str, constant: str | float) -> int:
        if isinstance(constant, str):
            return names.index(constant)
        names.append(f"tau({name})")  # never an identifier, so never a parameter's name
        values.append(constant)
        return len(names) - 1

    def event_of(change: Expression) -> ExpressionEvent:
        return ExpressionEvent(change.program.renamed(inside), tuple(inside.values()))

    def trace_of(name: str, trace: Trace) -> TraceStructure:
        of = event_of(trace.of) if trace.of else None
        return TraceStructure(name, trace.side, column(name, trace.tau_s), trace.nearest, of)

    traces = tuple(trace_of(name, trace) for name, trace in sorted(rule.traces.items()))
    states = tuple(
        StateStructure(name, state.scope, None if state.tau_s is None else column(name, state.tau_s))
        for name, state in sorted(rule.states.items())
    )
    first = len(names)
    if rule.network is not None:
        names += [f"network.{name}" for name in rule.network.shape.number_names]
        values += rule.network.numbers.tolist()
    events = tuple(
        (
            name,
            tuple(
                (
                    target,
                    event_of(change)
                    if isinstance(change, Expression)
                    else NetworkEvent(change.network.shape, change.event, first),
                )
                for target, change in sorted(changes.items())
            ),
        )
        for name, changes in sorted(rule.events.items())
    )
    return PathwayStructure(pathway, tuple(names), traces, states, events), values


def group_rules(
    rules: Iterable[Rule],
    pathways: Sequence[str],
    events: Sequence[str],
    variables: Offered,
    arrays: Mapping[str, tuple[int, ...]] | None = None,
) -> list[tuple[list[int], RuleBatch]]:
    """Batches of rules of equal structure, each with the positions of its rules in `rules`.

    Numbers are float64. Raises RuleError for the first rule that cannot live on the task (see `check_rule`).
    """
    import torch

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
