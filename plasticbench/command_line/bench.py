"""Throughput of the engines on this machine: `plasticbench bench`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from plasticbench.command_line import interaction_bench, spiking_bench
from plasticbench.tasks.registry import task as find_task

N_RULES, N_SEEDS = 256, 20


def measure(progress: Callable[[int, int], None] | None = None) -> list[dict[str, Any]]:
    """One row per measurement, each with a `summary` line; seconds are wall clock, compilation apart."""
    measurements: list[Callable[[], list[dict[str, Any]]]] = [
        _rate, *spiking_bench.measurements(), *interaction_bench.measurements()
    ]  # fmt: skip
    rows: list[dict[str, Any]] = []
    for i, run in enumerate(measurements):
        rows += run()
        if progress is not None:
            progress(i + 1, len(measurements))
    return rows


def _rate() -> list[dict[str, Any]]:
    """256 polynomial rules x 20 lifetimes of OjaMini on one core, on both engines."""
    task = find_task("plasticbench/OjaMini-v0")
    family = task.make_family()
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((N_RULES, family.dimension), generator=generator, dtype=torch.float64)
    thetas = family.theta(_oja()) + 0.01 * noise  # near Oja's rule: few lifetimes end early
    seconds = {}
    for engine in ("cpu", "torch"):
        outcome = task.run((family, thetas), range(N_SEEDS), engine, threads=1, metrics=False)
        seconds[engine] = outcome.wall_s
    ratio = seconds["torch"] / seconds["cpu"]
    return [
        {
            "name": "OjaMini, 256 rules x 20 lifetimes, one core",
            "cpu_s": seconds["cpu"],
            "torch_s": seconds["torch"],
            "ratio": ratio,
            "summary": (
                f"rate     OjaMini, {N_RULES} rules x {N_SEEDS} lifetimes, one core: "
                f"cpu engine {seconds['cpu']:.3f} s, torch engine {seconds['torch']:.2f} s, ratio {ratio:.1f}"
            ),
        }
    ]


def _oja():
    from plasticbench.rules import load_rule

    return load_rule("oja")
