"""`plasticbench bench --engine cuda`: the self-check on this machine's card, then throughput."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from plasticbench.command_line.spiking_bench import CONDITIONS
from plasticbench.simulation.cuda.driver import Device, card
from plasticbench.simulation.spiking.cuda.self_check import check
from plasticbench.tasks.registry import task as find_task

_RULE = "confavreux-2025-stability-ie"
_N_SEEDS, _N_RULES = 10, 15  # a generation of the published search
_TASKS = {"StabilityIE": 2.0, "StabilityIEMini": 10.0}  # seconds of training


def measure(progress: Callable[[int, int], None] | None = None) -> list[dict[str, Any]]:
    """One row per measurement, each with a `summary` line. Raises CudaError where there is no card."""
    device = card()
    rows = [_check(device)]
    if not rows[0]["passed"]:
        return rows
    for k, (name, training_s) in enumerate(_TASKS.items(), 1):
        if progress is not None:
            progress(k, 1 + len(_TASKS))
        rows.append(_throughput(name, training_s, device))
    if progress is not None:
        progress(1 + len(_TASKS), 1 + len(_TASKS))
    return rows


def _check(device: Device) -> dict[str, Any]:
    failures = check(device)
    told = (
        f"not yet verified on this card: {len(failures)} differences from the cpu engine, such as {failures[0]}"
        if failures
        else "self-check passed: the bits of the cpu engine with integer arrivals; --engine auto may choose it now"
    )
    return {
        "name": "self-check", "card": device.name, "passed": not failures, "failures": failures,
        "summary": f"cuda     {device.name}, {device.architecture}: {told}",
    }  # fmt: skip


def _throughput(name: str, training_s: float, device: Device) -> dict[str, Any]:
    """150 lives, 15 rules x 10 seeds, compilation apart."""
    task = find_task(f"plasticbench/{name}-v0")
    family = task.make_family()
    theta = family.theta(_rule())
    thetas = torch.stack([theta] * _N_RULES)
    conditions = {**CONDITIONS, "training_s": training_s}
    outcome = task.run((family, thetas), range(_N_SEEDS), "cuda", conditions=conditions, metrics=False)
    seconds = outcome.wall_s
    speed = outcome.simulated_s / seconds
    return {
        "name": f"{name}, {_N_RULES} rules x {_N_SEEDS} lives", "card": device.name, "simulated_s_per_s": speed,
        "wall_s": seconds, "compile_s": outcome.compile_s,
        "summary": (
            f"cuda     {name}, {_N_RULES} rules x {_N_SEEDS} lives on {device.name}: {seconds:.2f} s, "
            f"{speed:.0f} simulated s/s, {outcome.compile_s:.1f} s of compilation apart"
        ),
    }  # fmt: skip


def _rule():
    from plasticbench.rules import load_rule

    return load_rule(_RULE)
