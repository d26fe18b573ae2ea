"""The device of the fake driver."""

import ctypes
from collections.abc import Callable
from pathlib import Path

from emulation_build import fake_image

from plasticbench.simulation.cuda.driver import Device
from plasticbench.simulation.spiking.cuda.run import Launching

FORWARD, REVERSE, SHUFFLED = range(3)  # orders of a block's threads between two barriers


class FakeCard:
    """The device, and what tests may ask of the fake driver beyond CUDA."""

    def __init__(self, library: Path, folder: Path):
        self.device, self.folder = Device(0), folder
        self._library = ctypes.CDLL(str(library))
        for name in ("fake_launches", "fake_blocks_launched", "fake_allocations"):
            getattr(self._library, name).restype = ctypes.c_longlong

    @property
    def n_launches(self) -> int:
        return self._library.fake_launches()

    @property
    def n_blocks(self) -> int:
        return self._library.fake_blocks_launched()

    @property
    def n_allocations(self) -> int:
        """Not given back so far."""
        return self._library.fake_allocations()

    def how(self, order: int = SHUFFLED, seed: int = 1, edit: Callable | None = None, **options) -> Launching:
        """Launch kernels whose threads run in this order; `edit` may change their source."""

        def compiled(source: str, architecture: str) -> bytes:
            assert architecture == self.device.architecture
            image = fake_image(edit(source) if edit else source, self.folder)
            library = ctypes.CDLL(image[4:-1].decode())
            ctypes.c_int.in_dll(library, "emulation_order").value = order
            ctypes.c_uint.in_dll(library, "emulation_order_seed").value = seed
            return image

        return Launching(compiled=compiled, **options)
