"""A task: a network, a protocol and a standardized loss, frozen as data, with official seeds and references."""

from __future__ import annotations

import abc
import dataclasses
import hashlib
import inspect
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from plasticbench.errors import PlasticbenchError, RuleError
from plasticbench.networks.clamped import ClampedNetwork
from plasticbench.networks.life import Life
from plasticbench.networks.rate import RateNetwork
from plasticbench.networks.recordings import Recordings
from plasticbench.networks.spiking import SpikingNetwork
from plasticbench.rules import Family, Rule, RuleBatch, WithArrays, group_rules, load_rule, make_family
from plasticbench.rules.variables import RATE_EVENTS, SPIKING_EVENTS
from plasticbench.simulation.engine import EngineOptions, Measured, find_engine, wants_gradients
from plasticbench.simulation.random import check_seed
from plasticbench.tasks.conditions import Distribution, draw_conditions, fixed_of_each
from plasticbench.tasks.experiment import Experiment
from plasticbench.tasks.outcome import Outcome, merge
from plasticbench.tasks.policy import TaskPolicy
from plasticbench.tasks.rule_map import RuleMap
from plasticbench.tasks.score import score_of
from plasticbench.tasks.specification import declared, declared_life

if TYPE_CHECKING:
    from torch import Tensor

    from plasticbench.drawing.lives import LifeHistory

OFFICIAL_SEED_BASE = 1_000_000  # official lifetimes are base, base + 1, …; learners never train on them
TRAINING_SEED_BASE = 2**40  # training seeds are drawn above
_NOT_LIVED = (  # fields that do not decide a loss
    "title", "summary", "reference", "families",
    "reference_rule", "null_loss", "reference_loss", "blind_loss", "score_scale", "not_ranked_because",
)  # fmt: skip

Policy = Callable[[Any], Any]
Rules = Any  # a Rule, its name, a RuleBatch, a policy, a sequence of those, or (Family, θ of shape (n_rules, d))


