"""What goes wrong on a GPU is noticed without one: races, strides, attributes, addresses."""

import ctypes

import numpy as np
import pytest
from cuda_cases import FOUR, batch_of, differences, four_pathways, of_task, on_card, on_cpu, pair
from emulation_build import needs_compiler
from fake_card import FORWARD, REVERSE

from plasticbench.simulation.cuda import driver
from plasticbench.simulation.cuda.driver import CudaError

pytestmark = needs_compiler


def outcomes(card, edit):
    """What differs from the cpu engine, in two orders of the threads."""
    lives, batch = [four_pathways(400)], batch_of(FOUR, pair())
    expected = on_cpu(lives, batch)
    return [
        differences(expected, on_card(lives, batch, card, order=order, edit=edit, threads=64, chunk_steps=100))
        for order in (FORWARD, REVERSE)
    ]


def is_noticed(card, edit):
    """Whether bits change, or the launch fails."""
    try:
        return any(outcomes(card, edit))
    except CudaError:
        return True


def replaced(old, new):
    def edit(source):
        if "live(Life*" not in source:
            return source
        assert source.count(old) == 1, old
        return source.replace(old, new)

    return edit


def test_a_removed_barrier_is_noticed(fake_card):
    first_half = "first_half(b, t, counted, counter);\n            __syncthreads();"
    assert is_noticed(fake_card, replaced(first_half, first_half.replace("__syncthreads();", "")))


def test_a_wrong_stride_is_noticed(fake_card):
    head = "void load_neurons(Neurons& x, const Block& b) {"

    def edit(source):
        before, found, after = source.partition(head)
        return before + found + after.replace("k * 64 + b.tid", "k * 60 + b.tid", 1)

    assert is_noticed(fake_card, edit)


def test_a_kernel_as_it_is_passes(fake_card):
    assert not is_noticed(fake_card, lambda source: source)


def test_a_forgotten_launch_attribute_is_noticed(fake_card, monkeypatch):
    life = of_task("StabilityIE", 2, input_hz=10.0)
    monkeypatch.setattr(driver, "_SHARED_WITHOUT_ASKING", 1 << 30)
    with pytest.raises(CudaError, match="too little shared memory"):
        on_card([life], batch_of(life.network, pair()), fake_card)
    monkeypatch.setattr(driver.Device, "blocks_at_once", lambda *_: 1)
    with pytest.raises(CudaError, match=r"cuLaunchKernel.*invalid value"):
        on_card([life], batch_of(life.network, pair()), fake_card)


def test_a_host_address_in_a_kernels_argument_is_noticed(fake_card, monkeypatch):
    host = np.zeros(1 << 20, np.uint8)
    launch = driver.Device.launch

    def with_host_address(self, function, n_blocks, *arguments):
        wrong = ctypes.c_uint64(host.ctypes.data)
        return launch(self, function, n_blocks, arguments[0], wrong, *arguments[2:])

    monkeypatch.setattr(driver.Device, "launch", with_host_address)
    with pytest.raises(CudaError, match="illegal address"):
        on_card([four_pathways(10)], batch_of(FOUR, pair()), fake_card)


def test_a_copy_to_a_foreign_address_is_noticed(fake_card):
    with pytest.raises(CudaError, match="invalid value"):
        fake_card.device.upload(12345, np.zeros(4))


def test_memory_is_given_back_when_a_launch_fails(fake_card, monkeypatch):
    def fail(*_):
        raise CudaError("as a test wants")

    monkeypatch.setattr(driver.Device, "blocks_at_once", fail)
    with pytest.raises(CudaError, match="as a test"):
        on_card([four_pathways(10)], batch_of(FOUR, pair()), fake_card)
    assert fake_card.n_allocations == 0
