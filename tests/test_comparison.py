"""Two rules over common lifetimes: the difference, its interval, p and win rate, against what can be counted."""

import dataclasses
import json

import numpy as np
import pytest

import plasticbench
from plasticbench.command_line.cli import main
from plasticbench.errors import PlasticbenchError
from plasticbench.evaluation.comparison import compare_losses, sign_flip_p

NAMES = ("a", "b")


def compared(first, second):
    return compare_losses(NAMES, "task", np.array([first, second], dtype=float))


def test_sign_flips_of_a_few_lifetimes_are_counted_exactly():
    assert sign_flip_p(np.ones(5)) == 2 / 2**5
    assert sign_flip_p(np.array([3.0, 1.0, 1.0, 1.0, -1.0])) == pytest.approx(np.mean(_means([3, 1, 1, 1, 1]) >= 5))


def _means(sizes):
    signs = 1 - 2 * ((np.arange(2 ** len(sizes))[:, None] >> np.arange(len(sizes))) & 1)
    return np.abs(signs @ np.array(sizes, dtype=float))


def test_p_is_uniform_where_the_names_mean_nothing_and_small_where_they_do():
    draws = np.random.default_rng(0).normal(size=(300, 40))
    ps = np.array([sign_flip_p(row) for row in draws])
    assert abs(ps.mean() - 0.5) < 0.06
    assert (ps < 0.05).mean() < 0.09
    assert sign_flip_p(draws[0] + 1.0) < 0.001


def test_what_two_rules_share_cancels():
    shared = np.linspace(0, 100, 20)
    result = compared(shared, shared + 0.01)
    assert result.difference == pytest.approx(-0.01)
    assert result.interval[1] < 0
    assert result.win_rate == 1.0
    assert "a is better" in result.verdict


def test_a_rule_is_not_better_than_itself():
    result = compared([1.0, 2, 3, 4, 5, 6], [1.0, 2, 3, 4, 5, 6])
    assert (result.difference, result.interval, result.p_value, result.win_rate) == (0.0, (0.0, 0.0), 1.0, 0.5)
    assert "do not tell them apart" in result.verdict


def test_fewer_than_five_lifetimes_have_no_interval_and_no_p():
    result = compared([1.0, 2, 3, 4], [2.0, 3, 4, 5])
    assert result.interval is None
    assert result.p_value is None
    assert "too few" in result.verdict


def test_only_common_lifetimes_are_compared():
    first = plasticbench.evaluate("oja", "OjaMini-v0", seeds=6)
    second = plasticbench.evaluate("null", "OjaMini-v0", seeds=[*first.seeds[2:], 5])
    result = first.compare(second)
    assert result.n_lifetimes == 4
    assert result.losses == (np.mean(first.losses[2:]), np.mean(second.losses[:4]))


def test_results_that_share_nothing_are_refused_in_one_line():
    first = plasticbench.evaluate("oja", "OjaMini-v0", seeds=2)
    with pytest.raises(PlasticbenchError, match="no lifetime is common"):
        first.compare(dataclasses.replace(first, seeds=(1, 2)))
    with pytest.raises(PlasticbenchError, match="two tasks, plasticbench/OjaMini-v0 and plasticbench/Principal"):
        first.compare(plasticbench.evaluate("oja", "PrincipalComponentsMini-v0", seeds=2))


def test_the_command_takes_rules_and_results(tmp_path, capsys):
    kept = tmp_path / "oja.json"
    plasticbench.evaluate("oja", "OjaMini-v0", seeds=8).save(kept)
    assert main(["compare", str(kept), "hebb", "--task", "OjaMini-v0", "--seeds", "8", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["first"], found["second"], found["win_rate"]) == ("oja", "hebb", 1.0)
    assert main(["compare", str(kept), str(kept)]) == 0
    assert "do not tell them apart" in capsys.readouterr().out
    assert main(["compare", "oja", "hebb"]) == 2
    assert "--task" in capsys.readouterr().err
