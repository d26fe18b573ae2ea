"""BibTeX of rules and tasks: what they cite, as they cite it, and nothing guessed.

An entry is a @misc whose note is the reference word for word; a year and a DOI stand apart where the text has them.
"""

from __future__ import annotations

import re

from .prose import dois

_SPECIAL = {**{c: f"\\{c}" for c in "&%$#_"}, **dict.fromkeys("{}\\", ""), "~": "\\textasciitilde{}", "^": ""}
_YEAR = re.compile(r"\b(?:1[89]|20)\d\d\b")


def bibtex(key: str, title: str, reference: str) -> str:
    """One entry: `title` says which rule or task cites, `reference` what. Empty where nothing is cited."""
    if not reference.strip():
        return ""
    found, years = dois(reference), set(_YEAR.findall(re.sub(r"10\.\d{4,9}/\S+", "", reference)))
    fields = {"title": title, "note": reference}
    if len(years) == 1:
        fields["year"] = years.pop()
    if len(found) == 1:
        fields["doi"] = found[0]
    lines = [f"  {name} = {{{_escaped(text) if name != 'doi' else text}}}" for name, text in fields.items()]
    return f"@misc{{{re.sub(r'[^A-Za-z0-9-]+', '-', key)},\n" + ",\n".join(lines) + "\n}\n"


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(c, c) for c in " ".join(text.split()))
