"""Learners whose library is an extra of its own: their tests are skipped where it is not installed."""

import pytest

LIBRARIES = {"map-elites": "ribs", "sbi": "sbi"}


def skip_without(name: str) -> None:
    """Skip the test of this learner unless its library is there."""
    if name in LIBRARIES:
        pytest.importorskip(LIBRARIES[name])
