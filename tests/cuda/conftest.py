"""A card that is not there: the fake driver, and the engine's kernels built as C++."""

import ctypes
from pathlib import Path

import pytest

from plasticbench.simulation.spiking.cuda import driver
from plasticbench.simulation.spiking.cuda.driver import Device
from plasticbench.simulation.spiking.cuda.run import Launching

from .emulation_build import FOLDER, built, fake_image

FORWARD, REVERSE, SHUFFLED = range(3)


class FakeCard:
    """The device, and what tests may ask of the fake driver beyond CUDA."""

    def __init__(self, library: Path, folder: Path):
        self.device, self._folder = Device(0), folder
        self._library = ctypes.CDLL(str(library))
        self._library.fake_launches.restype = ctypes.c_longlong
        self._library.fake_blocks_launched.restype = ctypes.c_longlong
        self._library.fake_allocations.restype = ctypes.c_longlong

    @property
    def n_launches(self) -> int:
        return self._library.fake_launches()

    @property
    def n_blocks(self) -> int:
        return self._library.fake_blocks_launched()

    @property
    def n_allocations(self) -> int:
        return self._library.fake_allocations()

    def how(self, order: int = FORWARD, seed: int = 1, edit=lambda source: source, **options) -> Launching:
        """Launch kernels whose threads run in this order; `edit` may change their source."""

        def compiled(source: str, architecture: str) -> bytes:
            assert architecture == self.device.architecture
            image = fake_image(edit(source), self._folder)
            library = ctypes.CDLL(image[4:-1].decode())
            ctypes.c_int.in_dll(library, "emulation_order").value = order
            ctypes.c_uint.in_dll(library, "emulation_order_seed").value = seed
            return image

        return Launching(compiled=compiled, **options)


@pytest.fixture(scope="session")
def kernels(tmp_path_factory) -> Path:
    """Where what was built is kept, for all tests and processes of a session."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if folder.name.startswith("popen-") else folder) / "kernels"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def fake_card(kernels, monkeypatch) -> FakeCard:
    library = built((FOLDER / "fake_cuda.cpp").read_text(), kernels)
    monkeypatch.setenv("PLASTICBENCH_LIBCUDA", str(library))
    driver._library.cache_clear()
    yield FakeCard(library, kernels)
    driver._library.cache_clear()
