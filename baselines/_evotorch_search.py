"""One search by an EvoTorch algorithm, apart from what it costs: candidates out, values in, repeatable.

EvoTorch: Toklu et al., arXiv:2302.12600 (2023). CMA-ES is pycma's (Hansen, Akimoto & Baudis,
doi:10.5281/zenodo.2559634) behind the same interface: EvoTorch's own fails once its covariance is singular.

A search draws from its own generators only, so telling it the same values again brings it to the same bits:
that is how a killed run is resumed, from numbers alone. (A pickled searcher would run code when it is read.)
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from plasticbench.drawing.figures import import_matplotlib
from plasticbench.errors import PlasticbenchError

from .evotorch import ALGORITHMS

import_matplotlib()  # EvoTorch imports it, and would stop at an inherited backend that is not installed
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the libraries' own deprecations, at import
    import evotorch
    from evotorch import algorithms, operators
logging.getLogger("evotorch").setLevel(logging.WARNING)  # it announces every problem that is made

_BOUNDED = ("cma-es", "ga")  # the others live in an unbounded space that is squashed into the bounds
_NEAR_BOUND = 0.3  # of a first step: closer to a bound, a squashed search cannot start
_FAR = 1e6  # standard deviations: stands for an infinite bound where an algorithm wants numbers
_SAME = 1e-9  # relative difference of candidates that another machine's linear algebra may make

Judge = Callable[[Tensor], Tensor]  # θ (n_rules, d) -> values (n_rules,), smaller is better


class SearchSpace:
    """The coordinates u that an algorithm sees: 0 at the start, one standard deviation a unit.

    Coordinates of θ that are not `kept` stay at 0 and are not searched.
    """

    def __init__(self, start: Tensor, std: Tensor, bounds: Tensor, kept: Tensor):
        low, high = bounds[kept, 0], bounds[kept, 1]
        self.kept = kept
        self.start = start[kept].clamp(low, high)  # (k,)
        self.std, self.low, self.high = std[kept], low, high  # (k,) each
        finite = low.isfinite() & high.isfinite()
        self._squashable = finite
        self._middle = torch.where(finite, (low + high) / 2, torch.zeros_like(low))
        self._half = torch.where(finite, (high - low) / 2, torch.ones_like(low))
        self._place = self._started_inside((self.start - self._middle) / self._half)

    def _started_inside(self, place: Tensor) -> Tensor:
        """Where the squashed search starts, as a share of the half range; one first step inside, if near a bound.

        At a bound the squash has no slope: the search would leap over the range, or never leave.
        """
        step = (self.std / self._half).clamp_max(1.0)
        inside = place.sign() * (1.0 - step)
        return torch.where(1.0 - place.abs() < _NEAR_BOUND * step, inside, place.clamp(-0.999, 0.999))

    @property
    def dimension(self) -> int:
        return len(self.start)

    @property
    def bounds(self) -> tuple[Tensor, Tensor]:
        """Of u, (k,) each."""
        return (
            ((self.low - self.start) / self.std).clamp_min(-_FAR),
            ((self.high - self.start) / self.std).clamp_max(_FAR),
        )

    def thetas(self, u: Tensor, squashed: bool) -> Tensor:
        """u (n, k) -> θ (n, d); `squashed` for an algorithm whose u knows no bounds."""
        linear = self.start + self.std * u
        if squashed:  # tanh with slope `std` at the start
            slope = self.std / (self._half * (1.0 - self._place**2))
            bent = self._middle + self._half * torch.tanh(torch.atanh(self._place) + slope * u)
            linear = torch.where(self._squashable, bent, linear)
        full = torch.zeros((len(u), len(self.kept)), dtype=linear.dtype)
        full[:, self.kept] = linear.clamp(self.low, self.high)
        return full


class _Candidates(evotorch.Problem):
    """EvoTorch's view of the search: vectors of real numbers, judged a whole generation at a time."""

    def __init__(self, dimension: int, seed: int, bounds: tuple[Tensor, Tensor] | None):
        super().__init__(
            "min", solution_length=dimension, dtype=torch.float64, bounds=bounds, seed=seed,
            store_solution_stats=False,
        )  # fmt: skip
        self.judge: Callable[[Tensor], Tensor] | None = None

    def _fill(self, values: Tensor) -> None:
        """The first population of an algorithm without a distribution: the start and its surroundings."""
        values.normal_(generator=self.generator)
        values[0] = 0.0
        values.clamp_(self.lower_bounds, self.upper_bounds)

    def _evaluate_batch(self, batch: evotorch.SolutionBatch) -> None:
        assert self.judge is not None
        batch.set_evals(self.judge(batch.values.as_subclass(torch.Tensor)))


def _candidates(algorithm: str, space: SearchSpace, seed: int, bounds: tuple[Tensor, Tensor] | None) -> _Candidates:
    """Of a space; pycma does not search one dimension, so there it has a second that means nothing."""
    if algorithm == "cma-es" and space.dimension == 1 and bounds is not None:
        idle = torch.tensor([_FAR], dtype=torch.float64)
        return _Candidates(2, seed, (torch.cat([bounds[0], -idle]), torch.cat([bounds[1], idle])))
    return _Candidates(space.dimension, seed, bounds)


