"""The kernel under ThreadSanitizer (every thread of a block is one, ordered by barriers only), ASan and UBSan."""

import ctypes
import os
import subprocess

import numpy as np
import pytest
from cuda_cases import WITH_STATES, batch_of, four_pathways, life_of_all_sources, modulated_life, pair, rule_of
from emulation_build import needs_compiler, sanitized

from plasticbench.simulation.cuda.structs import structure
from plasticbench.simulation.spiking.cuda.batch import Batch, Functions, Population
from plasticbench.simulation.spiking.cuda.plan import Plan
from plasticbench.simulation.spiking.cuda.run import _load
from plasticbench.simulation.spiking.cuda.source import kernel_source, launch_fields, shared_bytes

pytestmark = needs_compiler
RENEWED, SPOILT = pair(tau_pre=1e-5, tau_post=3e-5), pair(spoil=1.0, most=1.0)


def written(card, life, rule, n_steps, path, deliver_step=-1):
    """The device's memory before a life, as the program reads it; the plan."""
    batch = batch_of(life.network, rule)
    plan = Plan.of(life, batch.structure, 64)
    functions: Functions = _load(card.device, plan, kernel_source(plan), card.how())
    population = Population(plan, [life], batch)
    (jobs,) = population.parts(card.device.free_bytes)
    with Batch(population, jobs, card.device, functions) as on_card, open(path, "wb") as file:
        (one,) = on_card.lives
        one.prepare(card.device)
        one.struct.until, one.struct.deliver_step = n_steps, deliver_step
        launch = structure("Launch", launch_fields(plan))(1, 1, n_steps)
        for k, value in enumerate(one.arrays.constants.tolist()):
            launch.constant[k] = value
        arena = np.empty(on_card.arena.size, np.uint8)
        card.device.download(on_card._arena_address, arena)
        file.write(np.array([1, shared_bytes(plan)], np.int64).tobytes())
        for part in (bytes(one.struct), arena.tobytes(), bytes(launch)):
            file.write(np.int64(len(part)).tobytes() + part)
        parts = np.array(on_card.arena.parts, np.int64)
        file.write(np.int64(len(parts)).tobytes() + parts.tobytes())
    assert ctypes.sizeof(one.struct) == len(bytes(one.struct))
    return plan


def outcome(card, sanitizers, path, plan, order=2):
    """What the program printed; an assertion says what the sanitizer found."""
    program = sanitized(kernel_source(plan), card.folder, sanitizers)
    environment = {**os.environ, "TSAN_OPTIONS": "halt_on_error=1", "ASAN_OPTIONS": "detect_stack_use_after_return=0"}
    command = [program, path, str(order)]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ran.returncode == 0, ran.stderr[:3000]
    return ran.stdout


BLOWN_UP = four_pathways(200, allowed_rate_hz=(49.9, 50.3))
LIVES = {
    "plain": (four_pathways(300), pair(), 300, -1),
    "blow-up": (BLOWN_UP, pair(), 200, -1),
    "NaN": (four_pathways(300), SPOILT, 300, -1),
    "renewal": (four_pathways(200), RENEWED, 200, -1),
}
MORE = {
    "states and a modulator": (modulated_life(), rule_of(WITH_STATES), 200, 150),
    "every source": (life_of_all_sources(150), pair(tau_pre=1e-5), 150, -1),
}


@pytest.mark.parametrize("sanitizers", ["thread", "address,undefined"])
def test_four_plastic_pathways_are_clean(sanitizers, fake_card, tmp_path):
    for name, (life, rule, n_steps, delivery) in LIVES.items():
        plan = written(fake_card, life, rule, n_steps, tmp_path / "life", delivery)
        found = {outcome(fake_card, sanitizers, tmp_path / "life", plan, order) for order in (0, 2)}
        assert len(found) == 1
        ended = int(found.pop().split("status ")[1].split()[0])
        assert ended == {"blow-up": 1, "NaN": 2}.get(name, 0), name


@pytest.mark.slow
@pytest.mark.parametrize("sanitizers", ["thread", "address,undefined"])
@pytest.mark.parametrize("name", MORE)
def test_states_modulators_and_sources_are_clean(name, sanitizers, fake_card, tmp_path):
    life, rule, n_steps, delivery = MORE[name]
    plan = written(fake_card, life, rule, n_steps, tmp_path / "life", delivery)
    assert len({outcome(fake_card, sanitizers, tmp_path / "life", plan, order) for order in (0, 1, 2)}) == 1


def test_a_race_is_found(fake_card, tmp_path):
    """Without the barrier between the halves of a step."""
    life = four_pathways(50)
    plan = written(fake_card, life, pair(), 50, tmp_path / "life")
    source = kernel_source(plan).replace("first_half(b, t, counted, counter);\n            __syncthreads();",
                                         "first_half(b, t, counted, counter);")  # fmt: skip
    program = sanitized(source, fake_card.folder, "thread")
    ran = subprocess.run([program, tmp_path / "life", "2"], capture_output=True, text=True, check=False)
    assert "data race" in ran.stderr


def test_an_access_beyond_an_array_is_found(fake_card, tmp_path):
    life = four_pathways(50)
    plan = written(fake_card, life, pair(), 50, tmp_path / "life")
    source = kernel_source(plan).replace("state[0 + n]", "state[400 + n]").replace("state[200 + n]", "state[400 + n]")
    program = sanitized(source, fake_card.folder, "address,undefined")
    ran = subprocess.run([program, tmp_path / "life", "2"], capture_output=True, text=True, check=False)
    assert "use-after-poison" in ran.stderr


BARRIERS = {
    "before the modulator": "__syncthreads();\n        modulate(b, t);",
    "after the modulator": "__syncthreads();\n        count_postsynaptic(b, t);",
    "before traces are renewed": "__syncthreads();\n        renew(b, t);",
}


@pytest.mark.slow
def test_a_removed_barrier_of_a_delivery_or_a_renewal_is_noticed(fake_card, tmp_path):
    """A race, a launch that fails, or another outcome."""
    plan = written(fake_card, modulated_life(), rule_of(WITH_STATES), 220, tmp_path / "life", deliver_step=200)
    source = kernel_source(plan)
    expected = lived(fake_card, source, tmp_path / "life")
    for name, barrier in BARRIERS.items():
        assert source.count(barrier) == 1
        without = source.replace(barrier, barrier.removeprefix("__syncthreads();"))
        assert lived(fake_card, without, tmp_path / "life") != expected, name


def lived(card, source, path):
    """What a kernel's program comes to in three orders of its threads."""
    program = sanitized(source, card.folder, "thread")
    environment = {**os.environ, "TSAN_OPTIONS": "halt_on_error=1"}
    runs = [
        subprocess.run([program, path, str(order)], capture_output=True, text=True, env=environment, check=False)
        for order in range(3)
    ]
    return [(ran.returncode, ran.stdout) for ran in runs]
