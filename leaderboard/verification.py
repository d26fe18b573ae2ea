"""Verification by re-simulation: the official seeds again, then fresh ones that nobody could have trained on.

The fresh seeds follow from the entry's hash and a nonce that is drawn once, after submission, and kept: neither
can the author foresee them, nor can a verifier draw again until the result suits. Every verification appends one
record `verification-<n>.json`; the newest one under the task's current hash is the entry's state.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.files import JsonError, create_bytes

from . import equivalence
from .board import Board, open_board
from .catalogue import Catalogue, Measurement, TaskLike
from .entry import NONCE_FILE, RULE_FILE, Entry, read_data
from .equivalence import Reproduction
from .json_text import pretty
from .rounds import drawn_seeds

FORMAT = "plasticbench/verification@1"
NONCE_FORMAT = "plasticbench/nonce@1"
# Looks at the fresh seeds, in multiples of the official ones: a clear case passes at the first, a doubtful one needs
# more, and only the last look can reject. A test measures its power against the best of 1,000 noise candidates.
LOOKS = (1, 2, 4, 8, 16)
DOUBT = 0.25  # p value below which the next look is taken


@dataclass(frozen=True)
class Verification:
    """What one verification found, and where its record lies."""

    entry: Entry
    record: dict[str, Any]
    path: Path

    @property
    def state(self) -> str:
        return self.record["state"]

    @property
    def reason(self) -> str:
        return self.record["reason"]

    def __str__(self) -> str:
        return f"{self.entry.name}: {self.state}\n  {self.reason}\n  {self.path}"


def verify(
    entry: str | Path | Entry,
    board: Board | str | Path | None = None,
    *,
    catalogue: Catalogue | None = None,
    reference_lives: dict[tuple[str, str], np.ndarray] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Re-simulate an entry, append the record, and say `verified` or `rejected`.

    `entry` is a path, a name `<task>/<slug>` or a slug. Raises PlasticbenchError if there is no such entry, if its
    task is gone, or if its folder cannot be written; a failed verification is a result, not an error.

    `reference_lives` keeps the reference rules' official losses, by task hash and engine, for the next call.
    `progress` is called with the lifetimes done and those expected, more where a doubtful case is looked at again.
    """
    opened = board if isinstance(board, Board) else open_board(board, catalogue)
    found = entry if isinstance(entry, Entry) else opened.find(entry)
    task = opened.catalogue.task(found.task_id)
    nonce = _nonce(found)  # first of all: an interrupted verification cannot be repeated with other seeds
    lives = {} if reference_lives is None else reference_lives
    with _told(opened.catalogue, progress, 4 * len(task.official_seeds)):
        examined = _examine(found, task, opened.catalogue, nonce, lives)
    record = {
        "format": FORMAT,
        "date": today(),
        "entry_hash": found.hash,
        "task": task.id,
        "task_hash": task.spec_hash,
        **examined,
    }
    return Verification(found, record, append_record(found.folder, record))


@contextlib.contextmanager
def _told(catalogue: Catalogue, progress: Callable[[int, int], None] | None, expected: int) -> Iterator[None]:
    """Within the block, what is measured is counted and told; where the catalogue's measure says how far it is."""
    reporting = getattr(catalogue.measure, "reporting", None)
    if progress is None or reporting is None:
        yield
        return
    before, last = 0, 0

    def report(done: int, n: int) -> None:
        nonlocal before, last
        if done < last:  # another call has begun
            before += last
        last = done
        progress(before + done, max(expected, before + n))

    with reporting(report):
        yield


def today() -> str:
    """The date of a record, UTC."""
    return datetime.now(UTC).date().isoformat()


def fresh_seeds(entry_hash: str, nonce: str, n: int) -> list[int]:
    """The first n fresh seeds of an entry: distinct, in [2**61, 2**62)."""
    return drawn_seeds(f"fresh seed {entry_hash} {nonce}", n)


