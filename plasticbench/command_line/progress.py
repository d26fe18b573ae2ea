"""A progress bar with an estimate, on a terminal only."""

from __future__ import annotations

import sys
from types import TracebackType

from tqdm import tqdm


class ProgressBar:
    """Call it with (done, total); as a context it is cleared at the end. Silent where stderr is no terminal."""

    def __init__(self, label: str, unit: str = "life", quiet: bool = False):
        self._bar = tqdm(desc=label, unit=unit, disable=True if quiet else None, file=sys.stderr, leave=False)

    def __call__(self, done: int, total: int) -> None:
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
