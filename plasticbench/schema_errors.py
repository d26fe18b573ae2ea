"""JSON schemas applied in linear time, and their errors in our words: the field, what was found, the remedy."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plasticbench.language.vocabulary import shorten

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

MAX_PROBLEMS = 200  # of one value; a hostile list could have one an item


_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Text for one line of a terminal or a page: control characters and halves of surrogate pairs as escapes."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


@dataclass(frozen=True, order=True)
class Problem:
    """Something wrong with a file: where, and what would be right."""

    path: str  # field path such as "losses[3]", or the file's name where the whole file is meant
    message: str

    def __str__(self) -> str:
        return printable(f"{self.path}: {self.message}")


def make_validator(schema: Any) -> Validator:
    """A Draft 2020-12 validator in which 1.0 and true are no whole numbers and equal items are found in linear time."""
    import jsonschema

    types = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    strict = jsonschema.validators.extend(
        jsonschema.Draft202012Validator, {"uniqueItems": _unique_items}, type_checker=types
    )
    return strict(schema)


@functools.cache
def validator_of(path: Path) -> Validator:
    """The validator of a schema file of this package."""
    return make_validator(json.loads(path.read_text(encoding="utf-8")))


def schema_problems(validator: Validator, value: Any, whole: str = "(top level)") -> Iterator[Problem]:
    """Violations of a schema, the first MAX_PROBLEMS of them; `whole` names the value itself."""
    return islice((p for error in validator.iter_errors(value) for p in _problems(error, whole)), MAX_PROBLEMS)


def most_telling_problem(validator: Validator, value: Any, whole: str = "(top level)") -> Problem | None:
    """The one violation that says most about what is wrong; None where the schema is fulfilled."""
    from jsonschema.exceptions import best_match

    error = best_match(islice(validator.iter_errors(value), MAX_PROBLEMS))
    return None if error is None else next(_problems(error, whole))


def _unique_items(validator: Any, wanted: bool, value: Any, schema: Any) -> Iterator[Any]:
    from jsonschema.exceptions import ValidationError

    distinct = {json.dumps(item, sort_keys=True, default=str) for item in value} if isinstance(value, list) else ()
    if wanted and 0 < len(distinct) < len(value):
        yield ValidationError("has a value twice")


def _problems(error: Any, whole: str) -> Iterator[Problem]:
    place = ""
    for part in error.absolute_path:
        name = f"[{part}]" if isinstance(part, int) else shorten(part)[1:-1]
        place += name if isinstance(part, int) or not place else f".{name}"
    place = place or whole
    wanted, found = error.validator_value, error.instance
    if error.validator == "required":
        for missing in (name for name in wanted if name not in found):
            yield Problem(place, f"the field {missing!r} is missing; add it")
    elif error.validator == "additionalProperties" and wanted is False:
        known = error.schema.get("properties", {})
        for name in (name for name in found if name not in known):
            yield Problem(place, f"unknown field {shorten(name)}; known: {', '.join(known)}")
    else:
        yield Problem(place, _sentence(str(error.validator), wanted, found, error.schema))


def _sentence(keyword: str, wanted: Any, found: Any, schema: Any) -> str:
    shown, unit = shorten(found), "characters" if isinstance(found, str) else "entries"
    match keyword:
        case "type":
            return f"found {shown}, expected {wanted if isinstance(wanted, str) else ' or '.join(wanted)}"
        case "const":
            return f"found {shown}, expected {wanted!r}"
        case "enum":
            return f"found {shown}, expected {' or '.join(map(repr, wanted))}"
        case "pattern":
            return f"{shown} does not have the form {wanted}"
        case "minItems" | "minLength" | "minProperties":
            return f"{shown} {f'has fewer than {wanted} {unit}' if found else 'is empty'}; add some"
        case "maxItems" | "maxLength" | "maxProperties":
            return f"{shown} has more than {wanted:,} {unit}; remove some"
        case "minimum":
            return f"{shown} is below {wanted}; raise it"
        case "maximum":
            return f"{shown} exceeds {wanted}; lower it"
        case "uniqueItems":
            return f"{shown} has a value twice; keep one"
        case "oneOf":
            told = f" ({schema['description']})" if "description" in schema else ""
            return f"{shown} has none, or more than one, of its forms{told}; write exactly one"
        case _:
            return f"{shown} violates {keyword} {shorten(wanted)}"
