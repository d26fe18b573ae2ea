"""The words of the rule language.

What a synapse can see, and when it may change.

A task offers a subset of these variables; a rule that uses another one is an error that lists those on offer.
A task of your own may offer further variables: name them in `load_rule(path, variables=...)`.
"""

from __future__ import annotations

TRACES: dict[str, str] = {
    "x_pre": "presynaptic spike trace: +1 per arriving spike, exponential decay",
    "x_post": "postsynaptic spike trace: +1 per spike, exponential decay",
    "x_pre2": "presynaptic spike trace with a second time constant",
    "x_post2": "postsynaptic spike trace with a second time constant",
}

VARIABLES: dict[str, str] = {
    "pre": "presynaptic rate",
    "post": "postsynaptic rate",
    "w": "weight of this synapse",
    "m": "the task's modulator (0 where it has none)",
    "reconstruction": "sum over outputs k <= i of post_k w_kj (Sanger's lateral sum; not local)",
    **TRACES,
    "v": "low-pass filtered postsynaptic membrane voltage (V)",
    "c_exc": "filtered excitatory synaptic drive",
    "c_inh": "filtered inhibitory synaptic drive",
}

EVENTS: dict[str, str] = {
    "on_step": "one presentation in a rate network",
    "on_pre": "arrival of a presynaptic spike",
    "on_post": "a postsynaptic spike",
}
RATE_EVENTS = ("on_step",)
SPIKING_EVENTS = ("on_pre", "on_post")
