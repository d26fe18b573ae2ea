"""Many rules at once: a hashable structure (what engines compile) and a matrix of numbers for each pathway.

Rules of equal structure share one compiled kernel, however their numbers differ. The structure holds no
numbers except literals that stand in the expressions; parameters and time constants are columns of the
matrix.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

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
class PathwayStructure:
    """One plastic pathway: columns of its parameters, which of them are time constants, and its events."""

    pathway: str
    parameters: tuple[str, ...] = ()
    trace_items: tuple[tuple[str, int], ...] = ()
    event_items: tuple[tuple[str, Event], ...] = ()

    @property
    def traces(self) -> dict[str, int]:
        """Column of each declared trace's time constant (s)."""
        return dict(self.trace_items)

    @property
    def events(self) -> dict[str, Event]:
        """What each event does; absent ones change nothing."""
        return dict(self.event_items)


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
        """The time constant (s) of each trace of the k-th pathway, (n_rules,)."""
        columns = self.structure.pathways[pathway].traces
        return {trace: self.parameters[pathway][:, column] for trace, column in columns.items()}

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
            traces.append((trace, names.index(constant)))
        else:
            traces.append((trace, len(names)))
            names.append(f"tau({trace})")  # never an identifier, so never a parameter's name
            values.append(constant)
    first = len(names)
    if rule.network is not None:
        names += [f"network.{name}" for name in rule.network.shape.number_names]
        values += rule.network.numbers.tolist()
    events: list[tuple[str, Event]] = []
    for name in sorted(rule.events):
        event = rule.events[name]
        if isinstance(event, Expression):
            used = tuple(names[:n_named])
            events.append((name, ExpressionEvent(event.program, used)))
        else:
            events.append((name, NetworkEvent(event.network.shape, event.event, first)))
    return PathwayStructure(pathway, tuple(names), tuple(traces), tuple(events)), values


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
