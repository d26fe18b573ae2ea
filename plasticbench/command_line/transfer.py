"""`plasticbench transfer`: every rule on every task that it suits, as results, a table and a heat map."""

from __future__ import annotations

import csv
import io
import json
from argparse import Namespace
from pathlib import Path

from plasticbench.command_line.progress import ProgressBar
from plasticbench.evaluation.transfer import TransferMatrix, measure, short_id
from plasticbench.files import make_folder, write_bytes, write_text
from plasticbench.rules import known_rules, load_rule
from plasticbench.tasks import registry


def run_transfer(arguments: Namespace) -> None:
    rules = [load_rule(name) for name in arguments.rule] or list(known_rules().values())
    tasks = [registry.task(name) for name in arguments.task or registry.task_ids()]
    if arguments.track:
        tasks = [task for task in tasks if task.track == arguments.track]
    out = make_folder(arguments.out)
    with ProgressBar("transfer", "cell", quiet=arguments.json) as bar:
        matrix = measure(rules, tasks, out / "results", arguments.seeds, bar)
    write_tables(matrix, out)
    if arguments.json:
        print(json.dumps({"answer": matrix.answer(), "cells": matrix.table()}, indent=1, allow_nan=False))
        return
    part = sum(bool(cell.frozen_pathways) for cell in matrix.cells.values())
    frozen = f"; in {part} of them some plastic pathways stay frozen (transfer.csv says which)" if part else ""
    print(f"{len(matrix.cells)} pairs of a rule and a task{frozen}\n{matrix.answer()}")
    print(f"results, table and picture: {out} (results/, transfer.csv, transfer.json, transfer.png)")


def write_tables(matrix: TransferMatrix, out: Path) -> None:
    """`transfer.csv`, `transfer.json` and `transfer.png` in the folder."""
    from plasticbench.drawing.transfer import heat_map

    rows = matrix.table()
    write_text(out / "transfer.json", json.dumps({"answer": matrix.answer(), "cells": rows}, indent=1) + "\n")
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    write_text(out / "transfer.csv", text.getvalue())
    lived = [rule for rule in matrix.rules if any(name == rule for name, _ in matrix.cells)]
    scores = {(cell.rule, short_id(cell.task)): cell.score for cell in matrix.cells.values()}
    write_bytes(out / "transfer.png", heat_map(lived, [short_id(task.id) for task in matrix.lived], scores))
