"""A task: a network, a protocol and a standardized loss, frozen as data, with official seeds and references."""

from __future__ import annotations

import abc
import dataclasses
import hashlib
import inspect
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from plasticbench.errors import PlasticbenchError, RuleError
from plasticbench.rules import Family, Rule, RuleBatch, WithArrays, group_rules, load_rule, make_family
from plasticbench.simulation.random import check_seed
from plasticbench.tasks.outcome import Outcome, merge
from plasticbench.tasks.rule_map import RuleMap

OFFICIAL_SEED_BASE = 1_000_000  # official lifetimes are base, base + 1, …; learners never train on them
TRAINING_SEED_BASE = 2**40  # training seeds are drawn above
_SMALLEST_LOSS = 1e-12  # a loss of exactly 0 is the best there is, not infinitely good
_BLIND_SLOPE = 0.01  # of the score between `blind_loss` and the null rule's, relative to elsewhere

Policy = Callable[[Any], Any]
Rules = Rule | str | RuleBatch | Policy | Sequence["Rule | str | Policy"] | tuple[Family, Tensor]


@dataclass(frozen=True, kw_only=True)
class Task(abc.ABC):
    """The part that all tasks share. Subclasses declare numbers as fields and science in `_hooks`."""

    id: str
    title: str
    summary: str  # one sentence: what the network lives through and what is scored
    reference: str
    reference_rule: str
    null_loss: float  # official mean of the null rule (frozen weights), measured by this code
    reference_loss: float  # official mean of the reference rule
    blind_loss: float | None = None  # official mean of the best rule that knows nothing, where it beats the null rule
    n_official: int = 64
    score_scale: Literal["linear", "log"] = "linear"
    learning_rate: float = 0.1
    families: tuple[str, ...] = ()

    track: ClassVar[Literal["rate", "spiking"]]
    events: ClassVar[tuple[str, ...]]
    evaluator_version: ClassVar[int] = 1  # raised when the code changes what a lifetime or a loss is
    condition_names: ClassVar[tuple[str, ...]] = ()
    lifetimes_per_report: ClassVar[int | None] = None  # between reports of progress; None: all at once

    # ------------------------------------------------------------ what the task is

    @property
    @abc.abstractmethod
    def pathways(self) -> tuple[str, ...]:
        """The plastic pathways, in order."""

    @abc.abstractmethod
    def variables(self, pathway: str) -> frozenset[str]:
        """What a rule may read at a synapse of this pathway."""

    @property
    def arrays(self) -> dict[str, tuple[int, ...]]:
        """Slow weights that a rule may bring along: name -> shape."""
        return {}

    @property
    def description(self) -> str:
        """The docstring of the task's class."""
        return inspect.cleandoc(type(self).__doc__ or "")

    @property
    def official_seeds(self) -> tuple[int, ...]:
        return tuple(range(OFFICIAL_SEED_BASE, OFFICIAL_SEED_BASE + self.n_official))

    def specification(self) -> dict[str, Any]:
        """Everything that decides a score, as JSON data."""
        fields = {
            f.name: getattr(self, f.name)
            for f in dataclasses.fields(self)
            if f.name not in ("title", "summary", "reference", "families")
            and not (f.name == "blind_loss" and self.blind_loss is None)
        }
        return {"class": type(self).__name__, "evaluator_version": self.evaluator_version, **fields}

    @cached_property
    def spec_hash(self) -> str:
        """SHA-256 of the canonical specification: entries of another hash are not comparable."""
        text = json.dumps(self.specification(), sort_keys=True, default=dataclasses.asdict)
        return hashlib.sha256(text.encode()).hexdigest()

    def score(self, mean_loss: float) -> float:
        """0 for the null rule's official loss, 1 for the reference rule's; unclipped."""
        null, best = self._on_scale(self.null_loss), self._on_scale(self.reference_loss)
        return (null - self._on_scale(mean_loss)) / (null - best)

    def _on_scale(self, loss: float) -> float:
        """The loss or its logarithm; from `blind_loss` to the null rule's, where less is no sign of learning, flat."""
        x = self._linear_or_log(loss)
        if self.blind_loss is None or loss <= self.blind_loss:
            return x
        blind, null = self._linear_or_log(self.blind_loss), self._linear_or_log(self.null_loss)
        return x - (1.0 - _BLIND_SLOPE) * (min(x, null) - blind)

    def _linear_or_log(self, loss: float) -> float:
        return math.log(max(loss, _SMALLEST_LOSS)) if self.score_scale == "log" else loss

    def make_family(self, name: str | None = None, **options: Any) -> Family:
        """A search space of rules for this task's pathways; the first of `families` by default."""
        name = name or self.families[0]
        if name not in self.families:
            raise PlasticbenchError(f"family: {name!r} does not suit {self.id}; it offers {', '.join(self.families)}")
        family = make_family(name, self.pathways, **{**self._family_options(name), **options})
        return WithArrays(family, self._trainable_arrays()) if self.arrays else family

    def _trainable_arrays(self) -> dict[str, tuple[tuple[int, ...], float]]:
        """Name -> (shape, standard deviation of a learner's start) of `arrays`."""
        return {}

    def _family_options(self, name: str) -> dict[str, Any]:
        return {}

    @property
    def rule_map(self) -> RuleMap | None:
        """Where a theory of this task puts the rules; None where there is no such theory."""
        return None

    @abc.abstractmethod
    def shortened(self) -> Task:
        """The same task with a much shorter life, unregistered: for checks of conformance, not for scores."""

    @abc.abstractmethod
    def blow_up_losses(self) -> tuple[float, float]:
        """The loss of a lifetime that blows up at its very end, and of one that blows up at once."""

    # ------------------------------------------------------------ living

    def losses(self, rules: Rules, seeds: Sequence[int], engine: str = "auto", **options: Any) -> Tensor:
        """Losses (n_rules, n_seeds); those of `gradient_engine` are differentiable in a family's θ, as torch's are.

        `rules`: a rule, a list of rules, (family, θ of shape (n_rules, d)), or Python policies (torch engine).
        Lifetimes of equal seed share network, inputs and conditions across rules.
        """
        return self.run(rules, seeds, engine, metrics=False, **options).losses

    def run(
        self,
        rules: Rules,
        seeds: Sequence[int],
        engine: str = "auto",
        conditions: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        device: str | None = None,
        threads: int | None = None,
        metrics: bool = True,
    ) -> Outcome:
        """Every rule in every seed's lifetime.

        Raises PlasticbenchError for an unknown engine, seed or condition, RuleError for a rule that does not suit.
        """
        seeds = tuple(check_seed(seed) for seed in seeds)
        lives = self.draw(seeds, conditions)
        parts: list[tuple[list[int], Outcome]] = []
        for indices, batch in self._group(rules):
            parts.append((indices, self._live(batch, lives, self._engine(engine, batch), device, threads, metrics)))
        if not parts:
            raise PlasticbenchError("rules: none given")
        return parts[0][1] if len(parts) == 1 else merge(parts)

    def draw(self, seeds: Sequence[int], conditions: Any = None) -> Any:
        """The lifetimes of these seeds, with conditions fixed by name where given."""
        return self._draw(tuple(seeds), self._fixed_conditions(len(seeds), conditions))

    @abc.abstractmethod
    def _draw(self, seeds: tuple[int, ...], fixed: list[dict[str, Any]]) -> Any: ...

    @abc.abstractmethod
    def _live(
        self, rules: Any, lives: Any, engine: str, device: str | None, threads: int | None, metrics: bool
    ) -> Outcome: ...

    @abc.abstractmethod
    def lifetimes(
        self,
        seeds: Sequence[int],
        conditions: Any = None,
        rule: Rule | None = None,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float64,
    ) -> Any:
        """Lifetimes to be stepped by hand (what the environments wrap).

        `rule`: whose slow weights and trace time constants they have; the reference rule's by default.
        """

    def _engine(self, engine: str, rules: Any) -> str:
        known = ("auto", *self.engines)
        if engine not in known:
            raise PlasticbenchError(f"engine: {engine!r} does not run {self.id}; choose from {', '.join(known)}")
        if not isinstance(rules, RuleBatch):
            if engine not in ("auto", "torch"):
                raise RuleError(f"rule: a Python policy runs on the torch engine only, not on {engine!r}")
            return "torch"
        return "cpu" if engine == "auto" else engine

    @property
    def engines(self) -> tuple[str, ...]:
        """Names of the engines that run this task."""
        return ("cpu", "torch")

    @property
    def gradient_engine(self) -> str:
        """The engine to ask for losses that are differentiable in the rules' parameters."""
        return "torch"

    def _fixed_conditions(self, n: int, conditions: Any) -> list[dict[str, Any]]:
        if conditions is None:
            return [{} for _ in range(n)]
        each = [conditions] * n if isinstance(conditions, Mapping) else list(conditions)
        if len(each) != n:
            raise PlasticbenchError(f"conditions: {len(each)} given for {n} lifetimes; give one object per lifetime")
        for fixed in each:
            if not isinstance(fixed, Mapping):
                raise PlasticbenchError(f"conditions: {fixed!r} is not an object of name: value")
            for name in fixed:
                if name not in self.condition_names:
                    offered = ", ".join(self.condition_names) or "none"
                    raise PlasticbenchError(f"conditions.{name}: {self.id} draws no such condition; it draws {offered}")
        return [dict(fixed) for fixed in each]

    def _group(self, rules: Rules) -> list[tuple[list[int], Any]]:
        """Rules of equal structure together, so that they share one compiled kernel; policies alone."""
        if isinstance(rules, RuleBatch):
            return [(list(range(rules.n_rules)), rules)]
        if isinstance(rules, tuple) and len(rules) == 2 and isinstance(rules[0], Family):
            return self._group(rules[0].batch(rules[1]))
        listed = list(rules) if isinstance(rules, Sequence) and not isinstance(rules, str) else [rules]
        resolved: list[Any] = [load_rule(r) if isinstance(r, str) else r for r in listed]
        groups: list[tuple[list[int], Any]] = []
        variables = {name: self.variables(name) for name in self.pathways}
        for brings_arrays in (False, True):  # a rule without slow weights gets the task's own
            known = [i for i, r in enumerate(resolved) if isinstance(r, Rule) and bool(r.arrays) == brings_arrays]
            batches = group_rules(
                [resolved[i] for i in known], self.pathways, self.events, variables,
                self.arrays if brings_arrays else None,
            )  # fmt: skip
            groups += [([known[i] for i in indices], batch) for indices, batch in batches]
        for i, rule in enumerate(resolved):
            if not isinstance(rule, Rule):
                if not callable(rule):
                    raise RuleError(f"rule: {rule!r} is neither a rule, a rule's name or file, nor a policy")
                groups.append(([i], rule))
        return groups
