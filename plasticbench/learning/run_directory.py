"""A learner's run on disk. Nothing is written before the first simulation, and nothing is lost after it.

run.json        what was asked for          history.jsonl       a row per logged iteration
checkpoint.pt   where a killed run goes on  rule.json           the learned rule
outcome.json    that it ended, and its cost result.json         the rule's official evaluation
rules/, rules.npz, rules.png  where a set was learned
history.csv     the history as a table      learning_curve.png  loss against lifetimes and seconds
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from plasticbench.drawing.curves import learning_curve
from plasticbench.errors import PlasticbenchError
from plasticbench.evaluation.result import Result
from plasticbench.files import make_folder, read_json, remove_cut_short, write_bytes, write_text
from plasticbench.learning import checkpoints, rule_set
from plasticbench.learning.history import History, line_of, read_history, whole_lines
from plasticbench.learning.rule_set import PICTURE, TABLE, RuleSet
from plasticbench.rules import Rule

SETTINGS, OUTCOME, RULE, RESULT = "run.json", "outcome.json", "rule.json", "result.json"
HISTORY, _CHECKPOINT, _CURVE = "history.jsonl", "checkpoint.pt", "learning_curve.png"
_TABLE_OF_HISTORY = "history.csv"
_OF_THE_END = (OUTCOME, RESULT, RULE, "rule.safetensors", _CURVE, _TABLE_OF_HISTORY)
_FILES = (SETTINGS, _CHECKPOINT, HISTORY, *_OF_THE_END)
_FREE = ("versions", "workers")  # settings that may differ when a run goes on


@dataclass(frozen=True)
class Cost:
    """What a run spent."""

    lifetimes: int
    simulated_s: float
    seconds: float  # wall-clock, interruptions left out
    compile_s: float = 0.0  # of these, spent compiling


class RunDirectory:
    """A folder for a new run, or one to go on with.

    Raises PlasticbenchError if the folder holds another run that would be lost, or if a resumed run's settings differ.
    A run that died before its first checkpoint has nothing to lose: its folder is free.
    """

    def __init__(self, path: str | Path, settings: Mapping[str, Any], resume: bool = False, overwrite: bool = False):
        if resume and overwrite:
            raise PlasticbenchError("resume: either go on with the run (--resume) or replace it (--overwrite)")
        self.path, self._settings = Path(path), dict(settings)
        self._overwrite = overwrite
        self.checkpoint: dict[str, Any] | None = None
        self._stored: dict[str, Any] | None = None  # settings in the folder, where this run goes on
        self._begun = self._lock_wanted = False
        self._lock: int | None = None  # file descriptor
        self._n_rows = 0
        if (self.path / SETTINGS).exists() and not overwrite:
            self._reopen(resume)
        elif not overwrite:
            self._check_free(resume)

    def _reopen(self, resume: bool) -> None:
        if resume:
            self._stored = read_json(self.path / SETTINGS)
            self._check_same(self._stored)
            self._settings |= {name: self._stored[name] for name in _FREE if name in self._stored}
            file = self.path / _CHECKPOINT
            self.checkpoint = checkpoints.from_file(file) if file.exists() else None
        elif (self.path / _CHECKPOINT).exists() or (self.path / OUTCOME).exists():
            raise PlasticbenchError(
                f"out: {self.path} holds a run already; go on with --resume, replace it with --overwrite, "
                "or choose another folder"
            )
        else:
            self._overwrite = True

    def _check_free(self, resume: bool) -> None:
        """Of a folder without settings."""
        if resume and self.path.is_dir() and any(not file.name.startswith(".") for file in self.path.iterdir()):
            raise PlasticbenchError(f"out: {self.path} holds no run to resume ({SETTINGS} is missing)")
        for name in (*_FILES, TABLE, PICTURE):
            if (self.path / name).exists():
                raise PlasticbenchError(
                    f"out: {self.path} holds a {name} of something else, which a run would replace; "
                    "choose another folder, or replace it with --overwrite"
                )

    @property
    def history(self) -> History:
        """The logged rows, oldest first."""
        return read_history(self.path / HISTORY)

    @property
    def cost(self) -> Cost | None:
        """What the whole run spent, once it has ended; None before, and where a larger budget is asked for."""
        outcome = None if self._overwrite else ended(self.path)
        if outcome is None or outcome["budget"] != self._settings.get("budget"):
            return None
        return cost_of(outcome)

    @property
    def lifetimes_before(self) -> int:
        """Spent by the checkpoint that this run goes on from; 0 for a new one."""
        return self.checkpoint["lifetimes_spent"] if self.checkpoint else 0

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """While open, `begin` raises PlasticbenchError if another process runs here. One that died holds nothing."""
        self._lock_wanted = True
        try:
            yield
        finally:
            self._lock_wanted = False
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def begin(self) -> None:
        """Make the folder fit for this run: called before each simulation, works once."""
        if self._begun:
            return
        make_folder(self.path)
        if self._lock_wanted:
            self._take_lock()
        for name in _FILES if self._overwrite else _OF_THE_END:  # these: of an end within a smaller budget
            (self.path / name).unlink(missing_ok=True)
        rule_set.remove(self.path)
        remove_cut_short(self.path)
        if self._stored != self._settings:
            write_text(self.path / SETTINGS, json.dumps(self._settings, indent=1, allow_nan=False) + "\n")
        self._n_rows = self.checkpoint["history_rows"] if self.checkpoint else 0
        file = self.path / HISTORY
        if file.exists():  # rows logged after the checkpoint are logged again
            write_text(file, "".join(whole_lines(file)[: self._n_rows]))
        self._begun = True

    def append_history(self, row: dict[str, float]) -> None:
        self.begin()
        with open(self.path / HISTORY, "a", encoding="utf-8") as file:
            file.write(line_of(row))
        self._n_rows += 1

    def save_checkpoint(self, content: dict[str, Any]) -> None:
        """Whole or not at all. Raises PlasticbenchError for what could not be read back."""
        packed = checkpoints.to_bytes({**content, "history_rows": self._n_rows})
        self.begin()
        write_bytes(self.path / _CHECKPOINT, packed)

    def finish(self, found: Rule | RuleSet, known_losses: Mapping[str, float], cost: Cost) -> None:
        """Keep what was learned, a learning curve beside the losses of known rules, and last that the run has ended."""
        self.begin()
        if isinstance(found, RuleSet):
            found.save(self.path)
        (found.best if isinstance(found, RuleSet) else found).save(self.path / RULE)  # first: a disk may be nearly full
        write_text(self.path / _TABLE_OF_HISTORY, self.history.to_csv())
        write_bytes(self.path / _CURVE, learning_curve(self.history, known_losses))
        outcome = {"budget": self._settings.get("budget"), **asdict(cost)}
        write_text(self.path / OUTCOME, json.dumps(outcome, indent=1, allow_nan=False) + "\n")

    def keep_result(self, result: Result) -> None:
        """Write the official evaluation of what was learned."""
        remove_cut_short(self.path)
        result.save(self.path / RESULT)

    def _take_lock(self) -> None:
        try:
            import fcntl
        except ImportError:
            return  # not on this system
        self._lock = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PlasticbenchError(f"out: another process is running in {self.path}; choose another folder") from None
        except OSError:
            pass  # a file system without locks

    def _check_same(self, stored: Any) -> None:
        if not isinstance(stored, dict):
            raise PlasticbenchError(f"{self.path / SETTINGS}: not the settings of a run; replace it with --overwrite")
        asked = self._settings
        for name in sorted((set(stored) | set(asked)) - set(_FREE)):
            same = stored.get(name) == asked.get(name)
            if name == "budget" and not same and _is_larger(asked.get(name), stored.get(name)):
                continue
            if not same:
                how = "as much or more" if name == "budget" else "the same settings"
                raise PlasticbenchError(
                    f"{name}: the run in {self.path} was started with {stored.get(name)!r}, not {asked.get(name)!r}; "
                    f"resume with {how}, or replace it with --overwrite"
                )


def ended(folder: Path) -> dict[str, Any] | None:
    """What a run that has ended says of itself: budget, lifetimes, simulated_s, seconds. None of another."""
    file = folder / OUTCOME
    if not file.exists():
        return None
    outcome = read_json(file)
    names = ("budget", "lifetimes", "simulated_s", "seconds")
    if not isinstance(outcome, dict) or any(not isinstance(outcome.get(n), (int, float)) for n in names[1:]):
        raise PlasticbenchError(
            f"{file}: not the outcome of a run ({', '.join(names)}); delete it to run the end again"
        )
    return {name: outcome.get(name) for name in (*names, "compile_s")}


def cost_of(outcome: Mapping[str, Any]) -> Cost:
    """As `ended` gives it; runs of earlier versions did not count the seconds of compiling."""
    return Cost(outcome["lifetimes"], outcome["simulated_s"], outcome["seconds"], outcome["compile_s"] or 0.0)


def _is_larger(asked: Any, stored: Any) -> bool:
    return isinstance(asked, int) and isinstance(stored, int) and asked > stored
