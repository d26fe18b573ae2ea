"""Simulation-based inference: not one rule but all that hold the criteria, each as often as it is likely.

Neural posterior estimation in rounds (Papamakarios & Murray, NeurIPS 2016; Greenberg et al., ICML 2019,
arXiv:1905.07488), each filtering by more criteria as in Confavreux, Ramesh, Goncalves, Macke & Vogels, NeurIPS 36
(2023), with the density estimators of the toolbox sbi (Tejero-Cantero et al., JOSS 5:2505, 2020).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plasticbench.learning.options import Option, OptionedLearner

if TYPE_CHECKING:
    from plasticbench.learning.problem import Problem
    from plasticbench.learning.rule_set import RuleSet


class Sbi(OptionedLearner):
    """Simulation-based inference: samples of the rules of a family that hold criteria, by neural posteriors (sbi).

    The first round lives rules of the prior, each next one draws of the network that learned from all before it. The
    set is those that hold every criterion, weighted back to the prior; where none does, the last round's.
    """

    OPTIONS = (
        Option(
            "criteria", None, "what a rule must hold, in order, metric or loss: [low, high], null for no bound; by "
            "default the task's plausibility box, else a loss no greater than the reference rule's",
        ),
        Option("rounds", 3, "of equal size; each filters by more criteria, the last by all", low=1),
        Option("estimator", "maf", "kind of neural density", choices=("maf", "nsf", "mdn")),
        Option("ensemble", 1, "networks of each round, which are averaged", low=1),
        Option("epochs", 200, "over the simulations, at most, when a network learns", low=1),
        Option("lifetimes", 1, "of each rule; criteria are about their mean", low=1),
        Option("samples", 500, "rules of the set, at most", low=1),
        Option("width", 3.0, "of the prior, to each side of the start, in units of the family's first draw, for a "
               "family that has no prior", low=0.0, low_open=True),
        Option("conditions", None, "fixed for every training lifetime"),
    )  # fmt: skip
    criteria: dict[str, Any] | None
    rounds: int
    estimator: str
    ensemble: int
    epochs: int
    lifetimes: int
    samples: int
    width: float
    conditions: dict[str, Any] | None

    def learn(self, problem: Problem) -> RuleSet:
        from ._inference import Inference  # which imports sbi

        return Inference(self, problem).rules()


LEARNER = Sbi
