"""The cpu engine of rate networks: one fused numba loop per lifetime, generated for the rule's structure.

Rules that differ only in numbers share one kernel. Lifetimes run on threads (the kernel releases the
interpreter lock); each is computed alone, so its bits depend neither on the batch nor on the number of threads.
"""

from __future__ import annotations

import inspect
import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from types import ModuleType

import numpy as np
import torch

from plasticbench.networks.rate import RateNetwork
from plasticbench.rules import RuleBatch, Structure
from plasticbench.simulation.compile import compile_kernel
from plasticbench.simulation.rate import kernel as rate_kernel
from plasticbench.simulation.rate.lives import RATE_VARIABLES, RateLives, RateRecording

_CHUNKS_PER_THREAD = 8  # small enough pieces that threads finish together


def default_threads() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache(maxsize=256)
def _kernel(network: RateNetwork, structure: Structure, stream: bool) -> ModuleType:
    rules = dict(zip(network.pathways, structure.pathways, strict=True))
    feedforward = rules[network.feedforward].targets("on_step").get("w")
    flags = (
        f"STREAM = {stream}\n"
        f"SIGMOID = {network.activation == 'sigmoid'}\n"
        f"LATERAL = {network.lateral is not None}\n"
        f"RECONSTRUCTION = {feedforward is not None and 'reconstruction' in feedforward.variables}\n"
    )
    functions = [
        _function(name, rules[pathway].targets("on_step").get("w"))
        for name, pathway in (("delta_feedforward", network.feedforward), ("delta_lateral", network.lateral))
        if pathway is not None
    ]
    if network.lateral is None:
        functions.append(_function("delta_lateral", None))
    return compile_kernel(inspect.getsource(rate_kernel), flags + "\n\n".join(functions))


def _function(name: str, event) -> str:
    """The source of a rule's function, inlined by the compiler; without an event it changes nothing."""
    decorator = "@numba.njit(inline='always')\n"
    if event is None:
        return f"{decorator}def {name}({', '.join(RATE_VARIABLES)}, p):\n    return 0.0\n"
    return decorator + event.emit(name, RATE_VARIABLES, dialect="numba", scalar="float64")


def run_cpu(
    network: RateNetwork, lives: RateLives, rules: RuleBatch, threads: int | None = None
) -> tuple[RateRecording, float]:
    """Every lifetime under every rule, and the seconds spent compiling."""
    started = time.perf_counter()
    live = _kernel(network, rules.structure, lives.order is not None).live
    n_lives = rules.n_rules * lives.n_seeds
    n_outputs, n_inputs = network.n_outputs, network.n_inputs
    w_init = np.ascontiguousarray(lives.w_init[network.feedforward], dtype=np.float64)
    lateral = lives.w_init[network.lateral] if network.lateral else np.zeros((lives.n_seeds, 0, 0))
    inputs = lives.inputs if lives.order is not None else lives.inputs.transpose(0, 2, 1)
    order = lives.order if lives.order is not None else np.zeros((lives.n_seeds, 0), dtype=np.int64)
    sigmoid = network.activation == "sigmoid"
    w_end = np.empty((n_lives, n_outputs, n_inputs))
    u_end = np.empty((n_lives, *lateral.shape[1:]))
    readout = np.zeros((n_lives, lives.n_steps if sigmoid else 0))
    lived = np.empty(n_lives, dtype=np.int64)
    blown_up = np.zeros(n_lives, dtype=np.bool_)

    parameters = [_numpy(p) for p in rules.parameters]
    if network.lateral is None:
        parameters.append(np.zeros((1, 0)))
    given = (
        lives.n_steps, network.max_weight_norm, np.ascontiguousarray(inputs, dtype=np.float64),
        np.ascontiguousarray(order), w_init, np.ascontiguousarray(lateral, dtype=np.float64),
        *_slow(network, rules), *parameters,
    )  # fmt: skip

    def run(first: int, last: int) -> None:
        live(first, last, *given, w_end, u_end, readout, lived, blown_up)

    run(0, 0)  # compiles, or loads what was compiled
    compiled = time.perf_counter() - started
    _in_threads(run, n_lives, threads or default_threads())
    shape = (rules.n_rules, lives.n_seeds)
    weights = {network.feedforward: torch.from_numpy(w_end.reshape(*shape, n_outputs, n_inputs))}
    if network.lateral:
        weights[network.lateral] = torch.from_numpy(u_end.reshape(*shape, n_outputs, n_outputs))
    recording = RateRecording(
        weights,
        torch.from_numpy(readout.reshape(*shape, -1)) if sigmoid else None,
        torch.from_numpy(lived.reshape(shape)),
        torch.from_numpy(blown_up.reshape(shape)),
    )
    return recording, compiled


def _in_threads(run, n_lives: int, threads: int) -> None:
    if threads == 1 or n_lives == 1:
        run(0, n_lives)
        return
    size = max(1, n_lives // (threads * _CHUNKS_PER_THREAD))
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda first: run(first, min(first + size, n_lives)), range(0, n_lives, size)))


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype=np.float64)


def _slow(network: RateNetwork, rules: RuleBatch) -> list[np.ndarray]:
    if network.activation == "linear":
        return [np.zeros((1, 0, 0)), np.zeros((1, 0)), np.zeros((1, 0)), np.zeros((1, 0))]
    return [_numpy(rules.arrays[array.name]) for array in network.slow_arrays]
