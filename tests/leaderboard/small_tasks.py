"""Small tasks whose lifetimes are arithmetic, for a board of the tests' own; the rules are real ones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from plasticbench.errors import RuleError
from plasticbench.evaluation import statistics
from plasticbench.leaderboard.catalogue import Catalogue, Measurement
from plasticbench.rules.codec import load_rule, rule_from_json
from plasticbench.tasks.experiment import Experiment
from plasticbench.tasks.rule_map import RuleMap

VERSIONS = {"plasticbench": "0.1.0", "numpy": "2"}
HARDWARE = {"machine": "x86_64", "cores": 2}


@dataclass(frozen=True)
class SmallTask:
    """The loss of a rule in a lifetime: its parameter `base`, plus the seed's difficulty, plus its own noise."""

    id: str
    track: str = "rate"
    version: str = "1"
    n_official: int = 50
    title: str = "A small task"
    summary: str = "Arithmetic instead of a network."
    description: str = "One neuron.\n\nNothing is simulated."
    reference: str = "Oja, J. Math. Biol. 15:267 (1982), doi:10.1007/BF00275687"
    reference_rule: str = "reference"
    null_loss: float = 1.0
    reference_loss: float = 0.1
    blind_loss: float | None = None
    score_scale: str = "linear"
    pathways: tuple[str, ...] = ("ff",)
    engines: tuple[str, ...] = ("cpu", "torch")
    rule_map: RuleMap | None = None
    not_ranked_because: str = ""
    experiment: Experiment | None = None
    fails: str = ""  # the rule that fails here without bound

    @property
    def weight_bounds(self) -> dict[str, float]:
        return {}

    @property
    def spec_hash(self) -> str:
        return hashlib.sha256(f"{self.id} {self.version}".encode()).hexdigest()

    @property
    def official_seeds(self) -> tuple[int, ...]:
        return tuple(range(1_000_000, 1_000_000 + self.n_official))

    def score(self, mean_loss: float) -> float:
        return (self.null_loss - mean_loss) / (self.null_loss - self.reference_loss)


def uniform(*words) -> float:
    """A number in [0, 1) that is a function of the words."""
    digest = hashlib.sha256(" ".join(map(str, words)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def life(task: SmallTask, rule, seed: int) -> float:
    """The loss of one lifetime."""
    numbers = rule.for_pathway("ff").parameters
    own = numbers.get("noise", 0.0) * uniform(task.spec_hash, rule.hash, seed)
    failure = 1e6 if rule.name == getattr(task, "fails", None) else 0.0
    return numbers["base"] + 0.05 * uniform(task.spec_hash, seed) + own + failure


def measure(task, rules, seeds, engine) -> Measurement:
    losses = np.array([[life(task, rule, seed) for seed in seeds] for rule in rules])
    return Measurement(losses, np.full(losses.shape, "ok"), engine, VERSIONS, HARDWARE)


def rule_json(name: str, base: float, noise: float = 0.01, eta: float = 0.1) -> dict:
    return {
        "format": "plasticbench/rule@1",
        "name": name,
        "reference": "Hebb, The Organization of Behavior (1949)",
        "pathways": {
            "ff": {"on_step": "eta * (pre * post - base * noise * w)",
                   "parameters": {"eta": eta, "base": base, "noise": noise}}
        },
    }  # fmt: skip


def check_rule(rule, task) -> None:
    unknown = set(rule.pathways) - {*task.pathways, "*"}
    if unknown:
        raise RuleError(f"pathways: no {min(unknown)!r} here; on offer: {', '.join(task.pathways)}")


def make_catalogue(*tasks: SmallTask) -> Catalogue:
    reference = rule_from_json(rule_json("reference", 0.1))
    return Catalogue(
        tasks={task.id: task for task in tasks},
        load_rule=lambda which: reference if which == "reference" else load_rule(which),
        rule_from_json=rule_from_json,
        check_rule=check_rule,
        measure=measure,
    )


def newer(catalogue: Catalogue, task_id: str) -> Catalogue:
    """The same catalogue after an erratum: one task's version, and so its hash, has changed."""
    return replace(catalogue, tasks={**catalogue.tasks, task_id: replace(catalogue.tasks[task_id], version="2")})


def result_json(catalogue: Catalogue, rule: dict, task_id: str = "plasticbench/Small-v0", **changes) -> dict:
    """What `evaluate --out` writes for a rule."""
    task = catalogue.tasks[task_id]
    parsed = rule_from_json(rule)
    lived = measure(task, [parsed], task.official_seeds, "cpu")
    losses = lived.losses[0]
    loss = float(losses.mean())
    low, high = statistics.mean_interval(losses)
    return {
        "format": "plasticbench/result@1",
        "task": task.id,
        "task_hash": task.spec_hash,
        "rule": rule,
        "rule_hash": parsed.hash,
        "engine": "cpu",
        "official": True,
        "seeds": list(task.official_seeds),
        "losses": losses.tolist(),
        "statuses": ["ok"] * len(losses),
        "conditions": None,
        "loss": loss,
        "score": task.score(loss),
        "score_interval": [task.score(high), task.score(low)],
        "metrics": {"angle_deg": losses.tolist()},
        "simulated_s": 100.0,
        "wall_s": 0.5,
        "compile_s": 0.0,
        "versions": VERSIONS,
        "hardware": HARDWARE,
        "learned": {},
        **changes,
    }
