"""Lifetimes on Ray actors: on this machine, or on the cluster that `RAY_ADDRESS` names.

Moritz et al., OSDI 2018. A lifetime's bits depend on its rule and seed alone and the actors draw nothing,
so that any number of them gives the same losses.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import socket
import warnings
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from plasticbench.errors import PlasticbenchError
from plasticbench.learning.problem import Problem
from plasticbench.rules import Family
from plasticbench.tasks.outcome import Outcome
from plasticbench.tasks.task import Task

_PATIENCE_S = 10.0  # for a cluster's first answer
_PARTS_PER_WORKER = 4  # small enough that actors finish together: blown-up lifetimes are short


class Simulator:
    """What an actor does: run its part of a population."""

    def __init__(self, task: Task):
        self._task = task

    def run(
        self, family: Family, thetas: Tensor, seeds: tuple[int, ...], engine: str, options: dict[str, Any]
    ) -> Outcome:
        with torch.no_grad():
            return self._task.run((family, thetas), seeds, engine, **options)


class RayWorkers:
    """While open, a problem's lifetimes run on the actors.

    Raises PlasticbenchError if the cluster has too few cores for the actors, or cannot be reached.
    """

    def __init__(self, problem: Problem, n_workers: int):
        self._problem, self._n_workers = problem, n_workers
        self._actors: list[Any] = []
        self._started_ray = False

    def __enter__(self) -> RayWorkers:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Ray's notices about its own future versions
            import ray

            self._ray = ray
            if not ray.is_initialized():
                self._connect()
            n_cores = int(ray.cluster_resources().get("CPU", 0))
            if n_cores < self._n_workers:
                self._close()
                raise PlasticbenchError(
                    f"option.workers: {self._n_workers} actors, one core each, but Ray has {n_cores}; ask for fewer"
                )
            actor = ray.remote(num_cpus=1)(Simulator)
            self._actors = [actor.remote(self._problem.task) for _ in range(self._n_workers)]
        self._problem.execute = self
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    def __call__(self, rules: tuple[Family, Tensor], seeds: tuple[int, ...], engine: str, **options: Any) -> Outcome:
        """As `task.run` of a family's rules."""
        family, thetas = rules
        thetas = thetas.detach()
        size = max(1, -(-len(thetas) // (self._n_workers * _PARTS_PER_WORKER)))
        waiting = list(range(0, len(thetas), size))
        parts: dict[int, Outcome] = {}  # first rule -> its part
        running: dict[Any, tuple[int, Any]] = {}
        idle = list(self._actors)
        while waiting or running:
            while waiting and idle:
                first, actor = waiting.pop(0), idle.pop()
                part = thetas[first : first + size]
                reference = actor.run.remote(family, part, seeds, engine, {**options, "threads": 1})
                running[reference] = (first, actor)
            (done,), _ = self._ray.wait(list(running), num_returns=1)
            first, actor = running.pop(done)
            parts[first] = self._ray.get(done)
            idle.append(actor)
        return _joined([parts[first] for first in sorted(parts)])

    def _connect(self) -> None:
        """To the cluster that RAY_ADDRESS names, else to a Ray of our own on this machine."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported unless the user says so
        address = os.environ.get("RAY_ADDRESS")
        here: dict[str, Any] = {} if address else {"num_cpus": self._n_workers, "include_dashboard": False}
        try:
            if address:
                _knock(address)
            self._ray.init(log_to_driver=False, logging_level=logging.ERROR, **here)
        except (OSError, RuntimeError, ValueError) as error:
            raise PlasticbenchError(
                f"RAY_ADDRESS: {address!r} cannot be joined ({error}); start a cluster there, or unset it"
            ) from error
        self._started_ray = True

    def _close(self) -> None:
        self._problem.execute = self._problem.task.run
        for actor in self._actors:
            self._ray.kill(actor)
        self._actors = []
        if self._started_ray:
            self._ray.shutdown()
            self._started_ray = False


def _knock(address: str) -> None:
    """Raises OSError where nobody listens: Ray itself would wait for minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_PATIENCE_S).close()


def _joined(parts: list[Outcome]) -> Outcome:
    return dataclasses.replace(
        parts[0],
        losses=torch.cat([part.losses for part in parts]),
        blown_up=torch.cat([part.blown_up for part in parts]),
        metrics={name: torch.cat([part.metrics[name] for part in parts]) for name in parts[0].metrics},
        simulated_s=sum(part.simulated_s for part in parts),
        wall_s=sum(part.wall_s for part in parts),
        compile_s=sum(part.compile_s for part in parts),
    )