def _examine(
    entry: Entry,
    task: TaskLike,
    catalogue: Catalogue,
    nonce: str,
    reference_lives: dict[tuple[str, str], np.ndarray],
) -> dict[str, Any]:
    rule = catalogue.load_rule(entry.folder / RULE_FILE)
    reference = catalogue.load_rule(task.reference_rule)
    engine = entry.data["engine"]
    seeds = [int(seed) for seed in task.official_seeds]
    official = catalogue.measure(task, [rule], seeds, engine)
    reproduction = _reproduce(entry, task, official)
    found: dict[str, Any] = {
        "engine": official.engine,
        "versions": dict(official.versions),
        "hardware": dict(official.hardware),
        "official": _lifetimes(seeds, official.losses[0], official.statuses[0]),
        "reproduction": _as_json(reproduction),
        "fresh": None,
    }
    if not reproduction.agrees:
        return {"state": "rejected", "reason": _disagreement(entry, official, reproduction), **found}
    key = (task.spec_hash, engine)
    if key not in reference_lives:
        reference_lives[key] = catalogue.measure(task, [reference], seeds, engine).losses[0]
    fresh = _FreshLives(entry, task, catalogue, nonce, rule, reference)
    gap, p_value = look_until_clear(official.losses[0], reference_lives[key], fresh.live)
    level = equivalence.FRESH_LEVEL
    found["fresh"] = {
        "nonce": nonce,
        **_lifetimes(fresh.seeds, fresh.losses, fresh.statuses),
        "mean": float(fresh.losses.mean()),
        "gap": gap,
        "p_value": p_value,
        "level": level,
    }
    means = (
        f"mean loss {reproduction.measured_mean:.6g} on the {len(seeds)} official seeds, "
        f"{fresh.losses.mean():.6g} on {len(fresh.seeds)} fresh ones"
    )
    if p_value < level:
        reason = (
            f"fresh seeds: {means}; a gap of {gap:.3g} beside the reference rule's has p = {p_value:.2g} "
            f"(level {level}): the rule was fitted to the official seeds or picked by them"
        )
        return {"state": "rejected", "reason": reason, **found}
    reason = f"{_agreement(reproduction)}; {means} (p = {p_value:.2g})"
    return {"state": "verified", "reason": reason, **found}


def look_until_clear(
    official: np.ndarray, reference: np.ndarray, live: Callable[[int], tuple[np.ndarray, np.ndarray]]
) -> tuple[float, float]:
    """Gap and p value at the first look that leaves no doubt, else at the last.

    official, reference: (n,) official losses of the rule and of the reference rule; live(m): both on m fresh seeds.
    """
    for factor in LOOKS:
        fresh, reference_fresh = live(factor * len(official))
        gap, p_value = equivalence.fresh_gap(official, fresh, reference, reference_fresh)
        if p_value >= DOUBT:
            break
    return gap, p_value


