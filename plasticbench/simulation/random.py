"""Counter-based random numbers that every engine shares.

A draw is a pure function of (seed, stream, index): no generator is advanced in a particular order, so two
engines, a batch and a single lifetime, a CPU and a GPU draw the same conditions, wiring, weights and spikes.

The function is Philox-4x32-10 (Salmon, Moraes, Dror & Shaw, SC 2011, doi:10.1145/2063384.2063405), written once
as arithmetic on unsigned 64-bit words: the same source runs on numpy arrays and, compiled (`draws`), on scalars.
"""

from __future__ import annotations

import math
import zlib

import numpy as np

from plasticbench.errors import PlasticbenchError

LOW_WORD = np.uint64(0xFFFFFFFF)
SHIFT = np.uint64(32)
_M0 = np.uint64(0xD2511F53)
_M1 = np.uint64(0xCD9E8D57)
_W0 = np.uint64(0x9E3779B9)
_W1 = np.uint64(0xBB67AE85)
_LOW_BITS = np.uint64(12)
_HIGH_BITS = np.uint64(20)
_ULP = 2.0**-52

MAX_SEED = 2**63 - 1


def philox(c0, c1, c2, c3, k0, k1):
    """Four 32-bit words (each in an unsigned 64-bit integer) from a 128-bit counter and a 64-bit key."""
    for _ in range(10):
        p0 = c0 * _M0
        p1 = c2 * _M1
        c0, c1, c2, c3 = (p1 >> SHIFT) ^ c1 ^ k0, p1 & LOW_WORD, (p0 >> SHIFT) ^ c3 ^ k1, p0 & LOW_WORD
        k0 = (k0 + _W0) & LOW_WORD
        k1 = (k1 + _W1) & LOW_WORD
    return c0, c1, c2, c3


def to_unit(high, low):
    """A double in the open interval (0, 1) from two 32-bit words: 52 random bits and a half."""
    return (((high << _HIGH_BITS) | (low >> _LOW_BITS)) + 0.5) * _ULP


def stream_id(name: str) -> int:
    """The 32-bit number of a named stream (its CRC-32)."""
    return zlib.crc32(name.encode())


def check_seed(seed: int) -> int:
    """The seed as a Python integer; PlasticbenchError unless it is a whole number in [0, 2**63)."""
    try:
        value = int(seed)
    except (TypeError, ValueError):
        value = -1
    if value != seed or not 0 <= value <= MAX_SEED:
        raise PlasticbenchError(f"seed: {seed!r} is not a whole number from 0 to 2**63 - 1")
    return value


def uniform_pairs(seed: int, stream: int, index: np.ndarray) -> np.ndarray:
    """(n, 2) doubles in (0, 1): elements `index` (n,) of stream `stream` (see `stream_id`) of `seed`."""
    index, key = index.astype(np.uint64), np.uint64(seed)
    words = philox(
        index & LOW_WORD,
        index >> SHIFT,
        np.full_like(index, stream),
        np.zeros_like(index),
        np.full_like(index, key & LOW_WORD),
        np.full_like(index, key >> SHIFT),
    )
    return np.stack((to_unit(words[0], words[1]), to_unit(words[2], words[3])), axis=1)


class Stream:
    """The draws of one named purpose of one seed, in order; independent of every other name and seed.

    >>> Stream(0, "weights").uniform((2,)).shape
    (2,)
    """

    def __init__(self, seed: int, name: str):
        self._seed, self._stream = check_seed(seed), stream_id(name)
        self._next = 0  # in counters: each gives two doubles

    def _pairs(self, n: int) -> np.ndarray:  # (n, 2)
        index = np.arange(self._next, self._next + n, dtype=np.uint64)
        self._next += n
        return uniform_pairs(self._seed, self._stream, index)

    def uniform(self, shape: tuple[int, ...] = (), low: float = 0.0, high: float = 1.0) -> np.ndarray:
        """Float64 of `shape`, uniform in the open interval (low, high)."""
        n = math.prod(shape)
        flat = self._pairs((n + 1) // 2).reshape(-1)[:n]
        return low + (high - low) * flat.reshape(shape)

    def normal(self, shape: tuple[int, ...] = ()) -> np.ndarray:
        """Standard normal float64 of `shape` (Box & Muller 1958)."""
        n = math.prod(shape)
        pairs = self._pairs((n + 1) // 2)
        radius = np.sqrt(-2.0 * np.log(pairs[:, 0]))
        angle = 2.0 * np.pi * pairs[:, 1]
        flat = np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1).reshape(-1)[:n]
        return flat.reshape(shape)

    def integers(self, high: int, shape: tuple[int, ...] = ()) -> np.ndarray:
        """Int64 of `shape`, uniform in [0, high)."""
        return np.minimum((self.uniform(shape) * high).astype(np.int64), high - 1)

    def permutation(self, n: int) -> np.ndarray:
        """A random order of 0..n-1."""
        return np.argsort(self.uniform((n,)), kind="stable")
