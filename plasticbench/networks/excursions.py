"""Excursions of a spiking life: stretches that it comes back from as if they had not been.

A memory is probed by showing something to the network, which changes it. An excursion lets a life look and go on
from where it was: what "save, show, restore" is in the protocols of published simulators.
"""

from __future__ import annotations

from dataclasses import dataclass

from plasticbench.errors import PlasticbenchError


@dataclass(frozen=True)
class Excursion:
    """Steps `start` .. `stop` - 1 of a life's, after which its state is again what it was before `start`.

    State: neurons and what is under way to them, weights, traces, states of rules, what sources remember, filtered
    rates, and the clock that random numbers are drawn by: after an excursion life draws what it would have drawn
    without, and two excursions from one point draw the same. Schedules, phases, recordings and deliveries of a
    modulator count the life's steps, those of excursions among them.
    """

    start: int
    stop: int


def check_excursions(excursions: tuple[Excursion, ...], n_steps: int) -> None:
    """PlasticbenchError unless they lie within the life, in order, and none begins before the last one is over."""
    free = 0
    for k, excursion in enumerate(excursions):
        where = f"life.excursions[{k}]"
        if not 0 <= excursion.start < excursion.stop <= n_steps:
            raise PlasticbenchError(
                f"{where}: steps {excursion.start} to {excursion.stop} are not a stretch of the life's {n_steps}"
            )
        if excursion.start < free:
            raise PlasticbenchError(
                f"{where}: it starts at step {excursion.start}, before {free}, where the one before it stops; "
                "give them in order, none within another"
            )
        free = excursion.stop


def steps_ahead(excursions: tuple[Excursion, ...], step: int) -> int:
    """How far a life's step is ahead of the clock of its dynamics: the steps of excursions that are over."""
    return sum(excursion.stop - excursion.start for excursion in excursions if excursion.stop <= step)
