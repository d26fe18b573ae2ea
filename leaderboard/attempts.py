"""How often authors have tried a kind of rule on a task: the best of many tries looks better than it is.

Entries are one attempt each, whatever became of them. Those of one form by one author belong together: the same changes
at the same events as sums of the same products of variables, whatever their numbers and names. (An author who signs
with another name each time is not found out; what he gains is bounded by what luck gains on lifetimes drawn later.)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from plasticbench.errors import PlasticbenchError
from plasticbench.rules.batch import PathwayStructure, structure_of
from plasticbench.rules.equivalence import normal_form
from plasticbench.rules.neural import NetworkEvent

from .catalogue import Catalogue, TaskLike
from .entry import RULE_FILE, Entry

_NUMBER = "number"  # stands for every parameter


def attempts(entries: Iterable[Entry], task: TaskLike, catalogue: Catalogue) -> dict[str, int]:
    """Entry's name -> how many entries of its form share an author with it, itself included."""
    alike: dict[Any, list[Entry]] = defaultdict(list)
    for entry in entries:
        alike[form_of_entry(entry, task, catalogue)].append(entry)
    return {
        entry.name: sum(bool(_authors(entry) & _authors(other)) for other in group)
        for group in alike.values()
        for entry in group
    }


def form_of_entry(entry: Entry, task: TaskLike, catalogue: Catalogue) -> Any:
    """What is equal for rules of one form; an entry whose rule cannot be read has a form of its own."""
    try:
        rule = catalogue.load_rule(entry.folder / RULE_FILE)
        return form(rule, task.pathways)
    except PlasticbenchError:
        return entry.hash


def form(rule: Any, pathways: Iterable[str]) -> Any:
    """A rule's changes as sums of products of variables, without their numbers."""
    return tuple((pathway, _pathway_form(structure_of(pathway, rule.for_pathway(pathway))[0])) for pathway in pathways)


def _pathway_form(structure: PathwayStructure) -> Any:
    names = dict.fromkeys(structure.parameters, _NUMBER)
    names |= {trace.name: f"{trace.side} trace" for trace in structure.traces}
    names |= {state.name: f"{state.scope} state" for state in structure.states}
    return tuple(
        sorted(
            (event, names.get(target, target), _change_form(change, structure, names))
            for event, changes in structure.events.items()
            for target, change in changes.items()
        )
    )


def _change_form(change: Any, structure: PathwayStructure, names: dict[str, str]) -> Any:
    if isinstance(change, NetworkEvent):
        return (repr(change),)
    program, columns = change.straight_line()
    told = program.renamed({name: structure.parameters[column] for name, column in columns.items()})
    terms = normal_form(told, {}, names)
    return tuple(sorted({tuple(factor for factor in term if factor[0] != _NUMBER) for term in terms}))


def _authors(entry: Entry) -> frozenset[str]:
    return frozenset(" ".join(name.split()).casefold() for name in entry.provenance["authors"])
