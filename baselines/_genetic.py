"""The search of `symbolic`: generations of formulas, the memory of what has lived, and the front in the end."""

from __future__ import annotations

import contextlib
import math
import operator
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from deap import base, gp, tools

from plasticbench.errors import RuleError
from plasticbench.learning.rule_set import RuleSet
from plasticbench.rules import Rule
from plasticbench.rules.equivalence import canonical_form

from ._formulas import Formula, Slot, formula_of, rule_of, simplified, slots_of, with_round_number
from .symbolic import FUNCTIONS

if TYPE_CHECKING:
    from plasticbench.learning.problem import Problem

    from .symbolic import Symbolic

_ELITE = 0.1  # share of a generation that stays
_TRIES = 20  # for a child that is unlike the others, each
_STALE = 5  # generations without a new rule, after which nothing new is expected
_BETTER = 0.99  # of the lowest loss so far, below which a generation counts as progress


class _Loss(base.Fitness):
    weights = (-1.0,)


@dataclass(eq=False)
class _Candidate:
    """A rule as formulas, one for each slot. DEAP's selection reads `fitness` and the length."""

    formulas: list[Formula]
    form: str
    loss: float = float("inf")

    def __len__(self) -> int:
        return sum(len(formula) for formula in self.formulas)

    @property
    def fitness(self) -> _Loss:
        return _Loss((self.loss,))

    def kept(self) -> list[Any]:
        return [self.formulas, self.form, self.loss]


class Search:
    """One run of the learner on one problem."""

    def __init__(self, options: Symbolic, problem: Problem):
        self.options, self.problem = options, problem
        self.slots = slots_of(problem.task, options, FUNCTIONS[options.functions])
        self.eta = options.eta or problem.task.learning_rate
        self.reserve = options.front * options.validation
        problem.require(self.reserve + self._cost(1), "one rule and the front's fresh lifetimes")
        if (state := problem.resumed_state) is None:
            state = {
                "seeds": problem.training_seeds(options.lifetimes), "random": random.Random(problem.seed).getstate(),
                "population": [], "front": [], "losses": {}, "stale": 0, "lowest": float("inf"), "waiting": 0,
            }  # fmt: skip
        self.seeds, self.random_state, self.stale = tuple(state["seeds"]), state["random"], state["stale"]
        self.lowest, self.waiting = state["lowest"], state["waiting"]  # of this population; generations since
        self.population = [_Candidate(*kept) for kept in state["population"]]
        self.front = [_Candidate(*kept) for kept in state["front"]]
        self.losses: dict[str, float] = dict(state["losses"])  # of every form that has lived

    def run(self) -> RuleSet:
        """Generations while the budget lasts, then the front."""
        while self._affordable() > 0 and self.stale < _STALE:
            self._generation()
            self.problem.log(loss=self.front[-1].loss, complexity=len(self.front[-1]), rules=len(self.losses))
            self.problem.checkpoint(
                {
                    "seeds": self.seeds, "random": self.random_state, "stale": self.stale, "losses": self.losses,
                    "population": [c.kept() for c in self.population], "front": [c.kept() for c in self.front],
                    "lowest": self.lowest, "waiting": self.waiting,
                }
            )  # fmt: skip
        return self._validated()

    def _affordable(self) -> int:
        """Rules that may still live, once the front's fresh lifetimes are set aside."""
        left = self.problem.budget_left - self.reserve
        return next(n for n in range(min(left, self.options.population), -1, -1) if self._cost(n) <= left)

    def _cost(self, n: int) -> int:
        """Lifetimes of n new rules."""
        return n + self._n_promoted(n) * (self.options.lifetimes - 1)

    def _n_promoted(self, n: int) -> int:
        return math.ceil(self.options.promoted * n)

    # ------------------------------------------------------------ a generation

    def _generation(self) -> None:
        if self.waiting >= self.options.patience:  # it has converged: another begins, and the front stays
            self.population, self.lowest, self.waiting = [], float("inf"), 0
        elite = sorted(self.population, key=lambda c: (c.loss, len(c)))[: int(_ELITE * self.options.population)]
        with self._own_random():
            children = self._children(self.options.population - len(elite), {c.form for c in elite})
        new = [c for c in children if c.form not in self.losses]
        affordable = self._affordable()
        unaffordable, new = {id(c) for c in new[affordable:]}, new[:affordable]
        self.stale = 0 if new else self.stale + 1
        if new:
            self.losses |= dict(zip([c.form for c in new], self._lived(new), strict=True))
        children = [c for c in children if id(c) not in unaffordable]
        for child in children:
            child.loss = self.losses[child.form]
        self.population = elite + children
        lowest = min((c.loss for c in self.population), default=float("inf"))
        self.waiting = 0 if lowest < _BETTER * self.lowest else self.waiting + 1
        self.lowest = min(lowest, self.lowest)
        self.front = _front([*self.front, *children])

    def _lived(self, new: list[_Candidate]) -> list[float]:
        """Mean losses; a rule that is not promoted after the first lifetime counts no better than any that is."""
        rules = [self._rule(c) for c in new]
        first = self._losses(rules, self.seeds[:1])[:, 0]
        means = first.copy()
        promoted = np.argsort(first, kind="stable")[: self._n_promoted(len(new))]
        if len(self.seeds) > 1:
            others = self._losses([rules[k] for k in promoted], self.seeds[1:])
            means[promoted] = np.concatenate([first[promoted, None], others], 1).mean(1)
            left = np.setdiff1d(np.arange(len(new)), promoted)
            means[left] = np.maximum(first[left], means[promoted].max())
        return means.tolist()

    def _losses(self, rules: list[Rule], seeds: Sequence[int]) -> np.ndarray:
        """(n_rules, n_lifetimes)"""
        return self.problem.losses_of(rules, seeds, conditions=self.options.conditions).numpy()

    def _children(self, n: int, known: set[str]) -> list[_Candidate]:
        """Up to n rules that differ from each other and from those known."""
        children: list[_Candidate] = []
        for _ in range(_TRIES * n):
            if len(children) == n:
                break
            candidate = self._candidate(self._varied())
            if candidate is not None and candidate.form not in known:
                known.add(candidate.form)
                children.append(candidate)
        return children

    def _candidate(self, trees: list[gp.PrimitiveTree]) -> _Candidate | None:
        if any(tree.height > self.options.depth for tree in trees):
            return None
        candidate = _Candidate([simplified(formula_of(tree)) for tree in trees], "")
        try:
            candidate.form = canonical_form(self._rule(candidate), self.problem.task.pathways)
        except RuleError:  # a constant part without a finite value
            return None
        return candidate

    def _rule(self, candidate: _Candidate) -> Rule:
        return rule_of(self.slots, candidate.formulas, self.eta, self.options)

    def _varied(self) -> list[gp.PrimitiveTree]:
        """Trees drawn anew, or of one or two parents."""
        if not self.population or random.random() < self.options.immigrants:
            return [gp.PrimitiveTree(gp.genHalfAndHalf(slot.primitives, 0, 3)) for slot in self.slots]
        trees = self._trees(self._parent())
        which = random.randrange(len(self.slots))
        if random.random() < self.options.crossover:
            other = self._trees(self._parent())[which]
            trees[which] = gp.cxOnePoint(trees[which], other)[0]
        else:
            trees[which] = _mutant(trees[which], self.slots[which])
        return trees

    def _trees(self, candidate: _Candidate) -> list[gp.PrimitiveTree]:
        return [slot.tree(formula) for slot, formula in zip(self.slots, candidate.formulas, strict=True)]

    def _parent(self) -> _Candidate:
        (chosen,) = tools.selDoubleTournament(
            self.population, 1, self.options.tournament, self.options.parsimony, fitness_first=True
        )
        return chosen

    @contextlib.contextmanager
    def _own_random(self) -> Iterator[None]:
        """DEAP draws from Python's generator: this run's state of it, and afterwards whatever was there."""
        before = random.getstate()
        random.setstate(self.random_state)
        try:
            yield
        finally:
            self.random_state = random.getstate()
            random.setstate(before)

    # ------------------------------------------------------------ the front

    def _validated(self) -> RuleSet:
        """The front on fresh lifetimes, without what they show to be beaten by something simpler; the best first."""
        members = sorted(self.front, key=operator.attrgetter("loss"))[: self.options.front]
        seeds = self.problem.training_seeds(self.options.validation)
        rules = [self._rule(c) for c in members]
        losses = self._losses(rules, seeds)
        for member, loss in zip(members, losses.mean(1), strict=True):
            member.loss = float(loss)
        kept = [members.index(c) for c in _front(members)]
        best = kept[_best([len(members[k]) for k in kept], losses[kept], self.options.best)]
        order = [best, *(k for k in kept if k != best)]
        errors = losses.std(1, ddof=1) / losses.shape[1] ** 0.5
        return RuleSet(
            [rules[k] for k in order], losses=losses.mean(1)[order],
            metrics={"complexity": np.array([float(len(members[k])) for k in order]), "standard_error": errors[order]},
        )  # fmt: skip


