"""Rules as a notebook shows them: equations in LaTeX and MathML, numbers beside."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from plasticbench.rules.equations import memories

if TYPE_CHECKING:
    from plasticbench.rules.rule import Rule

_NOT_BARE = re.compile(r"([_&%#$])")


def rule_latex(rule: Rule) -> str:
    """Every change as one display: a line for each pathway and event, parameters as symbols."""
    lines = [rf"\text{{{_text(where)}}}\quad \Delta {state} &= {right}" for where, state, right in _changes(rule)] or [
        r"\Delta w &= 0"
    ]
    return "$$\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}$$"


def rule_html(rule: Rule) -> str:
    """Name, source, equations as MathML, and each parameter's number."""
    from latex2mathml.converter import convert

    parts = [f"<p><b>{html.escape(rule.name)}</b>"]
    if rule.citation:
        parts.append(f" · {html.escape(rule.citation)}")
    parts.append("</p><table>")
    for where, state, right in _changes(rule):
        equation = convert(rf"\Delta {state} = {right}")
        parts.append(f"<tr><td>{html.escape(where)}</td><td>{equation}</td></tr>")
    parts.append("</table>")
    for name, pathway in rule.pathways.items():
        told = [f"{memory.name}: {memory.text}" for memory in memories(pathway)]
        told += [f"{parameter} = {value:g}" for parameter, value in pathway.parameters.items()]
        if told:
            parts.append(f"<p>{html.escape(_where(name))}: {html.escape(', '.join(told))}</p>")
    return "".join(parts)


def _changes(rule: Rule) -> Iterator[tuple[str, str, str]]:
    """(where and when, what changes, by what as LaTeX)."""
    for name, events in rule.latex().items():
        for key, right in events.items():
            event, _, state = key.partition(": ")
            symbol = "w" if not state else rf"\mathrm{{{state.replace('_', ' ')}}}"
            yield f"{_where(name)}, {event}", symbol, right


def _where(pathway: str) -> str:
    return "every plastic pathway" if pathway == "*" else pathway


def _text(words: str) -> str:
    return _NOT_BARE.sub(r"\\\1", words)
