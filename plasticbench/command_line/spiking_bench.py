"""Throughput of the spiking simulator, and where its time goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from plasticbench.simulation.compile import compiled
from plasticbench.simulation.spiking import steps as spiking_steps
from plasticbench.simulation.spiking.lifetime import Lifetime, numbers_of
from plasticbench.simulation.spiking.wiring import draw_wiring
from plasticbench.tasks.registry import task as find_task
from plasticbench.tasks.task import Task

CONDITIONS = {"input_rate_hz": 2.0, "w_init": 0.25, "w_max": 2.5, "training_s": 42.0}
_RULE = "confavreux-2025-stability-ie"  # all neurons near 10 Hz
_STEPS = 2000


def measurements() -> list[Callable[[], list[dict[str, Any]]]]:
    """What `plasticbench bench` runs."""
    return [
        lambda: _life("StabilityIE"),
        lambda: _life("StabilityIEMini"),
        lambda: _two_lives("StabilityIE"),
        lambda: _gradient("InhibitoryBalanceMini"),
    ]


def _life(name: str) -> list[dict[str, Any]]:
    """One life of 47 s on one core; parts of the same network's step give the shares."""
    task = _task(name)
    task.losses(_RULE, [0], conditions={**CONDITIONS, "training_s": 0.0})  # compiles
    outcome = task.run(_RULE, [0], conditions=CONDITIONS, threads=1)
    speed = outcome.simulated_s / outcome.wall_s
    life = _ready(task)
    mebibytes, shares, memory = life.n_bytes / 2**20, *_shares(life)
    told = ", ".join(f"{part} {share:.0%}" for part, share in shares.items())
    return [
        {
            "name": f"{name}, one life of {outcome.simulated_s:.0f} s, one core",
            "simulated_s_per_s": speed,
            "wall_s": outcome.wall_s,
            "shares": shares,
            "memory_share": memory,
            "mebibytes": mebibytes,
            "summary": (
                f"spiking  {name}, {outcome.simulated_s:.0f} s of life on one core: {outcome.wall_s:.2f} s, "
                f"{speed:.1f} simulated s/s, {mebibytes:.0f} MiB; {told}; "
                f"memory traffic alone would take {memory:.0%}"
            ),
        }
    ]


def _two_lives(name: str) -> list[dict[str, Any]]:
    """Two lives on two threads against one life on one."""
    task = _task(name)
    conditions = {**CONDITIONS, "training_s": 5.0}
    task.losses(_RULE, [0], conditions={**conditions, "training_s": 0.0})
    one = min(task.run(_RULE, [0], conditions=conditions, threads=1).wall_s for _ in range(3))
    two = min(task.run(_RULE, [0, 1], conditions=conditions, threads=2).wall_s for _ in range(3))
    ratio = 2 * one / two
    return [
        {
            "name": f"{name}, two lives on two threads",
            "ratio": ratio,
            "summary": f"spiking  {name}, two lives on two threads: {ratio:.2f} times the rate of one on one",
        }
    ]


def _gradient(name: str) -> list[dict[str, Any]]:
    """A life with its gradient by the reference rule's parameters, against the plain life."""
    task = _task(name)
    ((_, batch),) = task.group(task.reference_rule)
    leaves = replace(batch, parameters=tuple(p.clone().requires_grad_() for p in batch.parameters))
    plain, gradient = (
        min(task.run(rules, [0], "cpu", threads=1).wall_s for _ in range(3)) for rules in (batch, leaves)
    )
    ratio = gradient / plain
    return [
        {
            "name": f"{name}, one life with its gradient, one core",
            "plain_s": plain,
            "gradient_s": gradient,
            "ratio": ratio,
            "summary": (
                f"spiking  {name}, one life with its gradient on one core: {gradient:.2f} s, "
                f"{ratio:.2f} times the plain life"
            ),
        }
    ]


def _shares(life: Lifetime) -> tuple[dict[str, float], float]:
    """Share of a settled network's time in neurons and inputs, in the arrival of spikes, and in plasticity.

    And the share that moving the same numbers would take, without computing anything.
    """
    learning = np.array([True])
    life.advance(30_000, learning)
    everything = _best(lambda: life.advance(life.step + _STEPS, learning))
    no_learning = _best(lambda: life.advance(life.step + _STEPS, ~learning))
    _emit_only(0, 1, life.life.seed, life.layout, life.processes, life.inputs, life.ring)
    emission = _best(
        lambda: _emit_only(
            life.step, life.step + _STEPS, life.life.seed, life.layout, life.processes, life.inputs, life.ring
        )
    )
    moved = _best(lambda: _move_only(_STEPS, life.layout, life.wiring, life.neurons, life.plastic, life.ring))
    shares = {
        "neurons and inputs": emission / everything,
        "arrival of spikes": (no_learning - emission) / everything,
        "plasticity": (everything - no_learning) / everything,
    }
    return shares, moved / everything


@compiled
def _move_only(n_steps, layout, wiring, n, plastic, ring):
    """What a step must at least load and store: the neurons, and the synapses of the spikes now in the ring."""
    for t in range(n_steps):
        for i in range(len(n.value)):
            n.value[i] = -n.value[i]
        for i in range(len(n.ready)):
            n.ready[i] = -n.ready[i]
        for pathway in range(len(layout.pathway)):
            row, first_row = layout.pathway[pathway], wiring.row_first[pathway]
            a = n.first[row[spiking_steps.POST], row[spiking_steps.RECEPTOR]]
            g = n.value[a : a + row[spiking_steps.N_POST]]
            k = row[spiking_steps.PLASTIC]
            for j in spiking_steps.spikes_of(t, row[spiking_steps.PRE], ring):
                first, last = wiring.row_start[first_row + j], wiring.row_start[first_row + j + 1]
                for place in range(first, last):
                    g[wiring.target[place]] += 1e-30
                if k >= 0:
                    base = wiring.plastic_first[k] - wiring.row_start[first_row]
                    for place in range(base + first, base + last):
                        plastic.w[place] += 1e-30


@compiled
def _emit_only(first, last, seed, layout, processes, inputs, ring):
    for t in range(first, last):
        spiking_steps.emit(t, 0, seed, seed, layout, processes, inputs, ring)


def _best(run: Callable[[], None], repeats: int = 7) -> float:
    """Seconds of the fastest of some runs."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def _ready(task: Task) -> Lifetime:
    """A lifetime of the benchmark's conditions, before its first step."""
    (life,) = task.draw([0], CONDITIONS)
    ((_, batch),) = task.group(_RULE)
    return Lifetime(life, draw_wiring(life.spiking_network, life.seed), batch.structure, numbers_of(batch, 0))


def _task(name: str) -> Task:
    return find_task(f"plasticbench/{name}-v0")