class Search:
    """A run of one algorithm in one space. A generation is one call of the judge with `population` rules."""

    def __init__(self, algorithm: str, population: int, space: SearchSpace, seed: int):
        if algorithm not in ALGORITHMS:
            raise PlasticbenchError(f"algorithm: {algorithm!r} is none of {', '.join(ALGORITHMS)}")
        self.space = space
        self._squashed = algorithm not in _BOUNDED
        self.values: list[Tensor] = []  # (population,) of every generation so far
        self.candidates = torch.zeros((population, space.dimension), dtype=torch.float64)  # u, last drawn
        self._random = torch.Generator().manual_seed(seed).get_state()  # where torch's is drawn from
        with self._secluded():
            self._problem = _candidates(algorithm, space, seed, None if self._squashed else space.bounds)
            self._searcher = _make(algorithm, population, self._problem, seed)

    def generation(self, judge: Judge) -> None:
        """Draw candidates, have them judged, learn from it. Raises SearchEnded if none can be drawn."""

        def judged(u: Tensor) -> Tensor:
            if not u.isfinite().all():
                raise SearchEnded("the distribution is not finite")
            self.candidates = u[:, : self.space.dimension].clone()
            values = judge(self._thetas(self.candidates)).to(torch.float64)
            self.values.append(values)
            return values

        self._problem.judge = judged
        try:
            with self._secluded():
                self._searcher.step()
        except (np.linalg.LinAlgError, torch.linalg.LinAlgError) as error:
            raise SearchEnded("the covariance is singular") from error
        finally:
            self._problem.judge = None

    def repeat(self, values: Sequence[Tensor], candidates: Tensor) -> None:
        """Bring a fresh search to where an earlier one was told `values` and last drew `candidates`.

        Raises PlasticbenchError if it does not get there, as with other versions of the libraries.
        """
        remaining = iter(values)
        for _ in range(len(values)):
            self.generation(lambda thetas: next(remaining))
        if len(values) and not torch.allclose(self.candidates, candidates, rtol=_SAME, atol=_SAME):
            raise PlasticbenchError(
                "checkpoint: the search does not repeat with the libraries installed here; "
                "resume with the versions of evotorch, cma, numpy and torch that the run was started with"
            )

    @contextmanager
    def _secluded(self) -> Iterator[None]:
        """The libraries' warnings silenced, and torch's global generator our own for the time being."""
        with _library_warnings(), torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._random)
            yield
            self._random = torch.get_rng_state()

    @property
    def thetas(self) -> Tensor:
        """The last generation, (population, d)."""
        return self._thetas(self.candidates)

    def _thetas(self, u: Tensor) -> Tensor:
        return self.space.thetas(u[:, : self.space.dimension], self._squashed)

    @property
    def centre(self) -> Tensor | None:
        """θ (d,) of the distribution's centre; None for an algorithm without one."""
        if isinstance(self._searcher, algorithms.GeneticAlgorithm):
            return None
        u = torch.as_tensor(self._searcher.status["center"]).as_subclass(torch.Tensor)
        return self._thetas(u.clone().reshape(1, -1))[0] if u.isfinite().all() else None

    @property
    def spread(self) -> float:
        """Of the last generation, its widest coordinate, as a share of the first draw's."""
        return float(self.candidates.std(0).max())


class SearchEnded(Exception):  # noqa: N818 - an end, not an error
    """The search has come to its end by itself."""


def _make(algorithm: str, population: int, problem: _Candidates, seed: int) -> algorithms.SearchAlgorithm:
    zero = torch.zeros(problem.solution_length, dtype=torch.float64)
    start = {"popsize": population, "center_init": zero, "stdev_init": 1.0}
    if algorithm == "cma-es":
        normal = np.random.RandomState(seed).randn  # not the global generator, which pycma would seed
        options = {"randn": normal, "seed": None, "CMA_eigenmethod": _eigh, "verbose": -9}
        return algorithms.PyCMAES(problem, cma_options=options, **start)
    if algorithm == "ga":
        n_parents = population // 2  # parents and children are judged together, on the same lifetimes
        crossing = operators.SimulatedBinaryCrossOver(problem, tournament_size=4, eta=8)
        mutation = operators.GaussianMutation(problem, stdev=0.1)
        searcher = algorithms.GeneticAlgorithm(
            problem, popsize=n_parents, operators=[crossing, mutation], re_evaluate_parents_first=False
        )
        no_better = torch.zeros(n_parents, dtype=torch.float64)  # the first tournament is a draw
        searcher.population.set_evals(no_better)
        return searcher
    if algorithm == "pgpe":
        rate = math.sqrt(problem.solution_length) / 30.0  # half the top speed, a 15th of the radius
        return algorithms.PGPE(problem, center_learning_rate=rate, stdev_learning_rate=0.1, **start)
    if algorithm == "cem":
        return algorithms.CEM(problem, parenthood_ratio=0.25, **start)
    return {"xnes": algorithms.XNES, "snes": algorithms.SNES}[algorithm](problem, **start)


def _eigh(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and vectors by torch, which keeps to one thread; numpy's threads cost ten times the work."""
    values, vectors = torch.linalg.eigh(torch.from_numpy(np.ascontiguousarray(matrix)))
    return values.numpy(), vectors.numpy()


class _library_warnings(warnings.catch_warnings):  # noqa: N801 - a context manager, used as a verb
    """Silence what EvoTorch and pycma say about themselves."""

    def __enter__(self):
        entered = super().__enter__()
        for module in (r"cma\b", r"evotorch\b", r"torch\.jit\b"):
            warnings.filterwarnings("ignore", module=module)
        for message in (".*torch.jit.script.*", ".*__array_wrap__.*", ".*copy construct from a tensor.*"):
            warnings.filterwarnings("ignore", message=message)
        return entered
