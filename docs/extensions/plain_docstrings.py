"""Docstrings here are plain prose; this makes of them what Sphinx reads, and adds the fields of a dataclass.

A field's comment says its shape and unit: `losses: np.ndarray  # (n_rules, n_seeds)`. It stands beside the field on the
page, so that the API's pages tell them, too.
"""

import dataclasses
import inspect
import re
from typing import Any

_FIELD = re.compile(r"^    (\w+): ([^#=]+?)(?: = ([^#]+?))?(?:  # (.+))?$")


def setup(app: Any) -> dict[str, bool]:
    """Connect to autodoc."""
    app.connect("autodoc-process-docstring", _process)
    return {"parallel_read_safe": True}


def _process(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    lines[:] = _as_written(lines)
    if what == "class" and dataclasses.is_dataclass(thing):
        lines += ["", *_fields(thing)]


def _as_written(lines: list[str]) -> list[str]:
    """Indented blocks below a paragraph are shown as they are written; headings are bold lines."""
    found: list[str] = []
    is_block = False
    for line in lines:
        is_indented = line.startswith("    ")
        if is_indented and not is_block:
            if found and found[-1].strip():
                found.append("")
            found += ["::", ""]
        if is_block and line.strip() and not is_indented:
            found.append("")
        is_block = is_indented or (is_block and not line.strip())
        heading = re.match(r"## (.+)", line)
        found += ["", f"**{heading[1]}**", ""] if heading else [line.replace("|", r"\|") if not is_block else line]
    return found


def _fields(thing: type) -> list[str]:
    """A list of the fields that a dataclass itself declares."""
    body = inspect.getsource(thing).splitlines()
    names = {field.name for field in dataclasses.fields(thing)}
    found = [match for match in map(_FIELD.match, body) if match and match[1] in names and match[1][0] != "_"]
    lines = []
    for match in found:
        default = "" if match[3] is None else f" = {match[3]}"
        lines.append(f"- ``{match[1]}: {match[2]}{default}``")
        lines[-1] += f" · {_escaped(match[4])}" if match[4] else ""
    return lines


def _escaped(text: str) -> str:
    return re.sub(r"([*|_])", r"\\\1", text)
