"""A learner's run on disk: settings, history, checkpoint, learned rule, learning curve.

run.json        what was asked for          history.jsonl       a row per logged iteration
checkpoint.pt   where a killed run goes on  rule.json           the learned rule
result.json     its official evaluation     learning_curve.png  loss against lifetimes and seconds
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from plasticbench.drawing.figures import new_figure
from plasticbench.errors import PlasticbenchError
from plasticbench.files import make_folder, read_json, write_bytes, write_text
from plasticbench.rules import Rule


class RunDirectory:
    """Made for a new run, or reopened to resume one.

    Raises PlasticbenchError if the folder holds another run, or if a resumed run's settings differ.
    """

    def __init__(self, path: str | Path, settings: dict[str, Any], resume: bool = False):
        self.path = Path(path)
        settings_file = self.path / "run.json"
        if settings_file.exists():
            if not resume:
                raise PlasticbenchError(
                    f"out: {self.path} holds a run already; go on with --resume, or choose another folder"
                )
            self._check_same(read_json(settings_file), settings)
        elif resume and self.path.exists() and any(self.path.iterdir()):
            raise PlasticbenchError(f"out: {self.path} holds no run to resume (run.json is missing)")
        make_folder(self.path)
        self.checkpoint = self._load_checkpoint()
        self._cut_history()
        if not settings_file.exists():
            write_text(settings_file, json.dumps(settings, indent=1) + "\n")

    @property
    def history(self) -> list[dict[str, float]]:
        """The logged rows, oldest first."""
        file = self.path / "history.jsonl"
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []

    @property
    def is_finished(self) -> bool:
        return (self.path / "rule.json").exists()

    def append_history(self, row: dict[str, float]) -> None:
        with open(self.path / "history.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        self._n_rows += 1

    def save_checkpoint(self, content: dict[str, Any]) -> None:
        """Whole or not at all; loaded without executing anything (torch's weights-only reader)."""
        buffer = io.BytesIO()
        torch.save({**content, "history_rows": self._n_rows}, buffer)
        write_bytes(self.path / "checkpoint.pt", buffer.getvalue())

    def finish(self, rule: Rule, known_losses: Mapping[str, float]) -> None:
        """Write the learned rule, and the learning curve beside the losses of known rules."""
        write_bytes(self.path / "learning_curve.png", learning_curve(self.history, known_losses))
        rule.save(self.path / "rule.json")

    def _load_checkpoint(self) -> dict[str, Any] | None:
        file = self.path / "checkpoint.pt"
        if not file.exists():
            return None
        try:
            return torch.load(file, weights_only=True)
        except Exception as error:
            raise PlasticbenchError(
                f"{file}: not a checkpoint of this program ({type(error).__name__}); delete it to start over"
            ) from error

    def _cut_history(self) -> None:
        """Drop rows logged after the checkpoint: a resumed run logs them again."""
        self._n_rows = self.checkpoint["history_rows"] if self.checkpoint else 0
        file = self.path / "history.jsonl"
        if file.exists():
            lines = file.read_text(encoding="utf-8").splitlines()[: self._n_rows]
            write_text(file, "".join(line + "\n" for line in lines))

    def _check_same(self, stored: dict[str, Any], settings: dict[str, Any]) -> None:
        for name in sorted((set(stored) | set(settings)) - {"versions"}):
            if _deciding(stored.get(name)) != _deciding(settings.get(name)):
                raise PlasticbenchError(
                    f"{name}: the run in {self.path} was started with {stored.get(name)!r}, "
                    f"not {settings.get(name)!r}; resume with the same settings"
                )


def _deciding(value: Any) -> Any:
    """A setting without what cannot change a result: the number of workers."""
    return {k: v for k, v in value.items() if k != "workers"} if isinstance(value, dict) else value


def learning_curve(history: list[dict[str, float]], known_losses: Mapping[str, float]) -> bytes:
    """PNG of the logged loss against lifetimes and against seconds, with a line for each of the known losses."""
    figure = new_figure(8, 3.6, dpi=120)
    rows = [row for row in history if "loss" in row]
    losses = [row["loss"] for row in rows]
    for axes, x, label in zip(
        figure.subplots(1, 2, sharey=True),
        ("lifetimes", "seconds"),
        ("lifetimes spent", "seconds"),
        strict=True,
    ):
        axes.plot([row[x] for row in rows], losses, color="#1f6feb", lw=1.2)
        for name, loss in known_losses.items():
            axes.axhline(loss, color="#666666", lw=1.0, ls="--")
            background = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
            where = (1, loss), (-2, 4), ("axes fraction", "data"), "offset points"
            axes.annotate(name, *where, ha="right", bbox=background)
        axes.set(xlabel=label, ylabel="training loss (mean of a fresh batch)" if x == "lifetimes" else "")
        if losses and min(losses) > 0:
            axes.set_yscale("log")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
