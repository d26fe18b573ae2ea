"""A rule's measured result on a task: every lifetime's loss, status and seed. Aggregates are computed from them."""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.evaluation.comparison import Comparison, compare_results
from plasticbench.evaluation.plain_data import nan_for_null, null_for_undefined
from plasticbench.evaluation.statistics import mean_interval
from plasticbench.files import read_json, write_text
from plasticbench.rules import Rule, rule_from_json
from plasticbench.tasks.registry import task as find_task
from plasticbench.tasks.task import Task

FORMAT = "plasticbench/result@1"
_STATUSES = ("ok", "blow-up")
_RELATIVE_TOLERANCE = 1e-9  # of an aggregate against its recomputation: JSON keeps every bit


@dataclass(frozen=True)
class Result:
    """Of one rule on one task. `losses[i]`, `statuses[i]` and `metrics[name][i]` belong to `seeds[i]`.

    A metric that is undefined in a lifetime is NaN, and null in JSON.
    """

    task: str
    task_hash: str
    rule: Rule
    engine: str
    seeds: tuple[int, ...]
    losses: tuple[float, ...]
    statuses: tuple[str, ...]
    metrics: dict[str, tuple[float, ...]]
    simulated_s: float
    wall_s: float
    compile_s: float
    versions: dict[str, str]
    hardware: dict[str, Any]
    conditions: tuple[dict[str, Any], ...] | None = None
    learned: dict[str, Any] = field(default_factory=dict)  # how the rule was found: learner, cost, training tasks
    unregistered: Task | None = field(default=None, repr=False, compare=False)  # the task, where no id leads to it

    @property
    def specification(self) -> Task:
        """The task. Raises PlasticbenchError if it is not registered here."""
        return self.unregistered or find_task(self.task)

    @property
    def official(self) -> bool:
        """Whether this is a registered task's whole official evaluation."""
        if self.conditions is not None or self.unregistered is not None:
            return False
        return self.seeds == self.specification.official_seeds

    @property
    def loss(self) -> float:
        """Mean over lifetimes."""
        return float(np.mean(self.losses))

    @property
    def score(self) -> float:
        return self.specification.score(self.loss)

    @cached_property
    def loss_interval(self) -> tuple[float, float]:
        """95 % bootstrap interval of the mean loss."""
        return mean_interval(np.array(self.losses))

    @property
    def score_interval(self) -> tuple[float, float]:
        low, high = sorted(self.specification.score(loss) for loss in self.loss_interval)
        return low, high

    @property
    def name(self) -> str:
        """Of the rule, or of a Python policy."""
        if isinstance(self.rule, Rule):
            return self.rule.name
        return getattr(self.rule, "__name__", type(self.rule).__name__)

    @property
    def where(self) -> str:
        """The engine, and the device where that is not the processor."""
        device = self.hardware.get("device")
        return f"{self.engine} engine" + (f" on {device}" if device else "")

    def __repr__(self) -> str:
        return f"<Result: {self.name} on {self.task}, {len(self.seeds)} lifetimes, loss {self.loss:.5g}>"

    def _repr_html_(self) -> str:
        from plasticbench.evaluation.notebook import result_html

        return result_html(self)

    def compare(self, other: Result) -> Comparison:
        """The paired difference to another result of this task; PlasticbenchError where no lifetime is common."""
        return compare_results(self, other)

    def to_json(self) -> dict[str, Any]:
        """The object that `evaluate --json` prints and `submit` takes.

        Raises PlasticbenchError for a Python policy, which no file can keep.
        """
        if not isinstance(self.rule, Rule):
            raise PlasticbenchError(
                f"rule: {type(self.rule).__name__} is a Python policy, which no file can keep; write it as a rule file"
            )
        return {
            "format": FORMAT,
            "task": self.task,
            "task_hash": self.task_hash,
            "rule": self.rule.to_json(),
            "rule_hash": self.rule.hash,
            "engine": self.engine,
            "official": self.official,
            "seeds": list(self.seeds),
            "losses": list(self.losses),
            "statuses": list(self.statuses),
            "conditions": None if self.conditions is None else list(self.conditions),
            "loss": self.loss,
            "score": self.score,
            "score_interval": list(self.score_interval),
            "metrics": {name: null_for_undefined(values) for name, values in self.metrics.items()},
            "simulated_s": self.simulated_s,
            "wall_s": self.wall_s,
            "compile_s": self.compile_s,
            "versions": self.versions,
            "hardware": self.hardware,
            "learned": self.learned,
        }

    def save(self, path: str | Path) -> None:
        """Write the JSON, whole or not at all."""
        write_text(path, json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n")

    def to_frame(self) -> Any:
        """A pandas DataFrame with a row for each lifetime: seed, loss, status, fixed conditions, metrics.

        Raises PlasticbenchError if pandas is not installed.
        """
        fixed: dict[str, list[Any]] = {}
        for row in self.conditions or ():
            fixed |= {name: [one.get(name) for one in self.conditions or ()] for name in row}
        columns = {"seed": self.seeds, "loss": self.losses, "status": self.statuses, **fixed, **self.metrics}
        return frame(columns)

    @classmethod
    def load(cls, path: str | Path, unregistered: Task | None = None) -> Result:
        """Read and check a result file; PlasticbenchError names the field that does not fit."""
        return cls.from_json(read_json(path), unregistered)

    @classmethod
    def from_json(cls, data: Any, unregistered: Task | None = None) -> Result:
        """Check and rebuild. Aggregates that do not follow from the lifetimes are errors.

        `unregistered`: the task, if its id is registered nowhere.
        """
        _check_fields(data)
        result = cls(
            task=data["task"],
            task_hash=data["task_hash"],
            rule=rule_from_json(data["rule"]),
            engine=data["engine"],
            seeds=tuple(data["seeds"]),
            losses=tuple(float(x) for x in data["losses"]),
            statuses=tuple(data["statuses"]),
            metrics={name: nan_for_null(values) for name, values in data["metrics"].items()},
            simulated_s=float(data["simulated_s"]),
            wall_s=float(data["wall_s"]),
            compile_s=float(data["compile_s"]),
            versions=data["versions"],
            hardware=data["hardware"],
            conditions=None if data["conditions"] is None else tuple(data["conditions"]),
            learned=data.get("learned", {}),
            unregistered=unregistered,
        )
        result._check_aggregates(data)
        return result

    def _check_aggregates(self, data: Mapping[str, Any]) -> None:
        for name, stated, computed in (
            ("loss", [data["loss"]], [self.loss]),
            ("score", [data["score"]], [self.score]),
            ("score_interval", data["score_interval"], list(self.score_interval)),
        ):
            if len(stated) != len(computed) or not np.allclose(stated, computed, rtol=_RELATIVE_TOLERANCE, atol=1e-12):
                raise PlasticbenchError(
                    f"{name}: {data[name]} does not follow from the lifetimes, which give "
                    f"{computed[0] if len(computed) == 1 else computed}; evaluate the rule again"
                )
        if data["rule_hash"] != self.rule.hash:
            raise PlasticbenchError("rule_hash: does not belong to the rule in this file; evaluate the rule again")


_NUMBERS = ("loss", "score", "simulated_s", "wall_s", "compile_s")
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "format": str, "task": str, "task_hash": str, "rule": dict, "rule_hash": str, "engine": str, "official": bool,
    "seeds": list, "losses": list, "statuses": list, "conditions": (list, type(None)), "score_interval": list,
    "metrics": dict, "versions": dict, "hardware": dict, "learned": dict,
    **dict.fromkeys(_NUMBERS, (int, float)),
}  # fmt: skip


