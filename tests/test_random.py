"""Counter-based random numbers: published known answers, equality of the two implementations, distributions."""

import numpy as np
import pytest

from plasticbench.errors import PlasticbenchError
from plasticbench.simulation.draws import uniform_pair_at
from plasticbench.simulation.random import Stream, check_seed, philox, stream_id


def words(value: int) -> np.ndarray:
    return np.full(1, value, dtype=np.uint64)


@pytest.mark.parametrize(
    ("counter", "expected"),
    [
        # Known-answer vectors of Philox-4x32-10 in the Random123 library (Salmon et al. 2011).
        (0x00000000, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (0xFFFFFFFF, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    ],
)
def test_philox_gives_the_published_known_answers(counter, expected):
    assert tuple(int(w[0]) for w in philox(*[words(counter)] * 6)) == expected


def test_compiled_and_array_draws_are_the_same_bits():
    drawn = Stream(12345678901234567, "inputs").uniform((8,))
    pairs = [uniform_pair_at(12345678901234567, stream_id("inputs"), i) for i in range(4)]
    assert drawn.tolist() == np.ravel(pairs).tolist()


def test_draws_do_not_depend_on_how_they_are_asked_for():
    whole = Stream(3, "a").uniform((6,))
    stream = Stream(3, "a")
    parts = np.concatenate([stream.uniform((2,)), stream.uniform((4,))])
    assert whole.tolist() == parts.tolist()


def test_seeds_and_names_are_independent():
    draws = [Stream(seed, name).normal((4000,)) for seed in (0, 1, 2**40) for name in ("a", "b")]
    correlation = np.corrcoef(draws) - np.eye(len(draws))
    assert np.abs(correlation).max() < 5 / np.sqrt(4000)


def test_distributions_have_their_moments():
    uniform, normal = Stream(7, "u").uniform((200_000,), -1, 3), Stream(7, "n").normal((200_000,))
    assert uniform.min() > -1
    assert uniform.max() < 3
    assert uniform.mean() == pytest.approx(1.0, abs=0.02)
    assert normal.mean() == pytest.approx(0.0, abs=0.01)
    assert (normal**2).mean() == pytest.approx(1.0, abs=0.02)
    assert (normal**4).mean() == pytest.approx(3.0, abs=0.15)
    counts = np.bincount(Stream(7, "i").integers(5, (50_000,)), minlength=5)
    assert np.abs(counts / 10_000 - 1).max() < 0.05


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, "x", None])
def test_seeds_that_are_none_are_refused(seed):
    with pytest.raises(PlasticbenchError, match="seed"):
        check_seed(seed)
