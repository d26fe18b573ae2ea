"""Where a problem's lifetimes run: in this process, or on Ray actors of this machine or of a cluster.

Actors run the cpu engine, a core each, or the cuda engine, a GPU each. On both a lifetime's bits depend on its rule and
seed alone, and the actors draw nothing, so that any number of workers gives the same losses. Ray: Moritz et al., OSDI
2018.
"""

from __future__ import annotations

import logging
import os
import socket
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from plasticbench.errors import PlasticbenchError
from plasticbench.tasks.outcome import Outcome, merge
from plasticbench.tasks.task import Task

if TYPE_CHECKING:
    from torch import Tensor

    from plasticbench.rules import Family, Rule

    Population = tuple[Family, Tensor] | Sequence[Rule | str]

_PATIENCE_S = 10.0  # for a cluster's first answer
_PARTS_PER_WORKER = 4  # of the cpu engine: small enough that actors finish together: blown-up lifetimes are short


class Executor(Protocol):
    """Runs populations as `task.run` does. Started before the first call, closed after the last."""

    workers: int

    def start(self) -> None:
        """Get ready; again: nothing. Raises PlasticbenchError if it cannot be had."""
        ...

    def __call__(self, rules: Population, seeds: Sequence[int], engine: str, **options: Any) -> Outcome: ...

    def close(self) -> None:
        """Give back what `start` took."""
        ...


def make_executor(task: Task, workers: int = 0, engine: str = "auto", device: str | None = None) -> Executor:
    """This process's threads for 0 workers, else so many Ray actors.

    Raises PlasticbenchError for an engine or device that the actors do not have.
    """
    if not workers:
        return InProcess(task)
    return RayActors(task, workers, _checked_engine(engine, device))


def _checked_engine(engine: str, device: str | None) -> str:
    """The engine that actors run."""
    devices = (None, "cuda") if engine == "cuda" else (None, "cpu")
    for name, value, own in (("engine", engine, ("auto", "cpu", "cuda")), ("device", device, devices)):
        if value not in own:
            raise PlasticbenchError(
                f"workers: they run the engines cpu and cuda, whose bits do not depend on how a population is divided, "
                f"not {name} {value!r}; leave the {name} or the workers out"
            )
    return "cuda" if engine == "cuda" else "cpu"


class InProcess:
    """The engines' own threads, and nothing to start."""

    workers = 0

    def __init__(self, task: Task):
        self._task = task

    def start(self) -> None:
        pass

    def close(self) -> None:
        pass

    def __call__(self, rules: Population, seeds: Sequence[int], engine: str, **options: Any) -> Outcome:
        return self._task.run(rules, seeds, engine, **options)


class _Simulator:
    """What an actor does: run its part of a population."""

    def __init__(self, task: Task):
        self._task = task

    def run(self, rules: Population, seeds: Sequence[int], engine: str, options: dict[str, Any]) -> Outcome:
        import torch

        with torch.no_grad():
            return self._task.run(rules, seeds, engine, **options)


class RayActors:
    """`workers` actors of one core each, on this machine or on the cluster that `RAY_ADDRESS` names.

    On the cuda engine each has a GPU to itself as well.
    """

    def __init__(self, task: Task, workers: int, engine: str = "cpu"):
        self._task, self.workers, self._engine = task, workers, engine
        self._actors: list[Any] = []
        self._ray: Any = None
        self._started_ray = False

    def start(self) -> None:
        """Raises PlasticbenchError if the cluster has too few cores or GPUs for the actors, or cannot be reached."""
        if self._actors:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Ray's notices about its own future versions
            import ray

            self._ray = ray
            if not ray.is_initialized():
                self._connect()
            self._check_room(ray.cluster_resources())
            needs: dict[str, Any] = {"num_cpus": 1, "num_gpus": 1} if self._engine == "cuda" else {"num_cpus": 1}
            actor = ray.remote(**needs)(_Simulator)
            self._actors = [actor.remote(self._task) for _ in range(self.workers)]

    def _check_room(self, resources: Any) -> None:
        kinds = {"CPU": "core", "GPU": "GPU"} if self._engine == "cuda" else {"CPU": "core"}
        for kind, word in kinds.items():
            if (n := int(resources.get(kind, 0))) < self.workers:
                self.close()
                raise PlasticbenchError(
                    f"workers: {self.workers} actors, one {word} each, but Ray has {n}; ask for fewer"
                )

    def close(self) -> None:
        for actor in self._actors:
            self._ray.kill(actor)
        self._actors = []
        if self._started_ray:
            self._ray.shutdown()
            self._started_ray = False

    def __call__(self, rules: Population, seeds: Sequence[int], engine: str, **options: Any) -> Outcome:
        """As `task.run` on the actors' engine. Raises PlasticbenchError for another."""
        if _checked_engine(engine, options.get("device")) != self._engine:
            raise PlasticbenchError(f"engine: the workers run {self._engine}, not {engine!r}; leave the engine out")
        self.start()
        options |= {"threads": None if self._engine == "cuda" else 1, "device": None}
        waiting = _parts(rules, self.workers * (1 if self._engine == "cuda" else _PARTS_PER_WORKER))
        parts: list[tuple[list[int], Outcome]] = []
        running: dict[Any, tuple[list[int], Any]] = {}
        idle = list(self._actors)
        while waiting or running:
            while waiting and idle:
                (indices, part), actor = waiting.pop(0), idle.pop()
                running[actor.run.remote(part, seeds, self._engine, options)] = (indices, actor)
            (done,), _ = self._ray.wait(list(running), num_returns=1)
            indices, actor = running.pop(done)
            parts.append((indices, self._result(done)))
            idle.append(actor)
        return merge(sorted(parts, key=lambda part: part[0]))

    def _result(self, reference: Any) -> Outcome:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, PlasticbenchError):
                raise error.cause from None
            raise

    def _connect(self) -> None:
        """To the cluster that RAY_ADDRESS names, else to a Ray of our own on this machine."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported unless the user says so
        address = os.environ.get("RAY_ADDRESS")
        here: dict[str, Any] = {} if address else {"num_cpus": self.workers, "include_dashboard": False}
        try:
            if address:
                _knock(address)
            self._ray.init(log_to_driver=False, logging_level=logging.ERROR, **here)
        except (OSError, RuntimeError, ValueError) as error:
            raise PlasticbenchError(
                f"RAY_ADDRESS: {address!r} cannot be joined ({error}); start a cluster there, or unset it"
            ) from error
        self._started_ray = True


def _parts(rules: Population, n_parts: int) -> list[tuple[list[int], Population]]:
    """Rules in pieces of about equal size, each with its rules' positions."""
    family_and_thetas = isinstance(rules, tuple)
    members = rules[1].detach() if isinstance(rules, tuple) else list(rules)
    size = max(1, -(-len(members) // n_parts))
    pieces = []
    for first in range(0, len(members), size):
        part = members[first : first + size]
        indices = list(range(first, first + len(part)))
        pieces.append((indices, (rules[0], part) if family_and_thetas else part))
    return pieces  # type: ignore[return-value]


def _knock(address: str) -> None:
    """Raises OSError where nobody listens: Ray itself would wait for minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_PATIENCE_S).close()
