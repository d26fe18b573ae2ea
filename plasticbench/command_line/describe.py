"""What a person reads in the terminal of a rule, a result and several runs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from plasticbench.evaluation.comparison import FEWEST
from plasticbench.evaluation.result import Result
from plasticbench.evaluation.transfer import frozen_pathways
from plasticbench.learning.record import Run
from plasticbench.learning.rule_set import PICTURE, TABLE, RuleSet
from plasticbench.rules import Rule
from plasticbench.rules.equations import memories
from plasticbench.tasks.task import Task

if TYPE_CHECKING:
    from plasticbench.learning.run_directory import Cost


def describe_rule(rule: Rule) -> str:
    """Name, citation, equations and parameters, as text."""
    lines = [rule.name, f"  {rule.reference}" if rule.reference else "  (no reference)"]
    lines += [f"  {rule.provenance}"] if rule.provenance else []
    lines += [f"  not verified against the source: {rule.unverified}"] if rule.unverified else []
    for pathway, events in rule.equations().items():
        where = "every plastic pathway" if pathway == "*" else f"pathway {pathway}"
        lines.append(f"\n{where}")
        lines += [_change_line(event, text) for event, text in events.items()] or ["  nothing changes"]
        given = rule.pathways[pathway]
        lines += [f"  {memory.name:<12} {memory.text}" for memory in memories(given)]
        if given.parameters:
            listed = ", ".join(f"{name} = {value:g}" for name, value in given.parameters.items())
            lines.append(f"  with         {listed}")
    return "\n".join(lines)


def describe_task(task: Task) -> str:
    """What a task is, its marks, and what can be put in, as text."""
    marks = {"null rule": task.null_loss, "knows nothing": task.blind_loss, task.reference_rule: task.reference_loss}
    facts = {
        "id": task.id,
        "track": task.track,
        "plastic": ", ".join(task.pathways),
        "lifetimes": f"{task.n_official} official, seeds {task.official_seeds[0]} to {task.official_seeds[-1]}",
        "conditions": ", ".join(task.condition_names) or "none",
        "families": ", ".join(task.families),
        "losses": ", ".join(f"{name} {loss:.5g}" for name, loss in marks.items() if loss is not None),
        "ranked": f"no: {task.not_ranked_because}" if task.not_ranked_because else "yes",
        "version": task.spec_hash[:12],
        "source": task.reference,
    }
    width = max(map(len, facts))
    lines = [f"  {name:<{width}}  {value}" for name, value in facts.items()]
    return "\n".join([task.title, f"  {task.summary}", "", *lines, "", task.description])


def _change_line(key: str, text: str) -> str:
    """`key` as `Rule.equations` gives it: an event, or "event: state"."""
    event, _, state = key.partition(": ")
    return f"  {event:<12} Δ{state or 'w'} = {text}"


def describe_result(result: Result, beside: Sequence[Result] = ()) -> str:
    """A few lines that a person reads; `beside`: null and reference rule in the same lifetimes, of a part of them."""
    task = result.specification
    known = {
        "null rule": task.null_loss,
        "best uninformed rule": task.blind_loss,
        task.reference_rule: task.reference_loss,
    }
    official = ", ".join(f"{name} {loss:.5g}" for name, loss in known.items() if loss is not None)
    same = ", ".join(f"{other.name} {other.loss:.5g}" for other in beside)
    n, blown = len(result.seeds), sum(s == "blow-up" for s in result.statuses)
    part = f" of {task.n_official}" if set(result.seeds) < set(task.official_seeds) else ""
    lines = [
        f"{result.name} on {result.task}: {n}{part} lifetimes, {blown} blew up ({result.where})",
        f"  loss   {result.loss:.5g}   ({f'in the same lifetimes: {same}' if same else official})",
        f"  score  {_score(result)}   (0 = null, 1 = {task.reference_rule}, over all {task.n_official})",
    ]
    if task.not_ranked_because:
        lines.append(f"  no ranking here: {task.not_ranked_because}")
    frozen = frozen_pathways(result.rule, task) if isinstance(result.rule, Rule) else ()
    if frozen:
        lines.append(f"  frozen {', '.join(frozen)}   (plastic here, but the rule says nothing of it)")
    lines += [f"  {name}  {_mean(values)}" for name, values in result.metrics.items()]
    lines.append(
        f"  {result.simulated_s:.6g} simulated s in {result.wall_s:.3g} s, and {result.compile_s:.3g} s compiling"
    )
    return "\n".join(lines)


def _score(result: Result) -> str:
    if len(result.seeds) < FEWEST:
        return f"{result.score:z.4f}   too few lifetimes for an interval"
    low, high = result.score_interval
    return f"{result.score:z.4f}   95 % interval {low:z.4f} to {high:z.4f}"


def _mean(values: Sequence[float]) -> str:
    """Of a metric, over the lifetimes in which it is defined."""
    defined = [value for value in values if math.isfinite(value)]
    if not defined:
        return "undefined"
    over = "" if len(defined) == len(values) else f" over {len(defined)} lifetimes"
    return f"{sum(defined) / len(defined):.5g} (mean{over})"


def describe_cost(cost: Cost | None) -> str:
    """What a search took, in a line; seconds of compiling apart."""
    if cost is None:
        return "search: not ended"
    return (
        f"search: {cost.lifetimes:,} lifetimes, {cost.simulated_s:.6g} simulated s, in {cost.seconds:.3g} s, "
        f"{cost.compile_s:.3g} of them compiling"
    )


def describe_spread(seeds: Sequence[int], results: list[Result]) -> str:
    """One line per run, and the spread of official losses over runs."""
    lines = [
        f"seed {seed}: loss {result.loss:.5g}, score {result.score:z.4f}, "
        f"{result.learned['lifetimes']:,} lifetimes, {result.learned['seconds']:.0f} s"
        for seed, result in zip(seeds, results, strict=True)
    ]
    losses = [result.loss for result in results]
    spread = f"median {statistics.median(losses):.5g}, best {min(losses):.5g}, worst {max(losses):.5g}"
    return "\n".join([*lines, f"official loss over {len(losses)} runs: {spread}"])


def describe_run(run: Run) -> str:
    """What a run was, how far it came, and the set of rules that it found, as text."""
    told = run.settings
    spent = run.cost.lifetimes if run.cost else max((int(row["lifetimes"]) for row in run.history), default=0)
    lines = [
        f"{told['learner']} on {told['task']}, family {told['family']}, seed {told['seed']}",
        f"  {spent:,} of {told['budget']:,} lifetimes{'' if run.cost else '; it has not ended'}",
        *(f"  {name} = {value}" for name, value in told["options"].items()),
    ]
    if run.rules is not None:
        lines.append(describe_set(run.rules))
    if run.result is not None:
        lines.append(describe_result(run.result))
    return "\n".join(lines)


def describe_set(rules: RuleSet) -> str:
    """Of how many rules it is, and the numbers that its learner gave about it."""
    pictured = f", {PICTURE}" if rules.picture else ""
    counted = f"{len(rules)} rule{'s' if len(rules) > 1 else ''} with weights ({TABLE}{pictured}), the best first"
    width = max((len(name) for name in rules.summary), default=0)
    return "\n".join([counted, *(f"  {name:<{width}}  {value:.4g}" for name, value in rules.summary.items())])
