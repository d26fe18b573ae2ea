"""The frame that all pages share, and the small pieces of HTML that several of them use."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from html import escape

from .standings import Standing
from .tables import rank_text

_DOI = re.compile(r"(?:doi:\s*|https://doi\.org/)(10\.\d{4,9}/[^\s,;)\]]*[^\s,;.)\]])", re.IGNORECASE)
_LOGO = (
    '<svg class="logo" viewBox="0 0 34 26" aria-hidden="true"><path class="minus" d="M1 14 C9 15 14 18 16 25"/>'
    '<path class="plus" d="M18 1 C20 8 25 12 33 13"/><line x1="17" x2="17" y1="1" y2="25"/></svg>'
)


def page(title: str, body: str, depth: int, current: str = "") -> str:
    """A whole HTML file; `depth` is the number of folders that it lies below the site's root."""
    root = "../" * depth
    links = (("index.html", "Board"), ("tasks.html", "Tasks"), ("rules.html", "Rules"), ("method.html", "Method"))
    nav = "".join(
        f'<a href="{root}{href}"{" aria-current=page" if name == current else ""}>{name}</a>' for href, name in links
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n"
        '<link rel="icon" href="data:,">\n'
        f'<link rel="stylesheet" href="{root}style.css">\n'
        f'<script src="{root}board.js" defer></script>\n'
        "</head>\n<body>\n"
        f'<header><div class="wide bar"><a class="brand" href="{root}index.html">{_LOGO}plasticbench</a>'
        f'<nav>{nav}</nav><button id="theme" type="button" aria-label="light or dark" hidden></button></div></header>\n'
        f'<main class="wide">\n{body}\n</main>\n'
        '<footer><div class="wide">Made from the entries alone; every ranked number was simulated again. '
        f'<a href="{root}method.html">How the ranking works</a></div></footer>\n'
        "</body>\n</html>\n"
    )


_INDEX = re.compile(r"(?<!\w)([A-Z]{1,2}|[a-zΑ-ω])_(?:([a-z]+)\b|\{([^}]*)\})")


def indexed(text: str) -> str:
    """Escaped text in which `a_b` is a with the index b."""
    return _INDEX.sub(lambda found: f"{found[1]}<sub>{found[2] or found[3]}</sub>", escape(text))


def linked(text: str, plain: Callable[[str], str] = escape) -> str:
    """Escaped text in which DOIs are links; `plain` turns what stands between them into HTML."""
    parts, end = [], 0
    for found in _DOI.finditer(text):
        parts.append(plain(text[end : found.start()]))
        parts.append(f'<a href="https://doi.org/{escape(found[1])}">doi:{escape(found[1])}</a>')
        end = found.end()
    return "".join([*parts, plain(text[end:])])


def prose(text: str) -> str:
    """Plain text as HTML: paragraphs between blank lines, "## " headings, "- " lists, `code`, indices, DOIs."""
    blocks = []
    for block in re.split(r"\n\s*\n", text.strip()):
        heading, lines = "", block.splitlines()
        if lines[0].startswith("## "):
            heading = f"<h3>{_inline(lines.pop(0)[3:])}</h3>"
        blocks.append(heading + _block(lines))
    return "\n".join(blocks)


def _block(lines: list[str]) -> str:
    if not lines:
        return ""
    if not lines[0].startswith("- "):
        return f"<p>{_inline(' '.join(line.strip() for line in lines))}</p>"
    items: list[str] = []
    for line in lines:
        if line.startswith("- "):
            items.append(line[2:])
        else:
            items[-1] += " " + line.strip()
    return "<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in items) + "</ul>"


def _inline(text: str) -> str:
    parts = text.split("`")
    return "".join(
        f"<code>{escape(part)}</code>" if position % 2 and position < len(parts) - 1 else linked(part, indexed)
        for position, part in enumerate(parts)
    )


def table(header: Sequence[tuple[str, str]], rows: Iterable[Sequence[tuple[str, str]]], kind: str = "") -> str:
    """A sortable table: header cells are (text, "num" | "text" | ""), cells (html, value to sort by)."""
    head = "".join(
        f'<th scope="col" class="{how}"><button type="button">{breakable(text)}</button></th>'
        if how
        else f'<th scope="col">{escape(text)}</th>'
        for text, how in header
    )
    body = []
    for row in rows:
        cells = []
        for position, ((html, value), (_, how)) in enumerate(zip(row, header, strict=True)):
            sort = f' data-value="{escape(value)}"' if value != "" else ""
            tag = "th scope=row" if position == 0 and kind == "matrix" else "td"
            close = "th" if tag.startswith("th") else "td"
            cells.append(f'<{tag} class="{how}"{sort}>{html}</{close}>')
        body.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<div class="scroll"><table class="sortable {kind}"><thead><tr>{head}</tr></thead>'
        f"<tbody>\n{chr(10).join(body)}\n</tbody></table></div>"
    )


def breakable(text: str) -> str:
    """A name in camel case may break before each capital."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "<wbr>", escape(text))


def number(value: float) -> str:
    """A value to sort by."""
    return f"{value:.9g}"


def score_text(value: float) -> str:
    """A score in a few characters, whatever its size."""
    if abs(value) < 0.0005:
        return "0.000"
    if abs(value) >= 1000:
        text = f"{value:.1e}".replace("e+0", "e").replace("e+", "e")
    elif abs(value) >= 100:
        text = f"{value:.0f}"
    elif abs(value) >= 10:
        text = f"{value:.1f}"
    else:
        text = f"{value:.3f}"
    return text.replace("-", "−")


def score_cell(score: float, link: str = "") -> str:
    """A score on a ground whose colour tells it: blue-green towards 1 and beyond, red below 0."""
    if score > -0.0005:
        kind, strength = "good", min(max(score, 0.0), 1.25) / 1.25
    else:
        kind, strength = "bad", min(-score, 1.0)
    inner = f'<a href="{escape(link)}">{score_text(score)}</a>' if link else score_text(score)
    return f'<span class="heat {kind}" style="--h:{round(100 * strength)}%">{inner}</span>'


def rank_cell(rank: tuple[int, int] | None, group: Sequence[str] = ()) -> str:
    """A rank with its range, and the letters of its tie groups."""
    if rank is None:
        return '<span class="muted">–</span>'
    letters = f' <span class="group" title="rules that share a letter are not told apart">{"".join(group)}</span>'
    return f"{rank_text(rank).replace('-', '–')}{letters if group else ''}"


def interval_text(interval: tuple[float, float]) -> str:
    """Both ends, short."""
    return f"{score_text(interval[0])} to {score_text(interval[1])}"


def learner_text(standing: Standing) -> str:
    """What found the rule; a rule without a learner stands as its source gives it."""
    learner = standing.entry.provenance.get("learner")
    return escape(learner["name"]) if learner else "published"


def cost_text(cost: int | None) -> str:
    """Lifetimes, with thin spaces between thousands."""
    if cost is None:
        return '<span class="muted">not said</span>'
    return "–" if cost == 0 else f"{cost:,}".replace(",", " ")
