"""Who is told of a run while it goes: `learn(..., callbacks=[...])`, `plasticbench learn --log NAME`.

A run keeps its history itself, as `history.jsonl` and, at its end, `history.csv`; callbacks show it elsewhere.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from plasticbench.errors import PlasticbenchError
from plasticbench.language.vocabulary import on_offer

if TYPE_CHECKING:
    from plasticbench.evaluation.result import Result


class Callback(Protocol):
    """Is told of one run. What it raises ends the run, which goes on with `--resume`."""

    def begin(self, path: Path, settings: Mapping[str, Any], lifetimes: int) -> None:
        """A run starts, or goes on after so many lifetimes; `path` is its folder, which need not exist yet."""
        ...

    def log(self, row: Mapping[str, float]) -> None:
        """A row of the history: `lifetimes`, `seconds`, and what the learner logs, as `loss`."""
        ...

    def end(self, result: Result | None) -> None:
        """The run is over; None: it failed or was stopped."""
        ...


NAMED = {
    "tensorboard": "plasticbench.learning.to_tensorboard:TensorBoard",
    "wandb": "plasticbench.learning.to_wandb:WeightsAndBiases",
}


def make_callbacks(given: Sequence[str | Callback]) -> tuple[Callback, ...]:
    """Names of `NAMED`, or objects. Raises PlasticbenchError for another name, or if what it needs is not installed."""
    return tuple(_made(one) if isinstance(one, str) else _checked(one) for one in given)


def _made(name: str) -> Callback:
    if name not in NAMED:
        raise PlasticbenchError(f"log: unknown {name!r}; {on_offer(name, NAMED)}")
    module, _, kind = NAMED[name].partition(":")
    return getattr(importlib.import_module(module), kind)()


def _checked(callback: Any) -> Callback:
    for method in ("begin", "log", "end"):
        if not callable(getattr(callback, method, None)):
            raise PlasticbenchError(
                f"callbacks: {type(callback).__name__} has no method {method}; see plasticbench.learning.Callback"
            )
    return callback


class Told:
    """Several callbacks as one."""

    def __init__(self, callbacks: Sequence[Callback] = ()):
        self._callbacks = tuple(callbacks)

    def log(self, row: Mapping[str, float]) -> None:
        for callback in self._callbacks:
            callback.log(row)

    @contextmanager
    def during(self, path: Path, settings: Mapping[str, Any], lifetimes: int) -> Iterator[list[Result]]:
        """Begun at the start and ended at the end, with the result that was put into the list, if any."""
        results: list[Result] = []
        for callback in self._callbacks:
            callback.begin(path, settings, lifetimes)
        try:
            yield results
        finally:
            for callback in self._callbacks:
                callback.end(results[0] if results else None)
