"""Tasks on spiking networks: how they are drawn, lived on either engine, stepped, and scored."""

from __future__ import annotations

import abc
import importlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from plasticbench.drawing.lives import LifeHistory
from plasticbench.errors import PlasticbenchError
from plasticbench.networks.spiking import SpikingNetwork
from plasticbench.rules import Rule, RuleBatch, load_rule
from plasticbench.simulation.random import Stream
from plasticbench.simulation.spiking.cpu_engine import run_cpu
from plasticbench.simulation.spiking.lives import Snapshot, SpikingLife, SpikingRecord
from plasticbench.simulation.spiking.sensitivity import is_supported
from plasticbench.simulation.spiking.torch_engine import run_torch
from plasticbench.simulation.threads import one_torch_thread
from plasticbench.tasks.outcome import Outcome
from plasticbench.tasks.spiking_gradient import live_with_gradients, wants_gradients
from plasticbench.tasks.task import Task


@dataclass(frozen=True)
class SpikingLives:
    """The lifetimes of some seeds, before any rule."""

    seeds: tuple[int, ...]
    conditions: tuple[dict[str, Any], ...]
    lives: tuple[SpikingLife, ...]


@dataclass(frozen=True, kw_only=True)
class SpikingTask(Task):
    """Subclasses give the hooks `_network`, `_life` and `_loss`, and the blow-up's loss.

    A condition's field is a range (low, high) it is drawn from uniformly, or log-uniformly where its name is in
    `log_uniform`; equal ends fix it.
    """

    plastic: tuple[str, ...]  # pathways, in the order of their rules
    learning_rate: float = 0.01
    score_scale: Literal["linear", "log"] = "log"

    track: ClassVar[Literal["rate", "spiking"]] = "spiking"
    events: ClassVar[tuple[str, ...]] = ("on_pre", "on_post")
    lifetimes_per_report: ClassVar[int | None] = 8
    log_uniform: ClassVar[tuple[str, ...]] = ()
    condition_limits: ClassVar[Mapping[str, tuple[float, float]]] = {}  # allowed values where a caller fixes them

    # ------------------------------------------------------------ hooks

    @abc.abstractmethod
    def _network(self, conditions: Mapping[str, Any], seed: int) -> SpikingNetwork: ...

    @abc.abstractmethod
    def _life(self, network: SpikingNetwork, conditions: Mapping[str, Any], seed: int) -> SpikingLife: ...

    @abc.abstractmethod
    def _loss(self, rates_hz: Tensor, spikes: Tensor, life: SpikingLife) -> Tensor:
        """(...) of the watched population's rates and spikes (..., n_steps) of lives that did not blow up."""

    @abc.abstractmethod
    def blow_up_loss(self, share_lived: float) -> float:
        """Of a life that blew up after this share of its steps."""

    def _metrics(self, record: SpikingRecord, life: SpikingLife) -> dict[str, float]:
        """Beside the loss, of a life that may have blown up."""
        return {}

    def _probe(self, snapshot: Snapshot) -> Any:
        """Called at a life's `probe_steps`; its answers are in the record's `probes`."""
        return None

    @abc.abstractmethod
    def draw_life(self, figure: Figure, history: LifeHistory) -> None:
        """Draw what a person wants to see of this lifetime."""

    # ------------------------------------------------------------ what the task is

    @property
    def pathways(self) -> tuple[str, ...]:
        return self.plastic

    def variables(self, pathway: str) -> frozenset[str]:
        network = self.example.network
        return next(network.variables(p) for p in network.plastic_pathways if p.name == pathway)

    @property
    def example(self) -> SpikingLife:
        """The lifetime of seed 0."""
        return self.draw([0]).lives[0]

    @property
    def gradient_engine(self) -> str:
        """ "cpu" where a rule changes no presynaptic spike, so that lives carry compiled derivatives; else "torch"."""
        return "cpu" if is_supported(self.example.network) else "torch"

    def blow_up_losses(self) -> tuple[float, float]:
        return self.blow_up_loss(1.0), self.blow_up_loss(0.0)

    def _family_options(self, name: str) -> dict[str, Any]:
        if name == "mlp":
            inputs = ("w", "x_pre", "x_post")
            return {"inputs": inputs, "events": self.events, "eta": self.learning_rate}
        return {"eta": self.learning_rate}

    def trace_constants_s(self, rule: Rule | None = None) -> dict[str, dict[str, float]]:
        """Pathway -> trace -> time constant (s) of the reference rule: what a stepped lifetime shows by default."""
        rule = rule or load_rule(self.reference_rule)
        parts = {name: rule.for_pathway(name) for name in self.plastic}
        return {
            name: {trace: part.time_constant_s(trace) for trace in part.traces} if part else {}
            for name, part in parts.items()
        }

    # ------------------------------------------------------------ drawing

    def _draw(self, seeds: tuple[int, ...], fixed: list[dict[str, Any]]) -> SpikingLives:
        conditions = tuple(self._conditions(seed, given) for seed, given in zip(seeds, fixed, strict=True))
        lives = tuple(
            self._life(self._network(drawn, seed), drawn, seed) for seed, drawn in zip(seeds, conditions, strict=True)
        )
        return SpikingLives(seeds, conditions, lives)

    def _conditions(self, seed: int, fixed: Mapping[str, Any]) -> dict[str, float]:
        """Each from its own stream, so that fixing one leaves the others as they are."""
        drawn = {}
        for name in self.condition_names:
            low, high = getattr(self, name)
            u = float(Stream(seed, f"condition/{name}").uniform())
            value = low * (high / low) ** u if name in self.log_uniform else low + (high - low) * u
            drawn[name] = self._checked(name, fixed[name]) if name in fixed else value
        return drawn

    def _checked(self, name: str, value: Any) -> float:
        low, high = self.condition_limits[name]
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not (is_number and low <= value <= high):
            raise PlasticbenchError(f"conditions.{name}: {value!r} is not a number from {low:g} to {high:g}")
        return float(value)

    # ------------------------------------------------------------ living

    def _live(
        self,
        rules: RuleBatch | Callable[[Any], Any],
        lives: SpikingLives,
        engine: str,
        device: str | None,
        threads: int | None,
        metrics: bool,
    ) -> Outcome:
        started = time.perf_counter()
        compile_s = 0.0
        probe = self._probe if metrics else None
        with one_torch_thread():
            if not isinstance(rules, RuleBatch):
                return self._live_policy(rules, lives)
            check_time_constants(rules)
            if engine == "cpu" and wants_gradients(rules, lives.lives):
                scored, losses, compile_s = live_with_gradients(self, lives.lives, rules, metrics, threads)
            elif engine == "cpu":
                scored, compile_s = run_cpu(
                    lives.lives,
                    rules,
                    lambda s, record: self.score_record(record, lives.lives[s], metrics),
                    probe,
                    threads,
                )
                losses = torch.tensor([[loss for loss, *_ in row] for row in scored], dtype=torch.float64)
            else:
                recording = run_torch(lives.lives, rules, probe, device or "cpu")
                scored = [
                    [self.score_record(record, lives.lives[s], metrics) for s, record in enumerate(row)]
                    for row in recording.records
                ]
                losses = self._differentiable(recording, lives, scored)
        return Outcome(
            losses,
            torch.tensor([[blown_up for _, blown_up, _, _ in row] for row in scored], device=losses.device),
            _stack([[measured for _, _, measured, _ in row] for row in scored]),
            engine,
            sum(lived_s for row in scored for *_, lived_s in row),
            time.perf_counter() - started - compile_s,
            compile_s,
        )

    def score_record(
        self, record: SpikingRecord, life: SpikingLife, metrics: bool = True
    ) -> tuple[float, bool, dict[str, float], float]:
        """Loss, whether it blew up, metrics, and simulated seconds of one lifetime."""
        if record.status == "ok":
            rates = torch.from_numpy(record.rates_hz).to(torch.float64)
            spikes = torch.from_numpy(record.spikes.astype(np.float64))
            loss = float(self._loss(rates, spikes, life))
        else:
            loss = self.blow_up_loss(record.n_steps_lived / life.n_steps)
        measured = self._metrics(record, life) if metrics else {}
        return loss, record.status != "ok", measured, record.n_steps_lived * life.network.dt_s

    def _differentiable(self, recording: Any, lives: SpikingLives, scored: list[list[tuple]]) -> Tensor:
        """Losses (n_rules, n_seeds) that carry gradients where a lifetime did not blow up."""
        columns = []
        for s, life in enumerate(lives.lives):
            lived = self._loss(recording.rates_hz[:, s, : life.n_steps], recording.spikes[:, s, : life.n_steps], life)
            blown_up = torch.tensor([row[s][1] for row in scored], device=lived.device)
            worst = torch.tensor([row[s][0] for row in scored], dtype=lived.dtype, device=lived.device)
            columns.append(torch.where(blown_up, worst, lived))
        return torch.stack(columns, 1)

    def _live_policy(self, policy: Callable[[Any], Any], lives: SpikingLives) -> Outcome:
        parts = []
        for s in range(len(lives.lives)):
            one = SpikingLives(lives.seeds[s : s + 1], lives.conditions[s : s + 1], lives.lives[s : s + 1])
            life = _stepped(self, one, self.trace_constants_s())
            while not life.finished:
                life.advance(policy(life.observe()))
            parts.append(life.outcome())
        return Outcome(
            torch.cat([part.losses for part in parts], 1),
            torch.cat([part.blown_up for part in parts], 1),
            {name: torch.cat([part.metrics[name] for part in parts], 1) for name in parts[0].metrics},
            "torch",
            sum(part.simulated_s for part in parts),
            0.0,
            0.0,
        )

    def lifetimes(
        self,
        seeds: Sequence[int],
        conditions: Any = None,
        rule: Rule | None = None,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float64,
    ) -> Any:
        return _stepped(self, self.draw(seeds, conditions), self.trace_constants_s(rule), device, dtype)


