"""A run's history in Weights & Biases. The project is `plasticbench` unless WANDB_PROJECT names another."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plasticbench.errors import PlasticbenchError

if TYPE_CHECKING:
    from plasticbench.evaluation.result import Result


class WeightsAndBiases:
    """See `Callback`. A run that goes on is a new one there, in the group of its folder's name."""

    def __init__(self) -> None:
        try:
            import wandb
        except ImportError:
            raise PlasticbenchError('log: wandb is not installed; pip install "plasticbench[wandb]"') from None
        self._wandb: Any = wandb
        self._run: Any = None

    def begin(self, path: Path, settings: Mapping[str, Any], lifetimes: int) -> None:
        project = os.environ.get("WANDB_PROJECT", "plasticbench")
        name = f"{path.name} from {lifetimes}" if lifetimes else path.name
        self._run = self._wandb.init(project=project, name=name, group=path.name, config=dict(settings))

    def log(self, row: Mapping[str, float]) -> None:
        self._run.log(dict(row), step=int(row["lifetimes"]))

    def end(self, result: Result | None) -> None:
        if result is not None:
            self._run.summary.update({"official_loss": result.loss, "official_score": result.score})
        self._run.finish(exit_code=0 if result is not None else 1)
