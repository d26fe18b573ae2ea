"""Which cards have passed the self-check of this version of the cuda engine: a file each in the cache folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from plasticbench.files import user_folder, write_bytes
from plasticbench.simulation.cuda.driver import CudaError, Device, card

_KERNELS = Path(__file__).parent / "kernel"


def has_passed(index: int = 0) -> bool:
    """Whether this card has; no driver is loaded where none has."""
    if not _folder().is_dir():
        return False
    try:
        return _path(card(index)).is_file()
    except CudaError:
        return False


def keep_outcome(device: Device, passed: bool) -> None:
    """Remember it, or forget that it passed before."""
    path = _path(device)
    if not passed:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, json.dumps({"card": device.name, "driver": device.driver_version}).encode())


def _folder() -> Path:
    return user_folder("cache") / "cuda"


def _path(device: Device) -> Path:
    from plasticbench.simulation.compile import source_hash

    kernels = b"".join(path.read_bytes() for path in sorted(_KERNELS.glob("*.cu")))
    version = hashlib.sha256(source_hash().encode() + kernels).hexdigest()[:24]
    name = "".join(c if c.isalnum() else "-" for c in device.name)
    return _folder() / f"{name}_{device.architecture}_{device.driver_version}_{version}.json"
