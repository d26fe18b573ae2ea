"""The JSON schemas of the board's files."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from plasticbench import schema_errors
from plasticbench.schema_errors import Problem


def schema_problems(name: str, value: Any) -> Iterator[Problem]:
    """Violations of `<name>.schema.json`."""
    path = Path(str(resources.files(__package__).joinpath(f"{name}.schema.json")))
    return schema_errors.schema_problems(schema_errors.validator_of(path), value)
