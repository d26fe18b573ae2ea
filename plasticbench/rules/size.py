"""How much code a rule becomes on a task, and the most that is accepted.

Machine code is compiled from every change at every plastic pathway, in time and memory that grow faster than its
length: a file of 20 kB must not hold up whoever evaluates or verifies it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from plasticbench.errors import RuleError
from plasticbench.language.program import Expression, Program
from plasticbench.rules.pathway import NetworkOutput, PathwayRule
from plasticbench.rules.rule import Rule

# Measured on a busy core: 1,000 operations of the slowest kind compile in 3 s, 2,000 in 13 s, 4,000 in 37 s, and in
# less than 0.5 GB; a network of 4,000 numbers in 18 s.
MAX_OPERATIONS = 4_000
_PER_NUMBER = 0.25  # operations that a network's number counts for: sums of products are the fastest to compile


def check_size(rule: Rule, pathways: Sequence[str]) -> None:
    """Raise RuleError if the rule becomes more than MAX_OPERATIONS on these plastic pathways together."""
    sizes = {pathway: n_operations(part) for pathway in pathways if (part := rule.for_pathway(pathway)) is not None}
    total = sum(sizes.values())
    if total > MAX_OPERATIONS:
        listed = ", ".join(f"{pathway} {size:,}" for pathway, size in sizes.items())
        raise RuleError(
            f"rule {rule.name}: pathways: {total:,} operations ({listed}), at most {MAX_OPERATIONS:,} are compiled for "
            "one rule; write shorter expressions, a smaller network or fewer states"
        )


def n_operations(part: PathwayRule) -> int:
    """Operations of one pathway's changes and filtered traces, constant powers written as products."""
    expressions = (change for change in _changes(part) if isinstance(change, Expression))
    filtered = (trace.of for trace in part.traces.values() if trace.of is not None)
    networks = sum(change.network.shape.n_numbers for change in _changes(part) if isinstance(change, NetworkOutput))
    return _of_programs(e.program for e in (*expressions, *filtered)) + int(_PER_NUMBER * networks)


def _changes(part: PathwayRule) -> Iterator[Expression | NetworkOutput]:
    return (change for changes in part.events.values() for change in changes.values())


def _of_programs(programs: Iterable[Program]) -> int:
    """A minimum or maximum of n counts for n - 1."""
    return sum(max(1, len(instruction) - 2) for program in programs for instruction in program.lowered.instructions)
