"""An entry: one rule's measured result on one task, as a folder of data on a board.

    <board>/<task>/<rule>-<first 8 of the rule's hash>/
        entry.json              the claim: per-seed losses and statuses, versions, provenance (entry.schema.json)
        rule.json               the rule, as `plasticbench.load_rule` reads it
        rule.safetensors        its arrays, where it has any
        nonce.json              drawn at the first verification, after submission; decides the fresh seeds
        verification-0001.json  what re-simulation found, one file per verification, never changed

The first three are the submission and its hash; the others are added by whoever verifies. Nothing is ever
overwritten: an entry is superseded by a newer verification record or by another entry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from plasticbench.files import JsonLimits, parse_json, read_bytes

from .json_text import canonical, digest
from .origin import origin_of, unverified_of

FORMAT = "plasticbench/entry@1"
ENTRY_FILE = "entry.json"
RULE_FILE = "rule.json"
ARRAYS_FILE = "rule.safetensors"
NONCE_FILE = "nonce.json"
SUBMITTED_FILES = (ENTRY_FILE, RULE_FILE, ARRAYS_FILE)
MAX_BYTES = {ENTRY_FILE: 4_000_000, RULE_FILE: 1_000_000, ARRAYS_FILE: 16_000_000, NONCE_FILE: 1_000}
MAX_RECORD_BYTES = 8_000_000
LIMITS = JsonLimits(max_depth=16, max_keys=2_000, max_items=10_000)
RECORD_LIMITS = JsonLimits(max_depth=16, max_items=200_000)  # many fresh lifetimes
RECORD_NAME = re.compile(r"^verification-\d{4}\.json$")
TASK_ID = re.compile(r"^plasticbench/([A-Za-z0-9]+-v[0-9]+)$")


def task_slug(task_id: str) -> str:
    """The folder of a task: its id without the namespace. ValueError for an id that could name another folder."""
    match = TASK_ID.match(task_id)
    if match is None:
        raise ValueError(f"{task_id!r} is not a task id such as plasticbench/Oja-v0")
    return match.group(1)


def entry_slug(rule_name: str, rule_hash: str) -> str:
    """The folder of an entry within its task's: letters, digits and hyphens, whatever the rule is called."""
    if not re.fullmatch(r"[0-9a-f]{64}", rule_hash):
        raise ValueError(f"{rule_hash[:80]!r} is not a rule's hash")
    name = re.sub(r"[^a-z0-9]+", "-", rule_name.lower()).strip("-")[:60]
    return f"{name or 'rule'}-{rule_hash[:8]}"


@dataclass(frozen=True)
class Entry:
    """An entry as read from a board; `data` has passed the schema."""

    folder: Path
    data: dict[str, Any]  # entry.json
    rule: dict[str, Any]  # rule.json
    hash: str  # of the submitted files
    records: tuple[dict[str, Any], ...] = field(default=())  # oldest first
    record_names: tuple[str, ...] = ()  # their files

    @property
    def task_id(self) -> str:
        return self.data["task"]

    @property
    def slug(self) -> str:
        return self.folder.name

    @property
    def name(self) -> str:
        """Unique on a board: <task>/<slug>."""
        return f"{self.folder.parent.name}/{self.folder.name}"

    @property
    def losses(self) -> np.ndarray:  # (n_seeds,)
        """The claimed losses."""
        return np.asarray(self.data["losses"], dtype=float)

    @property
    def provenance(self) -> dict[str, Any]:
        return self.data["provenance"]

    @property
    def origin(self) -> str:
        """Where the rule comes from, as declared."""
        return origin_of(self.provenance, self.rule, self.data["rule_hash"])

    @property
    def unverified(self) -> str:
        """What of the rule was not checked against its source."""
        return unverified_of(self.rule, self.data["rule_hash"])

    @property
    def changes_nothing(self) -> bool:
        """Whether the rule has no change at any event."""
        keys = {key for pathway in self.rule["pathways"].values() for key in pathway}
        return not any(key.startswith("on_") or key == "network" for key in keys)

    @property
    def verified_on(self) -> str:
        """The date of its first verification that it passed; empty where none is told."""
        passed = [r for r in self.records if r["state"] == "verified" and r["entry_hash"] == self.hash]
        return passed[0].get("date", "") if passed else ""

    def record(self, task_hash: str) -> dict[str, Any] | None:
        """The newest verification under a task's hash, if there is any."""
        found = [r for r in self.records if r["task_hash"] == task_hash and r["entry_hash"] == self.hash]
        return found[-1] if found else None

    def state(self, task_hash: str | None) -> str:
        """`verified`, `rejected`, `self-reported`, or `stale`: measured under another version of the task."""
        if task_hash is None:
            return "stale"
        record = self.record(task_hash)
        if record is not None:
            return record["state"]
        return "self-reported" if self.data["task_hash"] == task_hash else "stale"

    def measured(self, task_hash: str) -> tuple[np.ndarray, list[str]]:
        """Losses and statuses under a task's hash: the re-simulated ones where verified, else the claimed."""
        record = self.record(task_hash)
        source = record["official"] if record is not None else self.data
        return np.asarray(source["losses"], dtype=float), list(source["statuses"])


def read_data(path: Path, limits: JsonLimits = LIMITS) -> Any:
    """The value of one of an entry's JSON files; JsonError (a PlasticbenchError) says what is wrong with it."""
    return parse_json(read_bytes(path, MAX_BYTES.get(path.name, MAX_RECORD_BYTES), plain=True), limits)


def hash_of_folder(folder: Path) -> str:
    """The hash of the submitted files: of their values, so that white space in the JSON does not count."""
    parts = []
    for name in SUBMITTED_FILES:
        path = folder / name
        if name == ARRAYS_FILE and not path.exists():
            continue
        content = read_bytes(path, MAX_BYTES[name], plain=True)
        parts.append(canonical(parse_json(content, LIMITS)) if name.endswith(".json") else content)
    return digest(*parts)


def read_entry(folder: Path) -> Entry:
    """The entry in a folder that has passed validation; PlasticbenchError if a file cannot be read."""
    names = sorted(path.name for path in folder.iterdir() if RECORD_NAME.match(path.name))
    return Entry(
        folder=folder,
        data=read_data(folder / ENTRY_FILE),
        rule=read_data(folder / RULE_FILE),
        hash=hash_of_folder(folder),
        records=tuple(read_data(folder / name, RECORD_LIMITS) for name in names),
        record_names=tuple(names),
    )
