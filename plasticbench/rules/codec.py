"""Rule files: JSON in and out. A file is data; loading one never executes anything.

A file is bounded in size, read strictly (no NaN, no repeated keys), validated against `rule.schema.json`,
and then checked part by part. Arrays live in a safetensors file beside the JSON, or inline where one object
must hold all.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import warnings
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from plasticbench.errors import RuleError, RuleWarning
from plasticbench.files import parse_json, write_bytes, write_text
from plasticbench.language.vocabulary import shorten
from plasticbench.rules.neural import Network, NetworkShape
from plasticbench.rules.pathway import PathwayRule
from plasticbench.rules.rule import FORMAT_1, Rule
from plasticbench.rules.variables import EVENTS
from plasticbench.schema_errors import most_telling_problem, validator_of

MAX_FILE_BYTES = 1_000_000
MAX_ARRAYS_BYTES = 64_000_000
_SCHEMA = Path(str(resources.files("plasticbench.rules") / "rule.schema.json"))
_TOLD = ("reference", "note", "provenance", "unverified")  # what is said of a rule, and no part of its hash
_LONG_TRACE_S = 2.0  # beyond it a spike trace is rather milliseconds taken for seconds


def load_rule(name_or_path: str | Path, variables: Iterable[str] = ()) -> Rule:
    """A known rule by its name, or a rule file by its path.

    `variables` names those that a task of your own offers beyond the language's. Raises RuleError, one line
    that names the file, the field and the remedy. Warns (RuleWarning) of a spike trace that decays over seconds.
    """
    from plasticbench.rules.library import known_rules, unknown_rule

    rules = known_rules()
    if str(name_or_path) in rules:
        return rules[str(name_or_path)]
    path = Path(name_or_path)
    try:
        if not path.is_file():
            raise unknown_rule(str(name_or_path), path.exists())
        data = parse_json(_read(path, MAX_FILE_BYTES))
        rule = rule_from_json(data, path.parent, variables)
    except RuleError as error:
        raise RuleError(f"{shorten(str(name_or_path), 200)}: {error}") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL character
        reason = getattr(error, "strerror", None) or "not a usable path"
        raise RuleError(f"{shorten(str(name_or_path), 200)}: cannot read the file ({reason})") from None
    for place, tau_s in _long_traces(data, rule):
        message = f"{shorten(str(name_or_path), 200)}: {place}: {tau_s:g} seconds; did you mean {tau_s / 1000:g}?"
        warnings.warn(message, RuleWarning, stacklevel=2)
    return rule


def _long_traces(data: Mapping[str, Any], rule: Rule) -> list[tuple[str, float]]:
    """The spike traces whose bare time constant (s) is long, with their places."""
    return [
        (f"pathways.{key}.traces.{name}", rule.pathways[key].time_constant_s(name))
        for key, part in data["pathways"].items()
        for name, entry in part.get("traces", {}).items()
        if not isinstance(entry, dict) and rule.pathways[key].time_constant_s(name) > _LONG_TRACE_S
    ]


def _read(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise RuleError(f"the file is larger than {limit:,} bytes, the most a rule may have")
    return content


def rule_from_json(data: Any, folder: Path | None = None, variables: Iterable[str] = ()) -> Rule:
    """A rule from a parsed JSON object.

    `folder` is where the files that it names lie (None: it may name none).

    Raises RuleError that names the field.
    """
    problem = most_telling_problem(validator_of(_SCHEMA), data, "rule")
    if problem is not None:
        raise RuleError(str(problem))
    extra = frozenset(variables)
    pathways = {}
    for key, part in data["pathways"].items():
        where = f"pathways.{shorten(key)[1:-1]}"
        own = extra | set(part.get("traces", {})) | set(part.get("state", {}))
        network = _network(part["network"], folder, f"{where}.network", own) if "network" in part else None
        pathways[key] = PathwayRule.make(
            events={name: part[name] for name in EVENTS if name in part},
            parameters=part.get("parameters"),
            traces=part.get("traces"),
            states=part.get("state"),
            network=network,
            where=where,
            variables=extra,
        )
    arrays = _arrays(data["arrays"], folder) if "arrays" in data else {}
    told = {key: data[key] for key in _TOLD if key in data}
    rule = Rule(data["name"], pathways, arrays=arrays, **told)
    if data["format"] == FORMAT_1 and rule.format != FORMAT_1:
        more = next(key for key, pathway in pathways.items() if pathway.needs_format_2)
        raise RuleError(f"format: found {FORMAT_1!r}; what pathways.{more} says needs {rule.format!r}")
    return rule


def _network(part: Mapping[str, Any], folder: Path | None, where: str, variables: frozenset[str]) -> Network:
    shape = NetworkShape(*(tuple(part[name]) for name in ("inputs", "outputs", "layers", "activations")))
    if "file" not in part:
        return Network.from_layers(shape, part["weights"], part["biases"], where, variables)
    shape.check(where, variables)
    tensors = _read_tensors(part["file"], folder, f"{where}.file")
    expected = [f"{kind}_{layer}" for layer in range(len(shape.layers)) for kind in ("weight", "bias")]
    if sorted(tensors) != sorted(expected):
        raise RuleError(f"{where}.file: holds {shorten(sorted(tensors))}, expected {', '.join(expected)}")
    weights, biases = ([tensors[name] for name in expected[start::2]] for start in (0, 1))
    return Network.from_layers(shape, weights, biases, where, variables)


def _arrays(part: str | Mapping[str, Any], folder: Path | None) -> dict[str, np.ndarray]:
    if isinstance(part, str):
        return _read_tensors(part, folder, "arrays")
    arrays = {}
    for name, entry in part.items():
        shape = tuple(entry["shape"])
        try:
            content = base64.b64decode(entry["float32"], validate=True)
        except binascii.Error:
            raise RuleError(f"arrays.{shorten(name)[1:-1]}.float32: not base64") from None
        if len(content) != 4 * math.prod(shape):
            raise RuleError(
                f"arrays.{shorten(name)[1:-1]}: {len(content)} bytes, the shape {list(shape)} needs "
                f"{4 * math.prod(shape)}"
            )
        arrays[name] = np.frombuffer(content, dtype="<f4").reshape(shape).astype(np.float32)
    return arrays


def _read_tensors(name: str, folder: Path | None, where: str) -> dict[str, np.ndarray]:
    """The float tensors of a file named in a rule; it must lie in the rule's own folder."""
    import safetensors
    import safetensors.numpy

    if folder is None:
        raise RuleError(f"{where}: names the file {name!r}, but there is no folder to look in; put the numbers inline")
    path = folder / name
    if path.resolve().parent != folder.resolve() or not path.is_file():
        raise RuleError(f"{where}: no file {name!r} beside the rule")
    try:
        tensors = safetensors.numpy.load(_read(path, MAX_ARRAYS_BYTES))
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(error) if isinstance(error, RuleError) else "not a safetensors file of float32 arrays"
        raise RuleError(f"{where}: {name!r}: {reason}") from None
    for key, tensor in tensors.items():
        if tensor.dtype not in (np.float32, np.float64):
            raise RuleError(f"{where}: {name!r}: {shorten(key)} is {tensor.dtype}; store float32")
    return {key: tensor.astype(np.float32) for key, tensor in tensors.items()}


