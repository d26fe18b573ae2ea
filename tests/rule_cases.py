"""Expressions and events that the tests of the rules' engines share."""

import numpy as np
from hypothesis import strategies as st

from plasticbench.rules import Expression, Network, NetworkShape, PathwayRule, known_rules, make_family
from plasticbench.rules.batch import structure_of
from plasticbench.rules.variables import VARIABLES

ARGUMENTS = ("pre", "post", "w")
PARAMETERS = ("alpha", "eta")

_leaves = st.sampled_from([*ARGUMENTS, *PARAMETERS, "0.5", "1", "2", "-3", "1e-3", "0"])


def _grow(inner):
    pair = st.tuples(inner, inner)
    return st.one_of(
        st.tuples(st.sampled_from("+-*/"), pair).map(lambda drawn: f"({drawn[1][0]} {drawn[0]} {drawn[1][1]})"),
        st.tuples(inner, st.sampled_from(["2", "3", "-1", "-2", "0.5", "-0.5", "1.5", "0", "w", "alpha"])).map(
            lambda drawn: f"({drawn[0]})**{drawn[1]}"
        ),
        st.tuples(st.sampled_from(["exp", "log", "sqrt", "abs", "tanh", "sigmoid", "relu", "step"]), inner).map(
            lambda drawn: f"{drawn[0]}({drawn[1]})"
        ),
        st.tuples(st.sampled_from(["min", "max"]), st.lists(inner, min_size=2, max_size=4)).map(
            lambda drawn: f"{drawn[0]}({', '.join(drawn[1])})"
        ),
        inner.map(lambda text: f"-{text}"),
    )


expressions = st.recursive(_leaves, _grow, max_leaves=12)


def parsed(text):
    """The expression, or None where a constant part has no finite value."""
    try:
        return Expression.parse(text, {*ARGUMENTS, *PARAMETERS})
    except ValueError:
        return None


ALL_FUNCTIONS = (
    "eta*exp(-w) + log(abs(pre)+1)*sqrt(abs(post)) - tanh(w)**3/2 + sigmoid(pre)*relu(post) + step(w)"
    " + min(pre, post, 0.5)*max(w, alpha, -1) + abs(w)**1.5 + w**-2 + abs(w)**alpha + 0.1"
)


def changes(structure):
    """(name, change) of everything that the events of a pathway change, and what its traces filter."""
    for trace in structure.traces:
        if trace.of is not None:
            yield f"trace-{trace.name}", trace.of
    for name, targets in structure.events.items():
        for target, change in targets.items():
            yield (name if target == "w" else f"{name}-{target}"), change


def all_arguments(events):
    """Every variable, then the traces and states of these events' rules."""
    used = {name for _, event, _ in events for name in event.variables}
    return (*VARIABLES, *sorted(used - set(VARIABLES)))


def every_event():
    """(id, event, parameters) of every known rule, every family, and a two-layer network."""
    for name, rule in known_rules().items():
        for key, part in rule.pathways.items():
            structure, numbers = structure_of("ff", part)
            for event_name, event in changes(structure):
                yield f"{name}-{key}-{event_name}", event, numbers
    for name, options in (("polynomial", {}), ("doublet", {}), ("mlp", {"hidden": (4, 3)})):
        family = make_family(name, ("ff",), **options)
        theta = family.initial(0) + 0.3
        batch = family.batch(theta[None])
        for event_name, event in changes(batch.structure.pathways[0]):
            yield f"{name}-{event_name}", event, batch.parameters[0][0].tolist()
    shape = NetworkShape(("x_pre", "w"), ("on_pre", "on_post"), (3, 2), ("relu", "sigmoid"))
    network = Network(shape, np.linspace(-1, 1, shape.n_numbers))
    part = PathwayRule.make(network=network, traces={"x_pre": 0.02})
    structure, numbers = structure_of("ie", part)
    for event_name, event in changes(structure):
        yield f"network-{event_name}", event, numbers
