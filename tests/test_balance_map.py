"""The manifold of inhibitory rules: which rules lie on it, and what the mean field expects of the others."""

import pytest
from spiking_cases import doublet

import plasticbench
from plasticbench.envs.balance_map import AFFERENT_HZ
from plasticbench.networks.recordings import SpikeCounts
from plasticbench.simulation.spiking.cpu_engine import run_cpu

MINI = plasticbench.task("InhibitoryBalanceMini-v0")


def place(rule):
    return MINI.rule_map.place(plasticbench.load_rule(rule) if isinstance(rule, str) else rule)


def test_vogels_rule_lies_on_the_manifold_by_its_hebbian_term_alone():
    point = place("vogels-2011-5hz")
    assert point.x == pytest.approx(point.y) == pytest.approx(0.2 * AFFERENT_HZ)
    assert point.share == pytest.approx(1.0)
    assert point.predicted == pytest.approx(5.0)
    assert place("vogels-2011").predicted == pytest.approx(10.0)


def test_a_rule_without_a_hebbian_term_lies_on_it_too():
    point = place(doublet(alpha=-0.2, beta=0.2 * AFFERENT_HZ / 5))
    assert point.x == pytest.approx(point.y)
    assert point.share == 0.0


def test_a_searched_rule_of_both_kinds():
    """A search of the published kind: its mean-field rate was 4.8 Hz by another port, with 37.3 Hz afferents."""
    point = place(doublet(tau_pre=0.016, tau_post=0.046, alpha=-0.21, beta=1.15, gamma=-0.40, kappa=0.40))
    assert point.predicted == pytest.approx(4.8, abs=0.15)
    assert 0.2 < point.share < 0.4


def test_a_common_factor_moves_a_rule_along_the_diagonal():
    numbers = {"alpha": -0.3, "beta": 0.4, "gamma": 0.7, "kappa": 0.2}
    one, tenth = (place(doublet(**{name: c * value for name, value in numbers.items()})) for c in (1.0, 0.1))
    assert tenth.x == pytest.approx(0.1 * one.x)
    assert tenth.y == pytest.approx(0.1 * one.y)
    assert (tenth.share, tenth.predicted) == pytest.approx((one.share, one.predicted))


def test_inhibition_that_runs_away_has_no_rate_to_expect():
    assert place(doublet(alpha=0.2, gamma=-1.0)).predicted is None
    assert place(doublet(alpha=0.2, gamma=1.0)).predicted is None


def test_a_rule_whose_rate_is_beyond_all_floats_has_no_place():
    assert place(doublet(alpha=-1e30, beta=1e-300)) is None


@pytest.mark.parametrize("rule", ["null", "pfister-gerstner-2006", "song-2000", "confavreux-2025-stability-ee"])
def test_every_known_rule_has_a_place_or_none(rule):
    point = place(rule)
    assert (point is None) == (rule != "song-2000")


def test_afferents_fire_at_the_rate_that_the_map_assumes():
    counted, rates_hz = SpikeCounts("exc", "scored"), []

    def measure(recordings, lives):
        phase = lives[0].phase("scored")
        rates_hz.append(float(recordings[counted].mean()) / ((phase.stop - phase.start) * lives[0].dt_s))
        return MINI.measure(recordings, lives)

    ((_, batch),) = MINI.group("null")
    run_cpu(MINI.draw(range(6), {"input_gain": 1.0, "w_init": 1.0}), batch, measure)
    assert sum(rates_hz) / len(rates_hz) == pytest.approx(AFFERENT_HZ, rel=0.05)
