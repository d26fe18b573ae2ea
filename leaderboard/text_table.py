"""Plain text tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned with two spaces between them; a column of numbers is aligned to the right."""
    columns = list(zip(header, *rows, strict=True))
    numeric = [bool(rows) and all(_looks_numeric(cell) for cell in column[1:]) for column in columns]
    widths = [max(len(cell) for cell in column) for column in columns]

    def line(cells: Sequence[str]) -> str:
        aligned = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(cells, widths, numeric, strict=True)
        ]
        return "  ".join(aligned).rstrip()

    return "\n".join([line(header), line(["-" * width for width in widths]), *map(line, rows)])


def broken_text(broken: Mapping[str, str]) -> str:
    """Entries that cannot be shown, name -> first problem, below a table; empty where there are none."""
    lines = [f"  {name}: {problem}" for name, problem in sorted(broken.items())]
    return "\n\nnot shown, broken:\n" + "\n".join(lines) if lines else ""


def _looks_numeric(cell: str) -> bool:
    return cell == "" or cell[0].isdigit() or (cell[0] in "-−" and cell[1:2].isdigit()) or cell == "-"
