"""One page per rule: its equation, what it does at a synapse, where it stands, where it comes from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from plasticbench.drawing.rules import FAST_HZ, RATE_LIMIT, SLOW_HZ, W_SHOWN, rate_map, shown_pathways, timing_window
from plasticbench.rules.equations import memories

from .catalogue import TaskLike
from .charts import curve_plot
from .entry import entry_slug, task_slug
from .mathml import equation_html, symbol_html
from .page import cost_text, interval_text, learner_text, linked, number, page, rank_cell, score_cell, table
from .pixels import diverging_png
from .standings import Standing

_MANY_PARAMETERS = 12  # beyond this the equation shows the numbers instead of the symbols
_DROPPED = 0.01  # of the largest term: smaller ones are left out of a long equation
_EVENT_WORDS = {
    "on_step": "at every presentation",
    "on_pre": "at a presynaptic spike",
    "on_post": "at a postsynaptic spike",
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
    def entry(self) -> dict[str, Any]:
        return self.standings[0].entry.data

    @property
    def learned_on(self) -> frozenset[str]:
        """Ids of the tasks that it was trained on."""
        return frozenset(i for s in self.standings for i in s.entry.provenance.get("training_tasks", ()))


def rule_page(found: RuleOnBoard, tasks: Sequence[TaskLike], family: dict[str, RuleOnBoard]) -> str:
    """The HTML of a rule's page; `family` has all rules on the board by hash."""
    rule = found.rule
    citation = rule.reference or found.standings[0].entry.provenance.get("reference", "")
    kind = {"rate": "rate rule", "spiking": "spiking rule"}.get(rule.kind, "rule")
    body = [
        f'<p class="eyebrow">{kind}</p><h1>{escape(rule.name)}</h1>',
        f'<p class="lead">{linked(citation)}</p>' if citation else "",
        f"<p>{linked(rule.note)}</p>" if rule.note else "",
        "<h2>Equation</h2>",
        _equations(rule),
        _parameters(rule),
        _pictures(rule),
        "<h2>Where it stands</h2>",
        _scores(found, tasks),
        "<h2>Load it</h2>",
        _loading(found),
        "<h2>Where it comes from</h2>",
        _lineage(found, family),
    ]
    return page(f"{rule.name} · plasticbench", "\n".join(part for part in body if part), 1, "Rules")


def _equations(rule: Any) -> str:
    parts = []
    for name, pathway in rule.pathways.items():
        if not pathway.events:
            continue
        many = len(pathway.parameters) > _MANY_PARAMETERS
        lines = [
            f'<div class="event"><span>{_EVENT_WORDS.get(event, escape(event))}</span>'
            f'<div class="equation">{equation_html(pathway, event, many, _DROPPED if many else 0.0)}</div></div>'
            for event in pathway.events
        ]
        note = (
            f'<p class="small muted">Numbers put in; terms below {_DROPPED:.0%} of the largest are left out.</p>'
            if many
            else ""
        )
        parts.append(
            f'<div class="panel"><h3>{_pathway_words(name)}</h3>{"".join(lines)}{_traces(pathway)}{note}</div>'
        )
    return "\n".join(parts) or '<div class="panel"><p>Nothing changes: the weights stay as they are.</p></div>'


def _pathway_words(name: str) -> str:
    return "Every plastic pathway" if name == "*" else f"Pathway <code>{escape(name)}</code>"


def _traces(pathway: Any) -> str:
    if not pathway.traces and not pathway.states:
        return ""
    told = ", ".join(f"{symbol_html(memory.name)} {escape(memory.text)}" for memory in memories(pathway))
    return f'<p class="small muted">Traces and states: {told}.</p>'


def _parameters(rule: Any) -> str:
    rows = []
    for name, pathway in rule.pathways.items():
        constants = {item.tau_s for item in (*pathway.traces.values(), *pathway.states.values())}
        for parameter, value in pathway.parameters.items():
            is_time = parameter in constants or re.match(r"tau(_|$)", parameter) is not None
            rows.append(
                (
                    (symbol_html(parameter), parameter),
                    (f"<code>{escape(parameter)}</code>", parameter),
                    (f"{value:.6g}".replace("-", "−"), number(value)),
                    ("s" if is_time else "1", ""),
                    ("every" if name == "*" else escape(name), name),
                )
            )
    if not rows:
        return ""
    header = (("symbol", "text"), ("name", "text"), ("value", "num"), ("unit", ""), ("pathway", "text"))
    listed = table(header, rows)
    if len(rows) > _MANY_PARAMETERS:
        return f"<details><summary>{len(rows)} parameters</summary>{listed}</details>"
    return listed


def _pictures(rule: Any) -> str:
    names = shown_pathways(rule)
    if not names:
        return ""
    spiking = rule.kind == "spiking"
    figures = [_timing_figure(rule, name) if spiking else _map_figure(rule, name) for name in names]
    title = "Spike-timing window" if spiking else "Rate map"
    return f'<h2>{title}</h2><div class="two">{"".join(figures)}</div>'


def _timing_figure(rule: Any, name: str) -> str:
    slow, fast = (timing_window(rule, name, rate) for rate in (SLOW_HZ, FAST_HZ))
    curves = [("slow", 1e3 * slow.delay_s, slow.change), ("fast", 1e3 * fast.delay_s, fast.change)]
    where = "" if name == "*" else f"Pathway <code>{escape(name)}</code>. "
    return (
        f'<figure class="panel">{curve_plot(curves, "post after pre (ms)", "weight change")}'
        f"<figcaption>{where}Δw of one pair of spikes at w = {W_SHOWN:g}, in trains at "
        f'<span class="key"><i class="c1">━ {SLOW_HZ:g} Hz (lone pairs)</i>'
        f'<i class="c2">━ {FAST_HZ:g} Hz (neighbouring spikes form triplets)</i></span></figcaption></figure>'
    )