def rule_to_json(rule: Rule) -> dict[str, Any]:
    """The rule as one JSON object that needs no other file."""
    data: dict[str, Any] = {"format": rule.format, "name": rule.name}
    data |= {key: getattr(rule, key) for key in _TOLD if getattr(rule, key)}
    if rule.arrays:
        data["arrays"] = {name: _inline(array) for name, array in rule.arrays.items()}
    data["pathways"] = {key: pathway.to_json() for key, pathway in rule.pathways.items()}
    return data


def _inline(array: np.ndarray) -> dict[str, Any]:
    content = np.asarray(array, dtype="<f4").tobytes()
    return {"shape": list(array.shape), "float32": base64.b64encode(content).decode("ascii")}


def save_rule(rule: Rule, path: str | Path) -> None:
    """Write `path`, and its arrays as `<stem>.safetensors` beside it, each atomically.

    Raises PlasticbenchError where the folder cannot be written.
    """
    path = Path(path)
    data = rule_to_json(rule)
    if rule.arrays:
        import safetensors.numpy

        stem = re.sub(r"[^A-Za-z0-9._-]", "-", path.stem).lstrip("._-") or "rule"
        data["arrays"] = f"{stem[:80]}.safetensors"
        arrays = {name: np.asarray(array, np.float32, order="C") for name, array in rule.arrays.items()}
        write_bytes(path.with_name(data["arrays"]), safetensors.numpy.save(arrays))
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