class _FreshLives:
    """Lifetimes of an entry's rule and of the reference rule on the first so many fresh seeds."""

    def __init__(self, entry: Entry, task: TaskLike, catalogue: Catalogue, nonce: str, rule: Any, reference: Any):
        self._entry, self._task, self._measure, self._nonce = entry, task, catalogue.measure, nonce
        self._rule, self._reference = rule, reference
        self.seeds: list[int] = []
        self.losses = np.empty(0)  # (n_seeds,)
        self.reference_losses = np.empty(0)  # (n_seeds,)
        self.statuses = np.empty(0, dtype=str)  # (n_seeds,)

    def live(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Go on until n seeds are lived; the losses of the rule and of the reference rule, (n,) each."""
        seeds = fresh_seeds(self._entry.hash, self._nonce, n)[len(self.seeds) :]
        engine = self._entry.data["engine"]
        own = self._measure(self._task, [self._rule], seeds, engine)
        is_reference = self._rule.hash == self._reference.hash
        other = own if is_reference else self._measure(self._task, [self._reference], seeds, engine)
        self.seeds += seeds
        self.losses = np.concatenate([self.losses, own.losses[0]])
        self.reference_losses = np.concatenate([self.reference_losses, other.losses[0]])
        self.statuses = np.concatenate([self.statuses, own.statuses[0]])
        return self.losses, self.reference_losses


def _reproduce(entry: Entry, task: TaskLike, official: Measurement) -> Reproduction:
    claimed, measured = entry.losses, official.losses[0]
    if entry.data["task_hash"] != task.spec_hash:
        return equivalence.not_comparable(claimed, measured)
    here = (official.engine, dict(official.versions), dict(official.hardware))
    same_machine = here == (entry.data["engine"], entry.data["versions"], entry.data["hardware"])
    return equivalence.reproduction(claimed, measured, same_machine)


def _disagreement(entry: Entry, official: Measurement, reproduction: Reproduction) -> str:
    claimed, measured, seeds = entry.losses, official.losses[0], entry.data["seeds"]
    rows = list(reproduction.differing_rows)
    rows.sort(key=lambda row: -abs(claimed[row] - measured[row]))
    named = "; ".join(
        f"row {row} (seed {seeds[row]}): claimed {float(claimed[row])!r}, measured {float(measured[row])!r}"
        for row in rows[:3]
    )
    more = f"; and {len(rows) - 3} more" if len(rows) > 3 else ""
    return (
        f"official seeds: {len(rows)} of {len(claimed)} losses are not reproduced ({reproduction.kind}): "
        f"{named}{more}; "
        f"claimed mean {reproduction.claimed_mean:.6g}, measured {reproduction.measured_mean:.6g}"
    )


def _agreement(reproduction: Reproduction) -> str:
    if reproduction.kind == "bits":
        return "reproduced to the bit"
    if reproduction.kind == "stale":
        return "measured again under the task's new version"
    if not reproduction.differing_rows:
        return f"reproduced in every lifetime to {equivalence.ROW_TOLERANCE:g}"
    return f"reproduced in the mean; {len(reproduction.differing_rows)} lifetimes diverge"


def _as_json(reproduction: Reproduction) -> dict[str, Any]:
    found: dict[str, Any] = {
        "kind": reproduction.kind,
        "agrees": bool(reproduction.agrees),
        "claimed_mean": reproduction.claimed_mean,
        "measured_mean": reproduction.measured_mean,
        "differing_rows": list(reproduction.differing_rows),
    }
    if reproduction.difference_interval is not None:
        found["difference_interval"] = list(reproduction.difference_interval)
        found["tolerance"] = reproduction.tolerance
    return found


def _lifetimes(seeds: list[int], losses: np.ndarray, statuses: np.ndarray) -> dict[str, Any]:
    return {"seeds": seeds, "losses": losses.tolist(), "statuses": [str(status) for status in statuses]}


def _nonce(entry: Entry) -> str:
    """The entry's nonce: drawn at the first verification, then fixed."""
    path = entry.folder / NONCE_FILE
    fresh = {"format": NONCE_FORMAT, "entry_hash": entry.hash, "nonce": secrets.token_hex(16)}
    if not path.exists():
        with contextlib.suppress(FileExistsError):  # another verifier was first; its nonce holds
            create_bytes(path, pretty(fresh))
    try:
        stored = read_data(path)
    except JsonError:
        stored = None
    if (
        not isinstance(stored, dict)
        or stored.get("entry_hash") != entry.hash
        or not re.fullmatch(r"[0-9a-f]{32}", str(stored.get("nonce")))
    ):
        raise PlasticbenchError(f"entry: {path} is not this entry's nonce; restore the file from its history")
    return stored["nonce"]


def append_record(folder: Path, record: dict[str, Any]) -> Path:
    """Publish a verification record under the next free number."""
    content = pretty(record)
    for number in range(1, 10_000):
        path = folder / f"verification-{number:04d}.json"
        if path.exists():
            continue
        try:
            create_bytes(path, content)
        except FileExistsError:
            continue  # another verifier took this number
        return path
    raise PlasticbenchError(f"entry: {folder} has 9,999 verification records; archive some")
