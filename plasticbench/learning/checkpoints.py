"""What a checkpoint holds: numbers, text, tensors, arrays and containers of them, read back exactly as they were.

Torch's weights-only reader executes nothing, and knows few types. Whatever else is taken here travels as a pair
(kind, plain content); what cannot is refused when it is saved, with its place.
"""

from __future__ import annotations

import io
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Mapping
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any

import numpy as np

from plasticbench.errors import PlasticbenchError

FORMAT = "plasticbench/checkpoint@2"
_DEPTH = 64
_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_FACTORIES: Mapping[str, Any] = MappingProxyType(
    {kind.__name__: kind for kind in (int, float, str, list, dict, set, tuple, bool)}
)
_SEQUENCES: Mapping[str, Any] = MappingProxyType({"tuple": tuple, "set": set, "frozenset": frozenset})
_MAPPINGS: Mapping[str, Any] = MappingProxyType({"OrderedDict": OrderedDict, "Counter": Counter})


def to_bytes(content: Mapping[str, Any]) -> bytes:
    """The file of a checkpoint. Raises PlasticbenchError for a type that could not be read back."""
    import torch

    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "content": _packed(dict(content), "checkpoint", 0)}, buffer)
    return buffer.getvalue()


def from_file(path: Path) -> dict[str, Any]:
    """What `to_bytes` was given. Raises PlasticbenchError for anything else; executes nothing."""
    import torch

    try:
        stored = torch.load(path, weights_only=True)
        if stored["format"] == FORMAT:
            return _unpacked(stored["content"])
        reason = f"format {stored['format']!r:.60}"
    except Exception as error:
        reason = type(error).__name__
    raise PlasticbenchError(
        f"{path}: not a checkpoint of this version ({reason}); start over with --overwrite, or delete it"
    )


def _packed(value: Any, place: str, depth: int) -> Any:
    """Plain values, tensors, lists and dictionaries as they are; the rest as (kind, content)."""
    import torch

    kind = type(value)
    if kind in _PLAIN or kind in (torch.dtype, torch.device):
        return value
    if depth > _DEPTH:
        raise PlasticbenchError(f"{place}: nested deeper than {_DEPTH}, or in itself; keep a flatter state")
    if kind in (torch.Tensor, torch.nn.Parameter):
        if value.layout is not torch.strided or value.is_quantized or value.is_meta:
            raise PlasticbenchError(f"{place}: a tensor that is sparse, quantized or meta; keep a dense one")
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        return _packed_array(value, place)
    if kind is list:
        return [_packed(entry, f"{place}[{i}]", depth + 1) for i, entry in enumerate(value)]
    if kind is dict:
        return _packed_items(value, place, depth)
    if kind in _SEQUENCES.values():
        entries = tuple(_packed(entry, f"{place}[{i}]", depth + 1) for i, entry in enumerate(value))
        return (kind.__name__, entries)
    if kind in _MAPPINGS.values():
        return (kind.__name__, _packed_items(value, place, depth))
    if kind is torch.Size:
        return ("Size", tuple(value))
    if kind is deque:
        return ("deque", ([_packed(entry, f"{place}[{i}]", depth + 1) for i, entry in enumerate(value)], value.maxlen))
    if kind is defaultdict and (value.default_factory is None or value.default_factory in _FACTORIES.values()):
        factory = None if value.default_factory is None else value.default_factory.__name__
        return ("defaultdict", (factory, _packed_items(value, place, depth)))
    if isinstance(value, PurePath):
        return ("Path", str(value))
    raise PlasticbenchError(
        f"{place}: a {kind.__module__}.{kind.__qualname__} could not be read back; keep what it is made of, as "
        "numbers, text, tensors, arrays, lists and dictionaries"
    )


def _packed_items(value: Mapping[Any, Any], place: str, depth: int) -> dict[Any, Any]:
    return {
        _packed(key, f"{place}'s key {key!r:.40}", depth + 1): _packed(entry, f"{place}[{key!r:.40}]", depth + 1)
        for key, entry in value.items()
    }


def _packed_array(value: np.ndarray | np.generic, place: str) -> tuple[str, Any]:
    import torch

    if value.dtype.hasobject or value.dtype.names is not None or type(value) not in (np.ndarray, value.dtype.type):
        raise PlasticbenchError(
            f"{place}: a numpy {type(value).__name__} of {value.dtype} could not be read back; keep plain numbers"
        )
    if not isinstance(value, np.ndarray):
        return ("number", (value.dtype.str, value.tobytes()))  # may be a dictionary's key
    octets = np.frombuffer(value.tobytes(), np.uint8).copy()
    return ("array", (value.dtype.str, value.shape, torch.from_numpy(octets)))


def _unpacked(value: Any) -> Any:
    if isinstance(value, list):
        return [_unpacked(entry) for entry in value]
    if isinstance(value, dict):
        return {_unpacked(key): _unpacked(entry) for key, entry in value.items()}
    if not isinstance(value, tuple):
        return value
    kind, content = value
    if kind in _SEQUENCES:
        return _SEQUENCES[kind](_unpacked(entry) for entry in content)
    if kind in _MAPPINGS:
        return _MAPPINGS[kind](_unpacked(content))
    return _unpacked_special(kind, content)


def _unpacked_special(kind: str, content: Any) -> Any:
    import torch

    if kind == "array":
        dtype, shape, octets = content
        return np.frombuffer(octets.numpy().tobytes(), dtype=dtype).reshape(shape).copy()
    if kind == "number":
        return np.frombuffer(content[1], dtype=content[0])[0]
    if kind == "deque":
        return deque(_unpacked(content[0]), maxlen=content[1])
    if kind == "defaultdict":
        return defaultdict(_FACTORIES.get(content[0]), _unpacked(content[1]))
    return {"Size": torch.Size, "Path": Path}[kind](content)
