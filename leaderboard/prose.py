"""Plain text as HTML: indices, links to DOIs, paragraphs and lists. What a stranger wrote is escaped."""

from __future__ import annotations

import re
from collections.abc import Callable

from markupsafe import Markup, escape

_DOI = re.compile(r"(?:doi:\s*|https://doi\.org/)(10\.\d{4,9}/[^\s,;)\]]*[^\s,;.)\]])", re.IGNORECASE)
# A letter with a short word below it; `n_synapses,` within a shape such as (n_post, n_pre) is code, not a symbol.
_INDEX = re.compile(r"(?<!\w)([A-Z]{1,2}|[a-zΑ-ω])_(?:([a-z]+)\b|\{([^}]*)\})")
_SHAPE = re.compile(r"(?<!\w)\((?=[^()]*\bn_[a-z])(?:n(?:_[a-z]+)?|\d+)(?:, (?:n(?:_[a-z]+)?|\d+))*,?\)")


def indexed(text: str) -> Markup:
    """Text in which `a_b` is a with the index b, and a shape such as (n_post, n_pre) is code."""
    parts, end = [], 0
    for shape in _SHAPE.finditer(text):
        parts += [_with_indices(text[end : shape.start()]), Markup("<code>{}</code>").format(shape[0])]
        end = shape.end()
    return Markup("").join([*parts, _with_indices(text[end:])])


def _with_indices(text: str) -> Markup:
    return Markup(_INDEX.sub(lambda found: f"{found[1]}<sub>{found[2] or found[3]}</sub>", str(escape(text))))


def linked(text: str, plain: Callable[[str], Markup] = escape) -> Markup:
    """Text in which DOIs are links; `plain` turns what stands between them into HTML."""
    parts, end = [], 0
    for found in _DOI.finditer(text):
        link = Markup('<a href="https://doi.org/{0}">doi:{0}</a>').format(found[1])
        parts += [plain(text[end : found.start()]), link]
        end = found.end()
    return Markup("").join([*parts, plain(text[end:])])


def dois(text: str) -> list[str]:
    """The DOIs in a text, each once; none that could not stand in a file of references as it is."""
    found = dict.fromkeys(match[1] for match in _DOI.finditer(text))
    return [doi for doi in found if re.fullmatch(r"[\w./()<>:;+-]+", doi, re.ASCII)]


def prose(text: str) -> Markup:
    """Paragraphs between blank lines, "## " headings, "- " lists, `code`, indices, DOIs."""
    blocks = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = block.splitlines()
        if lines and lines[0].startswith("## "):
            blocks.append(Markup("<h3>{}</h3>").format(_inline(lines.pop(0)[3:])))
        if lines:
            blocks.append(_block(lines))
    return Markup("\n").join(blocks)


def _block(lines: list[str]) -> Markup:
    if not lines[0].startswith("- "):
        return Markup("<p>{}</p>").format(_inline(" ".join(line.strip() for line in lines)))
    items: list[str] = []
    for line in lines:
        if line.startswith("- "):
            items.append(line[2:])
        else:
            items[-1] += " " + line.strip()
    return Markup("<ul>{}</ul>").format(Markup("").join(Markup("<li>{}</li>").format(_inline(i)) for i in items))


def _inline(text: str) -> Markup:
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if position % 2 and position < len(parts) - 1 else linked(part, indexed)
        for position, part in enumerate(parts)
    )


def breakable(text: str) -> Markup:
    """A name in camel case may break before each capital, an id behind its slash."""
    return Markup(re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=/)", "<wbr>", str(escape(text))))
