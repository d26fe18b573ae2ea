"""What a learner found when it found several rules: a posterior's samples, an archive, a front."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.evaluation.result import frame
from plasticbench.files import make_folder, remove_cut_short, write_bytes
from plasticbench.rules import Rule, load_rule

FOLDER, TABLE, PICTURE = "rules", "rules.npz", "rules.png"
_METRIC, _SUMMARY = "metric.", "summary."  # before a name in the table


@dataclass(frozen=True, eq=False)
class RuleSet:
    """Rules with weights, the best first: that one is evaluated officially.

    `weights` are shares, from 0 up, of any sum above 0; equal ones by default. Raises PlasticbenchError for columns
    that do not belong to the rules.
    """

    rules: Sequence[Rule]
    weights: Any = None  # (n_rules,)
    losses: Any = None  # (n_rules,), as the learner measured them
    metrics: Mapping[str, Any] = field(default_factory=dict)  # name -> (n_rules,); NaN where undefined
    thetas: Any = None  # (n_rules, d), where the rules are of one family
    summary: Mapping[str, float] = field(default_factory=dict)  # numbers about the set, such as its coverage
    picture: bytes | None = None  # PNG

    def __post_init__(self) -> None:
        rules = tuple(self.rules)
        if not rules:
            raise PlasticbenchError("rules: a set of none; give at least the best")
        for i, rule in enumerate(rules):
            if not isinstance(rule, Rule):
                raise PlasticbenchError(f"rules[{i}]: {type(rule).__name__} is not a rule")
        weights = np.ones(len(rules)) if self.weights is None else _column(self.weights, "weights", len(rules))
        if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0):
            raise PlasticbenchError("weights: not all are finite numbers from 0 up, with a sum above 0")
        losses = None if self.losses is None else _column(self.losses, "losses", len(rules))
        metrics = {str(name): _column(values, f"metrics.{name}", len(rules)) for name, values in self.metrics.items()}
        thetas = None if self.thetas is None else _column(self.thetas, "thetas", len(rules), 2)
        made: dict[str, Any] = {
            "rules": rules,
            "weights": weights,
            "losses": losses,
            "metrics": metrics,
            "thetas": thetas,
        }
        made["summary"] = {str(name): float(value) for name, value in self.summary.items()}
        for name, value in made.items():
            object.__setattr__(self, name, value)

    @property
    def best(self) -> Rule:
        return self.rules[0]

    def __len__(self) -> int:
        return len(self.rules)

    def to_frame(self) -> Any:
        """A pandas DataFrame with a row for each rule: name, weight, loss, metrics, θ.

        Raises PlasticbenchError if pandas is not installed.
        """
        columns: dict[str, Any] = {"name": [rule.name for rule in self.rules], "weight": self.weights}
        if self.losses is not None:
            columns["loss"] = self.losses
        columns |= self.metrics
        if self.thetas is not None:
            columns |= {f"theta[{i}]": column for i, column in enumerate(self.thetas.T)}
        return frame(columns)

    def save(self, folder: Path) -> None:
        """Every rule as a rule file in `folder`/rules, in order; the numbers as the table `folder`/rules.npz.

        The picture, where there is one, as `folder`/rules.png.
        """
        place = make_folder(folder / FOLDER)
        for i, rule in enumerate(self.rules):
            rule.save(place / _file(i))
        columns = {"rule_file": np.array([_file(i) for i in range(len(self))]), "weight": self.weights}
        columns |= {f"{_METRIC}{name}": values for name, values in self.metrics.items()}
        columns |= {n: c for n, c in (("loss", self.losses), ("theta", self.thetas)) if c is not None}
        columns |= {f"{_SUMMARY}{name}": np.float64(value) for name, value in self.summary.items()}
        if self.picture is not None:
            write_bytes(folder / PICTURE, self.picture)
        buffer = io.BytesIO()
        np.savez(buffer, **columns)
        write_bytes(folder / TABLE, buffer.getvalue())

    @classmethod
    def load(cls, folder: Path) -> RuleSet:
        """As `save` kept it. Raises PlasticbenchError if the table or a rule's file is missing or damaged."""
        try:
            with np.load(folder / TABLE, allow_pickle=False) as table:
                columns = {name: table[name] for name in table.files}
            files = [str(name) for name in columns["rule_file"]]
            weights = columns["weight"]
        except Exception as error:
            raise PlasticbenchError(
                f"{folder / TABLE}: not a table of rules ({type(error).__name__}); run the learner again"
            ) from error
        metrics = {name.removeprefix(_METRIC): c for name, c in columns.items() if name.startswith(_METRIC)}
        summary = {n.removeprefix(_SUMMARY): float(c) for n, c in columns.items() if n.startswith(_SUMMARY)}
        rules = [load_rule(str(folder / FOLDER / Path(name).name)) for name in files]
        picture = (folder / PICTURE).read_bytes() if (folder / PICTURE).exists() else None
        return cls(rules, weights, columns.get("loss"), metrics, columns.get("theta"), summary, picture)


def remove(folder: Path) -> None:
    """Take back what `save` wrote, and nothing else."""
    for name in (TABLE, PICTURE):
        (folder / name).unlink(missing_ok=True)
    if (folder / FOLDER).is_dir():
        remove_cut_short(folder / FOLDER)
    for file in (folder / FOLDER).glob("[0-9]" * 5 + ".*"):
        file.unlink()
    if (folder / FOLDER).is_dir() and not any((folder / FOLDER).iterdir()):
        (folder / FOLDER).rmdir()


def _file(position: int) -> str:
    return f"{position:05d}.json"


def _column(values: Any, name: str, n_rules: int, dimensions: int = 1) -> np.ndarray:
    """As float64 (n_rules,), or (n_rules, d). Raises PlasticbenchError."""
    given = values.detach().cpu() if hasattr(values, "detach") else values
    try:
        column = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise PlasticbenchError(f"{name}: not numbers") from None
    if column.ndim != dimensions or len(column) != n_rules:
        raise PlasticbenchError(f"{name}: shape {column.shape} for {n_rules} rules; give one row each")
    return column
