"""Neural rules: a small multilayer perceptron from what a synapse sees to its weight change.

Its inputs are named variables, its outputs named events; every layer is activation(W x + b). The same
weights serve all events of a pathway. Engines get it as straight-line code over the parameter array; torch
multiplies matrices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from plasticbench.errors import RuleError
from plasticbench.language.program import Builder, Program
from plasticbench.language.vocabulary import MAX_MAGNITUDE, on_offer, shorten
from plasticbench.rules.event import Event
from plasticbench.rules.variables import EVENTS, VARIABLES

if TYPE_CHECKING:
    from torch import Tensor

ACTIVATIONS = ("identity", "tanh", "relu", "sigmoid")
MAX_LAYERS = 8
MAX_NUMBERS = 4_096  # weights and biases of one pathway's network: it runs once per synapse and event


@dataclass(frozen=True)
class NetworkShape:
    """A network without its numbers. `layers` are the sizes after the inputs; the last is one per output."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    layers: tuple[int, ...]
    activations: tuple[str, ...]

    @property
    def matrix_shapes(self) -> list[tuple[int, int]]:
        """(n_out, n_in) of each layer's weights."""
        sizes = (len(self.inputs), *self.layers)
        return list(zip(sizes[1:], sizes[:-1], strict=True))

    @property
    def n_numbers(self) -> int:
        return sum(n_out * (n_in + 1) for n_out, n_in in self.matrix_shapes)

    @property
    def number_names(self) -> list[str]:
        """Names of the flat vector: each layer's weights row by row, then its biases."""
        names = []
        for layer, (n_out, n_in) in enumerate(self.matrix_shapes):
            names += [f"weight_{layer}[{i},{j}]" for i in range(n_out) for j in range(n_in)]
            names += [f"bias_{layer}[{i}]" for i in range(n_out)]
        return names

    def check(self, where: str, variables: frozenset[str] = frozenset()) -> None:
        """Raise RuleError unless every part is of the language.

        `variables` are further ones that a task offers.
        """
        allowed = set(VARIABLES) | variables
        for name in self.inputs:
            if name not in allowed:
                raise RuleError(f"{where}.inputs: unknown variable {shorten(name)}; {on_offer(name, allowed)}")
        for name in self.outputs:
            if name not in EVENTS:
                raise RuleError(f"{where}.outputs: unknown event {shorten(name)}; {on_offer(name, EVENTS)}")
        for name in self.activations:
            if name not in ACTIVATIONS:
                raise RuleError(f"{where}.activations: unknown {shorten(name)}; {on_offer(name, ACTIVATIONS)}")
        for field, names in (("inputs", self.inputs), ("outputs", self.outputs)):
            if not names or len(set(names)) < len(names):
                raise RuleError(f"{where}.{field}: found {shorten(list(names))}; name one or more, each once")
        if not self.layers or min(self.layers) < 1 or self.layers[-1] != len(self.outputs):
            raise RuleError(
                f"{where}.layers: found {shorten(list(self.layers))}; positive sizes, "
                f"the last one {len(self.outputs)}, the number of outputs"
            )
        if len(self.layers) > MAX_LAYERS:
            raise RuleError(f"{where}.layers: {len(self.layers)} layers; at most {MAX_LAYERS}")
        if len(self.activations) != len(self.layers):
            raise RuleError(f"{where}.activations: {len(self.activations)} for {len(self.layers)} layers; one each")
        if self.n_numbers > MAX_NUMBERS:
            raise RuleError(f"{where}: {self.n_numbers} weights and biases; at most {MAX_NUMBERS}")


