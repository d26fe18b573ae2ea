"""Standard output and error of a command: what cannot be printed never costs the work that is being told of.

A character that the terminal cannot show is replaced. A stream that is closed, full or no longer read loses the rest of
its text, and the command goes on; `lost` says so at its end.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

_REPLACING = ("replace", "backslashreplace", "xmlcharrefreplace", "namereplace", "ignore")


class Output:
    """Writes to a text stream while that is possible. `stream` None: it was closed before the start."""

    def __init__(self, stream: TextIO | None):
        self._stream = stream
        self.error: Exception | None = None  # what ended the writing

    @property
    def lost(self) -> str | None:
        """Why something could not be written; None if all was."""
        return None if self.error is None else getattr(self.error, "strerror", None) or "the stream is closed"

    def write(self, text: str) -> int:
        if self.error is None:
            try:
                if self._stream is None:
                    raise ValueError("closed")
                self._stream.write(_shown(text, self._stream))
            except (OSError, ValueError) as error:
                self._give_up(error)
        return len(text)

    def flush(self) -> None:
        if self.error is None and self._stream is not None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._give_up(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _give_up(self, error: Exception) -> None:
        """What the stream still holds goes nowhere: written at the interpreter's end, it would fail again."""
        self.error = error
        with contextlib.suppress(OSError, ValueError, AttributeError):
            number = self.fileno()
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)


def _shown(text: str, stream: TextIO) -> str:
    """`text` with a replacement for what the stream's encoding lacks."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    errors = stream.errors if getattr(stream, "errors", None) in _REPLACING else "replace"
    return text.encode(encoding, errors or "replace").decode(encoding)


@contextlib.contextmanager
def kept_streams() -> Iterator[tuple[Output, Output]]:
    """Within the block, standard output and error are these two; both are flushed at its end."""
    _occupy_closed_descriptors()
    out, error = Output(sys.stdout), Output(sys.stderr)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            yield out, error
        finally:
            out.flush()
            error.flush()


def _occupy_closed_descriptors() -> None:
    """The number of a closed standard stream would go to the next file that is opened, a result's perhaps."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
