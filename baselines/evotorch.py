"""Evolution strategies on a rule: a population lives through the same lifetimes, and the better teach.

CMA-ES (Hansen & Ostermeier, Evol. Comput. 9:159, 2001) and the other algorithms of EvoTorch (Toklu et al.,
arXiv:2302.12600), as in the searches of Confavreux et al., NeurIPS 2020 and 2025. No gradient is needed, so
spiking networks and blow-ups are no obstacle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plasticbench.errors import PlasticbenchError
from plasticbench.learning.options import Option, OptionedLearner

if TYPE_CHECKING:
    from plasticbench.learning.problem import Problem
    from plasticbench.rules import Rule

ALGORITHMS = ("cma-es", "xnes", "snes", "pgpe", "cem", "ga")


class EvoTorch(OptionedLearner):
    """Evolution strategies: CMA-ES, or another algorithm of EvoTorch.

    The rules of a generation share their lifetimes, drawn anew for each generation. A search that has
    converged, is flat or is no longer finite ends, and another starts from the same point with fresh random
    numbers. At the end (and before the refit) the distribution's centre is compared with the centres of
    earlier searches and with the best rules seen, on fresh lifetimes that all share; the budget for it is set
    aside from the start.
    """

    OPTIONS = (
        Option("algorithm", "cma-es", "how a generation teaches the next", choices=ALGORITHMS),
        Option("population", 24, "rules in a generation; even for pgpe and ga", low=4),
        Option("std", 1.0, "width of the first draw, in units of the family's", low=0.0, low_open=True),
        Option("lifetimes", 4, "of each rule in a generation", low=1),
        Option("l1", 1e-2, "weight of ‖θ‖₁ beside the loss", low=0.0),
        Option(
            "refit", 0.2, "last share of the budget, in which the coefficients that the penalty has spared are "
            "searched without it (relaxed lasso, Meinshausen 2007)", low=0.0, high=1.0, high_open=True,
        ),
        Option("conditions", None, "fixed for every training lifetime"),
    )  # fmt: skip
    algorithm: str
    population: int
    std: float
    lifetimes: int
    l1: float
    refit: float
    conditions: dict[str, Any] | None

    def __init__(self, *values: Any, **options: Any):
        super().__init__(*values, **options)
        if self.algorithm in ("pgpe", "ga") and self.population % 2:
            raise PlasticbenchError(
                f"option.population: {self.population} is odd; {self.algorithm} draws rules in pairs"
            )

    def learn(self, problem: Problem) -> Rule:
        from ._evolution import Evolution  # which imports EvoTorch

        return Evolution(self, problem).rule()


LEARNER = EvoTorch
