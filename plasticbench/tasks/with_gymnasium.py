"""The tasks become environments of Gymnasium when it is imported, be that before or after plasticbench.

Registering needs Gymnasium and numpy: a third of a second that `plasticbench --version` should not cost. So the package
waits for Gymnasium instead of importing it.
"""

from __future__ import annotations

import importlib.abc
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

_AWAITED = "gymnasium"


def when_gymnasium_is_imported(register: Callable[[], object]) -> None:
    """Call `register` now if Gymnasium is there already, else once, right after its import."""
    if _AWAITED in sys.modules:
        register()
    else:
        sys.meta_path.insert(0, _Finder(register))


class _Finder(importlib.abc.MetaPathFinder):
    """Finds Gymnasium where the other finders do, and has its loader call back."""

    def __init__(self, register: Callable[[], object]):
        self._register = register

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _AWAITED:
            return None
        others = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]
        spec = next(filter(None, (finder.find_spec(fullname, path, target) for finder in others)), None)
        if spec is not None and spec.loader is not None:
            self._follow(spec.loader)
        return spec

    def _follow(self, loader: importlib.abc.Loader) -> None:
        own = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            loader.exec_module = own  # type: ignore[method-assign]
            own(module)
            if self in sys.meta_path:  # not before: whoever only asks where Gymnasium is does not import it
                sys.meta_path.remove(self)
            self._register()

        loader.exec_module = exec_module  # type: ignore[method-assign]
