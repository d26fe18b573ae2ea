"""What tasks on spiking networks share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from plasticbench.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class SpikingTask(Task):
    """Losses span decades, and a life takes seconds: scores are logarithmic, and progress is shown often."""

    learning_rate: float = 0.01
    score_scale: Literal["linear", "log"] = "log"

    lifetimes_per_report: ClassVar[int | None] = 8
