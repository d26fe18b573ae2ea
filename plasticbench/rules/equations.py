"""The equations of a pathway's rule, as text or LaTeX."""

from __future__ import annotations

from plasticbench.language.printing import Style, write_expression
from plasticbench.language.program import Expression
from plasticbench.rules.pathway import PathwayRule


def equation(
    rule: PathwayRule,
    event: str,
    substitute: bool = True,
    style: Style | None = None,
    drop: float = 0.0,
) -> str:
    """The weight change of one event.

    `substitute` puts the parameters' numbers in. In every sum, terms whose number is below `drop` times the
    largest one are left out (0: none is).
    """
    style = style or Style()
    found = rule.events[event]
    if not isinstance(found, Expression):
        shape = found.network.shape
        layers = ", ".join(f"{size} {name}" for size, name in zip(shape.layers, shape.activations, strict=True))
        inside = ", ".join(style.name(name) for name in shape.inputs)
        kind = style.call("network", [inside])
        return f"{kind}  [{layers}]" if type(style) is Style else rf"{kind} \quad \text{{[{layers}]}}"
    return write_expression(found, rule.parameters if substitute else {}, style, drop)
