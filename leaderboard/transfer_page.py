"""The transfer matrix of a board: which rules work beyond the task that they were made for, from entries alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plasticbench.evaluation.transfer import TransferCell, TransferMatrix, frozen_pathways, short_id, sibling

from .rule_card import RuleOnBoard
from .templates import render
from .tracks import TrackStandings


def transfer_page(tracks: Sequence[TrackStandings], rules: Sequence[RuleOnBoard]) -> str:
    """One heat map per track, and what it comes to in words."""
    slugs = {_label(found, rules): found.slug for found in rules}
    maps = [(track, _matrix(track, rules)) for track in tracks]
    return render(
        "transfer.html",
        root="",
        current="Transfer",
        stem="transfer",
        maps=[(track, matrix) for track, matrix in maps if matrix.cells],
        slugs=slugs,
        is_home=lambda rule, task, tasks: sibling(task) in {sibling(t) for t in tasks if t.reference_rule == rule},
        short_id=short_id,
    )


def _label(found: RuleOnBoard, rules: Sequence[RuleOnBoard]) -> str:
    """A rule's name; with the start of its hash where another rule is called the same."""
    name = found.rule.name
    return name if sum(other.rule.name == name for other in rules) == 1 else f"{name} {found.rule.hash[:8]}"


def _matrix(track: TrackStandings, rules: Sequence[RuleOnBoard]) -> TransferMatrix:
    tasks: Mapping[str, Any] = {task.id: task for task in track.columns}
    cells = {}
    for found in rules:
        label = _label(found, rules)
        for standing in found.standings:
            task = tasks.get(standing.entry.task_id)
            if task is None or standing.rank is None:
                continue
            cells[label, task.id] = TransferCell(
                label, task.id, standing.loss, standing.score, standing.score_interval, standing.n_lifetimes,
                frozen_pathways(found.rule, task),
            )  # fmt: skip
    lived = tuple(dict.fromkeys(label for label, _ in cells))
    return TransferMatrix(lived, tuple(tasks.values()), cells)