def _mutant(tree: gp.PrimitiveTree, slot: Slot) -> gp.PrimitiveTree:
    """One part of it replaced, inserted, taken out, or another number, such as 0 or 1."""
    kind = random.randrange(6)
    if kind == 0:
        return gp.mutUniform(tree, lambda pset, type_: gp.genHalfAndHalf(pset, 0, 2, type_), slot.primitives)[0]
    if kind == 1:
        return gp.mutInsert(tree, slot.primitives)[0]
    if kind == 2:
        return gp.mutShrink(tree)[0]
    if kind == 3:
        return gp.mutEphemeral(tree, "one")[0]
    if kind == 4:
        return slot.tree(with_round_number(formula_of(tree)))
    return gp.mutNodeReplacement(tree, slot.primitives)[0]


def _front(candidates: list[_Candidate]) -> list[_Candidate]:
    """Those that lose less than every one that is not longer, from the shortest on."""
    front: list[_Candidate] = []
    for candidate in sorted(candidates, key=lambda c: (len(c), c.loss)):
        if not front or candidate.loss < front[-1].loss:
            front.append(candidate)
    return front


def _best(complexity: list[int], losses: np.ndarray, rule: str) -> int:
    """The lowest loss, or the simplest whose paired difference from it is within a standard error."""
    lowest = int(losses.mean(1).argmin())
    if rule == "loss":
        return lowest
    excess = losses - losses[lowest]
    errors = excess.std(1, ddof=1) / losses.shape[1] ** 0.5
    near = [k for k in range(len(losses)) if excess[k].mean() <= errors[k]]
    return min(near, key=lambda k: complexity[k])