def _stepped(*arguments: Any) -> Any:
    """Looked up by name, since tasks import no layer above their own."""
    return importlib.import_module("plasticbench.stepping.spiking").SpikingLifetimes(*arguments)


def check_time_constants(rules: RuleBatch) -> None:
    """PlasticbenchError unless every parameter is a finite number and every time constant positive."""
    for k, pathway in enumerate(rules.structure.pathways):
        values = rules.parameters[k].detach()
        for column, name in enumerate(pathway.parameters):
            if not bool(torch.isfinite(values[:, column]).all()):
                raise PlasticbenchError(f"rule: pathways.{pathway.pathway}.parameters.{name} is not a finite number")
        for trace, tau in rules.time_constants_s(k).items():
            if not bool((tau > 0).all()):
                worst = float(tau.detach().min())
                raise PlasticbenchError(
                    f"rule: pathways.{pathway.pathway}.traces.{trace}: {worst!r} s is not a positive time constant"
                )


def _stack(measured: list[list[dict[str, float]]]) -> dict[str, Tensor]:
    """Name -> (n_rules, n_seeds)."""
    names = measured[0][0] if measured and measured[0] else {}
    return {
        name: torch.tensor([[one.get(name, math.nan) for one in row] for row in measured], dtype=torch.float64)
        for name in names
    }
