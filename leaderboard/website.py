"""The static site: every page from the entries alone, the same bytes from the same board, nothing from elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from plasticbench.errors import PlasticbenchError
from plasticbench.files import make_folder, write_bytes

from .board import Board, open_board
from .data_page import data_page
from .downloads import table_files
from .entry import ARRAYS_FILE, RULE_FILE, entry_slug, task_slug
from .history import made_from
from .json_text import pretty
from .overview import board_page, method_page, rules_page, tasks_page
from .references import bibtex
from .rounds import broken_rounds
from .rule_card import RuleOnBoard, rule_page
from .standings import TaskStandings, task_standings
from .tables import board_json
from .task_page import task_page
from .templates import entry_file, record_file
from .tracks import track_standings, tracks
from .transfer_page import transfer_page

_STATIC = ("style.css", "board.js")


def write_site(board: Board | str | Path | None, out_dir: str | Path) -> Path:
    """Write the site of a board into a folder and return its first page.

    Pages that have not changed are left alone, files of other names are not touched. Raises PlasticbenchError if
    the folder cannot be written.
    """
    opened = board if isinstance(board, Board) else open_board(board)
    out = Path(out_dir)
    try:
        for folder in (out, out / "tasks", out / "rules"):
            make_folder(folder)
        for name, content in site_files(opened).items():
            if not (out / name).is_file() or (out / name).read_bytes() != content:
                make_folder((out / name).parent)
                write_bytes(out / name, content)
    except (PlasticbenchError, OSError) as error:
        raise PlasticbenchError(f"html: {error}") from None
    return out / "index.html"


def site_files(board: Board) -> dict[str, bytes]:
    """Every file of the site: relative path -> content."""
    tables = {task_id: task_standings(board, task_id) for task_id in board.catalogue.tasks}
    all_tracks = [track_standings(board, track, tables) for track in tracks(board)]
    rules = rules_on_board(board, tables)
    family = {found.rule.hash: found for found in rules}
    by_hash = {rule_hash: found.rule for rule_hash, found in family.items()}
    leading = Counter(
        standing.entry.data["rule_hash"] for t in tables.values() for standing in t.ranked if t.leads(standing)
    )
    made = made_from(board)
    pages = {
        "index.html": board_page(all_tracks, tables, len(rules), {**board.broken, **broken_rounds(board)}, made),
        "tasks.html": tasks_page(all_tracks, tables),
        "rules.html": rules_page(rules, leading, board.catalogue.tasks),
        "transfer.html": transfer_page(all_tracks, rules),
        "data.html": data_page(tables),
        "method.html": method_page(),
    }
    pages |= {f"tasks/{task_slug(task_id)}.html": task_page(table, by_hash) for task_id, table in tables.items()}
    pages |= {f"rules/{found.slug}.html": rule_page(found, family) for found in rules}
    files = {name: text.encode() for name, text in pages.items()}
    for name, text in pages.items():
        files |= table_files(name, text)
    for found in rules:
        files |= _downloads(found)
    files["board.json"] = pretty(board_json(board, tables=tables))
    files |= _references(rules, board) | _evidence(tables)
    static = resources.files(__package__).joinpath("site")
    return files | {name: static.joinpath(name).read_bytes() for name in _STATIC}


def rules_on_board(board: Board, tables: dict[str, TaskStandings]) -> list[RuleOnBoard]:
    """Every rule that has an entry, by name; entries of equal name and content are one rule."""
    by_slug: dict[str, list] = {}
    for table in tables.values():
        for standing in (*table.ranked, *table.unranked):
            data = standing.entry.data
            by_slug.setdefault(entry_slug(data["rule"], data["rule_hash"]), []).append(standing)
    return [
        RuleOnBoard(board.catalogue.load_rule(standings[0].entry.folder / RULE_FILE), tuple(standings))
        for _, standings in sorted(by_slug.items())
    ]


def _references(rules: Sequence[RuleOnBoard], board: Board) -> dict[str, bytes]:
    """BibTeX of each rule and task, and of all of them."""
    found = {f"rules/{r.slug}.bib": bibtex(r.slug, f"The rule {r.rule.name}", r.citation) for r in rules}
    for task in board.catalogue.tasks.values():
        slug = task_slug(task.id)
        found[f"tasks/{slug}.bib"] = bibtex(slug, f"The task {slug}", task.reference)
    files = {name: text.encode() for name, text in found.items() if text}
    return {**files, "references.bib": b"\n".join(files.values())}


def _evidence(tables: Mapping[str, TaskStandings]) -> dict[str, bytes]:
    """What each entry claims, and its newest verification, as they lie on the board."""
    files = {}
    for table in tables.values():
        for row in (*table.ranked, *table.unranked):
            for name in filter(None, (entry_file(row), record_file(row))):
                files[name] = (row.entry.folder / name.rpartition("/")[2]).read_bytes()
    return files


def _downloads(found: RuleOnBoard) -> dict[str, bytes]:
    """The rule's own files under the page's name, so that they can be saved and loaded together."""
    folder = found.standings[0].entry.folder
    content = (folder / RULE_FILE).read_bytes()
    files = {}
    if (folder / ARRAYS_FILE).exists():
        name = f"{found.slug}.safetensors"
        content = content.replace(f'"{ARRAYS_FILE}"'.encode(), f'"{name}"'.encode())
        files[f"rules/{name}"] = (folder / ARRAYS_FILE).read_bytes()
    return {**files, f"rules/{found.slug}.json": content}
