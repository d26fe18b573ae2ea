"""THE table of what a synapse can see, and when it may change.

Everything else that knows variables follows from it: which names an expression may use, what a state of a neuron
may read, how a name is typeset. A new variable is one row here and the place that computes it.

A task offers a subset; a rule that uses another one is an error that lists those on offer. A task of your own may
offer further ones: name them in `load_rule(path, variables=...)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Scope = Literal["synapse", "pre", "post", "pathway"]

_RATE, _SPIKING = frozenset({"rate"}), frozenset({"spiking"})
_BOTH = _RATE | _SPIKING


@dataclass(frozen=True)
class Variable:
    """One thing that a synapse can see. `scope` is what has one value of it; `unit` is "1" for a plain number."""

    name: str
    scope: Scope
    tracks: frozenset[str]  # of "rate" and "spiking"
    unit: str
    meaning: str
    latex: str


_TRACE_ROWS = (
    Variable(
        "x_pre",
        "pre",
        _SPIKING,
        "1",
        "presynaptic spike trace: +1 per arriving spike, exponential decay",
        r"\bar{x}_{\mathrm{pre}}",
    ),
    Variable(
        "x_post",
        "post",
        _SPIKING,
        "1",
        "postsynaptic spike trace: +1 per spike, exponential decay",
        r"\bar{x}_{\mathrm{post}}",
    ),
    Variable(
        "x_pre2",
        "pre",
        _SPIKING,
        "1",
        "presynaptic spike trace with a second time constant",
        r"\bar{x}'_{\mathrm{pre}}",
    ),
    Variable(
        "x_post2",
        "post",
        _SPIKING,
        "1",
        "postsynaptic spike trace with a second time constant",
        r"\bar{x}'_{\mathrm{post}}",
    ),
)
_ROWS = (
    Variable("pre", "pre", _RATE, "1", "presynaptic rate", r"x_{\mathrm{pre}}"),
    Variable("post", "post", _RATE, "1", "postsynaptic rate", r"x_{\mathrm{post}}"),
    Variable("w", "synapse", _BOTH, "1", "weight of this synapse", "w"),
    Variable("w_max", "pathway", _BOTH, "1", "largest weight of this pathway, where it has one", r"w_{\mathrm{max}}"),
    Variable("m", "pathway", _BOTH, "1", "the modulator that the task delivers", "m"),
    Variable(
        "reconstruction",
        "synapse",
        _RATE,
        "1",
        "sum over outputs k <= i of post_k w_kj (Sanger's lateral sum; not local)",
        r"\hat{x}_{\mathrm{pre}}",
    ),
    *_TRACE_ROWS,
    Variable("v", "post", _SPIKING, "V", "low-pass filtered postsynaptic membrane voltage", r"\bar{V}"),
    Variable("u", "post", _SPIKING, "V", "postsynaptic membrane voltage now", "V"),
    Variable("c_exc", "post", _SPIKING, "1", "filtered excitatory synaptic drive", r"c_{\mathrm{exc}}"),
    Variable("c_inh", "post", _SPIKING, "1", "filtered inhibitory synaptic drive", r"c_{\mathrm{inh}}"),
    Variable("phi", "post", _SPIKING, "Hz", "escape rate of a stochastic postsynaptic neuron", r"\phi"),
    Variable("err", "post", _BOTH, "1", "error signal of the postsynaptic neuron", r"\varepsilon_{\mathrm{post}}"),
    Variable("err_pre", "pre", _BOTH, "1", "error signal of the presynaptic neuron", r"\varepsilon_{\mathrm{pre}}"),
)

VARIABLES: Mapping[str, Variable] = MappingProxyType({row.name: row for row in _ROWS})
TRACES: Mapping[str, Variable] = MappingProxyType({row.name: row for row in _TRACE_ROWS})
SYMBOLS: Mapping[str, str] = MappingProxyType({row.name: row.latex for row in _ROWS})

MODULATOR = "m"

# A parameter may have one of these names and hides the variable: rule files are older than these variables.
HIDEABLE = frozenset({"w_max", "u", "phi", "err", "err_pre"})

EVENTS: Mapping[str, str] = MappingProxyType(
    {
        "on_step": "one presentation in a rate network, one time step in a spiking one",
        "on_pre": "arrival of a presynaptic spike",
        "on_post": "a postsynaptic spike",
        "on_modulator": "delivery of the task's modulator m",
    }
)
RATE_EVENTS = ("on_step",)
SPIKING_EVENTS = ("on_pre", "on_post")
