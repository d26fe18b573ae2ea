"""The equations of a pathway's rule, and what its traces and states do, as text or LaTeX."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from plasticbench.language.printing import LatexStyle, Style, write_expression
from plasticbench.rules.memory import State, Trace
from plasticbench.rules.neural import NetworkShape
from plasticbench.rules.pathway import WEIGHT, NetworkOutput, PathwayRule
from plasticbench.rules.variables import SYMBOLS

_EVENT_WORDS = {
    "on_step": "step",
    "on_pre": "presynaptic spike",
    "on_post": "postsynaptic spike",
    "on_modulator": "modulator",
}


def equation(
    rule: PathwayRule,
    event: str,
    substitute: bool = True,
    style: Style | None = None,
    drop: float = 0.0,
    target: str = WEIGHT,
) -> str:
    """The change of the weight, or of the state `target`, at one event.

    `substitute` puts the parameters' numbers in. In every sum, terms whose number is below `drop` times the
    largest one are left out (0: none is).
    """
    style = _with_symbols(style or Style(), rule)
    found = rule.events[event][target]
    if isinstance(found, NetworkOutput):
        return _network(found, style)
    return write_expression(found, rule.parameters if substitute else {}, style, drop)


def equations(
    rule: PathwayRule, substitute: bool = True, style: Style | None = None, drop: float = 0.0
) -> dict[str, str]:
    """Every change: the weight's under the event's name, a state's under "event: state"."""
    return {
        event if target == WEIGHT else f"{event}: {target}": equation(rule, event, substitute, style, drop, target)
        for event, changes in rule.events.items()
        for target in sorted(changes, key=lambda target: target != WEIGHT)
    }


@dataclass(frozen=True)
class Memory:
    """What a trace or a state does: a line of text, and its differential equation in LaTeX (no delimiters)."""

    name: str
    text: str
    latex: str


def memories(rule: PathwayRule, substitute: bool = True, digits: int = 4) -> list[Memory]:
    """Each trace, then each state; `substitute` puts numbers in the place of parameters."""
    return [
        *(_trace(rule, name, trace, substitute, digits) for name, trace in rule.traces.items()),
        *(_state(rule, name, state, substitute, digits) for name, state in rule.states.items()),
    ]


def _trace(rule: PathwayRule, name: str, trace: Trace, substitute: bool, digits: int) -> Memory:
    style = _with_symbols(LatexStyle(digits), rule)
    symbol, tau = style.name(name), _tau(style, trace.tau_s, rule, substitute)
    decays = f"decays with {1000 * rule.time_constant_s(name):.{digits}g} ms"
    if trace.of is None:
        grows = "is set to 1" if trace.nearest else "grows by 1"
        text = f"{grows} at each {trace.side}synaptic spike, {decays}"
        jump = "1" if trace.nearest else f"{symbol} + 1"
        latex = rf"{_slope(symbol, tau)} = -{symbol}{_jump(symbol, jump, f'on_{trace.side}')}"
        return Memory(name, text, latex)
    values = rule.parameters if substitute else {}
    source = write_expression(trace.of, values, Style(digits))
    text = f"{source}, low-pass filtered with {rule.time_constant_s(name):.{digits}g} s"
    written = write_expression(trace.of, values, style)
    return Memory(name, text, rf"{_slope(symbol, tau)} = {written} - {symbol}")


def _state(rule: PathwayRule, name: str, state: State, substitute: bool, digits: int) -> Memory:
    style = LatexStyle(digits)
    symbol = _with_symbols(style, rule).name(name)
    whose = "each synapse" if state.scope == "synapse" else f"each {state.scope}synaptic neuron"
    changes = [event for event, targets in rule.events.items() if name in targets]
    jumps = ""
    for event in changes:
        change = equation(rule, event, substitute, style, 0.0, name)
        sign = "- " + change[1:] if change.startswith("-") else "+ " + change
        jumps += _jump(symbol, f"{symbol} {sign}", event)
    if state.tau_s is None:
        return Memory(name, f"one for {whose}, keeps its value", f"{_slope(symbol)} = 0{jumps}")
    tau = _tau(_with_symbols(style, rule), state.tau_s, rule, substitute)
    text = f"one for {whose}, decays with {1000 * rule.time_constant_s(name):.{digits}g} ms"
    return Memory(name, text, f"{_slope(symbol, tau)} = -{symbol}{jumps}")


def _tau(style: Style, constant: str | float, rule: PathwayRule, substitute: bool) -> str:
    if isinstance(constant, str) and not substitute:
        return style.name(constant)
    value = rule.parameters[constant] if isinstance(constant, str) else constant
    return rf"{style.number(value)} \, \mathrm{{s}} \;"


def _slope(symbol: str, tau: str = "") -> str:
    return rf"{tau} \frac{{d{symbol}}}{{dt}}".strip()


def _jump(symbol: str, value: str, event: str) -> str:
    return rf", \quad {symbol} \leftarrow {value} \; \text{{at each {_EVENT_WORDS[event]}}}"


def symbol(rule: PathwayRule, name: str, style: LatexStyle) -> str:
    """The LaTeX of a parameter, variable, trace or state, as it stands in the rule's equations."""
    return _with_symbols(style, rule).name(name)


def _with_symbols(style: Style, rule: PathwayRule) -> Style:
    if not isinstance(style, LatexStyle):
        return style
    own = {name: _symbol(name) for name in (*rule.traces, *rule.states) if name not in SYMBOLS}
    shown = {name: symbol for name, symbol in SYMBOLS.items() if name not in rule.parameters}
    return replace(style, symbols={**shown, **own, **style.symbols})


def _symbol(name: str) -> str:
    """The LaTeX of a trace or state: a number at the end of the head is an index, as in r_1."""
    numbered = re.fullmatch(r"([A-Za-z]+?)(\d+)(?:_(\w+))?", name)
    return LatexStyle().name("_".join(part for part in numbered.groups() if part) if numbered else name)


def _network(output: NetworkOutput, style: Style) -> str:
    """Text: what goes in and the layers. LaTeX: the layers as matrices, and the row that the event reads."""
    shape = output.network.shape
    names = [style.name(name) for name in shape.inputs]
    if not isinstance(style, LatexStyle):
        layers = ", ".join(f"{size} {name}" for size, name in zip(shape.layers, shape.activations, strict=True))
        return f"{style.call('network', names)}  [{layers}]"
    written = _layers(shape, rf"{style.group(', '.join(names))}^{{\top}}", style)
    if len(shape.outputs) == 1:
        return written
    return rf"{style.group(written)}_{{{shape.outputs.index(output.event) + 1}}}"


def _layers(shape: NetworkShape, inside: str, style: LatexStyle) -> str:
    for layer, activation in enumerate(shape.activations, start=1):
        total = rf"\mathbf{{W}}_{{{layer}}} {inside} + \mathbf{{b}}_{{{layer}}}"
        last = layer == len(shape.layers)
        if activation == "identity":
            inside = total if last else rf"\, {style.group(total)}"
        else:
            inside = style.call(activation, [total])
    return inside
