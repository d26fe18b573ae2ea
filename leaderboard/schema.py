"""JSON schemas of the board's files, and their errors said in our words: a field path and one short sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import jsonschema

_KINDS = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number"}
_KINDS |= {float: "a number", type(None): "null"}
_WANTED = {"object": "an object", "array": "a list", "string": "text", "number": "a number"}
_WANTED |= {"integer": "a whole number", "boolean": "true or false", "null": "null"}


@dataclass(frozen=True, order=True)
class Problem:
    """Something wrong with a file: where, and what would be right."""

    path: str  # field path such as "losses[3]", or the file's name where the whole file is meant
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


@cache
def _validator(name: str) -> jsonschema.protocols.Validator:
    text = resources.files(__package__).joinpath(f"{name}.schema.json").read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(json.loads(text))


def schema_problems(name: str, value: Any) -> Iterator[Problem]:
    """Every violation of `<name>.schema.json`."""
    for error in _validator(name).iter_errors(value):
        yield from _in_words(error)


def _in_words(error: Any) -> Iterator[Problem]:
    path = ""
    for part in error.absolute_path:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    keyword, wanted, found = error.validator, error.validator_value, error.instance
    if keyword == "required":
        for missing in wanted:
            if missing not in found:
                yield Problem(f"{path}.{missing}".lstrip("."), "is missing")
    elif keyword == "additionalProperties" and wanted is False:
        offered = sorted(error.schema.get("properties", ()))
        for key in found:
            if key not in offered:
                yield Problem(
                    f"{path}.{_short(str(key))[1:-1]}".lstrip("."),
                    f"is not a field here; fields are {', '.join(offered)}",
                )
    else:
        yield Problem(path or "(top level)", _sentence(str(keyword), wanted, found))


def _sentence(keyword: str, wanted: Any, found: Any) -> str:
    size = len(found) if isinstance(found, str | list | dict) else 0
    match keyword:
        case "type":
            kinds = [wanted] if isinstance(wanted, str) else wanted
            return f"is {_KINDS.get(type(found), 'strange')}, {' or '.join(_WANTED[k] for k in kinds)} wanted"
        case "const":
            return f"is {_short(found)}, {wanted!r} wanted"
        case "enum":
            return f"is {_short(found)}, one of {', '.join(map(str, wanted))} wanted"
        case "pattern":
            return f"is {_short(found)}, which does not match {wanted}"
        case "minItems" | "minLength" | "minProperties":
            return f"has {size} {_unit(found)}, at least {wanted} wanted"
        case "maxItems" | "maxLength" | "maxProperties":
            return f"has {size:,} {_unit(found)}, at most {wanted:,} accepted"
        case "minimum":
            return f"is {_short(found)}, at least {wanted} wanted"
        case "maximum":
            return f"is {_short(found)}, at most {wanted} accepted"
        case "uniqueItems":
            return "has a value twice"
        case "oneOf":
            return "is neither a text nor a list of whole numbers"
        case _:
            return f"violates {keyword}: {_short(wanted)}"


def _unit(value: Any) -> str:
    return "characters" if isinstance(value, str) else "items"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
