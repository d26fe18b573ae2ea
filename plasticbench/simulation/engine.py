"""Engines: what runs lives under rules. The protocol, the registry, and the choice among them.

An engine is registered by the place of its class, which is imported when it is first asked, so that a user without a
GPU never imports what needs one.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from plasticbench.errors import PlasticbenchError
from plasticbench.language.vocabulary import on_offer
from plasticbench.networks.life import Life
from plasticbench.networks.recordings import Recordings
from plasticbench.rules import RuleBatch

if TYPE_CHECKING:
    from torch import Tensor

AUTO = "auto"


@dataclass(frozen=True)
class EngineOptions:
    """How to run. An engine that cannot honour one says so; none is ignored."""

    device: str | None = None
    threads: int | None = None
    gradients: bool = False  # losses that are differentiable in the rules' numbers


@dataclass(frozen=True, eq=False)
class Measured:
    """What lives came to; a tensor is (n_rules, n_lives)."""

    losses: Tensor
    blown_up: Tensor  # bool
    metrics: dict[str, Tensor]
    lived_s: Tensor  # simulated seconds


# From recordings of equal shapes and their lives. Engines call it on parts of a population as they see fit.
Measure = Callable[[Recordings, Sequence[Life]], Measured]


class Engine(Protocol):
    """Runs every life under every rule.

    It may have `held_back(lives, options)`, why `auto` should not take it whatever it can run, or None; and
    `verified_by`, the name of the engine that lives its lives again on machines that are not like this one.
    """

    name: str

    def unsupported(self, lives: Sequence[Life], rules: Any, options: EngineOptions) -> str | None:
        """Why this engine cannot run this; None if it can."""
        ...

    def run(
        self, lives: Sequence[Life], rules: Any, measure: Measure, options: EngineOptions
    ) -> tuple[Measured, float]:
        """What all lives came to, and the seconds spent compiling."""
        ...


_ENGINES = {
    "cuda": "plasticbench.simulation.cuda.engine:CudaEngine",
    "cpu": "plasticbench.simulation.cpu:CPUEngine",
    "torch": "plasticbench.simulation.torch_engine:TorchEngine",
    "stepping": "plasticbench.stepping.engine:SteppingEngine",
    "cpu-integer": "plasticbench.simulation.cpu:IntegerCPUEngine",
}


def register_engine(name: str, place: str) -> None:
    """Make the engine class at `place` ("module:Class") known; `auto` asks it after those before.

    Raises PlasticbenchError if the name is taken.
    """
    if name in _ENGINES or name == AUTO:
        raise PlasticbenchError(f"engine: the name {name!r} is taken; choose another")
    _ENGINES[name] = place


def engine_names() -> tuple[str, ...]:
    """Every registered engine, in the order in which `auto` asks."""
    return tuple(_ENGINES)


@cache
def _instance(place: str) -> Engine:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)()


def find_engine(name: str, lives: Sequence[Life], rules: Any, options: EngineOptions) -> Engine:
    """The engine of this name, or for "auto" the first that can run this.

    Raises PlasticbenchError for an unknown name, or with the reason why none can.
    """
    if name == AUTO:
        reasons = []
        for place in _ENGINES.values():
            engine = _instance(place)
            if is_held_back(engine, lives, options):
                continue
            reason = engine.unsupported(lives, rules, options)
            if reason is None:
                return engine
            reasons.append(f"{engine.name}: {reason}")
        raise PlasticbenchError(f"engine: none can run this ({'; '.join(reasons)})")
    if name == "torch" and not isinstance(rules, RuleBatch):
        name = "stepping"  # a policy sees and gives torch tensors
    if name not in _ENGINES:
        raise PlasticbenchError(f"engine: unknown {name!r}; {on_offer(name, (AUTO, *_ENGINES))}")
    engine = _instance(_ENGINES[name])
    reason = engine.unsupported(lives, rules, options)
    if reason is not None:
        raise PlasticbenchError(f"engine {name}: {reason}")
    return engine


def is_held_back(engine: Engine, lives: Sequence[Life], options: EngineOptions) -> bool:
    """Whether `auto` passes an engine on whatever it can run: one that has a method `held_back` says why."""
    held_back = getattr(engine, "held_back", None)
    return held_back is not None and held_back(lives, options) is not None


def verifying_engine(name: str) -> str:
    """Who lives again what the engine of this name has lived, on any machine: itself, unless it says another."""
    if name not in _ENGINES:
        return AUTO
    return getattr(_instance(_ENGINES[name]), "verified_by", name)


def wants_gradients(rules: Any) -> bool:
    """Whether anybody could ask for the derivatives of what these rules lead to."""
    import torch

    tensors = (*getattr(rules, "parameters", ()), *getattr(rules, "arrays", {}).values())
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def check_device(device: str | None) -> str | None:
    """Why this torch device cannot be used here; None if it can."""
    import torch

    if device is None:
        return None
    try:
        torch.zeros(1, device=torch.device(device))
    except (RuntimeError, AssertionError, NotImplementedError, ValueError, TypeError) as error:
        known = isinstance(error, AssertionError) or "not" in str(error)
        try:
            torch.device(device)
        except (RuntimeError, TypeError):
            known = False
        what = "is not available here" if known else "is no device"
        return f"device {device!r} {what}; leave it out, or name one as cpu or cuda"
    if torch.device(device).type == "meta":
        return "device 'meta' holds no numbers; name one as cpu or cuda"
    return None


def joined(parts: Sequence[Measured], dim: int) -> Measured:
    """Parts of a population, side by side: along rules (0) or lives (1)."""
    import torch

    if len(parts) == 1:
        return parts[0]
    return Measured(
        torch.cat([part.losses for part in parts], dim),
        torch.cat([part.blown_up for part in parts], dim),
        {name: torch.cat([part.metrics[name] for part in parts], dim) for name in parts[0].metrics},
        torch.cat([part.lived_s for part in parts], dim),
    )
