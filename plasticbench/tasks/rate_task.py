"""Tasks on rate networks: how they are drawn, lived on either engine, stepped, and scored."""

from __future__ import annotations

import abc
import dataclasses
import importlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from plasticbench.drawing.lives import PLASTIC, LifeHistory, draw_weights
from plasticbench.errors import PlasticbenchError
from plasticbench.networks.rate import RateNetwork
from plasticbench.rules import Rule, RuleBatch, load_rule
from plasticbench.simulation.rate.cpu_engine import run_cpu
from plasticbench.simulation.rate.lives import RateLives, RateRecording
from plasticbench.simulation.rate.torch_engine import run_torch
from plasticbench.simulation.threads import one_torch_thread
from plasticbench.tasks.outcome import Outcome
from plasticbench.tasks.task import Task

_TORCH_ELEMENTS = 2_000_000  # of one intermediate tensor; a larger population is run in parts


@dataclass(frozen=True)
class Lifetime:
    """One seed's draw, before it is stacked with others."""

    inputs: np.ndarray  # (n_items, n_inputs)
    w_init: dict[str, np.ndarray]  # pathway -> (n_post, n_pre)
    conditions: dict[str, Any]
    targets: dict[str, np.ndarray] = field(default_factory=dict)
    order: np.ndarray | None = None  # (n_steps,) of items, for a stream


