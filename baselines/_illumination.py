"""The quality-diversity learner's run: emitters draw rules, the archive keeps the best of each cell."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from plasticbench.drawing.archive import Axis, archive_picture
from plasticbench.errors import PlasticbenchError
from plasticbench.learning.problem import Problem
from plasticbench.learning.rule_set import RuleSet
from plasticbench.simulation.random import Stream
from plasticbench.simulation.threads import one_torch_thread

from ._descriptors import Descriptor, descriptors_of, places_of
from ._finalists import FINALISTS, best_first, comparison_lifetimes

if TYPE_CHECKING:
    from .map_elites import MapElites

_LINE_SIGMA = 0.2  # of the way to another elite (Vassiliades & Mouret 2018)


class Archive:
    """Emitters and a grid of elites, in units of the family's first draw around its start. Repeatable from its seed."""

    def __init__(self, options: MapElites, axes: Sequence[Descriptor], start: Tensor, seed: int):
        ribs = _library()
        self.axes = axes
        dimension = len(start)
        self.grid = ribs.archives.GridArchive(
            solution_dim=dimension, dims=[options.cells] * len(axes), ranges=[(a.low, a.high) for a in axes],
            seed=seed, extra_fields={"number": ((), np.int64)},
        )  # fmt: skip
        common = {"x0": np.zeros(dimension), "batch_size": options.batch}
        if options.emitter == "improvement":
            make, how = ribs.emitters.EvolutionStrategyEmitter, {"sigma0": options.std, "ranker": "2imp"}
        else:
            make, how = ribs.emitters.IsoLineEmitter, {"iso_sigma": options.std, "line_sigma": _LINE_SIGMA}
        self.emitters = [make(self.grid, **common, **how, seed=seed + 1 + k) for k in range(options.emitters)]
        self._asked: list[np.ndarray] = []
        self.n_seen = 0

    def ask(self) -> np.ndarray:
        """(n_rules, d): what the emitters draw next."""
        with _quiet():
            self._asked = [np.array(emitter.ask()) for emitter in self.emitters]
        return np.concatenate(self._asked)

    def tell(self, kept: np.ndarray, losses: np.ndarray, places: np.ndarray) -> None:
        """Losses (n_rules,) and places (n_rules, n_axes) of what was asked; `kept` (n_rules, d): as it lived."""
        low, high = (np.array([getattr(axis, end) for axis in self.axes]) for end in ("low", "high"))
        inside = np.all((places >= low) & (places <= high), axis=1)  # NaN is nowhere
        index = self.n_seen + np.arange(len(losses))
        self.n_seen += len(losses)
        # Outside: as if a perfect rule held the cell.
        added = {"status": np.zeros(len(losses), np.int32), "value": -losses}
        if inside.any():
            with _quiet():
                found = self.grid.add(kept[inside], -losses[inside], places[inside], number=index[inside])
            added["status"][inside], added["value"][inside] = found["status"], found["value"]
        if self.grid.empty:
            return  # nothing to go on from: the emitters draw from where they stand
        middle = (low + high) / 2
        shown = np.where(inside[:, None], places, middle)
        first = 0
        for emitter, asked in zip(self.emitters, self._asked, strict=True):
            part = slice(first, first + len(asked))
            first += len(asked)
            info = {name: values[part] for name, values in added.items()}
            with _quiet():
                emitter.tell(asked, -losses[part], shown[part], info, number=index[part])

    def elites(self) -> tuple[np.ndarray, np.ndarray]:
        """Which rule, counted as they were told, holds each cell that is filled, and the cells: (n,), (n, n_axes)."""
        data = self.grid.data(["number", "measures"])
        if not len(data["number"]):
            return np.zeros(0, np.int64), np.zeros((0, len(self.axes)), np.int64)
        order = np.argsort(data["number"], kind="stable")
        cells = self.grid.int_to_grid_index(self.grid.index_of(data["measures"]))
        return data["number"][order], cells[order]


