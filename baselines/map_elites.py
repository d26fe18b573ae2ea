"""Quality-diversity: not one rule but the best of every kind, in an archive over two numbers.

MAP-Elites (Mouret & Clune, arXiv:1504.04909) with emitters of CMA-ME (Fontaine et al., GECCO 2020, arXiv:1912.02400)
or of lines between elites (Vassiliades & Mouret, GECCO 2018, arXiv:1804.03906), as pyribs has them (Tjanaka et al.,
GECCO 2023, arXiv:2303.00191).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plasticbench.learning.options import Option, OptionedLearner

if TYPE_CHECKING:
    from plasticbench.learning.problem import Problem
    from plasticbench.learning.rule_set import RuleSet


class MapElites(OptionedLearner):
    """Quality-diversity (MAP-Elites): the best rule of every cell of a grid over two numbers that tell rules apart.

    All rules live through the same lifetimes. The archive is the result; its best rules meet on fresh lifetimes
    in the end, and the winner stands first.
    """

    OPTIONS = (
        Option(
            "descriptors", None, "the two axes (or one), name: [low, high]: metrics of the task, coordinates of the "
            "family, map.share and others of the task's theory; rules outside are not kept; by default the task's "
            "correlation and map.share where it has them, else the first coordinates",
        ),
        Option("cells", 20, "along each axis", low=2),
        Option("emitter", "improvement", "how rules are drawn: CMA-ME's, or between two elites",
               choices=("improvement", "line")),
        Option("emitters", 3, "that draw side by side", low=1),
        Option("batch", 8, "rules that each of them draws at a time", low=4),
        Option("std", 1.0, "width of the first draw, in units of the family's", low=0.0, low_open=True),
        Option("lifetimes", 1, "of each rule, the same for all", low=1),
        Option("conditions", None, "fixed for every training lifetime"),
    )  # fmt: skip
    descriptors: dict[str, Any] | None
    cells: int
    emitter: str
    emitters: int
    batch: int
    std: float
    lifetimes: int
    conditions: dict[str, Any] | None

    def learn(self, problem: Problem) -> RuleSet:
        from ._illumination import Illumination  # which imports pyribs

        return Illumination(self, problem).rules()


LEARNER = MapElites