@dataclass(frozen=True, kw_only=True)
class RateTask(Task):
    """Subclasses give `network` and the hooks `_draw_one`, `_loss` and `_metrics`."""

    n_steps: int
    blow_up_scale: float = 2.0  # loss of a blow-up at t: scale + scale·(1 − t/T)

    track: ClassVar[Literal["rate", "spiking"]] = "rate"
    events: ClassVar[tuple[str, ...]] = ("on_step",)
    loss_over_steps: ClassVar[bool] = False  # whether the loss is a sum over the stream, else it is at the end

    @property
    @abc.abstractmethod
    def network(self) -> RateNetwork: ...

    @abc.abstractmethod
    def _draw_one(self, seed: int, fixed: Mapping[str, Any]) -> Lifetime: ...

    @abc.abstractmethod
    def _loss(self, recording: RateRecording, targets: Mapping[str, Tensor]) -> Tensor:
        """(n_rules, n_seeds), of lifetimes that did not blow up."""

    def _metrics(self, recording: RateRecording, targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Beside the loss: name -> (n_rules, n_seeds)."""
        return {}

    def _step_loss(self, logit: Tensor, targets: Mapping[str, Tensor], step: int) -> Tensor:
        """This step's part of the loss, where `loss_over_steps`."""
        return torch.zeros_like(logit)

    @property
    def pathways(self) -> tuple[str, ...]:
        return self.network.pathways

    def variables(self, pathway: str) -> frozenset[str]:
        return self.network.variables(pathway)

    @property
    def arrays(self) -> dict[str, tuple[int, ...]]:
        return {array.name: array.shape for array in self.network.slow_arrays}

    def _trainable_arrays(self) -> dict[str, tuple[tuple[int, ...], float]]:
        return {array.name: (array.shape, array.init_std) for array in self.network.slow_arrays}

    def _family_options(self, name: str) -> dict[str, Any]:
        return {"eta": self.learning_rate} if name == "polynomial" else {}

    def _slow_weights(self, rule: Rule | None) -> dict[str, Tensor]:
        """Those of a rule (None: of the reference rule), each with a leading axis of 1."""
        if not self.network.slow_arrays:
            return {}
        arrays = (rule or load_rule(self.reference_rule)).arrays
        if not arrays:
            return self._default_arrays()
        return {name: torch.as_tensor(array, dtype=torch.float64).unsqueeze(0) for name, array in arrays.items()}

    def _with_arrays(self, rules: RuleBatch) -> RuleBatch:
        """Slow weights for a rule that brings none: a readout that knows the base rate and nothing else."""
        if not self.network.slow_arrays or rules.arrays:
            return rules
        return dataclasses.replace(rules, arrays=self._default_arrays())

    def _default_arrays(self) -> dict[str, Tensor]:
        return {a.name: torch.zeros((1, *a.shape), dtype=torch.float64) for a in self.network.slow_arrays}

    def shortened(self) -> RateTask:
        return dataclasses.replace(self, n_steps=min(self.n_steps, 40))

    def blow_up_losses(self) -> tuple[float, float]:
        return self.blow_up_scale, 2.0 * self.blow_up_scale

    def _draw(self, seeds: tuple[int, ...], fixed: list[dict[str, Any]]) -> RateLives:
        lives = [self._draw_one(seed, f) for seed, f in zip(seeds, fixed, strict=True)]
        first = lives[0] if lives else self._draw_one(0, {})
        return RateLives(
            seeds=seeds,
            conditions=tuple(life.conditions for life in lives),
            n_steps=self._common_length(lives),
            inputs=np.stack([life.inputs for life in lives]),
            w_init={name: np.stack([life.w_init[name] for life in lives]) for name in first.w_init},
            order=np.stack([life.order for life in lives]) if first.order is not None else None,  # type: ignore[misc]
            targets={name: np.stack([life.targets[name] for life in lives]) for name in first.targets},
        )

    def _common_length(self, lives: list[Lifetime]) -> int:
        """Steps of every lifetime of a call, which live side by side."""
        lengths = {self.n_steps if life.order is None else len(life.order) for life in lives}
        if len(lengths) != 1:
            raise PlasticbenchError(f"conditions.n_steps: {sorted(lengths)} in one call; give all lifetimes the same")
        return lengths.pop()

    def _live(
        self,
        rules: RuleBatch | Callable[[Any], Any],
        lives: RateLives,
        engine: str,
        device: str | None,
        threads: int | None,
        metrics: bool,
    ) -> Outcome:
        started = time.perf_counter()
        compile_s = 0.0
        with one_torch_thread():
            if not isinstance(rules, RuleBatch):
                outcome = self._live_policy(rules, lives, device)
            elif engine == "cpu":
                recording, compile_s = run_cpu(self.network, lives, self._with_arrays(rules), threads)
                outcome = self.outcome_of(recording, lives, metrics)
            else:
                outcome = _concatenate(
                    [
                        self.outcome_of(run_torch(self.network, lives, part, device or "cpu"), lives, metrics)
                        for part in self._parts(self._with_arrays(rules), lives)
                    ]
                )
        losses, blown_up, measured = outcome
        return Outcome(
            losses, blown_up, measured, engine, float(losses.numel() * lives.n_steps),
            time.perf_counter() - started - compile_s, compile_s,
        )  # fmt: skip

    def _live_policy(self, policy: Callable[[Any], Any], lives: RateLives, device: str | None):
        life = _stepped(self, lives, self._slow_weights(None), device or "cpu")
        while not life.finished:
            life.advance(policy(life.observe()))
        outcome = life.outcome()
        return outcome.losses, outcome.blown_up, outcome.metrics

    def _parts(self, rules: RuleBatch, lives: RateLives) -> Iterator[RuleBatch]:
        """The population in pieces that fit in memory; whole where gradients are wanted."""
        per_rule = lives.n_seeds * lives.n_presented * self.network.n_outputs * self.network.n_inputs
        size = max(1, _TORCH_ELEMENTS // per_rule)
        if torch.is_grad_enabled() or rules.n_rules <= size:
            yield rules
            return
        for first in range(0, rules.n_rules, size):
            yield rules.select(slice(first, first + size))

    def outcome_of(self, recording: RateRecording, lives: RateLives, metrics: bool = True):
        """Losses, blow-ups and metrics, each (n_rules, n_seeds)."""
        some = next(iter(recording.weights.values()))
        targets = {name: torch.as_tensor(t, device=some.device) for name, t in lives.targets.items()}
        loss = self._loss(recording, targets)
        blown_up = recording.blown_up | ~torch.isfinite(loss.detach())
        share_lived = recording.n_steps_lived.to(torch.float64) / lives.n_steps
        loss = torch.where(blown_up, (self.blow_up_scale * (2.0 - share_lived)).to(loss), loss)
        return loss, blown_up, self._metrics(recording, targets) if metrics else {}

    def draw_life(self, figure: Figure, history: LifeHistory) -> None:
        """Each pathway's weights against their targets, and the loss so far."""
        axes = figure.subplots(1, len(self.pathways) + 1, squeeze=False)[0]
        figure.suptitle(self.title, fontsize=11)
        components = history.life.lives.targets.get("components")
        for panel, name in zip(axes, self.pathways, strict=False):
            targets = components[0] if components is not None and name == self.network.feedforward else None
            draw_weights(panel, history.steps, history.series(name), targets, f"pathway {name}")
        axes[-1].plot(history.steps, history.series("loss"), color=PLASTIC)
        axes[-1].set(xlabel="presentation step", ylabel="loss if life ended here", title="loss", ylim=(0, None))
        axes[-1].spines[["top", "right"]].set_visible(False)

    def lifetimes(
        self,
        seeds: Sequence[int],
        conditions: Any = None,
        rule: Rule | None = None,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float64,
    ) -> Any:
        return _stepped(self, self.draw(seeds, conditions), self._slow_weights(rule), device, dtype)


def _stepped(*arguments: Any) -> Any:
    """Looked up by name, since tasks import no layer above their own."""
    return importlib.import_module("plasticbench.stepping.rate").RateLifetimes(*arguments)


def _concatenate(parts: list[tuple[Tensor, Tensor, dict[str, Tensor]]]):
    if len(parts) == 1:
        return parts[0]
    return (
        torch.cat([p[0] for p in parts]),
        torch.cat([p[1] for p in parts]),
        {name: torch.cat([p[2][name] for p in parts]) for name in parts[0][2]},
    )
