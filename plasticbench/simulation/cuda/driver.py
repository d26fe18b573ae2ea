"""The CUDA driver through ctypes: what the engine needs of it, and nothing else.

`libcuda.so.1` comes with the driver of a GPU; nothing is loaded before it is asked for. PLASTICBENCH_LIBCUDA names
another library with the same functions.
"""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache

import numpy as np

from plasticbench.errors import PlasticbenchError

_NAME = "nvcuda.dll" if os.name == "nt" else "libcuda.so.1"
_MULTIPROCESSORS, _MAJOR, _MINOR, _SHARED_OPTIN = 16, 75, 76, 97  # CUdevice_attribute
_MAX_DYNAMIC_SHARED = 8  # CUfunction_attribute
_SHARED_WITHOUT_ASKING = 48 << 10


class CudaError(PlasticbenchError):
    """What the driver or the compiler did not do."""


@lru_cache(maxsize=4)
def _library(name: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(name)
    except OSError:
        raise CudaError(f"no CUDA driver here ({name} cannot be loaded); choose --engine cpu") from None


class Function:
    """A kernel, with the shared memory that each of its blocks takes."""

    def __init__(self, handle: ctypes.c_void_p, shared_bytes: int, threads: int):
        self.handle, self.shared_bytes, self.threads = handle, shared_bytes, threads


class Device:
    """One card, in its primary context, which torch uses, too. Raises CudaError where there is none."""

    def __init__(self, index: int = 0):
        self._library = _library(os.environ.get("PLASTICBENCH_LIBCUDA", _NAME))
        self._call("cuInit", 0)
        device, self._context, name = ctypes.c_int(), ctypes.c_void_p(), ctypes.create_string_buffer(128)
        count = ctypes.c_int()
        self._call("cuDeviceGetCount", ctypes.byref(count))
        if not 0 <= index < count.value:
            raise CudaError(f"device 'cuda:{index}' is not available here; there are {count.value} cards")
        self._call("cuDeviceGet", ctypes.byref(device), index)
        self._device, self.index = device, index
        self._call("cuDeviceGetName", name, 128, device)
        self.name = name.value.decode()
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), device)
        self.use()
        self.n_multiprocessors = self._attribute(_MULTIPROCESSORS)
        self.shared_limit = self._attribute(_SHARED_OPTIN)
        self.architecture = f"sm_{self._attribute(_MAJOR)}{self._attribute(_MINOR)}"

    @property
    def driver_version(self) -> int:
        version = ctypes.c_int()
        self._call("cuDriverGetVersion", ctypes.byref(version))
        return version.value

    def use(self) -> None:
        """Make this card the calling thread's."""
        self._call("cuCtxSetCurrent", self._context)

    def _attribute(self, which: int) -> int:
        value = ctypes.c_int()
        self._call("cuDeviceGetAttribute", ctypes.byref(value), which, self._device)
        return value.value

    def _call(self, function: str, *arguments) -> None:
        result = getattr(self._library, function)(*arguments)
        if result:
            text = ctypes.c_char_p()
            self._library.cuGetErrorString(result, ctypes.byref(text))
            raise CudaError(f"{function}: {(text.value or b'unknown error').decode()} (CUDA error {result})")

    # ------------------------------------------------------------ kernels

    def load(self, image: bytes, name: str, shared_bytes: int, threads: int) -> Function:
        """The kernel of this name in a compiled image."""
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuModuleLoadData", ctypes.byref(module), image)
        self._call("cuModuleGetFunction", ctypes.byref(function), module, name.encode())
        if shared_bytes > _SHARED_WITHOUT_ASKING:
            self._call("cuFuncSetAttribute", function, _MAX_DYNAMIC_SHARED, shared_bytes)
        return Function(function, shared_bytes, threads)

    def blocks_at_once(self, function: Function) -> int:
        """How many blocks of a kernel the card runs at the same time."""
        each = ctypes.c_int()
        self._call(
            "cuOccupancyMaxActiveBlocksPerMultiprocessor",
            ctypes.byref(each), function.handle, function.threads, ctypes.c_size_t(function.shared_bytes),
        )  # fmt: skip
        if each.value < 1:
            raise CudaError(f"{self.name} has too little shared memory or too few registers for this network")
        return each.value * self.n_multiprocessors

    def launch(self, function: Function, n_blocks: int, *arguments: ctypes.c_uint64 | ctypes.Structure) -> None:
        """Run a kernel and wait for its end."""
        pointers = (ctypes.c_void_p * len(arguments))(*(ctypes.addressof(each) for each in arguments))
        self._call(
            "cuLaunchKernel", function.handle, n_blocks, 1, 1, function.threads, 1, 1, function.shared_bytes, None,
            pointers, None,
        )  # fmt: skip
        self._call("cuCtxSynchronize")

    # ------------------------------------------------------------ memory

    @property
    def free_bytes(self) -> int:
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self._call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return free.value

    def allocate(self, n_bytes: int) -> int:
        address = ctypes.c_uint64()
        self._call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(max(16, n_bytes)))
        return address.value

    def free(self, address: int) -> None:
        self._call("cuMemFree_v2", ctypes.c_uint64(address))

    def clear(self, address: int, n_bytes: int) -> None:
        """Set bytes to 0."""
        if n_bytes:
            self._call("cuMemsetD8_v2", ctypes.c_uint64(address), ctypes.c_ubyte(0), ctypes.c_size_t(n_bytes))

    def upload(self, address: int, array: np.ndarray | ctypes.Array) -> None:
        """From an array, to the card."""
        found = np.ascontiguousarray(array) if isinstance(array, np.ndarray) else np.frombuffer(bytes(array), np.uint8)
        if found.nbytes:
            self._call(
                "cuMemcpyHtoD_v2",
                ctypes.c_uint64(address),
                ctypes.c_void_p(found.ctypes.data),
                ctypes.c_size_t(found.nbytes),
            )

    def download(self, address: int, array: np.ndarray | ctypes.Array) -> None:
        """From the card, into a contiguous array."""
        n_bytes = array.nbytes if isinstance(array, np.ndarray) else ctypes.sizeof(array)
        place = array.ctypes.data if isinstance(array, np.ndarray) else ctypes.addressof(array)
        if n_bytes:
            self._call("cuMemcpyDtoH_v2", ctypes.c_void_p(place), ctypes.c_uint64(address), ctypes.c_size_t(n_bytes))


@lru_cache(maxsize=8)
def card(index: int = 0) -> Device:
    """A card of this machine, opened once. Raises CudaError where it is not there."""
    return Device(index)