class Illumination:
    """One run on one problem. `state`: what all rules so far came to, from which the archive is made again."""

    def __init__(self, options: MapElites, problem: Problem):
        self.options, self.problem = options, problem
        family = problem.family
        self.start, self.width = family.initial(problem.seed).double(), family.initial_std
        self.n_rules = options.emitters * options.batch
        self.each = comparison_lifetimes(problem.budget, options.lifetimes)

    def rules(self) -> RuleSet:
        """Fill the archive until the budget is spent. Raises PlasticbenchError if it does not allow for one draw."""
        _library()
        one_draw, reserve = self.n_rules * self.options.lifetimes, FINALISTS * self.each
        axes = descriptors_of(self.problem, self.options.descriptors)
        if self.problem.resumed_state is None:
            self.problem.require(one_draw + reserve, f"a draw takes {one_draw} and the last comparison {reserve}: both")
        state = self.problem.resumed_state or {
            "seeds": self.problem.training_seeds(self.options.lifetimes), "thetas": [], "losses": [], "places": [],
            "metrics": [],
        }  # fmt: skip
        seed = int(Stream(self.problem.seed, "map-elites").integers(2**31, (1,))[0])
        with one_torch_thread():
            archive = Archive(self.options, axes, self.start, seed)
            self._repeat(archive, state)
            while self.problem.budget_left >= one_draw + reserve:
                self._draw(archive, state)
                self.problem.log(loss=min(losses.min() for losses in state["losses"]), **self._worth(archive, state))
                self.problem.checkpoint(state)
            return self._found(archive, state)

    def _thetas(self, asked: np.ndarray) -> Tensor:
        """(n_rules, d): moved onto the family's bounds where they lie beyond."""
        return (self.start + self.width * torch.from_numpy(asked)).clamp(*self.problem.family.bounds.T)

    def _kept(self, thetas: Tensor) -> np.ndarray:
        return ((thetas - self.start) / self.width).numpy()

    def _draw(self, archive: Archive, state: dict[str, Any]) -> None:
        thetas = self._thetas(archive.ask())
        with torch.no_grad():
            outcome = self.problem.outcome(thetas, state["seeds"], conditions=self.options.conditions)
        losses = outcome.losses.mean(1).double().cpu().numpy()
        metrics = {name: values.double().mean(1).cpu().numpy() for name, values in outcome.metrics.items()}
        places = places_of(archive.axes, self.problem, thetas, metrics)
        archive.tell(self._kept(thetas), losses, places)
        for name, values in (("thetas", thetas), ("losses", losses), ("places", places), ("metrics", metrics)):
            state[name].append(values)

    def _repeat(self, archive: Archive, state: dict[str, Any]) -> None:
        """Bring a fresh archive to where it was. Raises PlasticbenchError if it does not get there."""
        for thetas, losses, places in zip(state["thetas"], state["losses"], state["places"], strict=True):
            if not torch.equal(self._thetas(archive.ask()), thetas):
                raise PlasticbenchError(
                    "checkpoint: the archive does not repeat with the libraries installed here; "
                    "resume with the versions of ribs and numpy that the run was started with"
                )
            archive.tell(self._kept(thetas), losses, places)

    def _worth(self, archive: Archive, state: dict[str, Any]) -> dict[str, float]:
        """Of the archive: share of cells filled, sum of the cells' quality, share plausible where that is defined.

        A cell's quality is 1 - loss/loss of no plasticity, at least 0.
        """
        chosen, _ = archive.elites()
        quality = 1.0 - np.concatenate([*state["losses"], np.zeros(0)])[chosen] / self.problem.task.null_loss
        worth = {
            "cells": float(len(chosen)),
            "coverage": len(chosen) / self.options.cells ** len(archive.axes),
            "qd_score": float(quality.clip(0.0).sum()),
        }
        if state["metrics"] and "plausible" in state["metrics"][0] and len(chosen):
            plausible = np.concatenate([metrics["plausible"] for metrics in state["metrics"]])[chosen]
            worth["share_plausible"] = float(np.nan_to_num(plausible).mean())
        return worth

    def _found(self, archive: Archive, state: dict[str, Any]) -> RuleSet:
        thetas, losses = torch.cat(state["thetas"]), np.concatenate(state["losses"])
        chosen, cells = archive.elites()
        if not len(chosen):  # no rule lies within the ranges: the best of those that do not
            chosen = np.argsort(losses, kind="stable")[:1]
        order = best_first(self.problem, thetas[chosen], losses[chosen], self.each, self.options.conditions)
        of_cells = chosen[order]
        metrics = {name: np.concatenate([m[name] for m in state["metrics"]])[of_cells] for name in state["metrics"][0]}
        places = np.concatenate(state["places"])[of_cells]
        metrics |= {axis.name: places[:, k] for k, axis in enumerate(archive.axes)}
        names = ["learned", *(f"elite-{k}" for k in range(1, len(of_cells)))]
        rules = [self.problem.rule(theta, name) for theta, name in zip(thetas[of_cells], names, strict=True)]
        axes = [Axis(axis.name, axis.low, axis.high, self.options.cells) for axis in archive.axes]
        picture = archive_picture(axes, cells, losses[chosen][: len(cells)], self.problem.task.title)
        return RuleSet(
            rules, losses=losses[of_cells], metrics=metrics, thetas=thetas[of_cells],
            summary=self._worth(archive, state), picture=picture,
        )  # fmt: skip


def _library() -> Any:
    try:
        with _quiet():
            import ribs
            import ribs.archives
            import ribs.emitters
    except ImportError:
        raise PlasticbenchError('learner: ribs is not installed; pip install "plasticbench[qd]"') from None
    return ribs


class _quiet(warnings.catch_warnings):  # noqa: N801 - a context manager, used as a verb
    """Silence what pyribs says about itself."""

    def __enter__(self):
        entered = super().__enter__()
        warnings.simplefilter("ignore")
        return entered