@dataclass(frozen=True, kw_only=True)
class Task(abc.ABC):
    """What a task's author declares: numbers as fields, and `life`, `loss`, `blow_up_loss`, `shortened`, `draw_life`.

    `metrics` are reported beside the loss. Everything else follows from the lives.
    """

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
    not_ranked_because: str = ""  # why its scores tell nothing apart, for a task that is measured and not ranked
    learning_rate: float = 0.1
    families: tuple[str, ...] = ()
    conditions: Mapping[str, Distribution] = field(default_factory=dict)  # drawn for each lifetime, by name

    evaluator_version: ClassVar[int] = 1  # raised when the code changes what a lifetime or a loss is
    declares_lives: ClassVar[bool] = True  # False: lives hold data that may be missing here; the network is declared
    lifetimes_per_report: ClassVar[int | None] = None  # between reports of progress; None: all at once
    loss_floor: ClassVar[float] = 1e-12  # a lower loss is no better score; 0 has no logarithm

    # ------------------------------------------------------------ what an author gives

    @abc.abstractmethod
    def life(self, conditions: Mapping[str, Any], seed: int) -> Life:
        """The life of a seed under these conditions, before any rule."""

    @abc.abstractmethod
    def loss(self, recordings: Recordings, lives: Sequence[Life]) -> Tensor:
        """(n_rules, n_lives), of lives that did not blow up; what others get is not used."""

    @abc.abstractmethod
    def blow_up_loss(self, share_lived: float) -> float:
        """Of a life that blew up after this share of its steps."""

    def metrics(self, recordings: Recordings, lives: Sequence[Life]) -> dict[str, Tensor]:
        """Beside the loss: name -> (n_rules, n_lives); undefined (null) of lives that blew up."""
        return {}

    @abc.abstractmethod
    def shortened(self) -> Task:
        """The same task with a much shorter life, unregistered: for checks of conformance, not for scores."""

    @abc.abstractmethod
    def draw_life(self, figure: Any, history: LifeHistory) -> None:
        """Draw what a person wants to see of a lifetime."""

    def step_losses(self, recordings: Recordings, lives: Sequence[Life]) -> Tensor | None:
        """(n_rules, n_lives, n_steps) whose sum over steps is the loss, where it is one over steps; else None."""
        return None

    def part_of(self, rule: Rule) -> Rule:
        """What lives here of a rule that may say more; all of it unless a task says otherwise."""
        return rule

    @property
    def experiment(self) -> Experiment | None:
        """What was measured in tissue, where that is what this task compares rules with; else None."""
        return None

    @property
    def rule_map(self) -> RuleMap | None:
        """Where a theory of this task puts the rules; None where there is no such theory."""
        return None

    # ------------------------------------------------------------ what the task is

    @cached_property
    def example(self) -> Life:
        """The lifetime of seed 0."""
        return self.draw([0])[0]

    @property
    def example_network(self) -> SpikingNetwork | RateNetwork | ClampedNetwork:
        """A lifetime's network; those of others differ in numbers only."""
        return self.example.network

    @property
    def has_modulator(self) -> bool:
        """Whether rules may read `m` and act at its deliveries."""
        return self.example.modulator is not None

    @property
    def track(self) -> Literal["rate", "spiking", "slice"]:
        """The kind of its network; "slice": clamped spikes, as experimenters impose them on slices of brain."""
        if isinstance(self.example_network, ClampedNetwork):
            return "slice"
        return "rate" if isinstance(self.example_network, RateNetwork) else "spiking"

    @property
    def events(self) -> tuple[str, ...]:
        """When a rule may act."""
        own = RATE_EVENTS if self.track == "rate" else SPIKING_EVENTS
        return (*own, "on_modulator") if self.has_modulator else tuple(own)

    @property
    def pathways(self) -> tuple[str, ...]:
        """The plastic pathways, in order."""
        return tuple(pathway.name for pathway in self.example_network.plastic_pathways)

    @property
    def weight_bounds(self) -> dict[str, float]:
        """The largest weight of each plastic pathway that has one; those of slices have none that tells anything."""
        pathways = () if self.track == "slice" else self.example_network.plastic_pathways
        bounds = {pathway.name: getattr(pathway, "w_max", math.inf) for pathway in pathways}
        return {name: bound for name, bound in bounds.items() if math.isfinite(bound)}

    def variables(self, pathway: str) -> frozenset[str]:
        """What a rule may read at a synapse of this pathway."""
        network = self.example_network
        offered = next(network.variables(p) for p in network.plastic_pathways if p.name == pathway)  # type: ignore[arg-type]
        return offered | {"m"} if self.has_modulator else offered

    @property
    def arrays(self) -> dict[str, tuple[int, ...]]:
        """Slow weights that a rule may bring along: name -> shape."""
        network = self.example_network
        return {array.name: array.shape for array in network.slow_arrays} if isinstance(network, RateNetwork) else {}

    @property
    def condition_names(self) -> tuple[str, ...]:
        return tuple(self.conditions)

    @property
    def description(self) -> str:
        """The docstring of the task's class."""
        return inspect.cleandoc(type(self).__doc__ or "")

    @property
    def official_seeds(self) -> tuple[int, ...]:
        return tuple(range(OFFICIAL_SEED_BASE, OFFICIAL_SEED_BASE + self.n_official))

    def blow_up_losses(self) -> tuple[float, float]:
        """The loss of a lifetime that blows up at its very end, and of one that blows up at once."""
        return self.blow_up_loss(1.0), self.blow_up_loss(0.0)

    def specification(self) -> dict[str, Any]:
        """Everything that decides a loss, as JSON data: fields, network, protocol, recordings, loss, seeds.

        The marks that a score is reckoned from are left out: they are measured on such lifetimes, and an entry's
        score is computed from its losses whenever it is shown.
        """
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in _NOT_LIVED}
        return {
            "evaluator_version": self.evaluator_version,
            "official_seeds": [self.official_seeds[0], self.n_official],
            "fields": declared(fields),
            **declared_life(self),
        }

    @cached_property
    def spec_hash(self) -> str:
        """SHA-256 of the canonical specification: entries of another hash are not comparable."""
        return hashlib.sha256(json.dumps(self.specification(), sort_keys=True).encode()).hexdigest()

    def score(self, mean_loss: float) -> float:
        """0 for the null rule's official loss, 1 for the reference rule's; unclipped."""
        return score_of(self, mean_loss)

    def make_family(self, name: str | None = None, **options: Any) -> Family:
        """A search space of rules for this task's pathways; the first of `families` by default."""
        name = name or self.families[0]
        if name not in self.families:
            raise PlasticbenchError(f"family: {name!r} does not suit {self.id}; it offers {', '.join(self.families)}")
        family = make_family(name, self.pathways, **{**self._family_options(name), **options})
        return WithArrays(family, self._trainable_arrays()) if self.arrays else family

    def _trainable_arrays(self) -> dict[str, tuple[tuple[int, ...], float]]:
        """Name -> (shape, standard deviation of a learner's start) of `arrays`."""
        network = self.example_network
        assert isinstance(network, RateNetwork)
        return {array.name: (array.shape, array.init_std) for array in network.slow_arrays}

    def _family_options(self, name: str) -> dict[str, Any]:
        if self.track == "rate":
            return {"eta": self.learning_rate} if name == "polynomial" else {}
        if name == "mlp":
            inputs = ("w", "x_pre", "x_post")
            return {"inputs": inputs, "events": SPIKING_EVENTS, "eta": self.learning_rate}
        return {"eta": self.learning_rate}

    # ------------------------------------------------------------ living

    def losses(self, rules: Rules, seeds: Sequence[int], engine: str = "auto", **options: Any) -> Tensor:
        """Losses (n_rules, n_seeds), differentiable in a family's θ where that requires gradients.

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

        Raises PlasticbenchError for an unknown engine, seed or condition, for an option that the engine cannot honour,
        RuleError for a rule that does not suit.
        """
        lives = self.draw(tuple(check_seed(seed) for seed in seeds), conditions)
        measure = self.measure if metrics else self.measure_loss
        parts: list[tuple[list[int], Outcome]] = []
        for indices, batch in self.group(rules):
            if isinstance(batch, RuleBatch) and self.track != "rate":
                batch.check_numbers()
            options = EngineOptions(device, threads, wants_gradients(batch))
            chosen = find_engine(engine, lives, batch, options)
            started = time.perf_counter()
            measured, compile_s = chosen.run(lives, batch, measure, options)
            wall_s = time.perf_counter() - started - compile_s
            parts.append((indices, Outcome.of(measured, chosen.name, wall_s, compile_s)))
        if not parts:
            raise PlasticbenchError("rules: none given")
        return parts[0][1] if len(parts) == 1 else merge(parts)

    def measure(self, recordings: Recordings, lives: Sequence[Life]) -> Measured:
        """What lives came to: finite losses, blow-ups included, and every metric."""
        return self._measured(recordings, lives, self.metrics(recordings, lives))

    def measure_loss(self, recordings: Recordings, lives: Sequence[Life]) -> Measured:
        """As `measure`, without metrics."""
        return self._measured(recordings, lives, {})

    def _measured(self, recordings: Recordings, lives: Sequence[Life], metrics: dict[str, Tensor]) -> Measured:
        import torch

        loss = self.loss(recordings, lives)
        blown_up = recordings.blown_up | ~torch.isfinite(loss.detach())
        lived_s = torch.zeros(loss.shape, dtype=torch.float64)
        worst = torch.zeros_like(loss.detach())
        for s, life in enumerate(lives):
            for r, n_steps in enumerate(recordings.n_steps_lived[:, s].tolist()):
                lived_s[r, s] = n_steps * life.dt_s
                if bool(blown_up[r, s]):
                    worst[r, s] = self.blow_up_loss(n_steps / life.n_steps)
        return Measured(
            torch.where(blown_up, worst, loss),
            blown_up,
            {
                name: torch.where(blown_up, math.nan, value.detach().to(torch.float64))
                for name, value in metrics.items()
            },
            lived_s,
        )

    def draw(self, seeds: Sequence[int], conditions: Any = None) -> tuple[Life, ...]:
        """The lifetimes of these seeds, with conditions fixed by name where given."""
        fixed = fixed_of_each(len(seeds), conditions, self.condition_names, self.id)
        return tuple(
            self.life(draw_conditions(self.conditions, seed, given), seed)
            for seed, given in zip(seeds, fixed, strict=True)
        )

    def group(self, rules: Rules) -> list[tuple[list[int], Any]]:
        """Rules of equal structure together, so that they share one compiled kernel; policies alone."""
        if isinstance(rules, RuleBatch):
            return [(list(range(rules.n_rules)), rules)]
        if isinstance(rules, tuple) and len(rules) == 2 and isinstance(rules[0], Family):
            return self.group(rules[0].batch(rules[1]))
        listed = list(rules) if isinstance(rules, Sequence) and not isinstance(rules, str) else [rules]
        resolved: list[Any] = [load_rule(r) if isinstance(r, str) else r for r in listed]
        resolved = [self.part_of(r) if isinstance(r, Rule) else r for r in resolved]
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
                groups.append(([i], self._policy(rule)))
        return groups

    def _policy(self, policy: Policy) -> TaskPolicy:
        ((_, brought),) = self.group(load_rule(self.reference_rule))
        return TaskPolicy(self, policy, brought)
