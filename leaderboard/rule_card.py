"""One page per rule: its equation, what it does at a synapse, where it stands, where it comes from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from markupsafe import Markup

from plasticbench.drawing.protocols import RATES_HZ, Assumed, change_by_rate, change_of_triplets
from plasticbench.drawing.rules import FAST_HZ, RATE_LIMIT, SLOW_HZ, rate_map, shown_pathways, timing_window
from plasticbench.rules.equations import Memory, memories
from plasticbench.tasks.registry import task as find_task
from plasticbench.tasks.registry import task_ids
from plasticbench.tasks.shown_weights import assumed_on, home_of

from .charts.curves import curve_plot
from .entry import entry_slug
from .equations import changes, math, symbol_html
from .pictures import diverging_png
from .standings import Standing
from .templates import render

_MANY_PARAMETERS = 12  # beyond this the equation shows the numbers instead of the symbols
_DROPPED = 0.01  # of the largest term: smaller ones are left out of a long equation
_EVENT_WORDS = {
    "on_step": "at every step",
    "on_pre": "at a presynaptic spike",
    "on_post": "at a postsynaptic spike",
    "on_modulator": "when the modulator arrives",
}


@dataclass(frozen=True)
class RuleOnBoard:
    """A rule with every standing that it has, ranked or not."""

    rule: Any  # plasticbench Rule
    standings: tuple[Standing, ...]

    @property
    def slug(self) -> str:
        return entry_slug(self.rule.name, self.rule.hash)

    @property
    def citation(self) -> str:
        """What it cites, as the rule or else its entry says; empty where neither does."""
        return self.rule.reference or self.standings[0].entry.provenance.get("reference", "")

    @property
    def learned_on(self) -> frozenset[str]:
        """Ids of the tasks that it was trained on."""
        return frozenset(i for s in self.standings for i in s.entry.provenance.get("training_tasks", ()))


def rule_page(found: RuleOnBoard, family: Mapping[str, RuleOnBoard]) -> str:
    """The HTML of a rule's page; `family` has all rules on the board by hash, `tasks` all tasks by id."""
    rule = found.rule
    pathways = list(_pathways(rule))
    return render(
        "rule.html",
        root="../",
        current="Rules",
        rule=rule,
        slug=found.slug,
        stem=found.slug,
        has_bibtex=bool(found.citation),
        citation=found.citation,
        event_words=_EVENT_WORDS,
        pathways=pathways,
        parameters=list(_parameters(rule)),
        many_parameters=_MANY_PARAMETERS,
        figures=_figures(found),
        slow_hz=SLOW_HZ,
        fast_hz=FAST_HZ,
        rate_limit=RATE_LIMIT,
        standings=found.standings,
        learned_on=found.learned_on,
        transfer=_transfer(found),
        origin=_origin(found, family),
    )


def drawn(draw: Callable[[], Any], otherwise: Any) -> Any:
    """What a rule looks like, or `otherwise` where its numbers are such that it cannot be drawn."""
    try:
        return draw()
    except (ArithmeticError, ValueError, KeyError):  # no rule that runs may keep the others' pages from being written
        return otherwise


def _pathways(rule: Any) -> Iterator[dict[str, Any]]:
    for name, pathway in rule.pathways.items():
        if not pathway.events:
            continue
        drop = _DROPPED if len(pathway.parameters) > _MANY_PARAMETERS else 0.0
        shape = None if pathway.network is None else pathway.network.shape
        yield {
            "name": name,
            "changes": list(changes(pathway, drop > 0.0, drop)),
            "drop": drop,
            "layers": "" if shape is None else _layers_text(shape.layers, shape.activations),
            "memories": [_memory(pathway, memory) for memory in memories(pathway)],
        }


def _memory(pathway: Any, memory: Memory) -> dict[str, Any]:
    """A trace or state in words; with its equation where it is more than a spike trace."""
    plain = memory.name in pathway.traces and pathway.traces[memory.name].of is None
    return {
        "symbol": symbol_html(pathway, memory.name),
        "text": memory.text,
        "equation": "" if plain else math(memory.latex),
    }


def _layers_text(sizes: tuple[int, ...], activations: tuple[str, ...]) -> str:
    return ", then ".join(
        f"{size} {activation} unit{'s' * (size != 1)}" for size, activation in zip(sizes, activations, strict=True)
    )


def _parameters(rule: Any) -> Iterator[dict[str, Any]]:
    for name, pathway in rule.pathways.items():
        constants = {item.tau_s for item in (*pathway.traces.values(), *pathway.states.values())}
        for parameter, value in pathway.parameters.items():
            is_time = parameter in constants or re.match(r"tau(_|$)", parameter) is not None
            yield {
                "symbol": symbol_html(pathway, parameter),
                "name": parameter,
                "value": value,
                "unit": "s" if is_time else "1",
                "pathway": name,
            }


