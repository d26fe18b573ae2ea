"""The mlp family: a small network from what a synapse sees to its weight change, one per pathway.

Hidden layers tanh, output linear. Rate: one output, on_step. Spiking: outputs on_pre and on_post, and the
time constants of the traces among the inputs are searched along (as logarithms).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from plasticbench.errors import RuleError
from plasticbench.rules.families.base import Coordinate, TemplateFamily
from plasticbench.rules.neural import Network, NetworkShape
from plasticbench.rules.pathway import PathwayRule
from plasticbench.rules.variables import TRACES

_START_S = 0.02


class MLP(TemplateFamily):
    """`inputs` are variables, `events` the outputs; `eta` scales the last layer, so that θ is of order 1."""

    name = "mlp"

    def __init__(
        self,
        pathways: Sequence[str],
        inputs: Sequence[str] = ("pre", "post", "w"),
        events: Sequence[str] = ("on_step",),
        hidden: Sequence[int] | int = (8,),
        eta: float = 0.1,
        std: float = 0.1,
    ) -> None:
        super().__init__(pathways)
        sizes = (hidden,) if isinstance(hidden, int) else tuple(hidden)
        layers = (*sizes, len(events))
        activations = ("tanh",) * len(sizes) + ("identity",)
        self.shape = NetworkShape(tuple(inputs), tuple(events), layers, activations)
        self.shape.check(f"family {self.name}")
        if eta <= 0.0:
            raise RuleError(f"family {self.name}: eta is {eta}; it must be above 0")
        self.eta, self.std = eta, std

    def template(self, pathway: str) -> PathwayRule:
        traces = [name for name in self.shape.inputs if name in TRACES]
        return PathwayRule.make(
            parameters={_tau(trace): _START_S for trace in traces},
            traces={trace: _tau(trace) for trace in traces},
            network=Network(self.shape, np.zeros(self.shape.n_numbers)),
        )

    def coordinates(self, pathway: str) -> list[Coordinate]:
        found = [
            Coordinate(
                _tau(name),
                math.log(1e-3),
                0.0,
                math.log(_START_S),
                std=self.std,
                logarithmic=True,
                penalised=False,
            )
            for name in self.shape.inputs
            if name in TRACES
        ]
        names = iter(self.shape.number_names)
        last = len(self.shape.layers) - 1
        for layer, (n_out, n_in) in enumerate(self.shape.matrix_shapes):
            scale = self.eta if layer == last else 1.0
            # A random hidden layer under a nearly silent output: the first rule changes almost nothing.
            jitter = 1e-3 if layer == last else 1.0 / math.sqrt(n_in)
            for position in range(n_out * (n_in + 1)):
                bias = position >= n_out * n_in
                found.append(
                    Coordinate(
                        f"network.{next(names)}",
                        jitter=0.0 if bias else jitter,
                        std=self.std,
                        scale=scale,
                        penalised=not bias,
                    )
                )
        return found


def _tau(trace: str) -> str:
    return f"tau_{trace}"
