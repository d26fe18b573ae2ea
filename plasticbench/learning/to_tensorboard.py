"""A run's history in TensorBoard: scalars over lifetimes, in the folder `tensorboard` of the run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plasticbench.errors import PlasticbenchError

if TYPE_CHECKING:
    from plasticbench.evaluation.result import Result


class TensorBoard:
    """See `Callback`. Rows logged after the checkpoint that a run goes on from are replaced."""

    def __init__(self) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise PlasticbenchError(
                'log: tensorboard is not installed; pip install "plasticbench[tensorboard]"'
            ) from None
        self._make: Any = SummaryWriter
        self._writer: Any = None
        self._settings: Mapping[str, Any] = {}
        self._lifetimes = 0

    def begin(self, path: Path, settings: Mapping[str, Any], lifetimes: int) -> None:
        self._path, self._settings, self._lifetimes = path / "tensorboard", settings, lifetimes

    def log(self, row: Mapping[str, float]) -> None:
        if self._writer is None:  # only now: a run writes nothing before its first simulation
            self._writer = self._make(str(self._path), purge_step=self._lifetimes + 1)
            self._writer.add_text("settings", "\n".join(f"    {k}: {v}" for k, v in self._settings.items()))
        for name, value in row.items():
            if name != "lifetimes" and math.isfinite(value):
                self._writer.add_scalar(name, value, int(row["lifetimes"]))

    def end(self, result: Result | None) -> None:
        if self._writer is None:
            return
        if result is not None:
            spent = int(result.learned["lifetimes"])
            self._writer.add_scalar("official/loss", result.loss, spent)
            self._writer.add_scalar("official/score", result.score, spent)
        self._writer.close()
