"""From the result file of an evaluation to an entry's folder, and the check of whatever a user points at."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plasticbench.errors import PlasticbenchError
from plasticbench.files import JsonError, check_values, parse_json, read_bytes, write_bytes
from plasticbench.schema_errors import Problem

from .catalogue import Catalogue, installed
from .duplicates import duplicate_problems
from .entry import ENTRY_FILE, FORMAT, LIMITS, RULE_FILE
from .incoming import INCOMING
from .json_text import pretty
from .origin import origin_of
from .rounds import round_problems
from .schema import schema_problems
from .validation import contained, entry_folders, entry_problems, json_problem

RESULT_FORMAT = "plasticbench/result@1"
MAX_RESULT_BYTES = 5_000_000
_COPIED = (
    "task", "task_hash", "rule_hash", "engine", "seeds", "losses", "statuses", "metrics", "loss", "score",
    "score_interval", "simulated_s", "wall_s", "compile_s", "versions", "hardware",
)  # fmt: skip


def validate_path(path: str | Path, *, submission: bool = False, catalogue: Catalogue | None = None) -> list[Problem]:
    """Every problem of a result file, an entry (its folder or entry.json), or a whole board; [] says: good.

    `submission` is the stricter check of a new entry. A result is always checked as one. Problems of a board's
    entries carry the entry's name in front of the field path.
    """
    path = Path(path)
    catalogue = catalogue or installed()
    if not os.path.lexists(path):
        return [Problem(str(path), "there is no such file or folder")]
    if path.is_file() and path.name == ENTRY_FILE and not path.is_symlink():
        path = path.parent
    if not path.is_dir():
        return contained(lambda: _result_problems(path, catalogue))
    if any(inner.is_file() for inner in path.iterdir()):
        return entry_problems(path, submission=submission, catalogue=catalogue)
    entries = list(entry_folders(path))
    problems = [
        Problem(f"{name}: {problem.path}", problem.message)
        for name, folder in entries
        for problem in entry_problems(folder, submission=submission, catalogue=catalogue)
    ]
    problems += contained(lambda: list(duplicate_problems(entries, catalogue)))
    return problems + contained(lambda: round_problems(path))


def _result_problems(path: Path, catalogue: Catalogue) -> list[Problem]:
    try:
        result = read_result(path)
    except JsonError as error:
        return [Problem(error.field or path.name, error.reason)]
    with tempfile.TemporaryDirectory(prefix=INCOMING) as folder:
        return stage(result, path.parent, Path(folder), catalogue)


def read_result(path: Path) -> Any:
    """The value of a result file; JsonError says what is wrong with it."""
    return parse_json(read_bytes(path, MAX_RESULT_BYTES, plain=True), LIMITS)


def stage(
    result: Any,
    source: Path,
    folder: Path,
    catalogue: Catalogue,
    about: Mapping[str, Any] | None = None,
) -> list[Problem]:
    """Write a result as an entry into an empty hidden folder and check it; returns every problem.

    `source` is the folder in which arrays lie that the result's rule names.
    """
    problems = _shape_problems(result)
    if problems:
        return problems
    try:
        rule = catalogue.rule_from_json(result["rule"], source)
        rule.save(folder / RULE_FILE)
    except PlasticbenchError as error:
        problems.append(Problem("rule", str(error)))
    data = entry_data(result, about)
    wrong = list(schema_problems("entry", data))
    try:
        check_values(data, LIMITS)  # what `about` brings was in no file
    except JsonError as error:
        wrong.append(json_problem(error, ENTRY_FILE))
    if wrong:
        return sorted({*problems, *wrong})
    write_bytes(folder / ENTRY_FILE, pretty(data))
    found = entry_problems(folder, submission=True, catalogue=catalogue)
    if problems:  # the rule's own error says more than that its file is missing
        found = [problem for problem in found if problem.path != RULE_FILE]
    return sorted({*problems, *found})


def _shape_problems(result: Any) -> list[Problem]:
    if not isinstance(result, dict):
        return [Problem("(top level)", "is not an object; give the file that `evaluate --out` writes")]
    problems = []
    if result.get("format") != RESULT_FORMAT:
        problems.append(Problem("format", f"is {str(result.get('format'))[:60]!r}, {RESULT_FORMAT!r} wanted"))
    if not isinstance(result.get("rule"), dict):
        problems.append(Problem("rule", "is not an object: the whole rule belongs into the result"))
    if result.get("official") is not True:
        problems.append(Problem("official", "is not true: an entry has all official seeds, and no fixed conditions"))
    if not isinstance(result.get("learned", {}), dict):
        problems.append(Problem("learned", "is not an object"))
    return problems


def entry_data(result: Mapping[str, Any], about: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """entry.json of a result; `about` adds to or replaces what the result says of its rule's origin."""
    rule = result["rule"]
    provenance: dict[str, Any] = {"authors": ["anonymous"]}
    if isinstance(rule.get("reference"), str) and rule["reference"]:
        provenance["reference"] = rule["reference"]
    copied = {key: result[key] for key in _COPIED if key in result}
    provenance |= {**_origin(result.get("learned", {})), **(about or {})}
    provenance.setdefault("origin", origin_of(provenance, rule, str(result.get("rule_hash"))))
    return {
        "format": FORMAT,
        "task": copied.pop("task", None),
        "rule": rule.get("name"),
        **copied,
        "provenance": provenance,
    }


def _origin(learned: Mapping[str, Any]) -> dict[str, Any]:
    """A learner run's account of itself, as an entry tells it; what is not known stays for the schema to refuse."""
    rest = dict(learned)
    origin: dict[str, Any] = {}
    if isinstance(rest.get("learner"), str):
        told = {name: rest.pop(name) for name in ("family", "seed", "options") if name in rest}
        origin["learner"] = {"name": rest.pop("learner"), **told}
        origin["training_seeds"] = "drawn by the run from its seed; never official ones"
    cost = {"lifetimes": "lifetimes", "simulated_s": "simulated_s", "seconds": "wall_s"}
    paid = {name: rest.pop(key) for key, name in cost.items() if key in rest}
    return {**origin, **({"cost": paid} if paid else {}), **rest}
