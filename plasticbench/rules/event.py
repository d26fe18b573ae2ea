"""Events: what an engine runs when a synapse may change.

One interface for expressions, polynomials and networks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plasticbench.language.derivative import emit_derivative
from plasticbench.language.emission import dialect, emit_program
from plasticbench.language.program import Program

if TYPE_CHECKING:
    from torch import Tensor


class Event(ABC):
    """The weight change of one event, without its numbers: hashable, shared by all rules of one structure."""

    @property
    @abstractmethod
    def variables(self) -> frozenset[str]:
        """Names of the variables that the change depends on."""

    @abstractmethod
    def evaluate(self, variables: Mapping[str, Tensor], parameters: Tensor) -> Tensor:
        """Δw for every rule.

        `variables` broadcast against each other, with the rules as leading axis (n_rules or 1); `parameters`
        is (n_rules, n_parameters). The result broadcasts against the variables and is differentiable in
        both.
        """

    def evaluate_mean(self, variables: Mapping[str, Tensor], parameters: Tensor, dim: int) -> Tensor:
        """Mean of Δw over the presentations, a negative axis `dim` of the variables, which it removes."""
        return self.evaluate(variables, parameters).mean(dim)

    @abstractmethod
    def straight_line(self) -> tuple[Program, dict[str, int]]:
        """The change as a program of variables and parameters, and the column of each parameter."""

    def emit(
        self, function_name: str, arguments: Sequence[str], dialect: str = "numba", scalar: str = "float64"
    ) -> str:
        """Source of `function_name(<arguments>, p) -> Δw` on scalars, `p` the parameters of one rule.

        `arguments` are all variables that the engine passes, in its order; RuleError if the event needs another. See
        `emission` for what the source needs.
        """
        return emit_program(*self.straight_line(), function_name, arguments, _dialect(dialect, scalar))

    def emit_derivative(self, function_name: str, arguments: Sequence[str], n_parameters: int) -> str:
        """numba source of `function_name(<arguments>, partials, p) -> Δw`, in float64.

        It also writes ∂Δw/∂argument and then ∂Δw/∂p into `partials` (n_arguments + n_parameters,), as torch
        differentiates `evaluate`.
        """
        return emit_derivative(*self.straight_line(), function_name, arguments, n_parameters)


@dataclass(frozen=True)
class ExpressionEvent(Event):
    """An expression of variables, and of parameters that are the first columns, in this order."""

    program: Program
    parameter_names: tuple[str, ...]

    @property
    def variables(self) -> frozenset[str]:
        return self.program.names - set(self.parameter_names)

    def evaluate(self, variables: Mapping[str, Tensor], parameters: Tensor) -> Tensor:
        import torch
        from torch import Tensor

        values = dict(variables)
        columns = parameter_columns(variables, parameters)
        values.update(zip(self.parameter_names, columns[: len(self.parameter_names)], strict=True))
        result = self.program.evaluate(values)
        if isinstance(result, Tensor):
            return result
        like = next(iter(variables.values()))
        return torch.full((1,) * like.ndim, result, dtype=like.dtype, device=like.device)

    def straight_line(self) -> tuple[Program, dict[str, int]]:
        return self.program, {name: column for column, name in enumerate(self.parameter_names)}


_dialect = dialect  # the keyword `dialect` of `emit` hides it


def parameter_columns(variables: Mapping[str, Tensor], parameters: Tensor) -> tuple[Tensor, ...]:
    """Each parameter as (n_rules, 1, ..., 1), in the variables' precision and rank."""
    like = next(iter(variables.values()))
    n_axes = max(variable.ndim for variable in variables.values())
    shaped = parameters.to(dtype=like.dtype, device=like.device)
    return shaped.reshape(len(parameters), -1, *([1] * max(0, n_axes - 1))).unbind(1)
