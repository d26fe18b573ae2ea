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
