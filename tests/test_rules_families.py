"""Invariants of every family, from the registry; and what each family promises of its own."""

import math

import numpy as np
import pytest
import torch
from rule_cases import changes

from plasticbench.rules import (
    Coordinate,
    PathwayRule,
    Rule,
    RuleError,
    TemplateFamily,
    WithArrays,
    families,
    group_rules,
    known_rules,
    load_rule,
    make_family,
    same_rule,
)
from plasticbench.rules.families import Shared
from plasticbench.rules.variables import EVENTS, VARIABLES

EVERY_VARIABLE = frozenset(VARIABLES)


class Decay(TemplateFamily):
    """A family of a user's own."""

    name = "decay"

    def template(self, pathway):
        return PathwayRule.make({"on_step": "eta*pre*post - decay*w"}, {"eta": 0.0, "decay": 0.0})

    def coordinates(self, pathway):
        return [Coordinate("eta", -1, 1), Coordinate("decay", -9, 0, start=-3.0, logarithmic=True)]


def _families():
    for name in families():
        yield name, make_family(name, ("ff",))
        yield f"{name}-two", make_family(name, ("ee", "ie"))
    spiking = {"inputs": ("x_pre", "x_post", "w"), "events": ("on_pre", "on_post"), "hidden": (4, 3)}
    yield "mlp-spiking", make_family("mlp", ("ie",), **spiking)
    yield "polynomial-relu", make_family("polynomial", ("ff",), relu=(0.5, -0.25))
    yield "own", Decay(("ff", "lateral"))
    yield "shared", Shared(Decay(("*",)), ("layer_1", "layer_2"))
    arrays = {"W1": ((3, 2), 0.5), "b1": ((3,), 1.0), "scale": ((), 0.0)}
    yield "with-arrays", WithArrays(Decay(("hidden",)), arrays)


FAMILIES = dict(_families())
every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


def drawn(family, n=3):
    generator = torch.Generator().manual_seed(4)
    noise = torch.randn(n, family.dimension, generator=generator, dtype=torch.float64)
    return (family.initial(0) + 0.3 * noise).float().double()  # arrays are stored in single precision


def states():
    generator = torch.Generator().manual_seed(5)
    return {name: torch.rand(1, 6, generator=generator, dtype=torch.float64) for name in VARIABLES}


@every_family
def test_names_bounds_start_spread_and_mask_have_one_entry_per_coordinate(family):
    d = family.dimension
    assert len(set(family.names)) == len(family.names) == d
    assert family.bounds.shape == (d, 2)
    assert family.initial_std.shape == family.penalty_mask.shape == family.initial(0).shape == (d,)
    low, high = family.bounds.T
    assert (low < high).all()
    assert ((family.initial(7) >= low) & (family.initial(7) <= high)).all()
    assert (family.initial_std >= 0).all()
    assert family.penalty_mask.dtype == torch.bool


@every_family
def test_the_same_seed_gives_the_same_start(family):
    assert torch.equal(family.initial(11), family.initial(11))


def remembered(structure):
    """Numbers for the states of a pathway's rule, as `states` has them for variables."""
    return {state.name: states()["w"] for state in structure.states}


@every_family
def test_theta_to_rule_and_back(family):
    for theta in drawn(family):
        rule = family.rule(theta)
        torch.testing.assert_close(family.theta(rule), theta, rtol=1e-10, atol=1e-12)


@every_family
def test_a_rule_file_keeps_theta(family, tmp_path):
    theta = drawn(family, 1)[0]
    family.rule(theta, "learned").save(tmp_path / "learned.json")
    loaded = load_rule(tmp_path / "learned.json")
    torch.testing.assert_close(family.theta(loaded), theta, rtol=1e-10, atol=1e-12)


