"""What tasks on rate networks share."""

from __future__ import annotations

import abc
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from plasticbench.networks.layered import LayeredNetwork
from plasticbench.networks.rate import RateNetwork
from plasticbench.tasks.task import Task

if TYPE_CHECKING:
    from plasticbench.drawing.lives import LifeHistory


@dataclass(frozen=True, kw_only=True)
class RateTask(Task):
    """A number of presentations, a loss of blow-ups that falls with the time lived, and a picture of the weights."""

    n_steps: int
    blow_up_scale: float = 2.0  # loss of a blow-up at t: scale + scale·(1 − t/T)

    has_modulator: ClassVar[bool] = False
    declares_lives: ClassVar[bool] = False

    @property
    @abc.abstractmethod
    def network(self) -> RateNetwork | LayeredNetwork:
        """The same for every lifetime."""

    @property
    def example_network(self) -> RateNetwork | LayeredNetwork:
        return self.network

    def blow_up_loss(self, share_lived: float) -> float:
        return self.blow_up_scale * (2.0 - share_lived)

    def shortened(self) -> RateTask:
        return dataclasses.replace(self, n_steps=min(self.n_steps, 40))

    def draw_life(self, figure: Any, history: LifeHistory) -> None:
        """Each pathway's weights against their targets, and the loss so far."""
        from plasticbench.drawing.lives import draw_weights_and_loss

        draw_weights_and_loss(figure, history)
