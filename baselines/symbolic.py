"""Genetic programming over the rule language: formulas are bred, and the simple ones among equals have more children.

Koza, Genetic Programming, MIT Press (1992); as a search for plasticity rules: Jordan, Schmidt, Senn & Petrovici, eLife
10:e66273 (2021). By DEAP: Fortin et al., J. Mach. Learn. Res. 13:2171 (2012). The selection for short formulas is the
double tournament of Luke & Panait, Evol. Comput. 14:309 (2006).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from plasticbench.errors import PlasticbenchError
from plasticbench.learning.options import Option, OptionedLearner

if TYPE_CHECKING:
    from plasticbench.learning.problem import Problem
    from plasticbench.learning.rule_set import RuleSet

FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "division": ("div",),
    "saturating": ("tanh", "sigmoid", "relu", "step"),
    "all": ("div", "tanh", "sigmoid", "relu", "step", "exp", "sqrt", "abs", "min", "max"),
}


class Symbolic(OptionedLearner):
    """Genetic programming: the formulas themselves are searched, not a family's numbers.

    A rule has one formula for each event of each plastic pathway, of what the task lets a rule read, numbers, + - *
    and functions by option; `eta` times it is Δw. All rules live through the same few lifetimes, and no two of them
    are the same rule in other words: what has lived once is remembered by its normal form. In the end the rules that
    no simpler one beats live through fresh lifetimes; they are the set that is returned, the best first.
    """

    SEARCHES_FAMILY = False

    OPTIONS = (
        Option("population", 300, "rules in a generation", low=8),
        Option("lifetimes", 4, "of each rule, the same for all", low=1),
        Option("promoted", 0.3, "share of new rules, the best in the first lifetime, that live through the others",
               low=0.0, low_open=True, high=1.0),
        Option("validation", 16, "fresh lifetimes of each rule of the front in the end", low=2),
        Option("front", 12, "most rules of the front; those of the lowest losses are kept", low=1),
        Option("best", "simplest", "which rule of the front is the best: the one of the lowest loss, or the simplest "
               "within a standard error of it", choices=("simplest", "loss")),
        Option("functions", "none", "besides + - *", choices=tuple(FUNCTIONS)),
        Option("events", None, "pathway: events whose formulas are searched, as on_pre,on_post; none: all"),
        Option("variables", None, "pathway: variables in its formulas, as w,x_pre; none: all that the task offers"),
        Option("eta", 0.0, "factor of every formula; 0: the task's learning rate", low=0.0),
        Option("tau_s", 0.02, "time constant (s) of x_pre and x_post", low=0.0, low_open=True),
        Option("tau_slow_s", 0.1, "time constant (s) of x_pre2 and x_post2", low=0.0, low_open=True),
        Option("depth", 6, "deepest formula", low=1, high=20),
        Option("tournament", 5, "rules of which the best has children", low=1),
        Option("parsimony", 1.5, "twice the probability that the shorter of two winners has them", low=1.0, high=2.0),
        Option("patience", 6, "generations without a loss lower by a hundredth, after which a population gives way to "
               "a new one", low=1),
        Option("crossover", 0.5, "share of children of two parents; the rest are mutants", low=0.0, high=1.0),
        Option("immigrants", 0.1, "share of a generation that is drawn anew", low=0.0, high=1.0),
        Option("conditions", None, "fixed for every training lifetime"),
    )  # fmt: skip
    population: int
    lifetimes: int
    promoted: float
    validation: int
    front: int
    best: str
    functions: str
    events: dict[str, str] | None
    variables: dict[str, str] | None
    eta: float
    tau_s: float
    tau_slow_s: float
    depth: int
    tournament: int
    parsimony: float
    patience: int
    crossover: float
    immigrants: float
    conditions: dict[str, Any] | None

    def learn(self, problem: Problem) -> RuleSet:
        try:
            from ._genetic import Search  # which imports DEAP
        except ModuleNotFoundError as error:
            if error.name != "deap":
                raise
            raise PlasticbenchError(
                'learner symbolic: DEAP is not installed; pip install "plasticbench[symbolic]"'
            ) from None
        return Search(self, problem).run()


LEARNER = Symbolic
