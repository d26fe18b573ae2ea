"""Ranking: coverage, ties and independence of unrelated entries, on synthetic losses."""

import numpy as np
import pytest

from plasticbench.evaluation import statistics
from plasticbench.leaderboard import ranking


def test_the_95_percent_interval_covers_the_true_mean_93_to_97_times_in_100():
    generator = np.random.default_rng(0)
    n_lifetimes, n_rules = 50, 2000
    losses = generator.gamma(4.0, 0.25, size=(n_rules, n_lifetimes))  # skewed, mean 1
    resampled = statistics.resampled_means(losses, resamples=1000)
    low, high = statistics.interval(resampled, statistics.tail_probability(n_lifetimes)).T
    assert 0.93 <= np.mean((low <= 1.0) & (high >= 1.0)) <= 0.97


def test_small_samples_are_covered_too():
    losses = np.random.default_rng(1).normal(size=(2000, 8))
    low, high = statistics.interval(
        statistics.resampled_means(losses, resamples=1000), statistics.tail_probability(8)
    ).T
    assert 0.93 <= np.mean((low <= 0.0) & (high >= 0.0)) <= 0.97


def test_equal_rules_are_called_different_at_most_5_times_in_100():
    generator = np.random.default_rng(2)
    called = 0
    for _ in range(200):
        difficulty = generator.normal(size=30)  # shared by both: pairing takes it out
        losses = 10.0 + difficulty + 0.1 * generator.normal(size=(2, 30))
        called += ranking.rank(losses).better.any()
    assert called / 200 <= 0.09  # 0.05 and three standard errors


def test_pairing_separates_what_shared_difficulty_hides():
    generator = np.random.default_rng(3)
    difficulty = generator.normal(scale=5.0, size=40)
    losses = 20.0 + difficulty + 0.1 * generator.normal(size=(2, 40)) + [[0.0], [0.3]]
    result = ranking.rank(losses)
    assert result.intervals[0, 1] > result.intervals[1, 0]  # the rules' own intervals overlap
    assert result.better[0, 1]
    assert result.groups == (("a",), ("b",))
    assert (result.rank_low.tolist(), result.rank_high.tolist()) == ([1, 2], [1, 2])


def test_duplicates_share_a_group_and_a_rank():
    losses = np.random.default_rng(4).gamma(2.0, size=(6, 50))
    losses[4] = losses[1]
    result = ranking.rank(losses)
    assert result.groups[4] == result.groups[1]
    assert result.rank_low[4] == result.rank_low[1]
    assert result.rank_high[4] == result.rank_high[1]


def test_an_unrelated_entry_changes_no_pairwise_order():
    generator = np.random.default_rng(5)
    losses = generator.gamma(2.0, size=(8, 50)) + np.linspace(0, 2, 8)[:, None]
    before = ranking.rank(losses)
    for extra in (generator.gamma(2.0, size=(1, 50)), np.full((1, 50), 1e6), losses[:1]):
        after = ranking.rank(np.concatenate([losses[:3], extra, losses[3:]]))
        kept = [0, 1, 2, 4, 5, 6, 7, 8]
        assert np.array_equal(after.better[np.ix_(kept, kept)], before.better)
        assert np.array_equal(after.intervals[kept], before.intervals)
        assert [i for i in after.order.tolist() if i != 3] == [kept[i] for i in before.order]


def test_letters_are_shared_exactly_by_indistinguishable_rules():
    losses = np.random.default_rng(6).normal(size=(12, 40)) + np.linspace(0, 3, 12)[:, None]
    result = ranking.rank(losses)
    tied = ~(result.better | result.better.T)
    shared = [[bool(set(a) & set(b)) for b in result.groups] for a in result.groups]
    assert np.array_equal(tied, np.array(shared))
    assert "a" in result.groups[result.order[0]]


def test_the_same_table_gives_the_same_bits():
    losses = np.random.default_rng(7).normal(size=(3, 20))
    assert np.array_equal(ranking.rank(losses).intervals, ranking.rank(losses).intervals)


def test_interquartile_mean_cuts_a_quarter_at_each_end():
    assert statistics.interquartile_mean(np.array([-1e9, 1, 2, 3, 4, 5, 6, 1e9])) == pytest.approx(3.5)


def test_losses_that_are_not_finite_cannot_be_ranked():
    with pytest.raises(ValueError, match="finite"):
        ranking.rank(np.array([[np.nan, 1.0]]))


def test_an_empty_table_and_a_single_lifetime_are_no_special_case():
    assert ranking.rank(np.empty((0, 5))).groups == ()
    alone = ranking.rank(np.array([[1.0], [2.0]]))
    assert alone.order.tolist() == [0, 1]


def test_many_groups_get_more_than_26_letters():
    losses = np.arange(30.0)[:, None] + 1e-3 * np.random.default_rng(8).normal(size=(30, 10))
    assert ranking.rank(losses).groups[29] == ("ad",)