@every_family
def test_a_batch_does_what_its_rules_do(family):
    thetas = drawn(family)
    batch = family.batch(thetas)
    assert batch.n_rules == len(thetas)
    arrays = {name: tuple(entry.shape[1:]) for name, entry in batch.arrays.items()}
    rules = [family.rule(theta) for theta in thetas]
    variables = states()
    for positions, found in group_rules(rules, family.pathways, tuple(EVENTS), EVERY_VARIABLE, arrays):
        for k, structure in enumerate(batch.structure.pathways):
            assert found.structure.pathways[k].events.keys() == structure.events.keys()
            for name, event in changes(structure):
                expected = event.evaluate(variables | remembered(structure), batch.parameters[k]).expand(
                    len(thetas), 6
                )[positions]
                other = dict(changes(found.structure.pathways[k]))[name].evaluate(
                    variables | remembered(structure), found.parameters[k]
                )
                torch.testing.assert_close(other.expand(len(positions), 6), expected)
            for trace, taus in batch.time_constants_s(k).items():
                torch.testing.assert_close(found.time_constants_s(k)[trace], taus[positions])
        for name, entry in batch.arrays.items():
            torch.testing.assert_close(found.arrays[name].double(), entry[positions])


@every_family
def test_gradients_reach_every_coordinate_that_a_state_can_feel(family):
    thetas = (drawn(family, 2) + 0.2).requires_grad_()
    batch = family.batch(thetas)
    total = sum((entry**2).sum() for entry in batch.arrays.values())
    for k, structure in enumerate(batch.structure.pathways):
        for _, event in changes(structure):
            total = total + (event.evaluate(states() | remembered(structure), batch.parameters[k]) ** 2).sum()
        for taus in batch.time_constants_s(k).values():
            total = total + taus.sum()
    total.backward()
    assert thetas.grad.isfinite().all()
    assert (thetas.grad != 0).all()


@every_family
def test_theta_of_the_wrong_shape_or_not_finite_is_an_error(family):
    with pytest.raises(RuleError, match="θ has shape"):
        family.batch(torch.zeros(2, family.dimension + 1))
    with pytest.raises(RuleError, match="not finite"):
        family.rule(torch.full((family.dimension,), math.nan))


def test_an_unknown_family_or_option_lists_what_there_is():
    with pytest.raises(RuleError, match="unknown family 'polynomal'; did you mean 'polynomial'"):
        make_family("polynomal", ("ff",))
    with pytest.raises(RuleError, match="unknown option 'hiden'; there are: "):
        make_family("mlp", ("ff",), hiden=3)


def test_the_polynomial_family_holds_oja_and_hebb_and_says_so_readably():
    family = make_family("polynomial", ("ff",))
    theta = family.theta(load_rule("oja"))
    found = {name: float(value) for name, value in zip(family.names, theta, strict=True) if value}
    assert found == pytest.approx({"ff.A_110": 1.0, "ff.A_021": -1.0})
    assert family.rule(theta).equations()["ff"]["on_step"] == "0.1*(pre*post - post**2*w)"
    assert family.theta(load_rule("null")).abs().sum() == 0
    assert family.theta(load_rule("hebb")).nonzero().numel() == 1
    with pytest.raises(RuleError, match="not a polynomial"):
        family.theta(load_rule("sanger").__class__("t", {"ff": PathwayRule.make({"on_step": "tanh(w)"})}))
    with pytest.raises(RuleError, match="reconstruction"):
        family.theta(load_rule("sanger"))


def test_a_learned_polynomial_reads_well_without_its_negligible_terms():
    family = make_family("polynomial", ("ff",))
    theta = family.theta(load_rule("oja")) * 1.0123 + 1e-4
    assert family.rule(theta).equations(digits=3, drop=0.01)["ff"]["on_step"] == "0.1*(1.01*pre*post - 1.01*post**2*w)"


