"""EvoTorch's algorithms as the learner asks them: bounds, repetition from values, and how a search ends."""

import pytest
import torch

from plasticbench.baselines._evotorch_search import ALGORITHMS, Search, SearchEnded, SearchSpace
from plasticbench.errors import PlasticbenchError


def space(dimension=4, start=0.0) -> SearchSpace:
    ones = torch.ones(dimension, dtype=torch.float64)
    return SearchSpace(start * ones, 0.5 * ones, torch.stack([-2 * ones, 3 * ones], 1), ones.bool())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_finds_a_minimum_within_the_bounds(algorithm):
    target = torch.tensor([0.7, -0.4, 1.1, 0.0], dtype=torch.float64)
    search, seen = Search(algorithm, 24, space(), seed=1), []

    def judge(thetas):
        seen.append(thetas)
        return ((thetas - target) ** 2).sum(1)

    for _ in range(150):
        search.generation(judge)
    assert all(theta.shape == (24, 4) for theta in seen)
    assert torch.cat(seen).min() >= -2
    assert torch.cat(seen).max() <= 3
    assert float(judge(search.thetas).min()) < 0.02


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_minimum_outside_the_bounds_is_sought_at_the_bound(algorithm):
    search = Search(algorithm, 24, space(), seed=1)
    for _ in range(100):
        search.generation(lambda thetas: ((thetas - 5.0) ** 2).sum(1))
    assert search.thetas.max() <= 3
    assert search.thetas.mean() > 2


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("start", [0.0, 0.005, 0.01, 0.99, 1.0])
def test_a_search_that_starts_on_a_bound_leaves_it(algorithm, start):
    best = 0.3 if start < 0.5 else 0.7  # as far from either bound
    for seed in range(3):
        ones, reached = torch.ones(2, dtype=torch.float64), []

        def judge(thetas, reached=reached):
            losses = ((thetas - best) ** 2).sum(1)
            reached.append(float(losses.min()))
            return losses

        bounds = torch.stack([0 * ones, ones], 1)
        search = Search(algorithm, 24, SearchSpace(start * ones, 0.1 * ones, bounds, ones.bool()), seed)
        while min(reached, default=1.0) >= 1e-3 and len(reached) < 100:
            search.generation(judge)
        assert min(reached) < 1e-3, seed


@pytest.mark.parametrize("start", [0.05, 0.1, 0.5, 0.93])
def test_a_start_away_from_the_bounds_stays_where_it_is(start):
    one = torch.ones(1, dtype=torch.float64)
    searched = SearchSpace(start * one, 0.1 * one, torch.tensor([[0.0, 1.0]]).double(), one.bool())
    slope = (searched.thetas(1e-6 * one[None], squashed=True) - searched.thetas(0 * one[None], squashed=True)) / 1e-6
    assert searched.thetas(0 * one[None], squashed=True).item() == pytest.approx(start, abs=1e-12)
    assert slope.item() == pytest.approx(0.1, rel=1e-4)


def test_starts_on_and_off_a_bound_are_told_apart_by_coordinate():
    ones = torch.ones(3, dtype=torch.float64)
    start = torch.tensor([0.0, 0.4, 1.0], dtype=torch.float64)
    searched = SearchSpace(start, 0.1 * ones, torch.stack([0 * ones, ones], 1), ones.bool())
    at_start = searched.thetas(0 * ones[None], squashed=True)[0]
    assert at_start.tolist() == pytest.approx([0.1, 0.4, 0.9])  # one first step inside, where it was on a bound
    assert searched.thetas(0 * ones[None], squashed=False)[0].tolist() == start.tolist()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_search_repeats_from_its_values(algorithm):
    first, second = Search(algorithm, 8, space(), seed=5), Search(algorithm, 8, space(), seed=5)
    for _ in range(12):
        first.generation(lambda thetas: thetas.pow(4).sum(1))
    second.repeat(first.values[:], first.candidates)
    for search in (first, second):
        search.generation(lambda thetas: thetas.pow(4).sum(1))
    assert torch.equal(first.candidates, second.candidates)


def test_values_that_belong_to_another_search_are_noticed():
    first, other = Search("cma-es", 8, space(), seed=5), Search("cma-es", 8, space(), seed=6)
    for _ in range(3):
        first.generation(lambda thetas: thetas.pow(2).sum(1))
    with pytest.raises(PlasticbenchError, match=r"does not repeat"):
        other.repeat(first.values, first.candidates)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_long_converged_search_stays_finite_or_ends(algorithm):
    search = Search(algorithm, 8, space(), seed=2)
    try:
        for _ in range(1500):
            search.generation(lambda thetas: thetas.pow(2).sum(1))
            assert search.thetas.isfinite().all()
            if search.spread < 1e-12:
                break
    except SearchEnded:
        pass


def test_coordinates_that_are_left_out_stay_zero():
    ones = torch.ones(3, dtype=torch.float64)
    kept = torch.tensor([True, False, True])
    search = Search("cma-es", 6, SearchSpace(0.2 * ones, ones, torch.stack([-ones, ones], 1), kept), seed=0)
    search.generation(lambda thetas: thetas.sum(1))
    assert search.candidates.shape == (6, 2)
    assert (search.thetas[:, 1] == 0).all()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_coordinate_can_be_searched_and_repeated(algorithm):
    one = torch.ones(1, dtype=torch.float64)
    bounds = torch.tensor([[0.0, 1.0]], dtype=torch.float64)

    def search():
        return Search(algorithm, 12, SearchSpace(one * 0.1, one * 0.1, bounds, one.bool()), 3)

    first, best = search(), []

    def judge(thetas):
        best.append(float((thetas - 0.3).abs().min()))
        return ((thetas - 0.3) ** 2).sum(1)

    for _ in range(25):
        first.generation(judge)
    assert min(best) < 0.02
    again = search()
    again.repeat(first.values, first.candidates)
    assert again.candidates.equal(first.candidates)
    assert first.thetas.shape == (12, 1)
