"""Pictures of rules are drawn inside a task's weights, and say so."""

import numpy as np
import pytest

import plasticbench
from plasticbench.command_line.cli import main
from plasticbench.drawing.protocols import (
    RATES_HZ,
    Assumed,
    change_by_rate,
    change_of_group,
    change_of_triplets,
    timing_window,
)
from plasticbench.drawing.rules import rule_picture
from plasticbench.errors import PlasticbenchError
from plasticbench.rules import rule_from_json
from plasticbench.tasks.shown_weights import assumed_on, home_of


def spiking(on_pre="0", on_post="0", pathway="ee"):
    traces = {"x_pre": "tau", "x_post": "tau"}
    return rule_from_json(
        {
            "format": "plasticbench/rule@1",
            "name": "mine",
            "pathways": {
                pathway: {"traces": traces, "on_pre": on_pre, "on_post": on_post, "parameters": {"tau": 0.02}}
            },
        }
    )  # fmt: skip


def test_potentiation_towards_a_bound_is_not_drawn_as_depression():
    """The bound is a weight that the rule itself names, as fitted rules do: below 0.5, where weights never are."""
    rule = spiking(on_post="x_pre*(0.3 - w)")
    task = plasticbench.task("StabilityEEMini-v0")
    assumed = assumed_on(rule, "ee", task)
    network = task.example_network
    (pathway,) = network.plastic_pathways
    assert 0.0 < assumed.w <= assumed.w_max == pathway.w_max < 0.5
    window = timing_window(rule, "ee", assumed=assumed)
    assert (window.change[window.delay_s > 0] > 0).all()
    assert (timing_window(rule, "ee").change[window.delay_s > 0] < 0).all()  # at 0.5, as it used to be


@pytest.mark.parametrize("name", sorted(plasticbench.known_rules()))
def test_every_spiking_rule_has_a_home_whose_range_is_shown(name):
    rule = plasticbench.load_rule(name)
    home = home_of(rule) if rule.kind == "spiking" else None
    for pathway in rule.pathways if home is not None else ():
        assumed = assumed_on(rule, pathway, home)
        assert 0.0 < assumed.w <= assumed.w_max
        assert home.id.split("/")[1] in assumed.words
    own = [task for task in map(plasticbench.task, plasticbench.task_ids()) if task.reference_rule == name]
    if home is not None and any(task.track == "spiking" for task in own):
        assert home.reference_rule == name


def test_pairs_of_an_additive_rule_are_its_exponentials():
    rule = spiking(on_pre="-0.5*x_post", on_post="x_pre")
    window = timing_window(rule, "ee", 1.0)
    settled = 1.0 / (1.0 - np.exp(-1.0 / 0.02))
    later = window.delay_s > 0
    here, there = np.exp(-np.abs(window.delay_s) / 0.02), np.exp(-(1.0 - np.abs(window.delay_s)) / 0.02)
    expected = np.where(later, here - 0.5 * there, there - 0.5 * here) * settled
    assert window.change == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_triplets_of_an_additive_rule_are_sums_over_pairs():
    found = change_of_triplets(spiking(on_pre="-0.5*x_post", on_post="x_pre"), "ee")
    near = np.exp(-0.01 / 0.02)
    assert found["pre–post"] == pytest.approx(near, rel=1e-6)
    assert found["post–pre"] == pytest.approx(-0.5 * near, rel=1e-6)
    assert found["pre–post–pre"] == pytest.approx(near - 0.5 * near, rel=1e-6)
    assert found["post–pre–post"] == pytest.approx(-0.5 * near + near, rel=1e-6)


def test_triplet_rules_potentiate_at_high_rates_whatever_comes_first():
    """Sjöström et al. 2001: at 0.1 Hz little happens, at 40 Hz even post before pre potentiates."""
    rule = plasticbench.load_rule("minimal-triplet-l5")
    (name,) = rule.pathways
    post_first = change_by_rate(rule, name, pre_first=False)
    pre_first = change_by_rate(rule, name, pre_first=True)
    assert post_first[RATES_HZ.index(10.0)] < 0.0 < post_first[-1]
    assert pre_first[RATES_HZ.index(0.1)] < 0.2 * pre_first[RATES_HZ.index(40.0)]


def test_a_synapse_is_held_at_its_weight():
    rule = spiking(on_pre="w")
    found = change_of_group(rule, "ee", np.array([[True]]), np.empty((0, 1)), 1.0, Assumed(w=0.25))
    assert found == pytest.approx([0.25])


def test_show_says_what_it_assumes(tmp_path, capsys):
    path = tmp_path / "window.png"
    assert main(["show", "vogels-2011", "--png", str(path)]) == 0
    assert path.read_bytes()[:4] == b"\x89PNG"
    told = capsys.readouterr().out
    assert "drawn at w = " in told
    assert "--w W" in told
    arguments = ["show", "vogels-2011", "--task", "StabilityIEMini-v0", "--png", str(path)]
    assert main([*arguments, "--w", "1.5"]) == 0
    assert "w = 1.5, of at most" in capsys.readouterr().out
    for bad in ("-1", "nan", "7"):
        assert main([*arguments, "--w", bad]) == 2
        assert capsys.readouterr().err.startswith("plasticbench: w: ")
    assert main(["show", "oja", "--w", "0.2"]) == 2
    assert "--png FILE" in capsys.readouterr().err


def test_voltages_that_a_rule_reads_are_told():
    rule = spiking(on_post="x_pre*(v + 0.06)")
    task = plasticbench.task("StabilityCodependentIEMini-v0")
    assert assumed_on(rule, "ee", task).words.endswith("at -60 mV")
    with pytest.raises(PlasticbenchError, match="w: inf is not a finite weight"):
        assumed_on(rule, "ee", None, float("inf"))


@pytest.mark.parametrize("name", ["oja", "bcm-sliding", "null", "song-2000", "confavreux-2025-codependent-ie"])
def test_rules_of_every_kind_are_drawn(name):
    assert rule_picture(plasticbench.load_rule(name))[:4] == b"\x89PNG"