def test_a_polynomial_of_another_degree_holds_higher_powers():
    cubic = Rule("cubic", {"ff": PathwayRule.make({"on_step": "0.1*pre**3*post - 0.2*w**3"})})
    family = make_family("polynomial", ("ff",), degree=3)
    found = {name: float(value) for name, value in zip(family.names, family.theta(cubic), strict=True) if value}
    assert found == pytest.approx({"ff.A_310": 1.0, "ff.A_003": -2.0})
    assert same_rule(family.rule(family.theta(cubic)), cubic)
    assert make_family("polynomial", ("ff",), degree=1).dimension == 8
    with pytest.raises(RuleError, match="has the term post"):
        make_family("polynomial", ("ff",)).theta(cubic)
    for degree in (0, 5, 2.0, "2", True):
        with pytest.raises(RuleError, match=r"degree is .*a whole number from 1 to 4"):
            make_family("polynomial", ("ff",), degree=degree)
    largest = make_family("polynomial", ("ff",), degree=4)
    assert largest.rule(torch.ones(largest.dimension)).kind == "rate"


def test_a_polynomial_with_thresholds_holds_rectified_rules():
    family = make_family("polynomial", ("ff",), relu=1)
    theta = family.theta(load_rule("nonlinear-hebb-rectified"))
    found = {name: float(value) for name, value in zip(family.names, theta, strict=True) if value}
    assert found == pytest.approx({"ff.R1_100": 1.0, "ff.R1_011": -1.0})
    same = Rule("same", {"ff": PathwayRule.make({"on_step": "0.05*relu(2*post - 2)*(pre - w*post)"})})
    assert same_rule(family.rule(theta), same)
    torch.testing.assert_close(family.theta(same), theta)
    other = Rule("other", {"ff": PathwayRule.make({"on_step": "pre*relu(post - 0.5)"})})
    with pytest.raises(RuleError, match="not a polynomial"):
        family.theta(other)
    several = make_family("polynomial", ("ff",), degree=4, relu=[0, 1, -2.5])
    assert several.dimension == 125 + 3 * 8
    assert several.rule(torch.ones(several.dimension)).kind == "rate"
    for relu in ("1", [1.0, 1], [1, 2, 3, 4], [math.nan], True):
        with pytest.raises(RuleError, match="relu is "):
            make_family("polynomial", ("ff",), relu=relu)


def test_a_shared_family_gives_every_pathway_one_rule_and_holds_no_other():
    family = Shared(make_family("error-hebbian", ("*",)), ("layer_1", "layer_2"))
    theta = family.theta(load_rule("error-hebbian"))
    assert theta.tolist() == pytest.approx([1.0, 3.0, 0.0])
    assert family.theta(load_rule("feedback-alignment")).tolist() == pytest.approx([1.0, 0.0, 0.0])
    for text in ("-0.1*err*w", "post*pre", "post*pre - 2*post**2*w"):
        with pytest.raises(RuleError, match="has terms that it has not"):
            family.theta(Rule("other", {"*": PathwayRule.make({"on_step": text})}))
    batch = family.batch(theta[None])
    assert [part.pathway for part in batch.structure.pathways] == ["layer_1", "layer_2"]
    assert batch.parameters[0] is batch.parameters[1]
    parts = {name: PathwayRule.make({"on_step": f"-{rate}*err*pre"}) for name, rate in (("layer_1", 1), ("layer_2", 2))}
    with pytest.raises(RuleError, match="another at layer_2 than at layer_1"):
        family.theta(Rule("uneven", parts))
    with pytest.raises(RuleError, match="which it lacks"):
        family.theta(Rule("elsewhere", {"ff": PathwayRule.make({"on_step": "-err*pre"})}))
    with pytest.raises(RuleError, match="a shared one is of"):
        Shared(Decay(("ff",)), ("ff",))


def test_a_value_that_has_no_logarithm_is_not_in_the_space():
    rule = Rule("still", {"ff": PathwayRule.make({"on_step": "eta*post*pre - decay*w"}, {"eta": 0.1, "decay": 0.0})})
    with pytest.raises(RuleError, match="pathway ff: decay is 0; the space holds its logarithm, so it must be above 0"):
        make_family("hebbian-decay", ("ff",)).theta(rule)


