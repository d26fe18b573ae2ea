"""Files elsewhere in the repository as pages, and links out of docs/ that lead to them.

A page that is one comment, `<!-- text of FILE -->`, is that file. A link to such a file leads to its page; one to any
other file outside docs/ becomes its words, since the site has no place for it.
"""

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1]
_STUB = re.compile(r"<!-- text of (\S+) -->\s*")
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#\s:]+)(#[^)]*)?\)")


def setup(app: Any) -> dict[str, bool]:
    """Connect to the reading of pages."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True}


def _read(app: Any, name: str, source: list[str]) -> None:
    page = DOCS / f"{name}.md"
    if not page.is_file():
        return
    stub = _STUB.fullmatch(source[0])
    if stub:
        app.env.note_dependency(str(DOCS.parent / stub[1]))
    origin = DOCS.parent / stub[1] if stub else page
    text = origin.read_text(encoding="utf-8") if stub else source[0]
    source[0] = _LINK.sub(lambda link: _led(link, origin.parent, page.parent), text)


def _led(link: re.Match[str], written_in: Path, page: Path) -> str:
    target = (written_in / link[2]).resolve()
    home = target if target.is_relative_to(DOCS) else _pages().get(target)
    if home is None or home.is_dir():
        return link[1]
    up = Path(*[".."] * len(page.relative_to(DOCS).parts)) / home.relative_to(DOCS)
    return f"[{link[1]}]({up.as_posix()}{link[3] or ''})"


def _pages() -> dict[Path, Path]:
    """File in the repository -> its page."""
    found = {}
    for page in (DOCS / "reference").glob("*.md"):
        stub = _STUB.fullmatch(page.read_text(encoding="utf-8"))
        if stub:
            found[(DOCS.parent / stub[1]).resolve()] = page
    return found
