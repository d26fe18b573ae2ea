"""All lives under all rules on one card: grouped by kernel, split by memory, measured as they end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from plasticbench.networks.life import Life
from plasticbench.rules import RuleBatch
from plasticbench.simulation.cuda.driver import Device
from plasticbench.simulation.cuda.nvrtc import compiled
from plasticbench.simulation.engine import Measure, Measured, joined
from plasticbench.simulation.spiking.cpu_engine import recordings_of_one
from plasticbench.simulation.spiking.cuda.arrays import LifeArrays
from plasticbench.simulation.spiking.cuda.batch import CHUNK_STEPS, Batch, Functions, Population
from plasticbench.simulation.spiking.cuda.plan import Plan
from plasticbench.simulation.spiking.cuda.source import kernel_source, shared_bytes
from plasticbench.simulation.spiking.cuda.wiring import SHARED_BYTES, THREADS, wiring_source


@dataclass(frozen=True)
class Launching:
    """How kernels are launched; no bit depends on it."""

    threads: int | None = None  # of a block; None: by the network's size
    chunk_steps: int = CHUNK_STEPS
    compiled: Callable[[str, str], bytes] = compiled


def run_cuda(
    lives: Sequence[Life], rules: RuleBatch, measure: Measure, device: Device, how: Launching | None = None
) -> tuple[Measured, float]:
    """Every life under every rule, measured as it ends, and seconds compiling."""
    how = how or Launching()
    device.use()
    cells: dict[tuple[int, int], Measured] = {}
    compiling = 0.0
    for positions, plan, source in _groups(lives, rules, how):
        started = time.perf_counter()
        functions = _load(device, plan, source, how)
        compiling += time.perf_counter() - started
        population = Population(plan, [lives[s] for s in positions], rules)
        for jobs in population.parts(device.free_bytes):
            with Batch(population, jobs, device, functions) as batch, torch.no_grad():
                batch.run(how.chunk_steps)
                for job, life in zip(jobs, batch.lives, strict=True):
                    found = recordings_of_one(life.fetch(device), life.step, life.blown_up)
                    cells[job.rule, positions[job.life]] = measure(found, [life.life])
    rows = [joined([cells[r, s] for s in range(len(lives))], 1) for r in range(rules.n_rules)]
    return joined(rows, 0), compiling


def _load(device: Device, plan: Plan, source: str, how: Launching) -> Functions:
    image = how.compiled(source, device.architecture)
    wiring = how.compiled(wiring_source(plan.wide), device.architecture)
    return Functions(
        device.load(image, "live", shared_bytes(plan), plan.threads),
        device.load(wiring, "wire", SHARED_BYTES, THREADS),
        device.load(wiring, "weigh", 0, THREADS),
    )


def _groups(lives: Sequence[Life], rules: RuleBatch, how: Launching) -> list[tuple[list[int], Plan, str]]:
    """Positions of the lives that share a kernel and its constants, with its plan and source."""
    found: dict[tuple[str, bytes], tuple[list[int], Plan]] = {}
    for position, life in enumerate(lives):
        plan = Plan.of(life, rules.structure, how.threads)
        key = (kernel_source(plan), LifeArrays(life, plan).constants.tobytes())
        found.setdefault(key, ([], plan))[0].append(position)
    return [(positions, plan, key[0]) for key, (positions, plan) in found.items()]