def _map_figure(rule: Any, name: str) -> str:
    found = rate_map(rule, name)
    where = "" if name == "*" else f"Pathway <code>{escape(name)}</code>. "
    limit = f"{RATE_LIMIT:g}"
    return (
        f'<figure class="panel"><div class="map"><span class="y">post, −{limit} to {limit}</span>'
        f'<img alt="weight change over pre and post" src="{diverging_png(found.change[::-1])}">'
        f'<div class="under"><span>−{limit}</span><span>pre</span><span>{limit}</span></div></div>'
        f"<figcaption>{where}Δw of one presentation at w = {W_SHOWN:g}, at most {abs(found.change).max():.3g}. "
        f'<span class="key"><i class="c2">■ strengthens</i><i style="color:var(--minus)">■ weakens</i></span>'
        f"</figcaption></figure>"
    )


def thumbnail(rule: Any) -> str:
    """A small picture of a rule for lists."""
    names = shown_pathways(rule)
    if not names:
        return '<span class="thumb"></span>'
    if rule.kind == "spiking":
        found = timing_window(rule, names[0], SLOW_HZ, 100)
        return f'<span class="thumb">{curve_plot([("slow", found.delay_s, found.change)], "delay", "change")}</span>'
    return f'<span class="thumb"><img alt="" src="{diverging_png(rate_map(rule, names[0], 33).change[::-1])}"></span>'


def _scores(found: RuleOnBoard, tasks: Sequence[TaskLike]) -> str:
    by_task = {task.id: task for task in tasks}
    rows = []
    for standing in found.standings:
        task = by_task[standing.entry.task_id]
        slug = task_slug(task.id)
        rows.append(
            (
                (f'<a href="../tasks/{slug}.html">{escape(slug)}</a>', slug),
                (rank_cell(standing.rank, standing.group), str(standing.rank[0]) if standing.rank else ""),
                (score_cell(standing.score), number(standing.score)),
                (interval_text(standing.score_interval), number(standing.score_interval[0])),
                (f"{standing.loss:.4g}", number(standing.loss)),
                (f"{standing.n_blown_up}/{standing.n_lifetimes}", str(standing.n_blown_up)),
                (_schooling(found, task.id), ""),
                (f'<span class="tag {standing.state}">{standing.state}</span>', standing.state),
            )
        )
    header = (
        ("task", "text"), ("rank", "num"), ("score", "num"), ("95 %", "num"), ("loss", "num"),
        ("blow-ups", "num"), ("learned here?", ""), ("state", "text"),
    )  # fmt: skip
    return table(header, rows) + _transfer(found)


def _schooling(found: RuleOnBoard, task_id: str) -> str:
    if not found.learned_on:
        return '<span class="muted">as published</span>'
    return "learned here" if task_id in found.learned_on else "transfer"


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
    return f"<p>{told}</p>"


def _loading(found: RuleOnBoard) -> str:
    name = f"{found.slug}.json"
    return (
        f'<pre>rule = plasticbench.load_rule("{escape(name)}")\n'
        f'plasticbench.evaluate(rule, "{escape(found.entry["task"])}").score</pre>'
        f'<p><a href="{escape(name)}" download>Download {escape(name)}</a>'
        + (f' and <a href="{escape(found.slug)}.safetensors" download>its arrays</a>' if found.rule.arrays else "")
        + f'<br><code class="id">sha256 {escape(found.rule.hash)}</code></p>'
    )


def _option(value: Any) -> str:
    """A learner's option as text; one that is an object (fixed conditions) as its parts."""
    return " and ".join(f"{name} {part}" for name, part in value.items()) if isinstance(value, dict) else str(value)


def _lineage(found: RuleOnBoard, family: dict[str, RuleOnBoard]) -> str:
    origin = found.standings[0].entry.provenance
    learner = origin.get("learner")
    lines = [f"Authors: {escape(', '.join(origin['authors']))}"]
    if learner:
        details = [f"{key} {learner[key]}" for key in ("family", "seed") if key in learner]
        details += [f"{key} = {_option(value)}" for key, value in learner.get("options", {}).items()]
        lines.append(
            f"Learner: {learner_text(found.standings[0])}" + escape(f" ({', '.join(details)})" if details else "")
        )
        lines.append(f"Cost: {cost_text(found.standings[0].cost)} lifetimes")
        lines.append(f"Trained on: {escape(', '.join(sorted(found.learned_on))) or 'not said'}")
    else:
        lines.append("Taken as its source gives it; not trained here.")
    parents = [_relative(parent, family) for parent in origin.get("parents", ())]
    if parents:
        lines.append("Grown from: " + ", ".join(parents))
    children = [
        _relative(other.rule.hash, family)
        for other in family.values()
        if any(found.rule.hash in s.entry.provenance.get("parents", ()) for s in other.standings)
    ]
    if children:
        lines.append("Grown from it: " + ", ".join(sorted(children)))
    if origin.get("notes"):
        lines.append(linked(origin["notes"]))
    return '<ul class="plain">' + "".join(f"<li>{line}</li>" for line in lines) + "</ul>"


def _relative(rule_hash: str, family: dict[str, RuleOnBoard]) -> str:
    known = family.get(rule_hash)
    if known is None:
        return f'<code class="id">{escape(rule_hash[:12])}…</code>'
    return f'<a href="{escape(known.slug)}.html">{escape(known.rule.name)}</a>'