@pytest.mark.parametrize(
    ("family", "part"),
    [
        (
            "doublet",
            PathwayRule.make({"on_post": "x_pre"}, {}, {"x_pre": {"of": "pre", "tau_s": 1, "spikes": "nearest"}}),
        ),
        ("doublet", PathwayRule.make({"on_post": {"e": "1"}, "on_pre": "e"}, states={"e": {}})),
        ("doublet", PathwayRule.make({"on_modulator": "m"})),
        ("polynomial", PathwayRule.make({"on_step": "pre", "on_modulator": "m"})),
        ("polynomial", PathwayRule.make({"on_step": {"s": "pre", "w": "post"}}, states={"s": {}})),
        ("polynomial", PathwayRule.make({"on_step": "theta"}, {}, {"theta": {"of": "post", "tau_s": 1}})),
    ],
)
def test_no_older_family_claims_a_rule_that_says_more(family, part):
    with pytest.raises(RuleError, match=f"family {family}: "):
        make_family(family, ("ff",)).theta(Rule("more", {"ff": part}))


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("n_rules", [1, 4])
@pytest.mark.parametrize("shared", [True, False])
def test_the_mean_over_presentations_by_moments_is_the_mean(n_rules, shared, degree):
    family = make_family("polynomial", ("ff",), degree=degree)
    generator = torch.Generator().manual_seed(6)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    parameters = family.batch(drawn(family, n_rules)).parameters[0].detach().requires_grad_()
    ((_, event),) = changes(family.batch(drawn(family)).structure.pathways[0])
    pre = normal(1 if shared else n_rules, 3, 20, 1, 5)
    variables = {"pre": pre, "post": normal(n_rules, 3, 20, 2, 1), "w": normal(n_rules, 3, 1, 2, 5)}
    mean = event.evaluate_mean(variables, parameters, -3)
    expected = event.evaluate(variables, parameters).mean(-3)
    torch.testing.assert_close(mean, expected)
    (ours,), (theirs,) = (torch.autograd.grad(x.square().sum(), parameters) for x in (mean, expected))
    torch.testing.assert_close(ours, theirs)
    variables["w"] = normal(n_rules, 3, 20, 2, 5)  # weights that change with the presentation: the plain mean
    torch.testing.assert_close(
        event.evaluate_mean(variables, parameters, -3), event.evaluate(variables, parameters).mean(-3)
    )


def test_the_doublet_family_starts_as_published_and_holds_the_published_rules():
    family = make_family("doublet", ("ie",))
    assert family.initial(3).tolist() == pytest.approx([math.log(0.01)] * 2 + [0.0] * 4)
    theta = family.theta(load_rule("confavreux-2025-stability-ie"))
    expected = [-2.9123407445, -2.3276674667, -1.4111306166, 0.0154593252, 0.7164123604, 1.0808928006]
    assert theta.tolist() == pytest.approx(expected)
    assert family.theta(load_rule("vogels-2011"))[2:].tolist() == pytest.approx([-0.4, 0.0, 1.0, 1.0])
    for name, rule in known_rules().items():
        if name.startswith("confavreux-202") and "codependent" not in name:
            assert make_family("doublet", tuple(rule.pathways)).theta(rule).isfinite().all()


def test_slow_weights_travel_with_the_rule(tmp_path):
    family = FAMILIES["with-arrays"]
    theta = drawn(family, 1)[0]
    rule = family.rule(theta, "slow")
    rule.save(tmp_path / "slow.json")
    loaded = load_rule(tmp_path / "slow.json")
    assert (tmp_path / "slow.safetensors").exists()
    for name, array in rule.arrays.items():
        assert np.array_equal(loaded.arrays[name], array)
    assert loaded.hash == rule.hash
    assert family.theta(loaded).shape == theta.shape