@dataclass(frozen=True, eq=False)
class Network:
    """A network with its numbers."""

    shape: NetworkShape
    numbers: np.ndarray  # (n_numbers,) float64, in the order of shape.number_names

    @classmethod
    def from_layers(
        cls,
        shape: NetworkShape,
        weights: Sequence[object],
        biases: Sequence[object],
        where: str = "network",
        variables: frozenset[str] = frozenset(),
    ) -> Network:
        """Check and pack nested lists or arrays: weights[k] is (n_out, n_in), biases[k] is (n_out,)."""
        shape.check(where, variables)
        packed = []
        for field, found, expected in (
            ("weights", weights, shape.matrix_shapes),
            ("biases", biases, [(n_out,) for n_out, _ in shape.matrix_shapes]),
        ):
            if len(found) != len(expected):
                raise RuleError(f"{where}.{field}: {len(found)} layers, expected {len(expected)}")
            packed.append([_array(f"{where}.{field}[{k}]", found[k], size) for k, size in enumerate(expected)])
        return cls(shape, np.concatenate([part.ravel() for pair in zip(*packed, strict=True) for part in pair]))

    @property
    def layers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """(weights (n_out, n_in), biases (n_out,)) of each layer."""
        parts, start = [], 0
        for n_out, n_in in self.shape.matrix_shapes:
            middle, end = start + n_out * n_in, start + n_out * (n_in + 1)
            parts.append((self.numbers[start:middle].reshape(n_out, n_in), self.numbers[middle:end]))
            start = end
        return parts

    def to_json(self) -> dict:
        """The `network` object of a rule file."""
        return {
            "inputs": list(self.shape.inputs),
            "outputs": list(self.shape.outputs),
            "layers": list(self.shape.layers),
            "activations": list(self.shape.activations),
            "weights": [weights.tolist() for weights, _ in self.layers],
            "biases": [biases.tolist() for _, biases in self.layers],
        }


def _array(where: str, found: object, size: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.array(found, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise RuleError(f"{where}: not an array of numbers; write {size} numbers, row by row") from None
    if array.shape != size:
        raise RuleError(f"{where}: shape {array.shape}, expected {size} (outputs by inputs)")
    if not (np.abs(array) <= MAX_MAGNITUDE).all():
        raise RuleError(f"{where}: a number is not finite or exceeds {MAX_MAGNITUDE:g}; replace it")
    return array


@dataclass(frozen=True)
class NetworkEvent(Event):
    """One output of a network whose numbers start at column `first` of the pathway's parameters."""

    shape: NetworkShape
    output: str
    first: int = 0

    @property
    def variables(self) -> frozenset[str]:
        return frozenset(self.shape.inputs)

    @property
    def _layers(self) -> list[tuple[int, int, int]]:
        """(first column, n_out, n_in) of each layer."""
        layers, start = [], self.first
        for n_out, n_in in self.shape.matrix_shapes:
            layers.append((start, n_out, n_in))
            start += n_out * (n_in + 1)
        return layers

    def evaluate(self, variables: Mapping[str, Tensor], parameters: Tensor) -> Tensor:
        import torch

        from plasticbench.language.torch_operations import OPERATIONS

        inputs = torch.broadcast_tensors(*(variables[name] for name in self.shape.inputs))
        x = torch.stack(inputs, dim=-1)  # (n_rules or 1, ..., n_in)
        n_rules, place = len(parameters), tuple(x.shape[:-1])
        numbers = parameters.to(dtype=x.dtype, device=x.device)
        if n_rules > 1:
            place = (n_rules, *place[1:])
            x = x.expand(*place, x.shape[-1]).reshape(n_rules, -1, x.shape[-1])
        else:
            x = x.reshape(1, -1, x.shape[-1])
        for (start, n_out, n_in), name in zip(self._layers, self.shape.activations, strict=True):
            middle, end = start + n_out * n_in, start + n_out * (n_in + 1)
            weights = numbers[:, start:middle].reshape(n_rules, n_out, n_in)
            biases = numbers[:, middle:end].unsqueeze(1)  # (n_rules, 1, n_out)
            x = torch.baddbmm(biases, x, weights.transpose(1, 2))
            x = x if name == "identity" else OPERATIONS[name](x)
        return x[..., self.shape.outputs.index(self.output)].reshape(place)

    def straight_line(self) -> tuple[Program, dict[str, int]]:
        builder = Builder()
        numbers = [builder.add("name", name) for name in self.shape.number_names]
        values = [builder.add("name", name) for name in self.shape.inputs]
        for (start, n_out, n_in), activation in zip(self._layers, self.shape.activations, strict=True):
            weights, biases = start - self.first, start - self.first + n_out * n_in
            results = []
            for row in range(n_out):
                total = numbers[biases + row]
                for j in range(n_in):
                    total = builder.add("add", total, builder.add("mul", numbers[weights + row * n_in + j], values[j]))
                results.append(total if activation == "identity" else builder.add(activation, total))
            values = results
        columns = {name: self.first + k for k, name in enumerate(self.shape.number_names)}
        return builder.program(values[self.shape.outputs.index(self.output)]), columns