def _figures(found: RuleOnBoard) -> list[dict[str, Any]]:
    draw = partial(_timing_figure, found) if found.rule.kind == "spiking" else partial(_map_figure, found.rule)
    figures = [drawn(partial(draw, name), None) for name in shown_pathways(found.rule)]
    return [figure for figure in figures if figure is not None]


def assumed_of(found: RuleOnBoard, pathway: str) -> Assumed:
    """What its pictures hold still: weights as they start on the task where it has its first entry."""
    registered = [s.entry.task_id for s in found.standings if s.entry.task_id in task_ids()]
    return assumed_on(found.rule, pathway, find_task(registered[0]) if registered else home_of(found.rule))


def _timing_figure(found: RuleOnBoard, name: str) -> dict[str, Any]:
    rule, assumed = found.rule, assumed_of(found, name)
    slow, fast = (timing_window(rule, name, rate, assumed=assumed) for rate in (SLOW_HZ, FAST_HZ))
    curves = [("slow", 1e3 * slow.delay_s, slow.change), ("fast", 1e3 * fast.delay_s, fast.change)]
    rates = np.array(RATES_HZ)
    late, early = (change_by_rate(rule, name, pre_first, assumed) for pre_first in (True, False))
    by_rate = [("slow", np.concatenate([-rates[::-1], rates]), np.concatenate([early[::-1], late]))]
    return {
        "pathway": name,
        "curves": curve_plot(curves, "post after pre (ms)", "weight change"),
        "rates": curve_plot(by_rate, "post first ← pairs a second → pre first", "weight change of a pair"),
        "groups": change_of_triplets(rule, name, assumed),
        "assumed": assumed.words,
    }


def _map_figure(rule: Any, name: str) -> dict[str, Any]:
    change = rate_map(rule, name).change
    image, largest = diverging_png(change[::-1]), float(abs(change).max())
    return {"pathway": name, "curves": "", "image": image, "largest": largest, "assumed": f"w = {Assumed().w:g}"}


def thumbnail(found: RuleOnBoard) -> Markup:
    """A small picture of a rule for lists; empty where there is nothing to draw."""
    names = shown_pathways(found.rule)
    return drawn(lambda: _thumbnail(found, names[0]), Markup("")) if names else Markup("")


def _thumbnail(found: RuleOnBoard, name: str) -> Markup:
    rule = found.rule
    if rule.kind == "spiking":
        window = timing_window(rule, name, SLOW_HZ, 100, assumed_of(found, name))
        return curve_plot([("slow", window.delay_s, window.change)], "delay", "change")
    return Markup('<img alt="" src="{}">').format(diverging_png(rate_map(rule, name, 33).change[::-1]))


def _transfer(found: RuleOnBoard) -> str:
    """One line: how the rule does at home and on the tasks that it never saw."""
    ranked = [s for s in found.standings if s.rank is not None]
    home = [s.score for s in ranked if s.entry.task_id in found.learned_on]
    away = [s.score for s in ranked if s.entry.task_id not in found.learned_on]
    if not home:
        return ""
    told = f"Where it learned: mean score {sum(home) / len(home):z.3f}."
    if away:
        told += f" Transfer to {len(away)} task{'s' * (len(away) > 1)} that it never saw: {sum(away) / len(away):z.3f}."
    else:
        told += " It has not been measured on a task that it never saw."
    return told


def _option(value: Any) -> str:
    """A learner's option as text; one that is an object (fixed conditions) as its parts."""
    return " and ".join(f"{name} {part}" for name, part in value.items()) if isinstance(value, dict) else str(value)


def _origin(found: RuleOnBoard, family: Mapping[str, RuleOnBoard]) -> dict[str, Any]:
    origin = found.standings[0].entry.provenance
    learner = origin.get("learner", {})
    details = [f"{key} {learner[key]}" for key in ("family", "seed") if key in learner]
    details += [f"{key} = {_option(value)}" for key, value in learner.get("options", {}).items()]
    children = sorted(
        other.rule.hash
        for other in family.values()
        if any(found.rule.hash in s.entry.provenance.get("parents", ()) for s in other.standings)
    )
    return {
        "authors": origin["authors"],
        "kind": found.standings[0].entry.origin,
        "unverified": found.standings[0].entry.unverified,
        "learner": learner.get("name", ""),
        "details": details,
        "parents": [_relative(parent, family) for parent in origin.get("parents", ())],
        "children": [_relative(child, family) for child in children],
        "notes": origin.get("notes", ""),
    }


def _relative(rule_hash: str, family: Mapping[str, RuleOnBoard]) -> tuple[str, str]:
    """(name, link) of a rule; without a link where it is not on the board."""
    known = family.get(rule_hash)
    return (f"{rule_hash[:12]}…", "") if known is None else (known.rule.name, f"{known.slug}.html")
