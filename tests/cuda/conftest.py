"""A card that is not there: the fake driver, and the engine's kernels built as C++."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pytest
from emulation_build import FOLDER, built
from fake_card import FakeCard

from plasticbench.simulation.cuda import driver


@pytest.fixture(scope="session")
def kernels(tmp_path_factory) -> Path:
    """Where what was built is kept, for all tests and processes of a session."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if folder.name.startswith("popen-") else folder) / "kernels"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def fake_card(kernels, monkeypatch):
    """A `FakeCard`."""
    library = built((FOLDER / "fake_cuda.cpp").read_text(), kernels)
    monkeypatch.setenv("PLASTICBENCH_LIBCUDA", str(library))
    driver._library.cache_clear()
    yield FakeCard(library, kernels)
    driver._library.cache_clear()
