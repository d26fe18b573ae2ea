"""Device source of neuron models, compiled as plain C++, has the bits of the compiled steps."""

import ctypes
import dataclasses
import shutil
import subprocess

import numpy as np
import pytest
from neuron_cases import DRIVEN, DT_S, Compiled, arrivals_of

from plasticbench.simulation.spiking.neuron_device import device_step_source
from plasticbench.simulation.spiking.neuron_source import constants_of

N_STEPS = 600  # beyond two flushes


def host_step(model, folder):
    """A C function of (constants, t, n, ready, fired, states...) that steps every neuron."""
    arrays = "".join(f", float* {name}_of" for name in model.state)
    places = "".join(f", {name}_of[i]" for name in model.state)
    source = (
        "#include <math.h>\n" + device_step_source(model, "float32")
        + f'extern "C" void step(const float* c, int t, int n, int* ready, bool* fired{arrays}) {{\n'
        + f"    for (int i = 0; i < n; i++) fired[i] = step_neuron(c, t, ready[i]{places});\n}}\n"
    )  # fmt: skip
    (folder / "step.cpp").write_text(source)
    command = ["g++", "-O2", "-shared", "-fPIC", "-ffp-contract=off", "-Wall", "-Wno-unused-variable", "-Werror",
               "-D__device__=", "-D__forceinline__=inline", "step.cpp", "-o", "step.so"]  # fmt: skip
    subprocess.run(command, cwd=folder, check=True)
    return ctypes.CDLL(str(folder / "step.so")).step


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.parametrize(("model", "jump"), DRIVEN, ids=lambda x: type(x).__name__)
def test_device_source_has_the_bits_of_the_compiled_step(model, jump, tmp_path):
    step, size, n_spikes = host_step(model, tmp_path), 100, 0
    ours = Compiled(model, size, np.float32)
    constants = constants_of(model, DT_S, np.float32)
    theirs = {name: x.copy() for name, x in ours.values.items()}
    ready, fired = np.zeros(size, np.int32), np.zeros(size, np.bool_)
    for t, arrivals in enumerate(arrivals_of(model, size, N_STEPS, jump)):
        spikes = ours.step(t)
        places = [ctypes.c_void_p(x.ctypes.data) for x in (ready, fired, *theirs.values())]
        step(ctypes.c_void_p(constants.ctypes.data), t, size, *places)
        np.testing.assert_array_equal(spikes, np.flatnonzero(fired))
        for name, values in theirs.items():
            assert np.array_equal(ours.values[name], values), (t, name)
        n_spikes += len(spikes)
        ours.add(arrivals)
        for row, state in zip(arrivals, model.receptors.values(), strict=True):
            theirs[state] += row.astype(np.float32)
    assert n_spikes > 20


def test_a_function_is_of_the_precision_asked_for():
    single, double = (device_step_source(DRIVEN[0][0], scalar) for scalar in ("float32", "float64"))
    assert "double" not in single
    assert "float" not in double.replace("__forceinline__", "")
    changed = dataclasses.replace(DRIVEN[0][0], v_rest=-0.061)
    assert device_step_source(changed, "float32") == single  # numbers are arguments
