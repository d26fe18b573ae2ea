"""Every table of a page as CSV and JSON, read off the page itself, so that a file says what its page says.

A table has `data-name`, a head `data-key` or its words, a cell `data-raw` (or `data-value`, by which it is sorted, or
its words). Two raw values, as of an interval, become two columns. Cells of class `fold` are summaries of others.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from html.parser import HTMLParser

from .json_text import pretty


@dataclass
class PageTable:
    """A table as its page shows it, before what is in the cells is told apart."""

    name: str
    heads: list[tuple[str, bool]] = field(default_factory=list)  # words, whether numbers
    rows: list[list[list[str]]] = field(default_factory=list)  # row, cell, one or two values

    @property
    def columns(self) -> list[str]:
        """Names; a column of intervals has two."""
        return [name for at, (head, _) in enumerate(self.heads) for name in self._names(at, head)]

    @property
    def values(self) -> list[list[str | float | None]]:
        """Rows of `columns`; empty cells, and words in a column of numbers, are None."""
        return [
            [
                _value(values[k] if k < len(values) else "", self.heads[at][1])
                for at, values in enumerate(row)
                for k in range(self._width(at))
            ]
            for row in self.rows
        ]

    def _width(self, at: int) -> int:
        return max((len(row[at]) for row in self.rows), default=1)

    def _names(self, at: int, head: str) -> list[str]:
        return [head] if self._width(at) == 1 else [f"{head}, low", f"{head}, high"]


def page_tables(html: str) -> list[PageTable]:
    """The named tables of a page."""
    reader = _Reader()
    reader.feed(html)
    return reader.tables


def table_files(path: str, html: str) -> dict[str, bytes]:
    """Of the page `path` (relative): `<page>.<table>.csv` and `.json`, by relative path."""
    stem = path.removesuffix(".html")
    files = {}
    for table in page_tables(html):
        files[f"{stem}.{table.name}.csv"] = _csv(table)
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.values]
        files[f"{stem}.{table.name}.json"] = pretty(rows)
    return files


def _csv(table: PageTable) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_harmless, table.columns))
    writer.writerows(["" if value is None else _harmless(value) for value in row] for row in table.values)
    return text.getvalue().encode()


def _harmless(value: str | float) -> str | float:
    """Words that a spreadsheet would take for a formula are quoted."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t") else value


def _value(text: str, is_number: bool) -> str | float | None:
    if not is_number:
        return text or None
    try:
        return float(text.replace("−", "-"))
    except ValueError:
        return None


class _Reader(HTMLParser):
    """Collects `tables`; tables do not stand within tables."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[PageTable] = []
        self._table: PageTable | None = None
        self._is_head = self._is_open = False  # within <thead>; within a cell that counts
        self._kind, self._given, self._words, self._is_raw = False, "", "", False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "table" and "data-name" in given:
            self._table = PageTable(given["data-name"])
        if self._table is None:
            return
        classes = given.get("class", "").split()
        if tag == "thead":
            self._is_head = True
        elif tag == "tr" and self._is_head:
            self._table.heads = []  # the last row of a head names the columns
        elif tag == "tr":
            self._table.rows.append([])
        elif tag in ("td", "th") and "fold" not in classes:
            self._is_open, self._kind, self._words = True, "num" in classes, ""
            self._is_raw = "data-raw" in given
            self._given = given.get("data-key" if self._is_head else "data-raw", given.get("data-value", ""))

    def handle_data(self, data: str) -> None:
        if self._is_open:
            self._words += data

    def handle_endtag(self, tag: str) -> None:
        if self._table is None:
            return
        if tag == "table":
            self.tables.append(self._table)
            self._table = None
        elif tag == "thead":
            self._is_head = False
        elif tag in ("td", "th") and self._is_open:
            self._is_open = False
            words = self._given or " ".join(self._words.split())
            if self._is_head:
                self._table.heads.append((words, self._kind))
            else:
                self._table.rows[-1].append(words.split("|") if self._is_raw else [words])
