"""The board as text and as JSON, for the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .board import Board, open_board
from .history import made_from
from .rounds import broken_rounds
from .standings import Standing, TaskStandings, task_standings
from .text_table import broken_text, text_table
from .tracks import TrackRow, TrackStandings, track_standings, tracks


def board_table(board: Board | str | Path | None = None, task_id: str | None = None) -> str:
    """The ranking of one task, or of every task that has entries and of every track."""
    opened = board if isinstance(board, Board) else open_board(board)
    if task_id is not None:
        return _task_text(task_standings(opened, task_id)) + broken_text(opened.broken_of(task_id))
    tables = {i: task_standings(opened, i) for i in opened.catalogue.tasks}
    parts = [_task_text(table) for table in tables.values() if table.ranked or table.unranked]
    for track in tracks(opened):
        parts += _track_text(track_standings(opened, track, tables))
    return "\n\n".join(parts or ["No entries yet: plasticbench submit RESULT"]) + broken_text(_broken(opened))


def _broken(board: Board) -> dict[str, str]:
    return {**board.broken, **broken_rounds(board)}


def _task_text(table: TaskStandings) -> str:
    task = table.task
    lines = [f"{task.id}: {task.title} (score 0 = null rule, 1 = {task.reference_rule})"]
    if table.ranked:
        waiting = not table.not_ranked_because and not all(standing.is_paired for standing in table.ranked)
        lines += [text_table(_HEADER, [_cells(standing) for standing in table.ranked]), table.verdict, table.comparison]
        lines += ["A round is lived by: plasticbench verify --rounds"] if waiting else []
    else:
        lines += ["no verified entry", *([table.verdict] if table.not_ranked_because else [])]
    for state in ("verified", "self-reported", "stale", "rejected"):
        rows = [standing for standing in table.unranked if standing.state == state]
        if rows:
            lines.append(f"\nnot ranked, {state}:")
            lines += [f"  {row.entry.slug}: {_why(row)}" for row in rows]
    return "\n".join(lines)


_HEADER = (
    "rank", "group", "rule", "score", "95 %", "fresh loss", "official", "p", "mid 50 %", "blow-ups", "attempts",
    "learned in", "provenance",
)  # fmt: skip


def _cells(standing: Standing) -> tuple[str, ...]:
    cost = standing.cost
    return (
        rank_text(standing.rank),
        "".join(standing.group),
        standing.name,
        f"{standing.score:z.3f}" if standing.has_score else "-",
        f"{standing.score_interval[0]:z.3f} to {standing.score_interval[1]:z.3f}" if standing.has_score else "-",
        f"{standing.loss:.5g}",
        f"{standing.official_loss:.5g}",
        "-" if standing.agreement_p is None else f"{standing.agreement_p:.2g}",
        f"{standing.loss_iqm:.5g}",
        f"{standing.n_blown_up}/{standing.n_lifetimes}",
        str(standing.attempts),
        "-" if not cost else f"{cost:,} lives",
        f"{standing.entry.origin} ({standing.learner})" if standing.learner else standing.entry.origin,
    )


def rank_text(rank: tuple[int, int] | None) -> str:
    """A rank with its uncertainty: 1, 2-4, or - where there is none."""
    if rank is None:
        return "-"
    low, high = rank
    return str(low) if low == high else f"{low}-{high}"


def _why(standing: Standing) -> str:
    """One line on an entry that is not ranked."""
    record = standing.entry.records[-1] if standing.entry.records else None
    if standing.state == "rejected" and record is not None:
        return record["reason"]
    if standing.state == "verified":
        return "its verification has no fresh lifetimes; plasticbench verify measures it again"
    if standing.state == "stale":
        return "measured under another version of the task; plasticbench verify --all measures it again"
    return f"claims loss {standing.loss:.5g}, score {standing.score:z.3f}"


def _track_text(table: TrackStandings) -> list[str]:
    if not table.rows or len(table.tasks) < 2:
        return []
    header = ("rule", "best on", "beats ignorance on", "of tasks", "mean score", "best on, by family of tasks")
    cells = [
        (
            row.name,
            str(len(row.leads_on)),
            str(len(row.beats_bar_on)),
            str(len(row.standings)),
            f"{row.mean_score:z.3f}",
            ", ".join(
                f"{name} {leads} of {lived}"
                for name, tasks in table.families.items()
                for leads, _, lived in [row.within(tasks)]
                if lived
            ),
        )
        for row in table.rows
    ]
    title = (
        f"track {table.track}: rules by the tasks on which they are the best or tied for it; ignorance is frozen "
        "weights or a task's best rule that knows nothing"
    )
    return [title + "\n" + text_table(header, cells)]


def board_json(
    board: Board | str | Path | None = None,
    task_id: str | None = None,
    tables: dict[str, TaskStandings] | None = None,
) -> dict[str, Any]:
    """Every standing as one JSON object: tasks, tracks, and entries that are broken.

    `tables`: the standings of every task, where they are there already.
    """
    opened = board if isinstance(board, Board) else open_board(board)
    ids = [opened.catalogue.task(task_id).id] if task_id is not None else list(opened.catalogue.tasks)
    tables = tables or {i: task_standings(opened, i) for i in ids}
    made = made_from(opened) if task_id is None else None
    found: dict[str, Any] = (
        {} if made is None else {"date": made.date or None, "version": made.version, "commit": made.commit or None}
    )
    found |= {"tasks": [_task_json(table) for table in tables.values()]}
    if task_id is None:
        found["tracks"] = [_track_json(track_standings(opened, track, tables)) for track in tracks(opened)]
    found["broken"] = dict(sorted((_broken(opened) if task_id is None else opened.broken_of(task_id)).items()))
    return found


def _task_json(table: TaskStandings) -> dict[str, Any]:
    task = table.task
    return {
        "id": task.id,
        "task_hash": task.spec_hash,
        "null_loss": task.null_loss,
        "blind_loss": task.blind_loss,
        "reference_rule": task.reference_rule,
        "reference_loss": task.reference_loss,
        "best": list(table.leaders),
        "ranked": not table.not_ranked_because,
        "not_ranked_because": table.not_ranked_because or None,
        "comparison": table.comparison,
        "entries": [_standing_json(standing) for standing in (*table.ranked, *table.unranked)],
    }


def _standing_json(standing: Standing) -> dict[str, Any]:
    return {
        "entry": standing.entry.name,
        "rule": standing.name,
        "rule_hash": standing.entry.data["rule_hash"],
        "state": standing.state,
        "rank": None if standing.rank is None else list(standing.rank),
        "group": list(standing.group),
        "loss": standing.loss,
        "loss_interval": list(standing.loss_interval),
        "loss_interquartile_mean": standing.loss_iqm,
        "score": standing.score,
        "score_interval": list(standing.score_interval),
        "score_interquartile_mean": standing.score_iqm,
        "lifetimes": standing.n_lifetimes,
        "lifetimes_drawn": standing.drawn or "official, as claimed",
        "paired": standing.is_paired,
        "official_loss": standing.official_loss,
        "official_score": standing.official_score,
        "agreement_p": standing.agreement_p,
        "attempts": standing.attempts,
        "blow_ups": standing.n_blown_up,
        "cost_lifetimes": standing.cost,
        "origin": standing.entry.origin,
        "provenance": standing.entry.provenance,
    }


def _track_json(table: TrackStandings) -> dict[str, Any]:
    return {
        "track": table.track,
        "tasks": [task.id for task in table.tasks],
        "families": {name: [task.id for task in tasks] for name, tasks in table.families.items()},
        "rules": [_row_json(row) for row in table.rows],
        "frozen": [_row_json(row) for row in table.frozen],
    }


def _row_json(row: TrackRow) -> dict[str, Any]:
    return {
        "rule": row.name,
        "rule_hash": row.rule_hash,
        "scores": {task_id: standing.score for task_id, standing in row.standings.items()},
        "best_on": sorted(row.leads_on),
        "beats_ignorance_on": sorted(row.beats_bar_on),
        "mean_score": row.mean_score,
    }