def _check_fields(data: Any) -> None:
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise PlasticbenchError(f"format: not a result file; expected {FORMAT!r} as `evaluate --out` writes it")
    for name, kind in _FIELDS.items():
        if name not in data:
            raise PlasticbenchError(f"{name}: missing from the result file; evaluate the rule again")
        if not isinstance(data[name], kind) or (isinstance(data[name], bool) and kind is not bool):
            raise PlasticbenchError(f"{name}: {data[name]!r:.60} is of the wrong type")
    unknown = sorted(set(data) - set(_FIELDS))
    if unknown:
        raise PlasticbenchError(f"{unknown[0]}: no such field in a result file")
    n = len(data["seeds"])
    for name in ("losses", "statuses"):
        if len(data[name]) != n or n == 0:
            raise PlasticbenchError(f"{name}: {len(data[name])} values for {n} seeds; there must be one each")
    for i, (seed, loss, status) in enumerate(zip(data["seeds"], data["losses"], data["statuses"], strict=True)):
        if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
            raise PlasticbenchError(f"seeds[{i}]: {seed!r:.40} is not a seed")
        if not isinstance(loss, (int, float)) or isinstance(loss, bool) or not math.isfinite(loss):
            raise PlasticbenchError(f"losses[{i}]: {loss!r:.40} is not a finite number")
        if status not in _STATUSES:
            raise PlasticbenchError(f"statuses[{i}]: {status!r:.40} is not one of {', '.join(_STATUSES)}")
    for name, values in data["metrics"].items():
        if not isinstance(values, list) or len(values) != n:
            raise PlasticbenchError(f"metrics.{name}: there must be one value for each of the {n} seeds")
        for i, value in enumerate(values):
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
                raise PlasticbenchError(f"metrics.{name}[{i}]: {value!r:.40} is neither a number nor null")


def frame(columns: Mapping[str, Any]) -> Any:
    """A pandas DataFrame of these columns; PlasticbenchError if pandas is not installed."""
    try:
        import pandas
    except ImportError:
        raise PlasticbenchError("to_frame: pandas is not installed; pip install pandas") from None
    return pandas.DataFrame({name: list(values) for name, values in columns.items()})


def versions() -> dict[str, str]:
    """Of Python and the packages that decide a result's bits."""
    names = ("plasticbench", "torch", "numpy", "numba", "gymnasium")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}


def hardware(engine: str = "", device: str | None = None) -> dict[str, Any]:
    """Of the machine, what may decide a result's last bits: architecture, operating system, processor, cores.

    And the `device` that an engine ran on, where that is not the processor.
    """
    found = {
        "machine": platform.machine(),
        "system": platform.system(),
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
    }
    card = _card(device or ("cuda" if engine == "cuda" else "cpu"))
    return found if card is None else {**found, "device": card}


def _card(device: str) -> str | None:
    """A device with its maker's name; None for the processor."""
    if device.partition(":")[0] == "cpu":
        return None
    import torch

    with contextlib.suppress(RuntimeError, AssertionError, ValueError):  # a torch without cards, or an emulated one
        if device.startswith("cuda"):
            return f"{device} ({torch.cuda.get_device_name(device)})"
    return device


def _processor() -> str:
    """The processor's name as its maker gives it, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
